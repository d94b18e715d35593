// The callbacks that write down how a run goes: CSVLogger, TensorBoard.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/data/internal/csv_records.hpp"
#include "seqgrad/train/callbacks.hpp"
#include "seqgrad/train/event_file.hpp"
#include "seqgrad/train/internal/callbacks.hpp"

namespace seqgrad {

using detail::check_count;
using detail::StateReader;

namespace {

/// Whether a separator cannot be mistaken for a part of a field.
bool separates(char c) {
    constexpr std::string_view others = "+-.\"\n\r";
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return !letter && !(c >= '0' && c <= '9') && c != '\0' && others.find(c) == std::string_view::npos;
}

/// A name as a field: in quotes if it could be mistaken for several.
std::string as_field(const std::string& name, char separator) {
    const bool plain = !name.empty() && name.find_first_of("\"\n\r") == std::string::npos &&
                       name.find(separator) == std::string::npos && name.front() != ' ' && name.back() != ' ';
    if (plain) return name;
    std::string field = "\"";
    for (const char c : name) field += c == '"' ? std::string("\"\"") : std::string(1, c);
    return field + '"';
}

/// The fields of the first record of a text; none if it is empty. Throws FormatError where it is no such
/// text.
std::vector<std::string> fields_of(std::string_view text, const std::string& source, char separator) {
    detail::CsvRecords records(text, source, separator);
    std::vector<std::string> fields;
    if (records.next())
        for (const auto& field : records.fields()) fields.push_back(field.text);
    return fields;
}

template <class T>
class CSVLoggerCallback : public Callback<T> {
  public:
    explicit CSVLoggerCallback(CSVLogger arguments) : arguments_(std::move(arguments)) {
        if (arguments_.path.empty()) throw ValueError("CSVLogger: path needs a path");
        if (!separates(arguments_.separator)) {
            throw ValueError(fmt::format(
                "CSVLogger: separator must not be a letter, a digit, a quote, a line's end or one "
                "of \"+-.\", got character {}",
                static_cast<int>(static_cast<unsigned char>(arguments_.separator))));
        }
    }

    std::string type() const override { return "CSVLogger"; }

    void on_train_begin(TrainingRun<T>& run) override {
        columns_.clear();
        added_to_.reset();
        const bool goes_on = arguments_.append || run.resumed;
        header_ = !(goes_on && size() > 0);
        if (!header_ && !run.resumed) {
            added_to_ = contents();
            columns_ = columns_of(*added_to_);
            check_columns(run.names);
        }
        open(goes_on);
    }

    void on_epoch_end(TrainingRun<T>& run, std::int64_t epoch, Logs& logs) override {
        std::string text;
        if (added_to_) {
            std::vector<std::string> names;
            for (const auto& [name, value] : logs) names.push_back(name);
            check_columns(names);
            if (end_last_line(*added_to_)) text += '\n';
            added_to_.reset();
        } else if (columns_.empty()) {
            columns_ = run.names;
            for (const auto& [name, value] : logs)
                if (std::ranges::find(columns_, name) == columns_.end()) columns_.push_back(name);
        }
        if (header_) {
            text += "epoch";
            for (const std::string& name : columns_)
                text += arguments_.separator + as_field(name, arguments_.separator);
            text += '\n';
            header_ = false;
        }
        text += fmt::format("{}", epoch);
        for (const std::string& name : columns_) {
            text += arguments_.separator;
            text += logs.contains(name) ? fmt::format("{}", logs[name]) : "NA";
        }
        // In one piece, so that a process that is killed hardly leaves half a row.
        file_ << text + '\n' << std::flush;
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
        shorten(bytes);
        header_ = bytes == 0;
        open(true);
    }

  private:
    static inline const std::string column_prefix = "column ";

    std::string name() const { return arguments_.path.string(); }
    /// Of the file; 0 where there is none.
    std::uintmax_t size() const {
        std::error_code none;
        const std::uintmax_t bytes = std::filesystem::file_size(arguments_.path, none);
        return none ? 0 : bytes;
    }
    std::string contents() const {
        std::ifstream file(arguments_.path, std::ios::binary);
        std::string text{std::istreambuf_iterator<char>(file), {}};
        if (!file) throw IoError(fmt::format("CSVLogger: cannot read {}: {}", name(), std::strerror(errno)));
        return text;
    }
    /// The columns of a file that rows are added to, besides "epoch".
    std::vector<std::string> columns_of(const std::string& text) const {
        std::vector<std::string> columns = fields_of(text, name(), arguments_.separator);
        if (columns.empty() || columns.front() != "epoch") {
            throw FormatError(fmt::format(
                "CSVLogger: {} does not begin with the column \"epoch\" and the separator '{}', so "
                "nothing can be added to it; give another path, or append = false to replace it",
                name(), arguments_.separator));
        }
        columns.erase(columns.begin());
        return columns;
    }
    /// Refuses numbers for which the file that rows are added to has no column.
    void check_columns(const std::vector<std::string>& names) const {
        for (const std::string& number : names) {
            if (std::ranges::find(columns_, number) != columns_.end()) continue;
            throw FormatError(fmt::format(
                "CSVLogger: {} has the columns epoch, {}, and none for \"{}\"; give another path, "
                "or append = false to replace it",
                name(), fmt::join(columns_, ", "), number));
        }
    }
    /// Removes a last line that was cut off, and says whether one without a line's end is to be ended.
    bool end_last_line(const std::string& text) const {
        const std::size_t begin = text.rfind('\n') + 1;  // 0 where there is none
        if (begin == text.size()) return false;
        std::size_t fields = 0;
        try {
            fields = fields_of(std::string_view(text).substr(begin), name(), arguments_.separator).size();
        } catch (const FormatError&) {
            // It was cut off within quotes.
        }
        if (fields == columns_.size() + 1) return true;
        shorten(begin);
        return false;
    }
    void shorten(std::uintmax_t bytes) const {
        std::error_code error;
        std::filesystem::resize_file(arguments_.path, bytes, error);
        if (error) throw IoError(fmt::format("CSVLogger: cannot shorten {}: {}", name(), error.message()));
    }
    void open(bool append) {
        file_.clear();
        file_.open(arguments_.path, append ? std::ios::app : std::ios::trunc);
        check();
    }
    void check() const {
        if (file_) return;
        throw IoError(fmt::format("CSVLogger: cannot write {}: {}", name(), std::strerror(errno)));
    }

    CSVLogger arguments_;
    std::ofstream file_;
    std::vector<std::string> columns_;
    bool header_ = true;
    std::optional<std::string> added_to_;  // what a file held, until a row is added to it
};

template <class T>
class TensorBoardCallback : public Callback<T> {
  public:
    explicit TensorBoardCallback(TensorBoard arguments) : arguments_(std::move(arguments)) {
        check_count("TensorBoard", "histogram_freq", arguments_.histogram_freq);
        check_count("TensorBoard", "update_freq", arguments_.update_freq);
    }

    std::string type() const override { return "TensorBoard"; }
    void on_train_begin(TrainingRun<T>& run) override {
        steps_ = 0;
        epochs_file_.reset();
        steps_file_.reset();
        // Where a run goes on is known when all callbacks have their states.
        if (!run.resumed) open(run);
    }

    void on_train_batch_end(TrainingRun<T>& run, std::size_t, const Logs& logs) override {
        open(run);
        ++steps_;
        if (steps_file_ && steps_ % arguments_.update_freq == 0)
            steps_file_->scalar("batch/loss", logs["loss"], steps_);
    }

    void on_epoch_end(TrainingRun<T>& run, std::int64_t epoch, Logs& logs) override {
        open(run);
        for (const auto& [name, value] : logs) epochs_file_->scalar("epoch/" + name, value, epoch);
        if (arguments_.histogram_freq == 0 || epoch % arguments_.histogram_freq != 0) return;
        for (const NamedParameter<T>& p : run.model.parameters()) {
            epochs_file_->template histogram<T>("weights/" + p.name, elements(p.variable.value()), epoch);
            if (p.variable.has_grad())
                epochs_file_->template histogram<T>("gradients/" + p.name, elements(p.variable.grad()),
                                                    epoch);
        }
    }

    void on_train_end(TrainingRun<T>&) override {
        epochs_file_.reset();
        steps_file_.reset();
    }

    CallbackState<T> state() const override { return {.numbers = {{"steps", static_cast<double>(steps_)}}}; }
    void set_state(const CallbackState<T>& state) override {
        steps_ = StateReader<T>(type(), state).integer("steps");
    }

  private:
    /// In two folders, because a mark of where a run goes on is one for all tags of a folder, and epochs are
    /// counted otherwise than steps.
    void open(const TrainingRun<T>& run) {
        if (epochs_file_) return;
        epochs_file_.emplace(arguments_.log_dir, run.epoch);
        if (arguments_.update_freq != 0) steps_file_.emplace(arguments_.log_dir / "batch", steps_ + 1);
    }

    TensorBoard arguments_;
    std::optional<EventFile> epochs_file_, steps_file_;
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
