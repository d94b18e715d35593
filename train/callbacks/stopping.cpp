// The callbacks that end a run: EarlyStopping, TerminateOnNaN, StopOnInterrupt.
#include <atomic>
#include <csignal>
#include <cstddef>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/train/callbacks.hpp"
#include "seqgrad/train/internal/callbacks.hpp"

namespace seqgrad {

using detail::check_count;
using detail::StateReader;

namespace {

template <class T>
class TerminateOnNaNCallback : public Callback<T> {
  public:
    std::string type() const override { return "TerminateOnNaN"; }
    bool on_non_finite(TrainingRun<T>&, const std::string&) override { return true; }
};

/// Counts SIGINTs while it lives; the second one does what it would have done by default.
class InterruptCounter {
  public:
    InterruptCounter() {
        if (alive.exchange(true))
            throw ValueError("StopOnInterrupt: another run of this process handles interrupts already");
        interrupted = 0;
        struct sigaction action {};
        action.sa_handler = [](int) {
            interrupted = 1;
            // From the second one on.
            std::signal(SIGINT, SIG_DFL);
        };
        sigemptyset(&action.sa_mask);
        sigaction(SIGINT, &action, &before_);
    }
    ~InterruptCounter() {
        sigaction(SIGINT, &before_, nullptr);
        alive = false;
    }
    InterruptCounter(const InterruptCounter&) = delete;
    InterruptCounter& operator=(const InterruptCounter&) = delete;

    bool was_interrupted() const { return interrupted != 0; }

  private:
    static inline std::atomic<bool> alive = false;
    static inline volatile std::sig_atomic_t interrupted = 0;
    struct sigaction before_ {};
};

template <class T>
class StopOnInterruptCallback : public Callback<T> {
  public:
    std::string type() const override { return "StopOnInterrupt"; }
    void on_train_begin(TrainingRun<T>&) override { counter_.emplace(); }
    void on_train_batch_end(TrainingRun<T>& run, std::size_t, const Logs&) override {
        if (counter_->was_interrupted()) run.stop = run.interrupted = true;
    }
    void on_train_end(TrainingRun<T>&) override { counter_.reset(); }

  private:
    std::optional<InterruptCounter> counter_;
};

}  // namespace

template <class T>
EarlyStoppingCallback<T>::EarlyStoppingCallback(EarlyStopping arguments)
    : arguments_(std::move(arguments)),
      monitor_("EarlyStopping", arguments_.monitor, arguments_.mode, arguments_.min_delta),
      best_(monitor_.worst()) {
    check_count("EarlyStopping", "patience", arguments_.patience);
    check_count("EarlyStopping", "start_from_epoch", arguments_.start_from_epoch);
}

template <class T>
void EarlyStoppingCallback<T>::on_train_begin(TrainingRun<T>& run) {
    model_ = &run.model;
    best_ = monitor_.worst();
    wait_ = stopped_epoch_ = best_epoch_ = 0;
    best_weights_.clear();
}

template <class T>
void EarlyStoppingCallback<T>::keep_weights(const Module<T>& model) {
    if (!arguments_.restore_best_weights) return;
    best_weights_.clear();
    for (const NamedParameter<T>& p : model.parameters()) best_weights_.push_back(p.variable.value());
}

template <class T>
void EarlyStoppingCallback<T>::on_epoch_end(TrainingRun<T>& run, std::int64_t epoch, Logs& logs) {
    const std::optional<double> monitored = monitor_.value(logs, run.names);
    if (!monitored || epoch <= arguments_.start_from_epoch) return;
    const double value = *monitored;
    if (best_epoch_ == 0) {
        best_epoch_ = epoch;
        keep_weights(run.model);
    }
    ++wait_;
    if (monitor_.better(value, best_)) {
        best_ = value;
        best_epoch_ = epoch;
        keep_weights(run.model);
        if (!arguments_.baseline || monitor_.better(value, *arguments_.baseline)) wait_ = 0;
        return;
    }
    if (wait_ >= arguments_.patience && epoch > 1) {
        stopped_epoch_ = epoch;
        run.stop = true;
    }
}

template <class T>
CallbackState<T> EarlyStoppingCallback<T>::state() const {
    CallbackState<T> state{.numbers = {{"best", best_},
                                       {"wait", static_cast<double>(wait_)},
                                       {"stopped_epoch", static_cast<double>(stopped_epoch_)},
                                       {"best_epoch", static_cast<double>(best_epoch_)}}};
    if (!best_weights_.empty()) state.tensors["best_weights"] = best_weights_;
    return state;
}

template <class T>
void EarlyStoppingCallback<T>::set_state(const CallbackState<T>& state) {
    const StateReader<T> saved(type(), state);
    const double best = saved.number("best");
    const std::int64_t wait = saved.integer("wait"), stopped_epoch = saved.integer("stopped_epoch"),
                       best_epoch = saved.integer("best_epoch");
    std::vector<Tensor<T>> best_weights = saved.tensors("best_weights");
    if (model_ != nullptr && !best_weights.empty()) check_weights(best_weights);
    best_weights_ = std::move(best_weights);
    best_ = best;
    wait_ = wait;
    stopped_epoch_ = stopped_epoch;
    best_epoch_ = best_epoch;
}

/// Refuses weights that are not those of the run's model.
template <class T>
void EarlyStoppingCallback<T>::check_weights(const std::vector<Tensor<T>>& weights) const {
    const std::vector<NamedParameter<T>> parameters = model_->parameters();
    if (weights.size() != parameters.size()) {
        throw ValueError(
            fmt::format("{}: not the state of such a callback: it has {} best weights, the model {}", type(),
                        weights.size(), parameters.size()));
    }
    for (std::size_t i = 0; i < weights.size(); ++i) {
        if (weights[i].shape() == parameters[i].variable.shape()) continue;
        throw ShapeError(fmt::format(
            "{}: not the state of such a callback: its best weight of {} has the shape {}, expected {}",
            type(), parameters[i].name, to_string(weights[i].shape()),
            to_string(parameters[i].variable.shape())));
    }
}

template <class T>
void EarlyStoppingCallback<T>::on_train_end(TrainingRun<T>& run) {
    model_ = nullptr;
    if (best_weights_.empty()) return;
    const std::vector<NamedParameter<T>> parameters = run.model.parameters();
    for (std::size_t i = 0; i < parameters.size() && i < best_weights_.size(); ++i) {
        Variable<T> parameter = parameters[i].variable;
        parameter.assign(best_weights_[i]);
    }
}

template <class T>
std::shared_ptr<Callback<T>> EarlyStopping::make() const {
    return std::make_shared<EarlyStoppingCallback<T>>(*this);
}
template <class T>
std::shared_ptr<Callback<T>> TerminateOnNaN::make() const {
    return std::make_shared<TerminateOnNaNCallback<T>>();
}
template <class T>
std::shared_ptr<Callback<T>> StopOnInterrupt::make() const {
    return std::make_shared<StopOnInterruptCallback<T>>();
}

template std::shared_ptr<Callback<float>> EarlyStopping::make<float>() const;
template std::shared_ptr<Callback<double>> EarlyStopping::make<double>() const;
template std::shared_ptr<Callback<float>> TerminateOnNaN::make<float>() const;
template std::shared_ptr<Callback<double>> TerminateOnNaN::make<double>() const;
template std::shared_ptr<Callback<float>> StopOnInterrupt::make<float>() const;
template std::shared_ptr<Callback<double>> StopOnInterrupt::make<double>() const;
template class EarlyStoppingCallback<float>;
template class EarlyStoppingCallback<double>;

}  // namespace seqgrad
