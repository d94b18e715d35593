#include "seqgrad/core/internal/json_numbers.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

#include "seqgrad/core/error.hpp"

namespace seqgrad::detail {

template <class T>
void append_number(std::string& out, T value) {
    std::array<char, 32> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out.append(digits.data(), end);
    if (value == 0 && std::signbit(value))
        out += ".0";  // "-0" would be an integer, which has no negative zero
}

template <class T>
T parse_number(const std::string& text, double nearest) {
    T value{};
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (result.ec != std::errc::result_out_of_range) return value;
    const bool too_large = std::abs(nearest) > 1;
    return std::copysign(too_large ? std::numeric_limits<T>::infinity() : T{0},
                         static_cast<T>(std::copysign(1.0, nearest)));
}

bool holds(const Shape& shape, std::size_t count) {
    try {
        return element_count(shape) == count;
    } catch (const ShapeError&) {
        return false;
    }
}

template void append_number(std::string&, float);
template void append_number(std::string&, double);
template float parse_number(const std::string&, double);
template double parse_number(const std::string&, double);

}  // namespace seqgrad::detail
