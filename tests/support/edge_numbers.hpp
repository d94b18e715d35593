#pragma once

#include <limits>
#include <vector>

namespace seqgrad::test {

/// The finite numbers that are the hardest to write down and read again.
template <class T>
std::vector<T> edge_numbers() {
    using Limits = std::numeric_limits<T>;
    return {T{0},
            -T{0},
            Limits::min(),
            -Limits::min(),
            Limits::denorm_min(),
            -Limits::denorm_min(),
            Limits::max(),
            Limits::lowest(),
            Limits::epsilon(),
            T(0.1),
            T(1) / 3,
            T(1e10),
            T(16777216),
            T(1e20),
            T(1e22)};
}

}  // namespace seqgrad::test
