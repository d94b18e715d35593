// ModelCheckpoint: the callback that saves weights.
#include <utility>

#include <fmt/args.h>
#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/weights.hpp"
#include "seqgrad/train/callbacks.hpp"
#include "seqgrad/train/internal/callbacks.hpp"

namespace seqgrad {

using detail::StateReader;

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

}  // namespace

template <class T>
std::shared_ptr<Callback<T>> ModelCheckpoint::make() const {
    return std::make_shared<ModelCheckpointCallback<T>>(*this);
}

template std::shared_ptr<Callback<float>> ModelCheckpoint::make<float>() const;
template std::shared_ptr<Callback<double>> ModelCheckpoint::make<double>() const;

}  // namespace seqgrad
