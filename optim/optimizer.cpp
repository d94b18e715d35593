#include "seqgrad/optim/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <regex>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/finite.hpp"

namespace seqgrad {

namespace {

bool is_rate(double rate) {
    return std::isfinite(rate) && rate >= 0.0;
}

void check_rate(const std::string& who, double rate) {
    if (!is_rate(rate)) {
        throw ValueError(
            fmt::format("{}: the learning rate must be a finite number >= 0, got {}", who, rate));
    }
}

void check_at_least(const char* name, std::optional<std::int64_t> value, std::int64_t least) {
    if (value && *value < least)
        throw ValueError(fmt::format("optimizer: {} must be at least {}, got {}", name, least, *value));
}

void check_clipping(const Clipping& c) {
    struct Limit {
        const char* name;
        std::optional<double> value;
    };
    std::string given;
    int count = 0;
    for (const Limit& limit : {Limit{"clipnorm", c.clipnorm}, Limit{"clipvalue", c.clipvalue},
                               Limit{"global_clipnorm", c.global_clipnorm}}) {
        if (!limit.value) continue;
        if (!(std::isfinite(*limit.value) && *limit.value > 0.0)) {
            throw ValueError(fmt::format("optimizer: {} must be a finite number above 0, got {}", limit.name,
                                         *limit.value));
        }
        given += fmt::format("{}{} = {}", count++ == 0 ? "" : ", ", limit.name, *limit.value);
    }
    if (count > 1) {
        throw ValueError(fmt::format(
            "optimizer: give one of clipnorm, clipvalue and global_clipnorm at most, got {}", given));
    }
}

std::regex to_regex(const char* option, const std::string& pattern) {
    try {
        return std::regex(pattern);
    } catch (const std::regex_error& error) {
        throw ValueError(fmt::format("optimizer: {} has \"{}\", which is not a regular expression: {}",
                                     option, pattern, error.what()));
    }
}

void check_group(const ParameterGroup& group) {
    for (const std::string& pattern : group.names) to_regex("a group's names", pattern);
    detail::check_not_negative("optimizer", "a group's learning_rate_multiplier",
                               group.learning_rate_multiplier);
    if (group.weight_decay)
        detail::check_not_negative("optimizer", "a group's weight_decay", *group.weight_decay);
}

void check_options(const OptimizerOptions& options) {
    if (options.weight_decay) detail::check_not_negative("optimizer", "weight_decay", *options.weight_decay);
    check_clipping(options.clipping);
    detail::check_range("optimizer", "ema_momentum", options.ema_momentum, 0.0, 1.0);
    check_at_least("ema_overwrite_frequency", options.ema_overwrite_frequency, 1);
    check_at_least("gradient_accumulation_steps", options.gradient_accumulation_steps, 2);
    for (const std::string& pattern : options.exclude_from_weight_decay)
        to_regex("exclude_from_weight_decay", pattern);
    for (const ParameterGroup& group : options.groups) check_group(group);
}

/// w <- w - d r w, with d rounded to float32 as in Keras.
template <class T>
void decay(std::span<T> value, double weight_decay, double rate) {
    const auto d = static_cast<T>(detail::keras_cast(weight_decay));
    const auto r = static_cast<T>(rate);
    for (T& w : value) w -= w * d * r;
}

/// a <- m a + (1 - m) w
template <class T>
void average(const T* value, T* mean, std::size_t n, T momentum) {
    const T toward = T{1} - momentum;
    for (std::size_t i = 0; i < n; ++i) mean[i] = momentum * mean[i] + toward * value[i];
}

template <class T>
void add_to(T* sum, const T* x, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) sum[i] += x[i];
}

/// Elements of a piece: those of the parameter, its gradient and all slots fit the second-level cache.
constexpr std::size_t piece_size = 8192;

}  // namespace

namespace detail {

void check_range(const char* type, const char* name, double value, double low, double high, bool open) {
    if (!(value >= low && (open ? value < high : value <= high))) {
        throw ValueError(fmt::format("{}: {} must lie in [{}, {}{}, got {}", type, name, low, high,
                                     open ? ")" : "]", value));
    }
}

void check_not_negative(const char* type, const char* name, double value) {
    if (!(std::isfinite(value) && value >= 0.0))
        throw ValueError(fmt::format("{}: {} must be a finite number >= 0, got {}", type, name, value));
}

template <class T>
void check_epsilon(const char* type, double epsilon) {
    if (!(static_cast<T>(epsilon) > T{0} && std::isfinite(epsilon))) {
        throw ValueError(fmt::format("{}: epsilon must be a finite number above 0, got {}", type, epsilon));
    }
}

template void check_epsilon<float>(const char*, double);
template void check_epsilon<double>(const char*, double);

}  // namespace detail

template <class T>
Optimizer<T>::Optimizer(LearningRate learning_rate, OptimizerOptions options)
    : learning_rate_(std::move(learning_rate)), options_(std::move(options)) {
    if (!learning_rate_.is_schedule()) check_rate("optimizer", learning_rate_.at(0));
    check_options(options_);
}

template <class T>
void Optimizer<T>::check_not_set_up(const char* what) const {
    if (!settings_.empty())
        throw ValueError(fmt::format("{}: {} before the optimizer is set up", type(), what));
}

template <class T>
void Optimizer<T>::exclude_from_weight_decay(std::vector<Variable<T>> parameters) {
    check_not_set_up("parameters can be excluded from weight decay only");
    for (Variable<T>& p : parameters) not_decaying_.push_back(std::move(p));
}

template <class T>
void Optimizer<T>::add_group(std::vector<Variable<T>> parameters, ParameterGroup group) {
    check_not_set_up("groups can be added only");
    check_group(group);
    groups_.push_back({.group = std::move(group), .parameters = std::move(parameters)});
}

template <class T>
auto Optimizer<T>::settings_for(std::span<const Variable<T>> parameters,
                                const std::vector<std::string>& names, bool named) const
    -> std::vector<Settings> {
    const auto matching = [&](const char* option, const std::vector<std::string>& patterns) {
        std::vector<bool> found(parameters.size(), false);
        if (!patterns.empty() && !named) {
            throw ValueError(
                fmt::format("{}: {} go by the parameters' names, and these have none; give them to build",
                            type(), option));
        }
        for (const std::string& pattern : patterns) {
            const std::regex regex = to_regex(option, pattern);
            for (std::size_t i = 0; i < parameters.size(); ++i)
                if (std::regex_search(names[i], regex)) found[i] = true;
        }
        return found;
    };
    const auto index_of = [&](const Variable<T>& p, const char* what) {
        for (std::size_t i = 0; i < parameters.size(); ++i)
            if (parameters[i].same_as(p)) return i;
        throw ValueError(fmt::format("{}: a parameter {} is none of the {} parameters given", type(), what,
                                     parameters.size()));
    };

    std::vector<Settings> settings(parameters.size(), Settings{.weight_decay = options_.weight_decay});
    std::vector<bool> grouped(parameters.size(), false);
    const auto apply_group = [&](const ParameterGroup& group, const std::vector<bool>& members) {
        bool any = false;
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            if (!members[i]) continue;
            if (grouped[i]) {
                throw ValueError(fmt::format("{}: {} belongs to two groups", type(),
                                             named ? fmt::format("parameter {} \"{}\"", i, names[i])
                                                   : fmt::format("parameter {}", i)));
            }
            any = grouped[i] = true;
            settings[i].rate_multiplier = group.learning_rate_multiplier;
            if (group.weight_decay) settings[i].weight_decay = group.weight_decay;
            settings[i].frozen = group.frozen;
        }
        if (!any) {
            std::string patterns;
            for (const std::string& name : group.names) patterns += fmt::format(" \"{}\"", name);
            throw ValueError(fmt::format("{}: no parameter belongs to a group{}", type(),
                                         patterns.empty() ? "" : " of names" + patterns));
        }
    };
    for (const ParameterGroup& group : options_.groups) apply_group(group, matching("groups", group.names));
    for (const auto& [group, handles] : groups_) {
        std::vector<bool> members = matching("groups", group.names);
        for (const Variable<T>& p : handles) members[index_of(p, "of a group")] = true;
        apply_group(group, members);
    }
    const std::vector<bool> excluded =
        matching("exclude_from_weight_decay's patterns", options_.exclude_from_weight_decay);
    for (std::size_t i = 0; i < parameters.size(); ++i)
        if (excluded[i]) settings[i].weight_decay.reset();
    for (const Variable<T>& p : not_decaying_)
        settings[index_of(p, "excluded from weight decay")].weight_decay.reset();
    return settings;
}

template <class T>
std::vector<std::string_view> Optimizer<T>::all_slot_names() const {
    std::vector<std::string_view> names = slot_names();
    if (options_.use_ema) names.emplace_back("average");
    if (accumulation() > 1) names.emplace_back("gradient_accumulator");
    return names;
}

template <class T>
std::string Optimizer<T>::described(std::size_t parameter) const {
    return named_ ? fmt::format("parameter {} \"{}\"", parameter, names_[parameter])
                  : fmt::format("parameter {}", parameter);
}

template <class T>
void Optimizer<T>::check_same(std::span<const Variable<T>> parameters) const {
    const std::size_t n = shapes_.size();
    if (parameters.size() != n) {
        throw ShapeError(
            fmt::format("{}: was set up for {} parameters, got {}; another list of parameters needs an "
                        "optimizer of its own",
                        type(), n, parameters.size()));
    }
    for (std::size_t i = 0; i < n; ++i) {
        if (parameters[i].shape() != shapes_[i]) {
            throw ShapeError(fmt::format(
                "{}: {} had the shape {} when the optimizer was set up, now it has {}; another list of "
                "parameters needs an optimizer of its own",
                type(), described(i), to_string(shapes_[i]), to_string(parameters[i].shape())));
        }
    }
}

template <class T>
void Optimizer<T>::build(std::span<const Variable<T>> parameters, std::span<const std::string> names) {
    if (!names.empty() && names.size() != parameters.size()) {
        throw ValueError(
            fmt::format("{}: {} names given for {} parameters", type(), names.size(), parameters.size()));
    }
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        if (!parameters[i].is_leaf()) {
            throw ValueError(
                fmt::format("{}: parameter {} is a result of {}, not a leaf", type(), i, parameters[i].op()));
        }
        for (std::size_t j = 0; j < i; ++j) {
            if (parameters[j].same_as(parameters[i])) {
                throw ValueError(fmt::format("{}: parameters {} and {} are the same one", type(), j, i));
            }
        }
    }
    std::vector<std::string> labels(names.begin(), names.end());
    const bool named = !labels.empty() || named_;
    if (built_) {
        check_same(parameters);
        for (std::size_t i = 0; named_ && i < labels.size(); ++i) {
            if (labels[i] != names_[i]) {
                throw ValueError(
                    fmt::format("{}: {} is now named \"{}\"; another list of parameters needs "
                                "an optimizer of its own",
                                type(), described(i), labels[i]));
            }
        }
        if (settings_.empty()) settings_ = settings_for(parameters, labels.empty() ? names_ : labels, named);
        if (labels.empty()) return;
        names_ = std::move(labels);
        named_ = true;
        return;
    }
    std::vector<Shape> shapes;
    std::vector<Tensor<T>> slots;
    const std::size_t own = slot_names().size();
    const std::size_t per_parameter = all_slot_names().size();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        if (!named) labels.push_back(std::to_string(i));
        shapes.push_back(parameters[i].shape());
        for (std::size_t s = 0; s < per_parameter; ++s)
            slots.push_back(full<T>(shapes.back(), s < own ? static_cast<T>(slot_start(s)) : T{0}));
    }
    settings_ = settings_for(parameters, labels, named);
    names_ = std::move(labels);
    shapes_ = std::move(shapes);
    slots_ = std::move(slots);
    named_ = named;
    built_ = true;
}

template <class T>
void Optimizer<T>::apply(std::span<Variable<T>> parameters) {
    if (!built_ || settings_.empty()) build(parameters);
    check_same(parameters);
    const double rate = learning_rate();
    check_rate(type(), rate);

    // Everything that can fail happens before the first parameter changes.
    const auto takes_part = [&](std::size_t i) {
        return may_change(parameters[i], i) && parameters[i].has_grad();
    };
    const std::size_t own = slot_names().size();
    const std::size_t per_parameter = all_slot_names().size();
    const auto slot = [&](std::size_t i, std::size_t s) -> Tensor<T>& {
        return slots_[i * per_parameter + s];
    };
    const bool accumulates = accumulation() > 1;
    const auto gathered = [&](std::size_t i) -> Tensor<T>& { return slot(i, per_parameter - 1); };
    const double share = 1.0 / static_cast<double>(accumulation());
    std::vector<double> norms(parameters.size(), 0.0);
    bool any = false;
    double all = 0.0;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        const Variable<T>& p = parameters[i];
        if (!p.is_leaf()) {
            throw ValueError(
                fmt::format("{}: {} is a result of {}, not a leaf", type(), described(i), p.op()));
        }
        if (!takes_part(i)) continue;
        any = true;
        const double squares =
            accumulates ? detail::sum_of_squares(p.grad(), gathered(i)) : sum_of_squares(p.grad());
        if (!std::isfinite(squares)) {
            const auto bad = detail::first_non_finite(p.grad());
            throw NonFiniteError(
                bad ? fmt::format("{}: the gradient of {} is not finite: element {} of {} is {}", type(),
                                  described(i), *bad, to_string(p.shape()),
                                  detail::non_finite_name(p.grad().data()[*bad]))
                    : fmt::format("{}: the norm of the gradient of {} is too large for a number", type(),
                                  described(i)));
        }
        norms[i] = std::sqrt(squares) * share;
        all += squares * share * share;
    }
    if (!any) {
        if (std::ranges::any_of(parameters, &Variable<T>::has_grad)) {
            throw ValueError(fmt::format("{}: every parameter that has a gradient is frozen", type()));
        }
        throw ValueError(
            fmt::format("{}: none of the {} parameters has a gradient; call backward before apply", type(),
                        parameters.size()));
    }
    const auto limited = [](double norm, double limit) { return limit / std::max(norm, limit); };
    const double global_scale =
        options_.clipping.global_clipnorm ? limited(std::sqrt(all), *options_.clipping.global_clipnorm) : 1.0;
    const auto scale_of = [&](std::size_t i) {
        return options_.clipping.clipnorm ? limited(norms[i], *options_.clipping.clipnorm) : global_scale;
    };
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        // An element's square must be a T too: rules that remember it would hold an infinity forever after.
        const double norm = options_.clipping.clipvalue ? std::min(norms[i], *options_.clipping.clipvalue)
                                                        : norms[i] * scale_of(i);
        if (norm * norm > static_cast<double>(std::numeric_limits<T>::max())) {
            throw ValueError(
                fmt::format("{}: the gradient of {} has the norm {}, whose square overflows; clip gradients "
                            "(global_clipnorm = 1.0, say)",
                            type(), described(i), norm));
        }
    }

    const bool updates = (calls_ + 1) % accumulation() == 0;
    const auto momentum = static_cast<T>(iterations() == 0 ? 0.0 : options_.ema_momentum);
    const bool overwrite =
        options_.ema_overwrite_frequency && (iterations() + 1) % *options_.ema_overwrite_frequency == 0;
    std::vector<std::span<T>> slots(own);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        Variable<T>& p = parameters[i];
        if (!updates || !takes_part(i)) {
            if (accumulates && updates) {
                gathered(i).fill(T{0});
            } else if (accumulates && takes_part(i)) {
                add_to(gathered(i).data(), p.grad().data(), p.grad().size());
            }
            if (options_.use_ema) update_mean(p, i, slot(i, own), momentum, overwrite);
            continue;
        }
        const Settings& settings = settings_[i];
        const double own_rate = rate * settings.rate_multiplier;
        const std::span<T> value = p.mutable_data();
        ClippedGradient<T> gradient{.data = p.grad().data(), .scale = static_cast<T>(scale_of(i) * share)};
        if (options_.clipping.clipvalue) gradient.limit = static_cast<T>(*options_.clipping.clipvalue);
        // One piece where nothing but the rule happens to it.
        const bool in_pieces = elementwise() && (settings.weight_decay || accumulates || options_.use_ema);
        const std::size_t piece = in_pieces ? piece_size : std::max<std::size_t>(value.size(), 1);
        for (std::size_t start = 0; start < value.size(); start += piece) {
            const std::size_t length = std::min(piece, value.size() - start);
            const std::span<T> part = value.subspan(start, length);
            for (std::size_t s = 0; s < own; ++s) slots[s] = {slot(i, s).data() + start, length};
            ClippedGradient<T> g = gradient;
            g.data += start;
            T* const sum = accumulates ? gathered(i).data() + start : nullptr;
            if (accumulates) {
                add_to(sum, g.data, length);
                g.data = sum;
            }
            if (settings.weight_decay) decay(part, *settings.weight_decay, own_rate);
            update({.value = part,
                    .gradient = g,
                    .slots = slots,
                    .learning_rate = own_rate,
                    .step = iterations() + 1});
            if (accumulates) std::fill_n(sum, length, T{0});
            if (options_.use_ema) {
                T* const mean = slot(i, own).data() + start;
                average(part.data(), mean, length, momentum);
                if (overwrite) std::copy_n(mean, length, part.data());
            }
        }
    }
    ++calls_;
}

template <class T>
void Optimizer<T>::update_mean(Variable<T>& p, std::size_t i, Tensor<T>& mean, T momentum, bool overwrite) {
    if (!may_change(p, i)) {
        // Its mean is its value, and not one that rounding has moved.
        mean = p.value();
        return;
    }
    average(p.value().data(), mean.data(), mean.size(), momentum);
    if (overwrite) std::copy_n(mean.data(), mean.size(), p.mutable_data().data());
}

template <class T>
void Optimizer<T>::finalize_variable_values(std::span<Variable<T>> parameters) {
    if (!options_.use_ema || calls_ == 0) return;
    if (settings_.empty()) build(parameters);
    check_same(parameters);
    const std::size_t own = slot_names().size();
    const std::size_t per_parameter = all_slot_names().size();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        if (!may_change(parameters[i], i)) continue;
        const Tensor<T>& mean = slots_[i * per_parameter + own];
        std::copy_n(mean.data(), mean.size(), parameters[i].mutable_data().data());
    }
}

template <class T>
void Optimizer<T>::set_learning_rate(double rate) {
    check_rate(type(), rate);
    if (learning_rate_.is_schedule()) {
        throw ValueError(fmt::format(
            "{}: the learning rate is a function of the iterations and cannot be set to {}", type(), rate));
    }
    learning_rate_ = rate;
}

template <class T>
OptimizerState<T> Optimizer<T>::state() const {
    OptimizerState<T> state{.optimizer = type(), .iterations = calls_};
    if (!learning_rate_.is_schedule()) state.learning_rate = learning_rate();
    const std::vector<std::string_view> slots = all_slot_names();
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        state.slots.push_back(
            {fmt::format("{}.{}", names_[i / slots.size()], slots[i % slots.size()]), slots_[i]});
    }
    return state;
}

template <class T>
void Optimizer<T>::set_state(const OptimizerState<T>& state) {
    if (state.optimizer != type()) {
        throw ValueError(fmt::format("{}: this is the state of \"{}\"", type(), state.optimizer));
    }
    constexpr std::int64_t most = std::int64_t{1} << 53;  // no run comes to so many
    if (state.iterations < 0 || state.iterations > most) {
        throw ValueError(fmt::format("{}: a state after {} iterations", type(), state.iterations));
    }
    if (state.learning_rate) check_rate(type(), *state.learning_rate);

    const std::vector<std::string_view> slots = all_slot_names();
    const std::size_t per_parameter = slots.size();
    const std::size_t count = built_ ? slots_.size() : state.slots.size();
    if (state.slots.size() != count || (per_parameter == 0 ? count != 0 : count % per_parameter != 0)) {
        throw ValueError(fmt::format("{}: a state of {} tensors, expected {} for each{} parameter{}", type(),
                                     state.slots.size(), per_parameter,
                                     built_ ? fmt::format(" of {}", shapes_.size()) : "",
                                     built_ && shapes_.size() != 1 ? "s" : ""));
    }
    std::vector<std::string> names;
    std::vector<Shape> shapes;
    std::vector<Tensor<T>> values;
    for (std::size_t i = 0; i < count; ++i) {
        const auto& [name, value] = state.slots[i];
        const std::string ending = fmt::format(".{}", slots[i % per_parameter]);
        const std::string parameter =
            name.ends_with(ending) ? name.substr(0, name.size() - ending.size()) : std::string();
        if (i % per_parameter == 0) {
            names.push_back(parameter);
            shapes.push_back(built_ ? shapes_[i / per_parameter] : value.shape());
        }
        const std::string expected = (built_ ? names_[i / per_parameter] : names.back()) + ending;
        if (parameter.empty() || name != expected) {
            throw ValueError(fmt::format("{}: tensor {} of the state is named \"{}\", expected \"{}\"",
                                         type(), i, name, expected));
        }
        if (value.shape() != shapes.back()) {
            throw ShapeError(fmt::format("{}: \"{}\" has the shape {}, its parameter {}", type(), name,
                                         to_string(value.shape()), to_string(shapes.back())));
        }
        if (const auto bad = detail::first_non_finite(value)) {
            throw ValueError(fmt::format("{}: \"{}\" is not finite: element {} is {}", type(), name, *bad,
                                         detail::non_finite_name(value.data()[*bad])));
        }
        values.push_back(value);
    }
    if (!built_ && count > 0) {
        // Positions stand for names that were never given; the parameters may have names by now.
        named_ = false;
        for (std::size_t i = 0; i < names.size(); ++i) named_ = named_ || names[i] != std::to_string(i);
        names_ = std::move(names);
        shapes_ = std::move(shapes);
        built_ = true;
    }
    if (count > 0) slots_ = std::move(values);
    calls_ = state.iterations;
    if (state.learning_rate && !learning_rate_.is_schedule()) learning_rate_ = *state.learning_rate;
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace seqgrad
