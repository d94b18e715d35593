// ModelCheckpoint: the callback that saves weights.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/args.h>
#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/weights.hpp"
#include "seqgrad/train/callbacks.hpp"
#include "seqgrad/train/internal/callbacks.hpp"

namespace seqgrad {

using detail::StateReader;

namespace {

/// A number that an epoch lacks; says whether a path names it.
struct Absent {
    bool* named;
};

}  // namespace
}  // namespace seqgrad

/// Takes any format of a number.
template <>
struct fmt::formatter<seqgrad::Absent> {
    constexpr auto parse(fmt::format_parse_context& context) {
        auto at = context.begin();
        while (at != context.end() && *at != '}') ++at;
        return at;
    }
    template <class Context>
    auto format(const seqgrad::Absent& absent, Context& context) const {
        *absent.named = true;
        return context.out();
    }
};

namespace seqgrad {
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
        const std::optional<std::filesystem::path> file = path(epoch, logs, run.names);
        std::optional<double> value;
        if (arguments_.save_best_only) {
            value = monitor_.value(logs, run.names);
            if (!value || !monitor_.better(*value, best_)) return;
        }
        if (!file) return;
        make_folder(file->parent_path());
        save_weights(run.model, *file);
        if (value) best_ = *value;
    }

    CallbackState<T> state() const override { return {.numbers = {{"best", best_}}}; }
    void set_state(const CallbackState<T>& state) override {
        best_ = StateReader<T>(type(), state).number("best");
    }

  private:
    /// Nothing if the path names a number that this epoch lacks but others have.
    std::optional<std::filesystem::path> path(std::int64_t epoch, const Logs& logs,
                                              const std::vector<std::string>& names) const {
        bool lacks = false;
        fmt::dynamic_format_arg_store<fmt::format_context> values;
        values.push_back(fmt::arg("epoch", epoch));
        for (const auto& [name, value] : logs) values.push_back(fmt::arg(name.c_str(), value));
        for (const std::string& name : names)
            if (!logs.contains(name)) values.push_back(fmt::arg(name.c_str(), Absent{&lacks}));
        try {
            std::string file = fmt::vformat(arguments_.filepath, values);
            if (lacks) return std::nullopt;
            return file;
        } catch (const fmt::format_error& error) {
            throw ValueError(
                fmt::format("ModelCheckpoint: filepath \"{}\": {} (there are epoch and the epoch's "
                            "numbers)",
                            arguments_.filepath, error.what()));
        }
    }
    static void make_folder(const std::filesystem::path& folder) {
        std::error_code error;
        if (!folder.empty()) std::filesystem::create_directories(folder, error);
        if (error) {
            throw IoError(fmt::format("ModelCheckpoint: cannot make the folder {}: {}", folder.string(),
                                      error.message()));
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
