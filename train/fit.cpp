// Trainer::fit: the loop over epochs and steps, and going on from a saved state.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/train/internal/building.hpp"
#include "seqgrad/train/internal/modes.hpp"
#include "seqgrad/train/trainer.hpp"

namespace seqgrad {

using detail::check_sizes;
using detail::Remembered;
using detail::TrainingMode;

namespace {

/// what(element) of all elements, with commas between.
template <class List, class What>
std::string listed(const List& list, const What& what) {
    std::vector<std::string> parts;
    std::ranges::transform(list, std::back_inserter(parts), what);
    return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace

template <class T>
History Trainer<T>::fit(const Dataset<T>& train, const FitOptions<T>& options) {
    if (!(options.validation_split >= 0.0 && options.validation_split < 1.0)) {
        throw ValueError(
            fmt::format("fit: validation_split must be in [0, 1), got {}", options.validation_split));
    }
    check_sizes("fit", train.size(), options.batch_size);
    if (!options.class_weight.empty() && train.sample_weight)
        throw ValueError("fit: give either a class_weight or data with sample weights");
    const auto fit_part = [&](const Dataset<T>& part, const Dataset<T>* validation) {
        const std::size_t validation_batch_size = options.validation_batch_size.value_or(options.batch_size);
        std::optional<DatasetBatches<T>> validation_batches;
        if (validation != nullptr) {
            check_sizes("fit, validation_data", validation->size(), validation_batch_size);
            validation_batches.emplace(*validation, validation_batch_size, false);
        }
        DatasetBatches<T> batches(part, options.batch_size, options.shuffle);
        return fit(batches, validation_batches ? &*validation_batches : options.validation_source, options);
    };
    if (options.validation_split == 0.0)
        return fit_part(train, options.validation_data ? &*options.validation_data : nullptr);
    if (options.validation_data || options.validation_source != nullptr)
        throw ValueError("fit: give either validation_data or a validation_split");
    const auto split = static_cast<std::size_t>(
        std::floor(static_cast<double>(train.size()) * (1.0 - options.validation_split)));
    if (split == 0 || split == train.size()) {
        throw ValueError(fmt::format(
            "fit: a validation_split of {} leaves {} of {} samples to train on and {} to validate",
            options.validation_split, split, train.size(), train.size() - split));
    }
    const Dataset<T> validation = train.slice(split, train.size());
    return fit_part(train.slice(0, split), &validation);
}

template <class T>
History Trainer<T>::fit(BatchSource<T>& train, const FitOptions<T>& options) {
    if (options.validation_split != 0.0)
        throw ValueError(
            "fit: a validation_split needs a Dataset; give validation_data or a validation_source");
    if (!options.validation_data) return fit(train, options.validation_source, options);
    const std::size_t batch_size = options.validation_batch_size.value_or(options.batch_size);
    check_sizes("fit, validation_data", options.validation_data->size(), batch_size);
    DatasetBatches<T> validation(*options.validation_data, batch_size, false);
    return fit(train, &validation, options);
}

/// A run of `fit`: where it is, and how it goes on.
template <class T>
class Trainer<T>::Fit {
  public:
    Fit(Trainer& trainer, BatchSource<T>& source, BatchSource<T>* validation, const FitOptions<T>& options);

    History run();

  private:
    TrainingState<T> capture() const;
    void restore(const TrainingState<T>& state);
    void check_same_run(const TrainingState<T>& state) const;
    std::vector<NamedParameter<T>> checked_parameters(const TrainingState<T>& state);

    void begin_pass();
    std::optional<Batch<T>> next_batch();
    bool steps();
    bool step(const Batch<T>& batch);
    void report_untrained();
    void end_epoch();
    Logs logs() const;
    std::size_t known_steps() const { return limit_ ? *limit_ : source_.size().value_or(0); }
    template <class Call>
    void each(Call call) {
        for (const auto& callback : callbacks_) call(*callback);
    }

    Trainer& trainer_;
    BatchSource<T>& source_;
    BatchSource<T>* validation_;
    const FitOptions<T>& options_;
    SourceSettings setup_;
    std::optional<std::size_t> limit_;  // steps of an epoch, where that is said
    Generator seeded_;
    Generator& generator_;
    Progress progress_;
    std::vector<std::shared_ptr<Callback<T>>> callbacks_;
    TrainingRun<T> run_;

    // Where the run is.
    std::int64_t epoch_ = 1;
    std::size_t step_ = 0, samples_ = 0;
    double seconds_ = 0.0, begun_ = 0.0, loss_ = 0.0;
    GeneratorState order_;     // at the beginning of the pass over the data
    std::size_t batches_ = 0;  // taken of it
    bool passing_ = false;     // whether there is a pass
    bool untrained_told_ = false;
    History history_;
};

template <class T>
Trainer<T>::Fit::Fit(Trainer& trainer, BatchSource<T>& source, BatchSource<T>* validation,
                     const FitOptions<T>& options)
    : trainer_(trainer),
      source_(source),
      validation_(validation),
      options_(options),
      setup_(source.settings()),
      limit_(options.steps_per_epoch),
      seeded_(options.seed.value_or(0)),
      generator_(options.generator != nullptr ? *options.generator
                 : options.seed               ? seeded_
                                              : default_generator()),
      progress_(options.verbose, options.progress),
      run_{.model = *trainer.model_, .optimizer = *trainer.optimizer_},
      epoch_(options.initial_epoch + 1) {
    setup_.emplace_back("steps_per_epoch", limit_ ? static_cast<std::int64_t>(*limit_) : -1);
    run_.epoch = epoch_;
    run_.names.emplace_back("loss");
    for (const Metric<T>& metric : trainer.metrics_) run_.names.push_back(metric.name());
    if (validation != nullptr) {
        for (std::size_t i = 0, trained = run_.names.size(); i < trained; ++i)
            run_.names.push_back("val_" + run_.names[i]);
    }
    for (const AnyCallback<T>& callback : options.callbacks) callbacks_.push_back(callback.make());
}

template <class T>
TrainingState<T> Trainer<T>::Fit::capture() const {
    TrainingState<T> state;
    state.setup = setup_;
    state.epoch = epoch_;
    state.step = step_;
    state.samples = samples_;
    state.seconds = seconds_ + (step_ == 0 ? 0.0 : progress_.now() - begun_);
    state.finished = run_.stop && !run_.interrupted;
    state.loss = {loss_};
    for (const Metric<T>& metric : trainer_.metrics_) state.metrics.push_back(metric.state());
    state.order = order_;
    state.batches = batches_;
    state.generator = default_generator().state();
    for (NamedParameter<T>& p : run_.model.parameters())
        state.weights.emplace_back(std::move(p.name), p.variable.value());
    state.model = run_.model.state();
    state.optimizer = run_.optimizer.state();
    for (const auto& callback : callbacks_) state.callbacks.emplace_back(callback->type(), callback->state());
    state.history = history_;
    return state;
}

template <class T>
void Trainer<T>::Fit::check_same_run(const TrainingState<T>& state) const {
    std::vector<std::string> wrong;
    if (state.setup != setup_) {
        const auto described = [](const auto& setup) {
            return listed(setup, [](const auto& s) { return fmt::format("{} {}", s.first, s.second); });
        };
        wrong.push_back(fmt::format("it has {}, this run {}", described(state.setup), described(setup_)));
    }
    const std::string saved = listed(state.callbacks, [](const auto& c) { return c.first; });
    const std::string mine = listed(callbacks_, [](const auto& c) { return c->type(); });
    if (saved != mine) wrong.push_back(fmt::format("it has the callbacks [{}], this run [{}]", saved, mine));
    if (state.metrics.size() != trainer_.metrics_.size()) {
        wrong.push_back(
            fmt::format("it has {} metrics, this run {}", state.metrics.size(), trainer_.metrics_.size()));
    }
    if (state.loss.size() != 1) wrong.push_back("it does not have one loss");
    if (!wrong.empty()) {
        throw ValueError(
            fmt::format("fit: the saved state is one of another run: {}", fmt::join(wrong, "; ")));
    }
}

/// The model's parameters, which have the names and shapes of the saved weights.
template <class T>
std::vector<NamedParameter<T>> Trainer<T>::Fit::checked_parameters(const TrainingState<T>& state) {
    if (!run_.model.built()) {
        Generator scratch(state.order);
        source_.start(scratch);
        const std::optional<Batch<T>> batch = source_.next();
        if (!batch) throw ValueError("fit: the data has no batches");
        detail::build_with(run_.model, batch->samples);
    }
    std::vector<NamedParameter<T>> parameters = run_.model.parameters();
    const auto described = [](const std::string& name, const auto& value) {
        return fmt::format("{} {}", name, to_string(value.shape()));
    };
    const std::string mine =
        listed(parameters, [&](const NamedParameter<T>& p) { return described(p.name, p.variable); });
    const std::string saved =
        listed(state.weights, [&](const auto& w) { return described(w.first, w.second); });
    if (mine != saved) {
        throw ValueError(fmt::format("fit: the saved state is one of another model: it has {}; the model {}",
                                     saved, mine));
    }
    return parameters;
}

/// Goes on from a state that was found to be one of the same run.
template <class T>
void Trainer<T>::Fit::restore(const TrainingState<T>& state) {
    std::vector<NamedParameter<T>> parameters = checked_parameters(state);
    std::vector<Metric<T>> metrics = trainer_.metrics_;
    for (std::size_t i = 0; i < metrics.size(); ++i) metrics[i].set_state(state.metrics[i]);
    // Before its state is kept: one that is set up does not go back to the state of one that is not.
    if (!parameters.empty()) trainer_.find_parameters();
    const OptimizerState<T> optimizer = run_.optimizer.state();
    const ModuleState<T> model = run_.model.state();
    const GeneratorState order = generator_.state();
    try {
        run_.optimizer.set_state(state.optimizer);
        generator_.set_state(state.order);
        source_.start(generator_);
        source_.skip(state.batches);
        // After the pass was begun: a layer may draw from the generator of the order, too.
        run_.model.set_state(state.model);
        for (std::size_t i = 0; i < callbacks_.size(); ++i)
            callbacks_[i]->set_state(state.callbacks[i].second);
    } catch (...) {
        run_.optimizer.set_state(optimizer);
        run_.model.set_state(model);
        generator_.set_state(order);
        throw;
    }
    for (std::size_t i = 0; i < parameters.size(); ++i)
        parameters[i].variable.assign(state.weights[i].second);
    trainer_.metrics_ = std::move(metrics);
    default_generator().set_state(state.generator);
    epoch_ = run_.epoch = state.epoch;
    step_ = state.step;
    samples_ = state.samples;
    seconds_ = state.seconds;
    loss_ = state.loss[0];
    order_ = state.order;
    batches_ = state.batches;
    passing_ = true;
    history_ = state.history;
    run_.stop = state.finished;
}

template <class T>
void Trainer<T>::Fit::begin_pass() {
    order_ = generator_.state();
    source_.start(generator_);
    batches_ = 0;
    passing_ = true;
}

/// The next batch of the epoch; nothing at its end.
template <class T>
std::optional<Batch<T>> Trainer<T>::Fit::next_batch() {
    if (limit_ && step_ == *limit_) return std::nullopt;
    if (!passing_) begin_pass();
    std::optional<Batch<T>> batch = source_.next();
    if (!batch && limit_) {  // the epoch goes on with another pass
        begin_pass();
        batch = source_.next();
    }
    if (!batch && step_ == 0) throw ValueError("fit: the data has no batches");
    if (batch) ++batches_;
    return batch;
}

template <class T>
Logs Trainer<T>::Fit::logs() const {
    Logs logs;
    if (samples_ == 0) return logs;
    logs.set("loss", loss_ / static_cast<double>(samples_));
    for (const Metric<T>& metric : trainer_.metrics_) logs.set(metric.name(), metric.result());
    return logs;
}

/// Makes one step, and says whether it was one.
template <class T>
bool Trainer<T>::Fit::step(const Batch<T>& batch) {
    const Remembered<T> before(run_.model, batch.reset_state);
    const auto at = [&](const Error& error) {
        return fmt::format("fit: epoch {}, step {}: {}", epoch_, step_ + 1, error.what());
    };
    try {
        const std::size_t samples = detail::samples_of(batch);
        if (!options_.class_weight.empty() && batch.samples.sample_weight)
            throw ValueError("fit: give either a class_weight or data with sample weights");
        if (batch.reset_state) run_.model.reset_state();
        loss_ += trainer_.step(batch.samples, {.sample_weight = batch.samples.sample_weight},
                               &options_.class_weight) *
                 static_cast<double>(samples);
        samples_ += samples;
    } catch (const NonFiniteError& error) {
        before.give_back();
        each([&](Callback<T>& c) {
            if (c.on_non_finite(run_, at(error))) run_.stop = run_.interrupted = true;
        });
        if (!run_.stop) throw NonFiniteError(at(error));
        return false;
    } catch (const ValueError& error) {
        before.give_back();
        throw ValueError(at(error));
    } catch (...) {
        before.give_back();
        throw;
    }
    report_untrained();
    ++step_;
    return true;
}

/// After the first step of the run, tells which parameters its loss does not depend on, and which ones it
/// depends on that are none of the model's.
template <class T>
void Trainer<T>::Fit::report_untrained() {
    if (std::exchange(untrained_told_, true) || !options_.report) return;
    constexpr std::size_t most = 10;
    if (const std::vector<Shape>& unnamed = trainer_.unnamed_; !unnamed.empty()) {
        const std::vector<Shape> first(
            unnamed.begin(), unnamed.begin() + static_cast<std::ptrdiff_t>(std::min(most, unnamed.size())));
        options_.report(fmt::format(
            "fit: the loss depends on {} parameters that are none of those of {} and stay as they are, of "
            "shapes {}{}; name the layers that it holds in `members`",
            unnamed.size(), run_.model.description(),
            listed(first, [](const Shape& shape) { return to_string(shape); }),
            first.size() < unnamed.size() ? ", ..." : ""));
    }
    std::vector<std::string> names;
    for (const NamedParameter<T>& p : run_.model.parameters())
        if (p.variable.requires_grad() && !p.variable.has_grad()) names.push_back(p.name);
    if (names.empty()) return;
    const std::size_t shown = std::min(most, names.size());
    options_.report(
        fmt::format("fit: the loss does not depend on {} of the parameters of {}, which stay as they are: "
                    "{}{}; of a model "
                    "with several outputs the first one is trained",
                    names.size(), run_.model.description(),
                    fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                    shown < names.size() ? ", ..." : ""));
}

/// Makes the steps of the epoch that are left, and says whether none is left afterwards.
template <class T>
bool Trainer<T>::Fit::steps() {
    while (!run_.stop) {
        const std::optional<Batch<T>> batch = next_batch();
        if (!batch) return true;
        if (!step(*batch)) return false;
        const Logs so_far = logs();
        progress_.step(step_, samples_, so_far);
        each([&](Callback<T>& c) { c.on_train_batch_end(run_, step_, so_far); });
        each([&](Callback<T>& c) { c.on_safe_point(run_); });
    }
    return known_steps() != 0 && step_ == known_steps();
}

template <class T>
void Trainer<T>::Fit::end_epoch() {
    Logs logs = this->logs();
    // An epoch that ended before its first update has nothing to tell.
    if (!logs.empty()) {
        if (validation_ != nullptr && epoch_ % options_.validation_freq == 0) {
            for (const auto& [name, value] :
                 trainer_.evaluate(*validation_, options_.validation_steps, "fit, validation", &progress_))
                logs.set("val_" + name, value);
        }
        each([&](Callback<T>& c) { c.on_epoch_end(run_, epoch_, logs); });
        history_.append({.epoch = epoch_, .seconds = seconds_ + progress_.now() - begun_, .logs = logs});
    }
    progress_.end_epoch(logs);
    run_.epoch = ++epoch_;
    step_ = samples_ = 0;
    seconds_ = loss_ = 0.0;
    for (Metric<T>& metric : trainer_.metrics_) metric.reset();
}

template <class T>
History Trainer<T>::Fit::run() {
    std::optional<TrainingState<T>> saved;
    run_.restore = [&](TrainingState<T> state) { saved = std::move(state); };
    each([&](Callback<T>& c) { c.on_setup(run_); });
    run_.restore = nullptr;
    if (saved) check_same_run(*saved);  // before a callback opens a file
    run_.resumed = saved.has_value();
    run_.capture = [this] { return capture(); };
    for (Metric<T>& metric : trainer_.metrics_) metric.reset();
    each([&](Callback<T>& c) { c.on_train_begin(run_); });
    if (saved) restore(*saved);

    // A run that was stopped in an epoch has the end of that epoch before it.
    while (epoch_ <= options_.epochs && (!run_.stop || step_ > 0)) {
        begun_ = progress_.now();
        if (step_ == 0) each([&](Callback<T>& c) { c.on_epoch_begin(run_, epoch_); });
        progress_.begin_epoch(epoch_, options_.epochs, known_steps(), seconds_);
        if (step_ == 0 && !limit_) begin_pass();
        const bool complete = steps();
        end_epoch();
        // In the middle of an epoch, a run that is to go on does so from the step, not from this end of it.
        if (complete || !run_.interrupted) each([&](Callback<T>& c) { c.on_safe_point(run_); });
    }
    if (!trainer_.parameters_.empty()) run_.optimizer.finalize_variable_values(trainer_.parameters_);
    each([&](Callback<T>& c) { c.on_train_end(run_); });
    return std::move(history_);
}

template <class T>
History Trainer<T>::fit(BatchSource<T>& train, BatchSource<T>* validation, const FitOptions<T>& options) {
    if (options.validation_data && options.validation_source != nullptr)
        throw ValueError("fit: give either validation_data or a validation_source");
    if (validation != nullptr && &validation->origin() == &train.origin() && options.steps_per_epoch) {
        throw ValueError(
            "fit: with steps_per_epoch an epoch ends in the middle of a pass, which validation over the "
            "same source would end; give a source of its own for validation");
    }
    for (const auto& [name, value, least] :
         {std::tuple{"epochs", options.epochs, std::int64_t{0}},
          std::tuple{"initial_epoch", options.initial_epoch, std::int64_t{0}},
          std::tuple{"validation_freq", options.validation_freq, std::int64_t{1}}}) {
        if (value < least)
            throw ValueError(fmt::format("fit: {} must be at least {}, got {}", name, least, value));
    }
    if (validation != nullptr) {
        const std::optional<std::size_t>& steps = options.validation_steps;
        if (steps == std::size_t{0}) throw ValueError("fit: validation_steps must be at least 1, got 0");
        if (const auto known = validation->size(); steps && known && *steps > *known) {
            throw ValueError(fmt::format(
                "fit: {} validation_steps asked for, the validation data has {} batches", *steps, *known));
        }
    }
    if (options.steps_per_epoch == std::size_t{0})
        throw ValueError("fit: steps_per_epoch must be at least 1, got 0");
    for (const auto& [label, weight] : options.class_weight) {
        if (!(weight >= 0.0 && std::isfinite(weight))) {
            throw ValueError(fmt::format(
                "fit: class_weight must be finite and at least 0, got {} for class {}", weight, label));
        }
    }
    if (options.seed && options.generator != nullptr)
        throw ValueError("fit: give either a seed or a generator");
    const TrainingMode<T> mode(*model_, true);
    may_have_grown_ = false;
    unnamed_.clear();
    parameters_.clear();  // the model may have others than the last time
    regularized_ = constrained_ = remembers_ = true;
    return Fit(*this, train, validation, options).run();
}

template History Trainer<float>::fit(const Dataset<float>&, const FitOptions<float>&);
template History Trainer<double>::fit(const Dataset<double>&, const FitOptions<double>&);
template History Trainer<float>::fit(BatchSource<float>&, BatchSource<float>*, const FitOptions<float>&);
template History Trainer<double>::fit(BatchSource<double>&, BatchSource<double>*, const FitOptions<double>&);
template History Trainer<float>::fit(BatchSource<float>&, const FitOptions<float>&);
template History Trainer<double>::fit(BatchSource<double>&, const FitOptions<double>&);

}  // namespace seqgrad
