#include "seqgrad/layers/internal/tensor_data.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/internal/crc64.hpp"
#include "seqgrad/core/internal/json_numbers.hpp"

namespace seqgrad::detail {
namespace {

static_assert(std::endian::native == std::endian::little, "base64 and checksums are of little-endian bytes");

/// Bytes of a number's text, at most.
constexpr std::size_t max_number = 4096;
/// Bytes of a number that are shown in messages, at most.
constexpr std::size_t shown = 40;

template <class T>
using BitsOf = std::conditional_t<std::is_same_v<T, float>, std::uint32_t, std::uint64_t>;

constexpr bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// The next byte that is no white space, which is not taken; none at the end.
std::optional<char> next(JsonSource& source) {
    while (source.more()) {
        const char* p = source.begin();
        while (p != source.end() && is_space(*p)) ++p;
        source.advance(p);
        if (p != source.end()) return *p;
    }
    return std::nullopt;
}

/// What stands next, for a message; it is taken.
std::string take_shown(JsonSource& source) {
    source.want(shown);
    const std::string_view rest(source.begin(), static_cast<std::size_t>(source.end() - source.begin()));
    if (rest.empty()) return "the end of the text";
    const std::size_t end =
        std::min({rest.size(), shown, std::max<std::size_t>(rest.find_first_of(",]}\n"), 1)});
    std::string text;
    for (const char c : rest.substr(0, end)) text += c >= ' ' && c <= '~' ? c : '?';
    if (end == rest.size() && end < shown) text += ", where the text ends";
    source.advance(source.begin() + 1);
    return text;
}

/// The end of the number at p, by JSON's grammar: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?
/// Null where there is none.
const char* end_of_number(const char* p, const char* end) {
    if (p != end && *p == '-') ++p;
    if (p == end || !is_digit(*p)) return nullptr;
    if (*p++ != '0')
        while (p != end && is_digit(*p)) ++p;
    if (p != end && *p == '.') {
        if (++p == end || !is_digit(*p)) return nullptr;
        while (p != end && is_digit(*p)) ++p;
    }
    if (p != end && (*p == 'e' || *p == 'E')) {
        if (++p != end && (*p == '+' || *p == '-')) ++p;
        if (p == end || !is_digit(*p)) return nullptr;
        while (p != end && is_digit(*p)) ++p;
    }
    return p;
}

/// Whether a number that is outside of the range of its type is too large for it, not too small.
bool is_large(std::string_view number) {
    const std::size_t e = std::min(number.find_first_of("eE"), number.size());
    const std::size_t point = std::min(number.find('.'), e);
    const std::size_t first = number.find_first_of("123456789");
    if (first >= e) return false;  // zero
    std::int64_t exponent = 0;
    if (e != number.size()) {
        const char* const begin = number.data() + e + 1 + (number[e + 1] == '+' ? 1 : 0);
        if (std::from_chars(begin, number.data() + number.size(), exponent).ec != std::errc())
            return *begin != '-';
    }
    // The power of ten of its first digit.
    const auto power = first < point ? static_cast<std::int64_t>(point - first) - 1
                                     : -static_cast<std::int64_t>(first - point);
    return exponent > -power;
}

/// The elements that were read, on the way to where they are to be.
template <class T>
class Sink {
  public:
    Sink(std::optional<std::uint64_t> expected, const Destination& to) : expected_(expected), to_(to) {}

    /// Takes the memory for what is expected, which the text must be known to have room for.
    void reserve() {
        if (std::holds_alternative<Kept>(to_) && expected_) elements_.reserve(*expected_);
    }

    std::uint64_t count() const { return count_ + filled_; }

    void add(T value) {
        if (filled_ == chunk_.size()) flush();
        chunk_[filled_++] = value;
    }
    /// Elements in a row, as bytes.
    void add_bytes(const unsigned char* bytes, std::size_t size) {
        while (size > 0) {
            const std::size_t n = std::min(size, sizeof chunk_ - partial_);
            std::memcpy(reinterpret_cast<unsigned char*>(chunk_.data()) + partial_, bytes, n);
            partial_ += n;
            bytes += n;
            size -= n;
            if (partial_ == sizeof chunk_) flush_bytes();
        }
    }
    void flush_bytes() {
        filled_ = partial_ / sizeof(T);
        partial_ = 0;
        flush();
    }
    TensorData take(Encoding encoding) {
        flush();
        return {std::move(elements_), count_, checksum_.value(), encoding};
    }

  private:
    void flush() {
        if (expected_ && count() > *expected_)
            throw TensorDataError{*expected_,
                                  fmt::format("more than the {} numbers of the shape", *expected_)};
        checksum_.add({reinterpret_cast<const char*>(chunk_.data()), filled_ * sizeof(T)});
        const std::span<const T> read(chunk_.data(), filled_);
        if (std::holds_alternative<Kept>(to_)) elements_.insert(elements_.end(), read.begin(), read.end());
        if (const auto* const to = std::get_if<std::span<float>>(&to_)) put(read, *to);
        if (const auto* const to = std::get_if<std::span<double>>(&to_)) put(read, *to);
        count_ += filled_;
        filled_ = 0;
    }
    template <class U>
    void put(std::span<const T> read, std::span<U> to) const {
        std::ranges::transform(read, to.subspan(count_, read.size()).begin(),
                               [](T x) { return static_cast<U>(x); });
    }

    std::optional<std::uint64_t> expected_;
    Destination to_;
    std::vector<T> elements_;
    std::array<T, 2048> chunk_;
    std::size_t filled_ = 0;
    std::size_t partial_ = 0;  // bytes
    std::uint64_t count_ = 0;
    Crc64 checksum_;
};

/// A number that stands as a text: "nan". The source stands at the opening quote.
template <class T>
T read_named(JsonSource& source, std::uint64_t index) {
    source.want(max_number);
    const std::string_view rest(source.begin() + 1,
                                static_cast<std::size_t>(source.end() - source.begin()) - 1);
    const std::size_t end = rest.find('"');
    const std::string_view name = rest.substr(0, end);
    std::optional<T> value;
    if (end != std::string_view::npos) {
        using Bits = BitsOf<T>;
        constexpr T nan = std::numeric_limits<T>::quiet_NaN(), inf = std::numeric_limits<T>::infinity();
        constexpr std::string_view prefix = "nan:";
        if (name == "inf") value = inf;
        if (name == "-inf") value = -inf;
        if (name == "nan") value = nan;
        if (name == "-nan") value = std::copysign(nan, T{-1});
        if (name.starts_with(prefix) && name.size() == prefix.size() + 2 * sizeof(T)) {
            Bits bits{};
            const auto read =
                std::from_chars(name.data() + prefix.size(), name.data() + name.size(), bits, 16);
            const T number = std::bit_cast<T>(bits);
            const bool one_way = std::none_of(name.begin() + prefix.size(), name.end(),
                                              [](char c) { return c >= 'A' && c <= 'F'; });
            if (read.ptr == name.data() + name.size() && std::isnan(number) && one_way) value = number;
        }
    }
    if (!value) throw TensorDataError{index, fmt::format("expected a number, got {}", take_shown(source))};
    source.advance(source.begin() + 1 + end + 1);
    return *value;
}

template <class T>
void read_decimals(JsonSource& source, Sink<T>& sink) {
    source.advance(source.begin() + 1);  // the bracket
    if (next(source) == ']') {
        source.advance(source.begin() + 1);
        return;
    }
    for (;;) {
        source.want(max_number + 1);
        const char* p = source.begin();
        const char* const end = source.end();
        // The fast way: numbers and commas, with all of the number at hand.
        if (const char* const number_end = end_of_number(p, end);
            number_end != nullptr && number_end != end) {
            T value{};
            const auto result = std::from_chars(p, number_end, value);
            const auto length = static_cast<std::size_t>(number_end - p);
            if (length > max_number) {
                throw TensorDataError{sink.count(),
                                      fmt::format("a number of more than {} bytes", max_number)};
            }
            if (result.ec == std::errc::result_out_of_range) {
                const std::string_view number(p, length);
                if (is_large(number)) {
                    source.advance(number_end);
                    throw TensorDataError{sink.count(), fmt::format("the number {} is too large for {}",
                                                                    number.substr(0, shown), dtype_name<T>)};
                }
                value = *p == '-' ? -T{0} : T{0};
            }
            sink.add(value);
            p = number_end;
            if (*p == ',' && static_cast<std::size_t>(end - p) > max_number + 1 &&
                (is_digit(p[1]) || p[1] == '-')) {
                source.advance(p + 1);
                continue;
            }
            source.advance(p);
        } else if (const std::optional<char> c = next(source); c == '"') {
            sink.add(read_named<T>(source, sink.count()));
        } else if (c && p != source.begin()) {
            continue;  // there was white space before the number
        } else {
            throw TensorDataError{sink.count(), fmt::format("expected a number, got {}", take_shown(source))};
        }
        const std::optional<char> c = next(source);
        if (c != ',' && c != ']') {
            throw TensorDataError{sink.count() - 1,
                                  fmt::format("expected , or ] after a number, got {}", take_shown(source))};
        }
        source.advance(source.begin() + 1);
        if (c == ']') return;
        next(source);
    }
}

constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint32_t no_digit = std::uint32_t{1} << 31;

/// Of each byte as the k-th digit of four: its part of the 24 bits, in the order of the bytes in memory.
constexpr auto base64_values = [] {
    std::array<std::array<std::uint32_t, 256>, 4> tables{};
    for (auto& table : tables) table.fill(no_digit);
    for (std::uint32_t digit = 0; digit < base64_digits.size(); ++digit) {
        for (std::uint32_t k = 0; k < 4; ++k) {
            const std::uint32_t bits = digit << (18 - 6 * k);
            const auto c = static_cast<unsigned char>(base64_digits[digit]);
            tables[k][c] = (bits >> 16) | (bits & 0xFF00) | ((bits & 0xFF) << 16);
        }
    }
    return tables;
}();

/// The digits of all 12 bits.
constexpr auto base64_pairs = [] {
    std::array<std::array<char, 2>, 4096> pairs{};
    for (std::size_t bits = 0; bits < pairs.size(); ++bits)
        pairs[bits] = {base64_digits[bits >> 6], base64_digits[bits & 63]};
    return pairs;
}();

std::uint32_t base64_value(const char* four) {
    const auto* const c = reinterpret_cast<const unsigned char*>(four);
    return base64_values[0][c[0]] | base64_values[1][c[1]] | base64_values[2][c[2]] | base64_values[3][c[3]];
}

template <class T>
void read_base64(JsonSource& source, Sink<T>& sink) {
    source.advance(source.begin() + 1);             // the quote
    std::array<unsigned char, 3 * 4096 + 1> bytes;  // one more: four are written at a time
    std::uint64_t total = 0;
    const auto fail = [&](const std::string& what) {
        throw TensorDataError{total / sizeof(T), fmt::format("{}, got {}", what, take_shown(source))};
    };
    for (;;) {
        source.want(4);
        const char* p = source.begin();
        const auto fours = std::min<std::size_t>(static_cast<std::size_t>(source.end() - p) / 4, 4096);
        std::size_t n = 0;
        for (; n < fours; ++n, p += 4) {
            const std::uint32_t value = base64_value(p);
            if ((value & no_digit) != 0) break;
            std::memcpy(bytes.data() + 3 * n, &value, sizeof value);
        }
        sink.add_bytes(bytes.data(), 3 * n);
        total += 3 * n;
        source.advance(p);
        if (n == fours && fours > 0) continue;
        if (p != source.end() && *p == '"') break;
        // Two or three digits and padding end the text.
        if (fours == 0) fail("expected base64 that ends with \"");
        const std::size_t digits = p[2] == '=' ? 2 : 3;
        std::array<char, 4> last{p[0], p[1], digits == 2 ? 'A' : p[2], 'A'};
        const std::uint32_t value = base64_value(last.data());
        const std::size_t left = digits - 1;
        if ((value & no_digit) != 0 || p[3] != '=') fail("expected a digit of base64");
        if ((value >> (8 * left)) != 0) fail("expected base64 whose unused last bits are 0");
        std::memcpy(bytes.data(), &value, sizeof value);
        sink.add_bytes(bytes.data(), left);
        total += left;
        source.advance(p + 4);
        source.want(1);
        if (source.begin() == source.end() || *source.begin() != '"')
            fail("expected the end of base64 after its padding");
        break;
    }
    source.advance(source.begin() + 1);
    if (total % sizeof(T) != 0) {
        throw TensorDataError{
            std::nullopt, fmt::format("{} bytes of base64 are no whole number of {}", total, dtype_name<T>)};
    }
    sink.flush_bytes();
}

template <class T>
TensorData read_data(JsonSource& source, std::optional<std::uint64_t> expected, const Destination& to) {
    const std::optional<char> first = next(source);
    if (first != '[' && first != '"') {
        throw TensorDataError{
            std::nullopt, fmt::format("expected an array of numbers or base64, got {}", take_shown(source))};
    }
    const bool decimals = first == '[';
    // Two bytes are the least for a number and its comma, and 3 bytes take 4 of base64.
    const std::uint64_t most = decimals ? source.remaining() / 2 : source.remaining() / 4 * 3 / sizeof(T);
    if (expected && *expected > most) {
        throw TensorDataError{
            std::nullopt, fmt::format("the {} numbers of the shape do not fit into the {} bytes that follow",
                                      *expected, source.remaining())};
    }
    Sink<T> sink(expected, to);
    if (source.size_known()) sink.reserve();
    if (decimals) {
        read_decimals(source, sink);
    } else {
        read_base64(source, sink);
    }
    TensorData data = sink.take(decimals ? Encoding::decimal : Encoding::base64);
    if (expected && data.count != *expected) {
        throw TensorDataError{
            std::nullopt, fmt::format("expected the {} numbers of the shape, got {}", *expected, data.count)};
    }
    return data;
}

}  // namespace

TensorData read_tensor_data(JsonSource& source, DType dtype, std::optional<std::uint64_t> expected,
                            const Destination& to) {
    return dtype == DType::float32 ? read_data<float>(source, expected, to)
                                   : read_data<double>(source, expected, to);
}

std::uint64_t checksum_of(const ElementsView& elements) {
    return std::visit(
        [](const auto& values) {
            return crc64({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
        },
        elements);
}

template <class T>
void append_element(std::string& out, T value) {
    if (std::isfinite(value)) {
        append_number(out, value);
        return;
    }
    const auto bits = std::bit_cast<BitsOf<T>>(value);
    const auto nan = std::bit_cast<BitsOf<T>>(std::numeric_limits<T>::quiet_NaN());
    const bool other =
        std::isnan(value) && bits != nan &&
        bits != std::bit_cast<BitsOf<T>>(std::copysign(std::numeric_limits<T>::quiet_NaN(), T{-1}));
    out += '"';
    if (other) {
        out += fmt::format("nan:{:0{}x}", bits, 2 * sizeof(T));
    } else {
        out += std::signbit(value) ? "-" : "";
        out += std::isnan(value) ? "nan" : "inf";
    }
    out += '"';
}

void append_base64(std::string& out, std::span<const unsigned char> bytes) {
    const std::size_t begin = out.size();
    out.resize(begin + (bytes.size() + 2) / 3 * 4);
    char* to = out.data() + begin;
    const unsigned char* p = bytes.data();
    const unsigned char* const end = p + bytes.size() / 3 * 3;
    const auto put = [&](std::uint32_t bits) {
        std::memcpy(to, base64_pairs[bits >> 12].data(), 2);
        std::memcpy(to + 2, base64_pairs[bits & 0xFFF].data(), 2);
        to += 4;
    };
    for (; p != end; p += 3)
        put(static_cast<std::uint32_t>(p[0]) << 16 | static_cast<std::uint32_t>(p[1]) << 8 | p[2]);
    const std::size_t left = bytes.size() % 3;
    if (left == 0) return;
    put(static_cast<std::uint32_t>(p[0]) << 16 | (left == 2 ? static_cast<std::uint32_t>(p[1]) << 8 : 0U));
    for (std::size_t i = left; i < 3; ++i) to[static_cast<std::ptrdiff_t>(i) - 3] = '=';
}

template void append_element(std::string&, float);
template void append_element(std::string&, double);

}  // namespace seqgrad::detail
