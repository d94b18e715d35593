// The callbacks that set the learning rate: ReduceLROnPlateau, LearningRateScheduler.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/train/callbacks.hpp"
#include "seqgrad/train/internal/callbacks.hpp"

namespace seqgrad {

using detail::check_count;
using detail::StateReader;

namespace {

/// Refuses to set the rate of an optimizer that has a schedule, before anything is trained.
template <class T>
void check_settable(const std::string& callback, const Optimizer<T>& optimizer) {
    if (!optimizer.has_schedule()) return;
    throw ValueError(fmt::format(
        "{}: the learning rate of {} is a schedule, a function of its updates, and cannot be set; give the "
        "optimizer a number, or leave {} out",
        callback, optimizer.type(), callback));
}

template <class T>
class ReduceLROnPlateauCallback : public Callback<T> {
  public:
    explicit ReduceLROnPlateauCallback(ReduceLROnPlateau arguments)
        : arguments_(std::move(arguments)),
          monitor_("ReduceLROnPlateau", arguments_.monitor, arguments_.mode, arguments_.min_delta),
          best_(monitor_.worst()) {
        if (!(arguments_.factor >= 0.0 && arguments_.factor < 1.0)) {
            throw ValueError(
                fmt::format("ReduceLROnPlateau: factor must be in [0, 1), got {}", arguments_.factor));
        }
        check_count("ReduceLROnPlateau", "patience", arguments_.patience);
        check_count("ReduceLROnPlateau", "cooldown", arguments_.cooldown);
        if (!(arguments_.min_lr >= 0.0)) {
            throw ValueError(
                fmt::format("ReduceLROnPlateau: min_lr must be at least 0, got {}", arguments_.min_lr));
        }
    }

    std::string type() const override { return "ReduceLROnPlateau"; }
    void on_setup(TrainingRun<T>& run) override { check_settable(type(), run.optimizer); }
    void on_epoch_end(TrainingRun<T>& run, std::int64_t, Logs& logs) override {
        const double rate = run.optimizer.learning_rate();
        logs.set("learning_rate", rate);
        const std::optional<double> monitored = monitor_.value(logs, run.names);
        if (!monitored) return;
        const double value = *monitored;
        if (cooling_ > 0) {
            --cooling_;
            wait_ = 0;
        }
        if (monitor_.better(value, best_)) {
            best_ = value;
            wait_ = 0;
            return;
        }
        if (cooling_ > 0 || ++wait_ < arguments_.patience || rate <= arguments_.min_lr) return;
        run.optimizer.set_learning_rate(std::max(rate * arguments_.factor, arguments_.min_lr));
        cooling_ = arguments_.cooldown;
        wait_ = 0;
    }

    CallbackState<T> state() const override {
        return {.numbers = {{"best", best_},
                            {"wait", static_cast<double>(wait_)},
                            {"cooling", static_cast<double>(cooling_)}}};
    }
    void set_state(const CallbackState<T>& state) override {
        const StateReader<T> saved(type(), state);
        const double best = saved.number("best");
        const std::int64_t wait = saved.integer("wait"), cooling = saved.integer("cooling");
        best_ = best;
        wait_ = wait;
        cooling_ = cooling;
    }

  private:
    ReduceLROnPlateau arguments_;
    detail::Monitor monitor_;
    double best_;
    std::int64_t wait_ = 0, cooling_ = 0;
};

template <class T>
class LearningRateSchedulerCallback : public Callback<T> {
  public:
    explicit LearningRateSchedulerCallback(LearningRateScheduler arguments)
        : arguments_(std::move(arguments)) {
        if (!arguments_.schedule) throw ValueError("LearningRateScheduler: expected a schedule, got none");
    }
    std::string type() const override { return "LearningRateScheduler"; }
    void on_setup(TrainingRun<T>& run) override { check_settable(type(), run.optimizer); }
    void on_epoch_begin(TrainingRun<T>& run, std::int64_t epoch) override {
        run.optimizer.set_learning_rate(arguments_.schedule(epoch, run.optimizer.learning_rate()));
    }
    void on_epoch_end(TrainingRun<T>& run, std::int64_t, Logs& logs) override {
        logs.set("learning_rate", run.optimizer.learning_rate());
    }

  private:
    LearningRateScheduler arguments_;
};

}  // namespace

template <class T>
std::shared_ptr<Callback<T>> ReduceLROnPlateau::make() const {
    return std::make_shared<ReduceLROnPlateauCallback<T>>(*this);
}
template <class T>
std::shared_ptr<Callback<T>> LearningRateScheduler::make() const {
    return std::make_shared<LearningRateSchedulerCallback<T>>(*this);
}

template std::shared_ptr<Callback<float>> ReduceLROnPlateau::make<float>() const;
template std::shared_ptr<Callback<double>> ReduceLROnPlateau::make<double>() const;
template std::shared_ptr<Callback<float>> LearningRateScheduler::make<float>() const;
template std::shared_ptr<Callback<double>> LearningRateScheduler::make<double>() const;

}  // namespace seqgrad
