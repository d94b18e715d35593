#include "seqgrad/core/int_list.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace seqgrad {

std::string to_string(const IntList& list) {
    return fmt::format("[{}]", fmt::join(list.begin(), list.end(), ", "));
}

}  // namespace seqgrad
