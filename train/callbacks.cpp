#include "seqgrad/train/callbacks.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <string_view>

#include <fmt/args.h>
#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/weights.hpp"
#include "seqgrad/train/event_file.hpp"
#include "seqgrad/train/internal/callbacks.hpp"

namespace seqgrad {

using detail::check_count;
using detail::StateReader;

template <class T>
AnyCallback<T>::AnyCallback(std::shared_ptr<Callback<T>> callback) {
    if (!callback) throw ValueError("fit: expected a callback, got none");
    make_ = [callback = std::move(callback)] { return callback; };
}

namespace detail {

Monitor::Monitor(const char* callback, std::string name, MonitorMode mode, double min_delta)
    : callback_(callback), name_(std::move(name)), min_delta_(std::abs(min_delta)) {
    if (name_.empty()) throw ValueError(fmt::format("{}: monitor needs a name", callback_));
    if (!std::isfinite(min_delta))
        throw ValueError(fmt::format("{}: min_delta must be finite, got {}", callback_, min_delta));
    constexpr std::array<std::string_view, 6> growing{"acc", "auc", "precision", "recall", "f1", "r2"};
    const auto grows = [&](std::string_view part) { return name_.find(part) != std::string::npos; };
    larger_ =
        mode == MonitorMode::max || (mode == MonitorMode::automatic && std::ranges::any_of(growing, grows));
}

double Monitor::value(const Logs& logs) const {
    if (logs.contains(name_)) return logs[name_];
    std::string names;
    for (const auto& [name, value] : logs) names += (names.empty() ? "" : ", ") + name;
    throw ValueError(fmt::format("{}: the epoch has no \"{}\" to monitor, it has {}{}", callback_, name_,
                                 names, name_.starts_with("val_") ? " (give validation_data)" : ""));
}

bool Monitor::better(double value, double than) const {
    return larger_ ? value - min_delta_ > than : value + min_delta_ < than;
}

double Monitor::worst() const {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    return larger_ ? -infinity : infinity;
}

}  // namespace detail

namespace {

template <class T>
class ModelCheckpointCallback : public Callback<T> {
  public:
    explicit ModelCheckpointCallback(ModelCheckpoint arguments)
        : arguments_(std::move(arguments)),
          monitor_("ModelCheckpoint", arguments_.monitor, arguments_.mode, 0.0),
          best_(arguments_.initial_value_threshold.value_or(monitor_.worst())) {
        if (arguments_.filepath.empty()) throw ValueError("ModelCheckpoint: filepath needs a path");
    }

    std::string type() const override { return "ModelCheckpoint"; }
    void on_epoch_end(TrainingRun<T>& run, std::int64_t epoch, Logs& logs) override {
        if (arguments_.save_best_only) {
            const double value = monitor_.value(logs);
            if (!monitor_.better(value, best_)) return;
            save_weights(run.model, path(epoch, logs));
            best_ = value;
        } else {
            save_weights(run.model, path(epoch, logs));
        }
    }

    CallbackState<T> state() const override { return {.numbers = {{"best", best_}}}; }
    void set_state(const CallbackState<T>& state) override {
        best_ = StateReader<T>(type(), state).number("best");
    }

  private:
    std::string path(std::int64_t epoch, const Logs& logs) const {
        fmt::dynamic_format_arg_store<fmt::format_context> names;
        names.push_back(fmt::arg("epoch", epoch));
        for (const auto& [name, value] : logs) names.push_back(fmt::arg(name.c_str(), value));
        try {
            return fmt::vformat(arguments_.filepath, names);
        } catch (const fmt::format_error& error) {
            throw ValueError(
                fmt::format("ModelCheckpoint: filepath \"{}\": {} (there are epoch and the epoch's "
                            "numbers)",
                            arguments_.filepath, error.what()));
        }
    }

    ModelCheckpoint arguments_;
    detail::Monitor monitor_;
    double best_;
};

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
    void on_epoch_end(TrainingRun<T>& run, std::int64_t, Logs& logs) override {
        const double rate = run.optimizer.learning_rate();
        logs.set("learning_rate", rate);
        const double value = monitor_.value(logs);
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
    void on_epoch_begin(TrainingRun<T>& run, std::int64_t epoch) override {
        run.optimizer.set_learning_rate(arguments_.schedule(epoch, run.optimizer.learning_rate()));
    }
    void on_epoch_end(TrainingRun<T>& run, std::int64_t, Logs& logs) override {
        logs.set("learning_rate", run.optimizer.learning_rate());
    }

  private:
    LearningRateScheduler arguments_;
};

template <class T>
class CSVLoggerCallback : public Callback<T> {
  public:
    explicit CSVLoggerCallback(CSVLogger arguments) : arguments_(std::move(arguments)) {
        if (arguments_.path.empty()) throw ValueError("CSVLogger: path needs a path");
    }

    std::string type() const override { return "CSVLogger"; }

    void on_train_begin(TrainingRun<T>& run) override {
        columns_.clear();
        const bool goes_on = arguments_.append || run.resumed;
        header_ = !(goes_on && size() > 0);
        open(goes_on);
    }

    void on_epoch_end(TrainingRun<T>&, std::int64_t epoch, Logs& logs) override {
        if (columns_.empty())
            for (const auto& [name, value] : logs) columns_.push_back(name);
        if (header_) {
            file_ << "epoch";
            for (const std::string& name : columns_) file_ << arguments_.separator << name;
            file_ << '\n';
            header_ = false;
        }
        file_ << epoch;
        for (const std::string& name : columns_) {
            file_ << arguments_.separator;
            if (logs.contains(name)) file_ << fmt::format("{}", logs[name]);
        }
        file_ << '\n' << std::flush;
        check();
    }

    void on_train_end(TrainingRun<T>&) override { file_.close(); }

    CallbackState<T> state() const override {
        CallbackState<T> state{.numbers = {{"bytes", static_cast<double>(size())}}};
        for (std::size_t i = 0; i < columns_.size(); ++i)
            state.numbers[column_prefix + columns_[i]] = static_cast<double>(i);
        return state;
    }
    void set_state(const CallbackState<T>& state) override {
        const StateReader<T> saved(type(), state);
        const auto bytes = static_cast<std::uintmax_t>(std::max<std::int64_t>(0, saved.integer("bytes")));
        std::map<std::int64_t, std::string> columns;
        for (const auto& [name, position] : state.numbers) {
            if (name.starts_with(column_prefix))
                columns[saved.integer(name)] = name.substr(column_prefix.size());
        }
        columns_.clear();
        for (auto& [position, name] : columns) columns_.push_back(std::move(name));
        if (size() <= bytes) return;  // nothing was written after the checkpoint
        file_.close();
        std::error_code error;
        std::filesystem::resize_file(arguments_.path, bytes, error);
        if (error) {
            throw IoError(
                fmt::format("CSVLogger: cannot shorten {}: {}", arguments_.path.string(), error.message()));
        }
        header_ = bytes == 0;
        open(true);
    }

  private:
    static inline const std::string column_prefix = "column ";

    /// Of the file; 0 where there is none.
    std::uintmax_t size() const {
        std::error_code none;
        const std::uintmax_t bytes = std::filesystem::file_size(arguments_.path, none);
        return none ? 0 : bytes;
    }
    void open(bool append) {
        file_.clear();
        file_.open(arguments_.path, append ? std::ios::app : std::ios::trunc);
        check();
    }
    void check() const {
        if (file_) return;
        throw IoError(
            fmt::format("CSVLogger: cannot write {}: {}", arguments_.path.string(), std::strerror(errno)));
    }

    CSVLogger arguments_;
    std::ofstream file_;
    std::vector<std::string> columns_;
    bool header_ = true;
};

template <class T>
class TensorBoardCallback : public Callback<T> {
  public:
    explicit TensorBoardCallback(TensorBoard arguments) : arguments_(std::move(arguments)) {
        check_count("TensorBoard", "histogram_freq", arguments_.histogram_freq);
        check_count("TensorBoard", "update_freq", arguments_.update_freq);
    }

    std::string type() const override { return "TensorBoard"; }
    void on_train_begin(TrainingRun<T>&) override {
        steps_ = 0;
        file_.emplace(arguments_.log_dir);
    }

    void on_train_batch_end(TrainingRun<T>&, std::size_t, const Logs& logs) override {
        ++steps_;
        if (arguments_.update_freq != 0 && steps_ % arguments_.update_freq == 0)
            file_->scalar("batch/loss", logs["loss"], steps_);
    }

    void on_epoch_end(TrainingRun<T>& run, std::int64_t epoch, Logs& logs) override {
        for (const auto& [name, value] : logs) file_->scalar("epoch/" + name, value, epoch);
        if (arguments_.histogram_freq == 0 || epoch % arguments_.histogram_freq != 0) return;
        for (const NamedParameter<T>& p : run.model.parameters()) {
            file_->template histogram<T>("weights/" + p.name, elements(p.variable.value()), epoch);
            if (p.variable.has_grad())
                file_->template histogram<T>("gradients/" + p.name, elements(p.variable.grad()), epoch);
        }
    }

    void on_train_end(TrainingRun<T>&) override { file_.reset(); }

    CallbackState<T> state() const override { return {.numbers = {{"steps", static_cast<double>(steps_)}}}; }
    void set_state(const CallbackState<T>& state) override {
        steps_ = StateReader<T>(type(), state).integer("steps");
    }

  private:
    TensorBoard arguments_;
    std::optional<EventFile> file_;
    std::int64_t steps_ = 0;
};

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

template <class T>
class FunctionsCallback : public Callback<T> {
  public:
    explicit FunctionsCallback(LambdaCallback<T> functions) : functions_(std::move(functions)) {}
    std::string type() const override { return "LambdaCallback"; }
    void on_train_begin(TrainingRun<T>& run) override {
        if (functions_.on_train_begin) functions_.on_train_begin(run);
    }
    void on_epoch_begin(TrainingRun<T>& run, std::int64_t epoch) override {
        if (functions_.on_epoch_begin) functions_.on_epoch_begin(run, epoch);
    }
    void on_train_batch_end(TrainingRun<T>& run, std::size_t step, const Logs& logs) override {
        if (functions_.on_train_batch_end) functions_.on_train_batch_end(run, step, logs);
    }
    void on_epoch_end(TrainingRun<T>& run, std::int64_t epoch, Logs& logs) override {
        if (functions_.on_epoch_end) functions_.on_epoch_end(run, epoch, logs);
    }
    void on_train_end(TrainingRun<T>& run) override {
        if (functions_.on_train_end) functions_.on_train_end(run);
    }

  private:
    LambdaCallback<T> functions_;
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
void EarlyStoppingCallback<T>::on_train_begin(TrainingRun<T>&) {
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
    const double value = monitor_.value(logs);
    if (epoch <= arguments_.start_from_epoch) return;
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
    best_weights_ = saved.tensors("best_weights");
    best_ = best;
    wait_ = wait;
    stopped_epoch_ = stopped_epoch;
    best_epoch_ = best_epoch;
}

template <class T>
void EarlyStoppingCallback<T>::on_train_end(TrainingRun<T>& run) {
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
std::shared_ptr<Callback<T>> ModelCheckpoint::make() const {
    return std::make_shared<ModelCheckpointCallback<T>>(*this);
}
template <class T>
std::shared_ptr<Callback<T>> ReduceLROnPlateau::make() const {
    return std::make_shared<ReduceLROnPlateauCallback<T>>(*this);
}
template <class T>
std::shared_ptr<Callback<T>> LearningRateScheduler::make() const {
    return std::make_shared<LearningRateSchedulerCallback<T>>(*this);
}
template <class T>
std::shared_ptr<Callback<T>> CSVLogger::make() const {
    return std::make_shared<CSVLoggerCallback<T>>(*this);
}
template <class T>
std::shared_ptr<Callback<T>> TensorBoard::make() const {
    return std::make_shared<TensorBoardCallback<T>>(*this);
}
template <class T>
std::shared_ptr<Callback<T>> TerminateOnNaN::make() const {
    return std::make_shared<TerminateOnNaNCallback<T>>();
}
template <class T>
std::shared_ptr<Callback<T>> StopOnInterrupt::make() const {
    return std::make_shared<StopOnInterruptCallback<T>>();
}
template <class T>
template <std::same_as<T> U>
std::shared_ptr<Callback<U>> LambdaCallback<T>::make() const {
    return std::make_shared<FunctionsCallback<T>>(*this);
}

template std::shared_ptr<Callback<float>> EarlyStopping::make<float>() const;
template std::shared_ptr<Callback<double>> EarlyStopping::make<double>() const;
template std::shared_ptr<Callback<float>> ModelCheckpoint::make<float>() const;
template std::shared_ptr<Callback<double>> ModelCheckpoint::make<double>() const;
template std::shared_ptr<Callback<float>> ReduceLROnPlateau::make<float>() const;
template std::shared_ptr<Callback<double>> ReduceLROnPlateau::make<double>() const;
template std::shared_ptr<Callback<float>> LearningRateScheduler::make<float>() const;
template std::shared_ptr<Callback<double>> LearningRateScheduler::make<double>() const;
template std::shared_ptr<Callback<float>> CSVLogger::make<float>() const;
template std::shared_ptr<Callback<double>> CSVLogger::make<double>() const;
template std::shared_ptr<Callback<float>> TensorBoard::make<float>() const;
template std::shared_ptr<Callback<double>> TensorBoard::make<double>() const;
template std::shared_ptr<Callback<float>> TerminateOnNaN::make<float>() const;
template std::shared_ptr<Callback<double>> TerminateOnNaN::make<double>() const;
template std::shared_ptr<Callback<float>> StopOnInterrupt::make<float>() const;
template std::shared_ptr<Callback<double>> StopOnInterrupt::make<double>() const;
template std::shared_ptr<Callback<float>> LambdaCallback<float>::make<float>() const;
template std::shared_ptr<Callback<double>> LambdaCallback<double>::make<double>() const;
template class AnyCallback<float>;
template class AnyCallback<double>;
template class EarlyStoppingCallback<float>;
template class EarlyStoppingCallback<double>;

}  // namespace seqgrad
