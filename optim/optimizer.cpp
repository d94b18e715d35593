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

void check_weight_decay(std::optional<double> decay) {
    if (decay && !(std::isfinite(*decay) && *decay >= 0.0)) {
        throw ValueError(fmt::format("optimizer: weight_decay must be a finite number >= 0, got {}", *decay));
    }
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

/// w <- w - d r w, with d rounded to float32 as in Keras.
template <class T>
void decay(std::span<T> value, double weight_decay, double rate) {
    const auto d = static_cast<T>(detail::keras_cast(weight_decay));
    const auto r = static_cast<T>(rate);
    for (T& w : value) w -= w * d * r;
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
    check_weight_decay(options_.weight_decay);
    check_clipping(options_.clipping);
    for (const std::string& pattern : options_.exclude_from_weight_decay)
        to_regex("exclude_from_weight_decay", pattern);
}

template <class T>
void Optimizer<T>::exclude_from_weight_decay(std::vector<Variable<T>> parameters) {
    if (!settings_.empty()) {
        throw ValueError(fmt::format(
            "{}: parameters can be excluded from weight decay only before the optimizer is set up", type()));
    }
    for (Variable<T>& p : parameters) not_decaying_.push_back(std::move(p));
}

template <class T>
auto Optimizer<T>::settings_for(std::span<const Variable<T>> parameters,
                                const std::vector<std::string>& names, bool named) const
    -> std::vector<Settings> {
    std::vector<Settings> settings(parameters.size(), Settings{.weight_decay = options_.weight_decay});
    if (!options_.exclude_from_weight_decay.empty() && !named) {
        throw ValueError(fmt::format(
            "{}: exclude_from_weight_decay goes by names, and the parameters have none; give them to build",
            type()));
    }
    for (const std::string& pattern : options_.exclude_from_weight_decay) {
        const std::regex regex = to_regex("exclude_from_weight_decay", pattern);
        for (std::size_t i = 0; i < parameters.size(); ++i)
            if (std::regex_search(names[i], regex)) settings[i].weight_decay.reset();
    }
    for (const Variable<T>& excluded : not_decaying_) {
        const auto found = std::find_if(parameters.begin(), parameters.end(),
                                        [&](const Variable<T>& p) { return p.same_as(excluded); });
        if (found == parameters.end()) {
            throw ValueError(
                fmt::format("{}: a parameter excluded from weight decay is none of the {} parameters given",
                            type(), parameters.size()));
        }
        settings[static_cast<std::size_t>(found - parameters.begin())].weight_decay.reset();
    }
    return settings;
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
    const std::size_t per_parameter = slot_names().size();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        if (!named) labels.push_back(std::to_string(i));
        shapes.push_back(parameters[i].shape());
        for (std::size_t s = 0; s < per_parameter; ++s)
            slots.push_back(full<T>(shapes.back(), static_cast<T>(slot_start(s))));
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
    const auto takes_part = [](const Variable<T>& p) { return p.requires_grad() && p.has_grad(); };
    std::vector<double> norms(parameters.size(), 0.0);
    bool any = false;
    double all = 0.0;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        const Variable<T>& p = parameters[i];
        if (!p.is_leaf()) {
            throw ValueError(
                fmt::format("{}: {} is a result of {}, not a leaf", type(), described(i), p.op()));
        }
        if (!takes_part(p)) continue;
        any = true;
        const double squares = sum_of_squares(p.grad());
        if (!std::isfinite(squares)) {
            const auto bad = detail::first_non_finite(p.grad());
            throw ValueError(bad ? fmt::format("{}: the gradient of {} is not finite: element {} of {} is {}",
                                               type(), described(i), *bad, to_string(p.shape()),
                                               detail::non_finite_name(p.grad().data()[*bad]))
                                 : fmt::format("{}: the norm of the gradient of {} is too large for a number",
                                               type(), described(i)));
        }
        norms[i] = std::sqrt(squares);
        all += squares;
    }
    if (!any) {
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

    const std::size_t per_parameter = slot_names().size();
    const bool in_pieces = elementwise();
    std::vector<std::span<T>> slots(per_parameter);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        if (!takes_part(parameters[i])) continue;
        const std::span<T> value = parameters[i].mutable_data();
        ClippedGradient<T> gradient{.data = parameters[i].grad().data(),
                                    .scale = static_cast<T>(scale_of(i))};
        if (options_.clipping.clipvalue) gradient.limit = static_cast<T>(*options_.clipping.clipvalue);
        const std::size_t piece =
            in_pieces && settings_[i].weight_decay ? piece_size : std::max<std::size_t>(value.size(), 1);
        for (std::size_t start = 0; start < value.size(); start += piece) {
            const std::size_t length = std::min(piece, value.size() - start);
            const std::span<T> part = value.subspan(start, length);
            for (std::size_t s = 0; s < per_parameter; ++s)
                slots[s] = {slots_[i * per_parameter + s].data() + start, length};
            if (settings_[i].weight_decay) decay(part, *settings_[i].weight_decay, rate);
            update({.value = part,
                    .gradient = {.data = gradient.data + start,
                                 .scale = gradient.scale,
                                 .limit = gradient.limit},
                    .slots = slots,
                    .learning_rate = rate,
                    .step = iterations_ + 1});
        }
    }
    ++iterations_;
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
    OptimizerState<T> state{.optimizer = type(), .iterations = iterations_};
    if (!learning_rate_.is_schedule()) state.learning_rate = learning_rate();
    const std::vector<std::string_view> slots = slot_names();
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
    if (state.iterations < 0) {
        throw ValueError(fmt::format("{}: a state after {} iterations", type(), state.iterations));
    }
    if (state.learning_rate) check_rate(type(), *state.learning_rate);

    const std::vector<std::string_view> slots = slot_names();
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
    iterations_ = state.iterations;
    if (state.learning_rate && !learning_rate_.is_schedule()) learning_rate_ = *state.learning_rate;
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace seqgrad
