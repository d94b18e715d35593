#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/optim/optimizer.hpp"
#include "seqgrad/train/history.hpp"
#include "seqgrad/train/training_state.hpp"

// What happens beside the updates while a Trainer fits: stopping early, saving, changing the learning rate.
// Names, arguments and decisions are Keras's; epochs and steps are counted from 1, as in History.
//
//     trainer.fit(train, {.epochs = 100,
//                         .validation_data = valid,
//                         .callbacks = {EarlyStopping{.patience = 5, .restore_best_weights = true},
//                                       CSVLogger{.path = "log.csv"}}});
//
// A callback given as its arguments, as here, starts afresh in every `fit`. One that is asked things
// afterwards, or a user's own, is made before and given as a shared_ptr:
//
//     auto stopping = std::make_shared<EarlyStoppingCallback<float>>(EarlyStopping{.patience = 5});
//     trainer.fit(train, {.callbacks = {stopping}});
//     stopping->stopped_epoch();

namespace seqgrad {

/// A run of Trainer::fit as its callbacks see it.
template <class T>
struct TrainingRun {
    Module<T>& model;
    Optimizer<T>& optimizer;
    bool stop = false;  ///< set by a callback: the run ends after this step, and its epoch with it
    /// Set beside `stop` where the run has not come to its end but is to go on another time.
    bool interrupted = false;
    bool resumed = false;  ///< whether the run goes on from a saved state
    /// The current epoch, from 1. In on_setup and on_train_begin the first one, unless a state is restored.
    std::int64_t epoch = 1;
    /// The numbers that epochs have, before callbacks add theirs: "loss", those of the metrics, and with
    /// validation the same with "val_", which epochs without validation lack (`validation_freq`).
    std::vector<std::string> names = {};
    /// A copy of all that the run needs to go on from here; to be called in on_safe_point.
    std::function<TrainingState<T>()> capture = {};
    /// Makes the run go on from a state; to be called in on_setup.
    std::function<void(TrainingState<T>)> restore = {};
};

/// Base of what a Trainer calls while it fits. What a callback throws ends the run.
template <class T>
class Callback {
  public:
    virtual ~Callback() = default;

    /// A name of the class for messages and checkpoints: "EarlyStopping".
    virtual std::string type() const { return "Callback"; }

    /// Before anything else; the only place where `run.restore` may be called.
    virtual void on_setup(TrainingRun<T>&) {}
    /// Before the first step; where `run.resumed`, `set_state` follows.
    virtual void on_train_begin(TrainingRun<T>&) {}
    /// Not again for an epoch that a resumed run goes on with in its middle.
    virtual void on_epoch_begin(TrainingRun<T>&, std::int64_t /*epoch*/) {}
    /// After the update of a step; `logs` are the epoch's so far.
    virtual void on_train_batch_end(TrainingRun<T>&, std::size_t /*step*/, const Logs&) {}
    /// After validation. What is set in `logs` is shown and goes into the history.
    virtual void on_epoch_end(TrainingRun<T>&, std::int64_t /*epoch*/, Logs&) {}
    /// Also where the run was stopped, not where it ended with an exception.
    virtual void on_train_end(TrainingRun<T>&) {}
    /// When a loss or gradient is not finite, before anything was updated; `message` says which. Where one
    /// callback gives true the run ends as if it had been stopped, otherwise with a NonFiniteError.
    virtual bool on_non_finite(TrainingRun<T>&, const std::string& /*message*/) { return false; }
    /// After a step, and after an epoch, when all callbacks have seen it: `run.capture` gives a state from
    /// which the run goes on exactly.
    virtual void on_safe_point(TrainingRun<T>&) {}

    /// All that the callback has to know to go on with a run that was stopped.
    virtual CallbackState<T> state() const { return {}; }
    /// Goes on from what `state` gave. Throws ValueError for any other.
    virtual void set_state(const CallbackState<T>&) {}
};

/// Any callback for a list of them: one's arguments, or a shared_ptr to one.
template <class T>
class AnyCallback {
  public:
    /// Throws ValueError where there is none.
    template <std::derived_from<Callback<T>> C>
    AnyCallback(std::shared_ptr<C> callback)
        : AnyCallback(std::shared_ptr<Callback<T>>(std::move(callback))) {}
    AnyCallback(std::shared_ptr<Callback<T>> callback);
    /// Arguments such as EarlyStopping{...}.
    template <class Arguments>
    requires requires(const Arguments& a) {
        { a.template make<T>() } -> std::convertible_to<std::shared_ptr<Callback<T>>>;
    }
    AnyCallback(Arguments arguments)
        : make_([arguments = std::move(arguments)] { return arguments.template make<T>(); }) {}

    /// The callback for one run. Throws ValueError for arguments that are out of their range.
    std::shared_ptr<Callback<T>> make() const { return make_(); }

  private:
    std::function<std::shared_ptr<Callback<T>>()> make_;
};

/// Which way a number gets better.
enum class MonitorMode {
    automatic,  ///< larger where the name says accuracy, AUC, precision, recall or F1; otherwise smaller
    min,
    max,
};

// EarlyStopping, ModelCheckpoint and ReduceLROnPlateau watch a number (`monitor`). An epoch without
// validation, which `validation_freq` leaves out, has no "val_" numbers: if one of these is watched, that
// epoch does not count. `fit` throws ValueError after an epoch in which a number is missing that no epoch
// will have.

/// Ends training when a number has stopped getting better.
struct EarlyStopping {
    std::string monitor = "val_loss";
    double min_delta = 0.0;     ///< by how much it has to get better to count; its sign does not matter
    std::int64_t patience = 0;  ///< epochs in a row without one that is better; at least 0
    MonitorMode mode = MonitorMode::automatic;
    std::optional<double> baseline = {};  ///< has to be beaten as well
    bool restore_best_weights = false;    ///< at the end, however it came
    std::int64_t start_from_epoch = 0;    ///< so many first epochs do not count; at least 0

    template <class T>
    std::shared_ptr<Callback<T>> make() const;
};

/// Saves the model's weights (save_weights) after every epoch, or after those that were the best so far.
/// Makes the folder. If a path names a number of the validation, epochs without validation are not saved.
struct ModelCheckpoint {
    /// A path in which {epoch} and the names of the epoch's numbers are replaced as {fmt} does:
    /// "model-{epoch:03d}-{val_loss:.2f}.json".
    std::string filepath = {};
    std::string monitor = "val_loss";  ///< with save_best_only
    bool save_best_only = false;
    MonitorMode mode = MonitorMode::automatic;
    std::optional<double> initial_value_threshold = {};  ///< what the first one has to beat

    template <class T>
    std::shared_ptr<Callback<T>> make() const;
};

/// Lowers the learning rate when a number has stopped getting better: rate <- max(rate factor, min_lr). At
/// its start, `fit` throws ValueError for an optimizer whose rate is a schedule.
struct ReduceLROnPlateau {
    std::string monitor = "val_loss";
    double factor = 0.1;         ///< in [0, 1)
    std::int64_t patience = 10;  ///< epochs in a row without one that is better
    MonitorMode mode = MonitorMode::automatic;
    double min_delta = 1e-4;    ///< by how much it has to get better to count; its sign does not matter
    std::int64_t cooldown = 0;  ///< epochs after a change that do not count; at least 0
    double min_lr = 0.0;

    template <class T>
    std::shared_ptr<Callback<T>> make() const;
};

/// Sets the learning rate before every epoch: rate = schedule(epoch, rate before). At its start, `fit` throws
/// ValueError for an optimizer whose rate is a schedule.
struct LearningRateScheduler {
    std::function<double(std::int64_t epoch, double rate)> schedule = {};

    template <class T>
    std::shared_ptr<Callback<T>> make() const;
};

/// Writes every epoch's numbers to a file of comma-separated values, exactly, as soon as it ends. The columns
/// are "epoch", the numbers that are known from the start (TrainingRun::names), and what callbacks before
/// this one add in the first epoch that is written. An epoch that lacks a number has NA there. A run that
/// goes on from a checkpoint goes on with its file, without what it had written after that checkpoint.
struct CSVLogger {
    std::filesystem::path path = {};
    /// Between fields; not a quote, a line's end, or a character of a number.
    char separator = ',';
    /// Writes behind the rows of a file that is there, in the order of its columns and with NA in those that
    /// this run has no numbers for. A last line that was cut off is removed. `fit` throws FormatError if the
    /// file has no column for a number, or is not such a log; the file is then as it was.
    bool append = false;

    template <class T>
    std::shared_ptr<Callback<T>> make() const;
};

/// Writes every epoch's numbers, and from time to time the distributions of weights and gradients, to an
/// event file that TensorBoard shows (event_file.hpp): "epoch/loss", "weights/lstm.kernel",
/// "gradients/lstm.kernel". A run that goes on from a checkpoint, or begins anew, replaces what the folder
/// has of the same epochs and steps.
struct TensorBoard {
    std::filesystem::path log_dir = "logs";
    /// Distributions after every so many epochs; 0: none. The gradients are those of the last step.
    std::int64_t histogram_freq = 0;
    /// Also the loss after every so many steps, as "batch/loss" in the folder "batch" inside `log_dir`; 0:
    /// not.
    std::int64_t update_freq = 0;

    template <class T>
    std::shared_ptr<Callback<T>> make() const;
};

/// Ends training without an exception when a loss or gradient is not finite; the weights are those of the
/// step before.
struct TerminateOnNaN {
    template <class T>
    std::shared_ptr<Callback<T>> make() const;
};

/// Ends training in good order on Ctrl-C (SIGINT): after the step that is being made, and with everything
/// that the end of an epoch and of training does; with BackupAndRestore the run can go on later. A second
/// Ctrl-C ends the program at once. What handled the signal before does so again afterwards. At most one run
/// of a process may have it at a time.
struct StopOnInterrupt {
    template <class T>
    std::shared_ptr<Callback<T>> make() const;
};

/// A callback made of functions; those that are not given do nothing.
template <class T>
struct LambdaCallback {
    std::function<void(TrainingRun<T>&)> on_train_begin = {};
    std::function<void(TrainingRun<T>&, std::int64_t epoch)> on_epoch_begin = {};
    std::function<void(TrainingRun<T>&, std::size_t step, const Logs&)> on_train_batch_end = {};
    std::function<void(TrainingRun<T>&, std::int64_t epoch, Logs&)> on_epoch_end = {};
    std::function<void(TrainingRun<T>&)> on_train_end = {};

    template <std::same_as<T> U>
    std::shared_ptr<Callback<U>> make() const;
};

namespace detail {

/// Whether a number has become better.
class Monitor {
  public:
    /// Throws ValueError for a name that is empty and a delta that is not finite.
    Monitor(const char* callback, std::string name, MonitorMode mode, double min_delta);

    /// The number among an epoch's, nothing if the run has it in other epochs. Throws ValueError, naming
    /// those there are, if it has it in none. `names` are the run's (TrainingRun::names).
    std::optional<double> value(const Logs& logs, const std::vector<std::string>& names) const;
    /// Whether a value is better than another by more than the delta. NaN is not.
    bool better(double value, double than) const;
    /// Worse than any other value.
    double worst() const;

  private:
    const char* callback_;
    std::string name_;
    bool larger_;
    double min_delta_;
};

}  // namespace detail

/// EarlyStopping at work.
template <class T>
class EarlyStoppingCallback : public Callback<T> {
  public:
    /// Throws ValueError for arguments out of their range.
    explicit EarlyStoppingCallback(EarlyStopping arguments);

    /// The epoch after which it stopped the last run; 0 where it did not.
    std::int64_t stopped_epoch() const noexcept { return stopped_epoch_; }
    /// The epoch of the best value, 0 before there is one.
    std::int64_t best_epoch() const noexcept { return best_epoch_; }
    double best() const noexcept { return best_; }

    std::string type() const override { return "EarlyStopping"; }
    void on_train_begin(TrainingRun<T>& run) override;
    void on_epoch_end(TrainingRun<T>& run, std::int64_t epoch, Logs& logs) override;
    void on_train_end(TrainingRun<T>& run) override;
    CallbackState<T> state() const override;
    void set_state(const CallbackState<T>& state) override;

  private:
    void keep_weights(const Module<T>& model);
    void check_weights(const std::vector<Tensor<T>>& weights) const;

    EarlyStopping arguments_;
    detail::Monitor monitor_;
    double best_;
    std::int64_t wait_ = 0, stopped_epoch_ = 0, best_epoch_ = 0;
    std::vector<Tensor<T>> best_weights_;
    const Module<T>* model_ = nullptr;  // of the run
};

extern template class AnyCallback<float>;
extern template class AnyCallback<double>;
extern template class EarlyStoppingCallback<float>;
extern template class EarlyStoppingCallback<double>;

}  // namespace seqgrad
