#pragma once

#include <cstddef>

#include "seqgrad/core/internal/parallel.hpp"
#include "seqgrad/core/kernels/timeline.hpp"

namespace seqgrad::kernels {

/// What copying an element costs, in multiplications and additions.
constexpr std::size_t copying_work = 32;

/// copy(row) for every row of a chunk, on several threads where rows of so many elements are worth it. The
/// rows of a sample come one after the other: in arrays [B, T, ...] they stand side by side, so that the
/// processor sees which memory comes next.
template <class Copy>
void copy_rows(const Timeline& time, const Timeline::Chunk& chunk, std::size_t elements, const Copy& copy) {
    if (chunk.rounds == 0) return;
    detail::parallel_runs(
        time.active(chunk.round), chunk.rows * elements * copying_work,
        [&](std::size_t first, std::size_t last) { time.for_each_row_of_slots(chunk, first, last, copy); });
}

}  // namespace seqgrad::kernels
