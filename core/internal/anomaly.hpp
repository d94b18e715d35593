#pragma once

#include <cmath>
#include <cstddef>
#include <span>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad::detail {

/// In anomaly mode, throws NonFiniteError when the outputs [B, T, U] of a recurrent operation are not finite,
/// and names the first step that is not. `backwards`: the outputs are in the order of their steps, which go
/// from the last time to the first.
template <class T>
void check_steps(const char* op, const Tensor<T>& sequence, bool backwards,
                 std::span<const Variable<T>> operands) {
    const std::size_t B = sequence.shape(0), steps = sequence.shape(1), U = sequence.shape(2);
    const auto finite_at = [&](std::size_t s) {
        for (std::size_t b = 0; b < B; ++b) {
            for (std::size_t u = 0; u < U; ++u)
                if (!std::isfinite(sequence.data()[(b * steps + s) * U + u])) return false;
        }
        return true;
    };
    std::size_t s = 0;
    while (s < steps && finite_at(s)) ++s;
    if (s == steps) return;
    try {
        check_value<T>(op, sequence, operands);
    } catch (const NonFiniteError& error) {
        throw NonFiniteError(fmt::format("{}; the first time step that is not finite is {}", error.what(),
                                         backwards ? steps - 1 - s : s));
    }
}

}  // namespace seqgrad::detail
