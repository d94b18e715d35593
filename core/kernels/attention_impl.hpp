#pragma once

// Builds the attention kernels of one instruction set; included by that set's translation unit only.

#include <cstddef>
#include <type_traits>

#include "seqgrad/core/kernels/attention.hpp"
#include "seqgrad/core/kernels/lanes.hpp"
#include "seqgrad/core/kernels/math.hpp"

namespace seqgrad::kernels {

/// The attention kernels in registers of B.
template <class B>
struct AttentionRowsIn {
    using T = typename B::value_type;
    static constexpr std::size_t width = B::size;

    /// Calls f(j, lanes) for every register of d elements.
    template <class F>
    [[gnu::always_inline]] static inline void for_registers(std::size_t d, const F& f) {
        std::size_t j = 0;
        for (; j + width <= d; j += width) f(j, Lanes<B>(width));
        if (j < d) f(j, Lanes<B>(d - j));
    }

    /// f(i, rows) for all of n rows, as many at a time as `rows`, a constant, says: each load of what they
    /// have in common serves all of them.
    template <std::size_t at_once, class F>
    [[gnu::always_inline]] static inline void for_rows(std::size_t n, const F& f) {
        std::size_t i = 0;
        for (; i + at_once <= n; i += at_once) f(i, std::integral_constant<std::size_t, at_once>());
        for (; i < n; ++i) f(i, std::integral_constant<std::size_t, 1>());
    }

    static void dots(std::size_t n, std::size_t d, const T* rows, const T* v, T* out) {
        for_rows<4>(n, [&](std::size_t i, auto count) {
            B total[count];
            for (std::size_t m = 0; m < count; ++m) total[m] = B(T(0));
            for_registers(d, [&](std::size_t j, Lanes<B> lanes) {
                const B x = lanes.load(v + j);
                for (std::size_t m = 0; m < count; ++m)
                    total[m] = fma(lanes.load(rows + (i + m) * d + j), x, total[m]);
            });
            for (std::size_t m = 0; m < count; ++m) out[i + m] = sum_of_lanes(total[m]);
        });
    }

    static void weighted_sum(std::size_t n, std::size_t d, const T* rows, const T* w, T* out) {
        constexpr std::size_t at_once = 4;
        std::size_t j = 0;
        for (; j + at_once * width <= d; j += at_once * width) {
            B total[at_once];
            for (std::size_t k = 0; k < at_once; ++k) total[k] = B(T(0));
            for (std::size_t i = 0; i < n; ++i) {
                const B weight(w[i]);
                for (std::size_t k = 0; k < at_once; ++k)
                    total[k] = fma(weight, B::load_unaligned(rows + i * d + j + k * width), total[k]);
            }
            for (std::size_t k = 0; k < at_once; ++k) total[k].store_unaligned(out + j + k * width);
        }
        for (; j < d; j += width) {
            const Lanes<B> lanes(d - j);
            B total(T(0));
            for (std::size_t i = 0; i < n; ++i) total = fma(B(w[i]), lanes.load(rows + i * d + j), total);
            lanes.store(out + j, total);
        }
    }

    static void additive_scores(std::size_t n, std::size_t d, const T* rows, const T* query, const T* v,
                                T* scores) {
        for_rows<2>(n, [&](std::size_t i, auto count) {
            B total[count];
            for (std::size_t m = 0; m < count; ++m) total[m] = B(T(0));
            for_registers(d, [&](std::size_t j, Lanes<B> lanes) {
                const B q = lanes.load(query + j), factor = lanes.load(v + j);
                for (std::size_t m = 0; m < count; ++m) {
                    const B t = math::tanh(q + lanes.load(rows + (i + m) * d + j));
                    total[m] = fma(factor, t, total[m]);
                }
            });
            for (std::size_t m = 0; m < count; ++m) scores[i + m] = sum_of_lanes(total[m]);
        });
    }

    static void additive_scores_backward(std::size_t n, std::size_t d, const T* rows, const T* query,
                                         const T* v, const T* d_scores, T* d_rows, T* d_query, T* d_v) {
        for_registers(d, [&](std::size_t j, Lanes<B> lanes) {
            const B q = lanes.load(query + j), factor = lanes.load(v + j);
            B dq(T(0)), dv = lanes.load(d_v + j);
            for (std::size_t i = 0; i < n; ++i) {
                const B t = math::tanh(q + lanes.load(rows + i * d + j));
                const B ds(d_scores[i]);
                const B scaled = ds * factor;
                const B da = fnma(scaled * t, t, scaled);
                lanes.store(d_rows + i * d + j, lanes.load(d_rows + i * d + j) + da);
                dq += da;
                dv = fma(ds, t, dv);
            }
            lanes.store(d_query + j, dq);
            lanes.store(d_v + j, dv);
        });
    }
};

template <class B, class T = typename B::value_type>
inline constexpr AttentionRows<T> attention_table{
    .dots = AttentionRowsIn<B>::dots,
    .weighted_sum = AttentionRowsIn<B>::weighted_sum,
    .additive_scores = AttentionRowsIn<B>::additive_scores,
    .additive_scores_backward = AttentionRowsIn<B>::additive_scores_backward,
};

}  // namespace seqgrad::kernels
