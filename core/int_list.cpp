#include "seqgrad/core/int_list.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad {

namespace detail {

void fail_as_too_large(std::uintmax_t number) {
    throw ValueError(
        fmt::format("{} is no size, index or axis: it is larger than a signed number can be", number));
}

}  // namespace detail

std::string to_string(const IntList& list) {
    return fmt::format("[{}]", fmt::join(list.begin(), list.end(), ", "));
}

}  // namespace seqgrad
