#include "seqgrad/core/internal/json_numbers.hpp"

#include <array>
#include <charconv>
#include <cmath>

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

bool holds(const Shape& shape, std::size_t count) {
    try {
        return element_count(shape) == count;
    } catch (const ShapeError&) {
        return false;
    }
}

template void append_number(std::string&, float);
template void append_number(std::string&, double);

}  // namespace seqgrad::detail
