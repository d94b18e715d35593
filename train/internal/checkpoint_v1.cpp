#include "seqgrad/train/internal/checkpoint_v1.hpp"

#include <cmath>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/crc64.hpp"
#include "seqgrad/core/internal/json_numbers.hpp"
#include "seqgrad/layers/internal/json_file.hpp"
#include "seqgrad/train/internal/training_fields.hpp"

namespace seqgrad::detail {
namespace {

/// What is so short that several stand in a line.
template <class V>
inline constexpr bool short_text = std::is_arithmetic_v<V>;
template <class V>
inline constexpr bool short_text<std::vector<V>> = short_text<V>;
template <class V>
inline constexpr bool short_text<std::pair<std::string, V>> = short_text<V>;

/// Writes values to a text. The same values give the same text, and other values another one.
class Writer {
  public:
    std::string take() { return std::move(text_); }

    void operator()(const char* name, const auto& member) {
        next();
        text_ += fmt::format("\"{}\": ", name);
        write(member);
    }

    void write(const auto& object) requires requires { fields(*this, object); }
    {
        const bool state = depth_ == 0;
        within('{', '}', state, [&] { fields(*this, object); });
    }

    void write(std::same_as<bool> auto value) { text_ += value ? "true" : "false"; }
    void write(std::int64_t value) { text_ += fmt::format("{}", value); }
    void write(std::size_t value) { text_ += fmt::format("{}", value); }
    void write(std::floating_point auto value) {
        if (std::isfinite(value)) {
            append_number(text_, value);
        } else {
            text_ += '"';
            text_ += non_finite_text(static_cast<double>(value));
            text_ += '"';
        }
    }
    void write(const std::string& value) {
        try {
            text_ += Json(value).dump();
        } catch (const Json::exception&) {
            throw ValueError(fmt::format("checkpoint: the name {} is not UTF-8",
                                         Json(value).dump(-1, ' ', true, Json::error_handler_t::replace)));
        }
    }
    template <class V>
    void write(const std::optional<V>& value) {
        if (value) {
            write(*value);
        } else {
            text_ += "null";
        }
    }
    template <class V>
    void write(const std::pair<std::string, V>& value) {
        text_ += '[';
        write(value.first);
        text_ += ", ";
        write(value.second);
        text_ += ']';
    }
    template <class V>
    void write(const std::map<std::string, V>& values) {
        within('{', '}', false, [&] {
            for (const auto& [name, value] : values) {
                next();
                write(name);
                text_ += ": ";
                write(value);
            }
        });
    }
    template <class V>
    void write(const std::vector<V>& values) {
        write_array(values, !short_text<V>);
    }
    void write(const Logs& logs) { write_array(logs, false); }
    void write(const History& history) { write_array(history.epochs(), true); }

    template <class T>
    void write(const Tensor<T>& tensor) {
        text_ += fmt::format("{{\"shape\": {}, \"dtype\": \"{}\", \"data\": [",
                             to_string(Shape(tensor.shape().begin(), tensor.shape().end())), dtype_name<T>);
        const char* comma = "";
        for (const T value : elements(tensor)) {
            text_ += comma;
            write(value);
            comma = ",";
        }
        text_ += "]}";
    }

  private:
    void write_array(const auto& values, bool in_lines) {
        within('[', ']', in_lines, [&] {
            for (const auto& value : values) {
                next();
                write(value);
            }
        });
    }
    /// Before every member and element.
    void next() {
        if (!first_) text_ += ',';
        if (in_lines_) {
            text_ += '\n';
        } else if (!first_) {
            text_ += ' ';
        }
        first_ = false;
    }
    template <class Write>
    void within(char begin, char end, bool in_lines, const Write& contents) {
        text_ += begin;
        first_ = true;
        ++depth_;
        const bool outer = std::exchange(in_lines_, in_lines);
        contents();
        in_lines_ = outer;
        --depth_;
        first_ = false;
        text_ += end;
    }

    std::string text_;
    bool first_ = true;      // whether the next member or element is the first of its kind
    bool in_lines_ = false;  // whether each has a line of its own
    int depth_ = 0;
};

}  // namespace

template <class T>
std::string checkpoint_v1_checksum(const TrainingState<T>& state) {
    Writer writer;
    writer.write(state);
    return checksum_text(crc64(writer.take()));
}

template std::string checkpoint_v1_checksum(const TrainingState<float>&);
template std::string checkpoint_v1_checksum(const TrainingState<double>&);

}  // namespace seqgrad::detail
