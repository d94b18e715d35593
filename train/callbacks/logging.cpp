// The callbacks that write down how a run goes: CSVLogger, TensorBoard.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/train/callbacks.hpp"
#include "seqgrad/train/event_file.hpp"
#include "seqgrad/train/internal/callbacks.hpp"

namespace seqgrad {

using detail::check_count;
using detail::StateReader;

namespace {

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

}  // namespace

template <class T>
std::shared_ptr<Callback<T>> CSVLogger::make() const {
    return std::make_shared<CSVLoggerCallback<T>>(*this);
}
template <class T>
std::shared_ptr<Callback<T>> TensorBoard::make() const {
    return std::make_shared<TensorBoardCallback<T>>(*this);
}

template std::shared_ptr<Callback<float>> CSVLogger::make<float>() const;
template std::shared_ptr<Callback<double>> CSVLogger::make<double>() const;
template std::shared_ptr<Callback<float>> TensorBoard::make<float>() const;
template std::shared_ptr<Callback<double>> TensorBoard::make<double>() const;

}  // namespace seqgrad
