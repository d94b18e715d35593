#pragma once

#include <algorithm>
#include <cstddef>

#include "seqgrad/core/op.hpp"
#include "seqgrad/core/tensor.hpp"

// Copies between places in memory whose axes lie any number of elements apart: what slices, transposes,
// stretched axes and joined tensors have in common.

namespace seqgrad::detail {

/// Distances in elements between neighbours along each axis, outermost first; negative where an axis is
/// walked backwards, 0 where it is stretched.
using Steps = xt::svector<std::ptrdiff_t, 4>;

/// The steps of a dense row-major tensor.
Steps dense_steps(const Shape& shape);

/// to[sum_k i_k to_steps_k] = from[sum_k i_k from_steps_k] for every index i below `sizes`. No two indices
/// lead to the same element of `to`, which does not overlap `from`.
template <class T>
void strided_copy(const Shape& sizes, T* to, const Steps& to_steps, const T* from, const Steps& from_steps);

/// The same with += for =.
template <class T>
void strided_add(const Shape& sizes, T* to, const Steps& to_steps, const T* from, const Steps& from_steps);

/// Adds `from` to the part of operand i's gradient that begins `offset` elements in and has these sizes and
/// steps. The first such part of a backward pass fills the rest with zeros; later ones cost what their own
/// size is.
template <class T>
void accumulate_part(Backward<T>& pass, std::size_t i, const Shape& sizes, std::ptrdiff_t offset,
                     const Steps& steps, const T* from, const Steps& from_steps) {
    if (!pass.wants(i)) return;
    const GradientBuffer<T> to = pass.buffer(i);
    const std::size_t count = element_count(sizes);
    const bool first = to.first_write();
    if (first && count != to.tensor.size()) std::fill_n(to.tensor.data(), to.tensor.size(), T{});
    if (count == 0) return;
    if (first) {
        strided_copy(sizes, to.tensor.data() + offset, steps, from, from_steps);
    } else {
        strided_add(sizes, to.tensor.data() + offset, steps, from, from_steps);
    }
}

}  // namespace seqgrad::detail
