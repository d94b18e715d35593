#include "seqgrad/layers/internal/strict_json.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/json_numbers.hpp"

namespace seqgrad::detail {
namespace {

/// Receives the tokens from nlohmann::json::sax_parse and builds the value.
class Builder {
  public:
    using number_integer_t = Json::number_integer_t;
    using number_unsigned_t = Json::number_unsigned_t;
    using number_float_t = Json::number_float_t;
    using string_t = Json::string_t;
    using binary_t = Json::binary_t;

    Builder(bool tensors, const LoadLimits& limits) : tensors_(tensors), limits_(limits) {}

    Json take() { return std::move(root_); }

    bool null() { return add(nullptr); }
    bool boolean(bool value) { return add(value); }
    bool number_integer(number_integer_t value) {
        return element_size_ != 0 ? add_element(static_cast<double>(value), static_cast<float>(value))
                                  : add(value);
    }
    bool number_unsigned(number_unsigned_t value) {
        return element_size_ != 0 ? add_element(static_cast<double>(value), static_cast<float>(value))
                                  : add(value);
    }
    bool number_float(number_float_t value, const string_t& text) {
        if (element_size_ == 0) return add(value);
        const auto narrow = element_size_ == sizeof(float) ? parse_number<float>(text, value) : 0.0F;
        if (!std::isfinite(narrow)) fail(fmt::format("the number {} is too large for float32", text));
        return add_element(value, narrow);
    }
    bool string(string_t& value) {
        check_length(value);
        if (element_size_ == 0) return add(std::move(value));
        const std::optional<double> number = parse_non_finite(value);
        if (!number) fail(fmt::format("expected a number, got \"{}\"", value));
        return add_element(*number, static_cast<float>(*number));
    }
    bool binary(binary_t&) { fail("unexpected binary data"); }

    bool start_object(std::size_t) { return open(Json::object()); }
    bool start_array(std::size_t) {
        const std::size_t element_size = size_of_elements();
        open(Json::array());
        element_size_ = element_size;
        return true;
    }
    bool end_object() { return close(); }
    bool end_array() {
        if (element_size_ != 0) {
            *open_.back().container = Json::binary(std::exchange(bytes_, {}));
            element_size_ = 0;
        }
        return close();
    }

    bool key(string_t& name) {
        Level& level = open_.back();
        level.key = name;
        check_length(name);
        if (!level.keys.insert(name).second) fail("stands there twice");
        return true;
    }

    bool parse_error(std::size_t position, const std::string& token, const nlohmann::detail::exception& e) {
        constexpr std::size_t shown = 40;
        constexpr int number_overflow = 406;
        if (e.id == number_overflow) fail(fmt::format("the number {} is too large", token.substr(0, shown)));
        fail(fmt::format("not valid JSON at byte {}, near \"{}\"", position, token.substr(0, shown)));
    }

  private:
    struct Level {
        Json* container;
        std::string key = {};                       // of an object: the one being read
        std::unordered_set<std::string> keys = {};  // of an object: those read so far
    };

    void check_length(const std::string& text) const {
        if (text.size() > limits_.max_string_length) {
            fail(fmt::format("a text of {} bytes is longer than the limit of {}", text.size(),
                             limits_.max_string_length));
        }
    }

    /// Containers are filled from the inside out, so that a pointer to one that is open stays good.
    Json* place(Json value) {
        if (++values_ > limits_.max_keys)
            fail(fmt::format("more than the limit of {} values", limits_.max_keys));
        if (open_.empty()) {
            root_ = std::move(value);
            return &root_;
        }
        Level& level = open_.back();
        if (level.container->is_array()) {
            level.container->push_back(std::move(value));
            return &level.container->back();
        }
        // The object itself would look for the key among all that it has.
        auto& members = level.container->get_ref<Json::object_t&>();
        return &members.emplace_back(level.key, std::move(value)).second;
    }

    /// Of the array that begins here, where its elements are kept as bytes; otherwise 0.
    std::size_t size_of_elements() const {
        if (!tensors_ || open_.empty() || open_.back().key != "data") return 0;
        const Json& object = *open_.back().container;
        const auto dtype = object.find("dtype");
        if (!object.is_object() || dtype == object.end()) return 0;
        return *dtype == dtype_name<float>    ? sizeof(float)
               : *dtype == dtype_name<double> ? sizeof(double)
                                              : 0;
    }

    bool add_element(double wide, float narrow) {
        std::array<std::uint8_t, sizeof(double)> element{};
        if (element_size_ == sizeof(float)) {
            std::memcpy(element.data(), &narrow, sizeof narrow);
        } else {
            std::memcpy(element.data(), &wide, sizeof wide);
        }
        bytes_.insert(bytes_.end(), element.begin(),
                      element.begin() + static_cast<std::ptrdiff_t>(element_size_));
        return true;
    }

    bool add(Json value) {
        if (element_size_ != 0) fail("expected a number");
        place(std::move(value));
        return true;
    }

    bool open(Json container) {
        if (element_size_ != 0) fail("expected a number");
        if (open_.size() >= limits_.max_depth)
            fail(fmt::format("nested deeper than {} levels", limits_.max_depth));
        open_.push_back({place(std::move(container))});
        return true;
    }

    bool close() {
        open_.pop_back();
        return true;
    }

    [[noreturn]] void fail(const std::string& what) const {
        std::string path;
        for (const Level& level : open_) {
            if (level.container->is_object() && level.key.empty()) break;
            path += '/';
            const std::size_t size =
                element_size_ != 0 ? bytes_.size() / element_size_ : level.container->size();
            // All but the last one hold what is open inside them already.
            const std::size_t here = &level == &open_.back() ? size : level.container->size() - 1;
            path += level.container->is_array() ? std::to_string(here) : level.key;
        }
        throw FormatError(fmt::format("{}: {}", path.empty() ? "/" : path, what));
    }

    Json root_;
    std::vector<Level> open_;
    bool tensors_;
    LoadLimits limits_;
    std::size_t values_ = 0;
    std::size_t element_size_ = 0;  // while a tensor's elements are read
    std::vector<std::uint8_t> bytes_;
};

Json parse(std::string_view text, bool tensors, const LoadLimits& limits) {
    if (text.size() > limits.max_bytes) {
        throw FormatError(
            fmt::format("/: {} bytes are more than the limit of {}", text.size(), limits.max_bytes));
    }
    Builder builder(tensors, limits);
    Json::sax_parse(text.begin(), text.end(), &builder);
    return builder.take();
}

}  // namespace

Json parse_strictly(std::string_view text, const LoadLimits& limits) {
    return parse(text, false, limits);
}
Json parse_tensors_strictly(std::string_view text, const LoadLimits& limits) {
    return parse(text, true, limits);
}

std::string_view non_finite_text(double value) {
    const bool negative = std::signbit(value);
    return std::isnan(value) ? (negative ? "-nan" : "nan") : (negative ? "-inf" : "inf");
}

std::optional<double> parse_non_finite(std::string_view text) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    constexpr double inf = std::numeric_limits<double>::infinity();
    if (text == "nan") return nan;
    if (text == "-nan") return std::copysign(nan, -1.0);
    if (text == "inf") return inf;
    if (text == "-inf") return -inf;
    return std::nullopt;
}

JsonPlace JsonPlace::inside(std::string_view key, const Json& value) const {
    return {value, fmt::format("{}/{}", path, key)};
}

JsonPlace JsonPlace::element(std::size_t index) const {
    return {json[index], fmt::format("{}/{}", path, index)};
}

void JsonPlace::fail(const std::string& what) const {
    throw FormatError(fmt::format("{}: {}", path.empty() ? "/" : path, what));
}

void JsonPlace::expected(std::string_view what) const {
    std::string got = json.is_binary() ? "the numbers of a tensor"
                                       : json.dump(-1, ' ', false, Json::error_handler_t::replace);
    constexpr std::size_t shown = 60;
    if (got.size() > shown) got = got.substr(0, shown) + "...";
    fail(fmt::format("expected {}, got {}", what, got));
}

JsonObjectReader::JsonObjectReader(JsonPlace place) : place_(std::move(place)) {
    if (!place_.json.is_object()) place_.expected("an object");
}

std::optional<JsonPlace> JsonObjectReader::find(std::string_view key) {
    known_.push_back(key);
    const auto found = place_.json.find(std::string(key));
    if (found == place_.json.end()) return std::nullopt;
    return place_.inside(key, *found);
}

JsonPlace JsonObjectReader::get(std::string_view key) {
    std::optional<JsonPlace> found = find(key);
    if (!found) place_.fail(fmt::format("\"{}\" is missing", key));
    return *std::move(found);
}

void JsonObjectReader::finish() const {
    for (const auto& [key, value] : place_.json.items()) {
        if (std::ranges::find(known_, key) == known_.end()) {
            place_.fail(fmt::format("unknown key \"{}\"; known are {}", key, fmt::join(known_, ", ")));
        }
    }
}

}  // namespace seqgrad::detail
