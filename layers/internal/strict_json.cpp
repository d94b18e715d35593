#include "seqgrad/layers/internal/strict_json.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <locale.h>  // NOLINT(modernize-deprecated-headers): uselocale is POSIX's

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/json_numbers.hpp"

namespace seqgrad::detail {
namespace {

/// A key as a part of a path.
std::string pointer_part(std::string_view key) {
    std::string part;
    for (const char c : key) {
        if (c == '~') {
            part += "~0";
        } else if (c == '/') {
            part += "~1";
        } else {
            part += c;
        }
    }
    return part;
}

/// What nlohmann's parser says was wrong: "syntax error while parsing value - invalid literal". What it read
/// last is left out, which need not be UTF-8.
std::string reason_of(const nlohmann::detail::exception& e) {
    std::string_view what = e.what();
    constexpr std::string_view after = "syntax error ";
    if (const auto begin = what.find(after); begin != std::string_view::npos)
        what.remove_prefix(begin + after.size());
    std::string_view expected;
    if (const auto at = what.rfind("; expected "); at != std::string_view::npos) expected = what.substr(at);
    if (const auto read = what.find("; last read"); read != std::string_view::npos)
        what = what.substr(0, read);
    else
        expected = {};
    return std::string(what).append(expected);
}

/// Receives the tokens from nlohmann::json::sax_parse and builds the value.
class Builder {
  public:
    using number_integer_t = Json::number_integer_t;
    using number_unsigned_t = Json::number_unsigned_t;
    using number_float_t = Json::number_float_t;
    using string_t = Json::string_t;
    using binary_t = Json::binary_t;

    Builder(JsonSource& source, const LoadLimits& limits, bool tensors, const Destinations& destinations)
        : source_(source), limits_(limits), with_tensors_(tensors), destinations_(destinations) {}

    ParsedJson take() { return {std::move(root_), std::move(tensors_)}; }

    bool null() {
        // It was injected behind the key of data, or stands in the text.
        if (std::exchange(data_read_, false)) return add(Json::binary({}, tensors_.size() - 1));
        return add(nullptr);
    }
    bool boolean(bool value) { return add(value); }
    bool number_integer(number_integer_t value) { return add(value); }
    bool number_unsigned(number_unsigned_t value) { return add(value); }
    bool number_float(number_float_t value, const string_t&) { return add(value); }
    bool string(string_t& value) {
        check_length(value);
        return add(std::move(value));
    }
    bool binary(binary_t&) { fail("unexpected binary data"); }

    bool start_object(std::size_t) { return open(Json::object()); }
    bool start_array(std::size_t) { return open(Json::array()); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }

    bool key(string_t& name) {
        Level& level = open_.back();
        level.key = name;
        check_length(name);
        if (!level.keys.insert(name).second) fail("stands there twice");
        source_.value_read();
        if (name == "data" && in_tensor()) read_data();
        return true;
    }

    bool parse_error(std::size_t, const std::string& token, const nlohmann::detail::exception& e) {
        constexpr std::size_t shown = 40;
        constexpr int number_overflow = 406;
        if (e.id == number_overflow) fail(fmt::format("the number {} is too large", token.substr(0, shown)));
        // Python's json module writes them. The token may begin with what stands before it.
        const std::string_view last = std::string_view(token).substr(token.find_last_of(" \t\r\n:,[") + 1);
        if (last == "N" || last == "I" || last == "-I")
            fail("not valid JSON: it has no numbers NaN, Infinity and -Infinity");
        fail(fmt::format("not valid JSON: {}", reason_of(e)));
    }

    [[noreturn]] void fail(const std::string& what, std::optional<std::uint64_t> index = {}) const {
        std::string path;
        for (const Level& level : open_) {
            if (level.container->is_object() && level.keys.empty()) break;
            path += '/';
            // All but the last one hold what is open inside them already.
            const std::size_t size = level.container->size();
            const std::size_t here = &level == &open_.back() ? size : size - 1;
            path += level.container->is_array() ? std::to_string(here) : pointer_part(level.key);
        }
        if (index) path += fmt::format("/{}", *index);
        throw FormatError(fmt::format("{}: {} ({})", path.empty() ? "/" : path, what, source_.place()));
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
        source_.value_read();
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

    /// A member of the object that is open.
    const Json* member(const char* key) const {
        const auto found = open_.back().container->find(key);
        return found == open_.back().container->end() ? nullptr : &*found;
    }

    bool in_tensor() const {
        if (!with_tensors_ || open_.size() < 2) return false;
        const std::string& part = open_.front().key;
        if (part != "tensors" && part != "training" && part != "state") return false;
        const Json* const dtype = member("dtype");
        return dtype != nullptr && (*dtype == dtype_name<float> || *dtype == dtype_name<double>);
    }

    /// Reads the value of "data" in the parser's place. nlohmann's parser has taken the key and nothing
    /// behind it, and calls back with a copy of every number and text, byte by byte, which takes several
    /// times as long as to decode them. So the value is read here, from the source, while the parser waits;
    /// what it gets to see behind the key is ":null", and the call of null() that follows puts the tensor
    /// into the tree.
    void read_data() {
        const DType dtype = *member("dtype") == dtype_name<float> ? DType::float32 : DType::float64;
        std::optional<Shape> shape;
        std::optional<std::uint64_t> count;
        if (const Json* const sizes = member("shape")) {
            std::string path;
            for (const Level& level : open_) {
                if (&level != &open_.back()) path += fmt::format("/{}", pointer_of(level));
            }
            shape = read_shape({*sizes, path + "/shape"});
            count = element_count(*shape);
        }
        const bool named = open_.size() == 3 && open_.front().key == "tensors";
        Destination to = Kept();
        if (named && destinations_ && shape) to = destinations_(open_[1].key, dtype, *shape);
        try {
            skip_colon();
            source_.begin_data();
            tensors_.push_back(read_tensor_data(source_, dtype, count, to));
            source_.end_data();
        } catch (const TensorDataError& error) {
            fail(error.what, error.index);
        }
        source_.inject(":null");
        data_read_ = true;
    }

    static std::string pointer_of(const Level& level) {
        return level.container->is_array() ? std::to_string(level.container->size() - 1)
                                           : pointer_part(level.key);
    }

    void skip_colon() {
        while (source_.more()) {
            const char c = *source_.begin();
            source_.advance(source_.begin() + 1);
            if (c == ':') return;
            if (c != ' ' && c != '\n' && c != '\r' && c != '\t') break;
        }
        fail("not valid JSON: expected : after the key");
    }

    bool add(Json value) {
        place(std::move(value));
        return true;
    }

    bool open(Json container) {
        if (open_.size() >= limits_.max_depth)
            fail(fmt::format("nested deeper than {} levels", limits_.max_depth));
        open_.push_back({place(std::move(container))});
        return true;
    }

    bool close() {
        open_.pop_back();
        return true;
    }

    JsonSource& source_;
    LoadLimits limits_;
    bool with_tensors_;
    const Destinations& destinations_;
    Json root_;
    std::vector<Level> open_;
    std::size_t values_ = 0;
    std::vector<TensorData> tensors_;
    bool data_read_ = false;
};

/// Gives the calling thread the locale "C" until the end of its scope. nlohmann's parser reads numbers with
/// strtod, whose decimal point it knows only where it is a single byte, which it is not everywhere.
class LocaleC {
  public:
    LocaleC() : before_(uselocale(locale())) {}
    ~LocaleC() { uselocale(before_); }
    LocaleC(const LocaleC&) = delete;
    LocaleC& operator=(const LocaleC&) = delete;

  private:
    /// Made once; null, which changes nothing, where the system cannot.
    static locale_t locale() {
        static const locale_t made = newlocale(LC_ALL_MASK, "C", nullptr);
        return made;
    }

    locale_t before_;
};

ParsedJson parse(JsonSource& source, const LoadLimits& limits, bool tensors,
                 const Destinations& destinations) {
    const LocaleC locale;
    Builder builder(source, limits, tensors, destinations);
    Json::sax_parse(JsonSource::Iterator(&source), JsonSource::Iterator(&source), &builder);
    source.finish();
    return builder.take();
}

}  // namespace

Json parse_strictly(std::string_view text, const LoadLimits& limits) {
    JsonSource source(text, {.limits = limits});
    return parse(source, limits, false, {}).json;
}

ParsedJson parse_tensors_strictly(JsonSource& source, const LoadLimits& limits,
                                  const Destinations& destinations) {
    return parse(source, limits, true, destinations);
}

Shape read_shape(const JsonPlace& at) {
    if (!at.json.is_array()) at.expected("an array of sizes");
    Shape shape;
    for (std::size_t i = 0; i < at.json.size(); ++i) {
        const JsonPlace size = at.element(i);
        if (!size.json.is_number_unsigned()) size.expected("a whole number of 64 bits, at least 0");
        shape.push_back(size.json.get<std::size_t>());
    }
    try {
        element_count(shape);
    } catch (const ShapeError& e) {
        at.fail(e.what());
    }
    return shape;
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
    return {value, fmt::format("{}/{}", path, pointer_part(key)), tensors};
}

JsonPlace JsonPlace::element(std::size_t index) const {
    return {json[index], fmt::format("{}/{}", path, index), tensors};
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
