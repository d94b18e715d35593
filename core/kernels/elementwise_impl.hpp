#pragma once

// Builds the table of elementwise functions of one instruction set; included by that set's translation unit
// only.

#include <cstddef>

#include "seqgrad/core/kernels/elementwise.hpp"
#include "seqgrad/core/kernels/math.hpp"

namespace seqgrad::kernels {

/// y[i] = function(x[i]) in vectors of `B`.
template <class B, B (*function)(B)>
void map(std::size_t n, const typename B::value_type* x, typename B::value_type* y) {
    using T = typename B::value_type;
    std::size_t i = 0;
    for (; i + B::size <= n; i += B::size) {
        const B value = B::load_unaligned(x + i);
        function(value).store_unaligned(y + i);
    }
    if (i == n) return;
    // What remains goes through a full vector, so that an element's result does not depend on where it
    // stands.
    alignas(64) T rest[B::size] = {};
    for (std::size_t j = i; j < n; ++j) rest[j - i] = x[j];
    const B value = B::load_aligned(rest);
    function(value).store_aligned(rest);
    for (std::size_t j = i; j < n; ++j) y[j] = rest[j - i];
}

template <class B, class T = typename B::value_type>
inline constexpr Elementwise<T> elementwise_table{
    .exp = map<B, math::exp<B>>,
    .expm1 = map<B, math::expm1<B>>,
    .log = map<B, math::log<B>>,
    .log1p = map<B, math::log1p<B>>,
    .tanh = map<B, math::tanh<B>>,
    .sigmoid = map<B, math::sigmoid<B>>,
    .softplus = map<B, math::softplus<B>>,
    .erf = map<B, math::erf<B>>,
};

}  // namespace seqgrad::kernels
