#pragma once

// Loads and stores of the first lanes of a register, for rows that do not fill a whole number of registers.
// Included only by the translation units that are compiled once for each instruction set.

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "seqgrad/core/kernels/register.hpp"

namespace seqgrad::kernels {

/// The first `count` lanes of a register (all of them when count is at least that many). Loads leave zeros in
/// the others, stores touch only memory of the lanes that count.
template <class B>
class Lanes {
  public:
    using T = typename B::value_type;

    explicit Lanes(std::size_t count) : count_(count < B::size ? count : B::size) {}

    B load(const T* p) const {
        if (count_ == B::size) return B::load_unaligned(p);
#ifdef __AVX512F__
        if constexpr (is_in<B, xsimd::avx512f>) {
            const unsigned bits = (1u << count_) - 1u;
            if constexpr (is_single)
                return B(_mm512_maskz_loadu_ps(static_cast<__mmask16>(bits), p));
            else
                return B(_mm512_maskz_loadu_pd(static_cast<__mmask8>(bits), p));
        }
#endif
#ifdef __AVX2__
        if constexpr (is_in<B, xsimd::avx2>) {
            if constexpr (is_single)
                return B(_mm256_maskload_ps(p, mask()));
            else
                return B(_mm256_maskload_pd(p, mask()));
        }
#endif
        alignas(64) T lanes[B::size] = {};
        for (std::size_t i = 0; i < count_; ++i) lanes[i] = p[i];
        return B::load_aligned(lanes);
    }

    void store(T* p, B value) const {
        if (count_ == B::size) return value.store_unaligned(p);
#ifdef __AVX512F__
        if constexpr (is_in<B, xsimd::avx512f>) {
            const unsigned bits = (1u << count_) - 1u;
            if constexpr (is_single)
                return _mm512_mask_storeu_ps(p, static_cast<__mmask16>(bits), value);
            else
                return _mm512_mask_storeu_pd(p, static_cast<__mmask8>(bits), value);
        }
#endif
#ifdef __AVX2__
        if constexpr (is_in<B, xsimd::avx2>) {
            if constexpr (is_single)
                return _mm256_maskstore_ps(p, mask(), value);
            else
                return _mm256_maskstore_pd(p, mask(), value);
        }
#endif
        alignas(64) T lanes[B::size];
        value.store_aligned(lanes);
        for (std::size_t i = 0; i < count_; ++i) p[i] = lanes[i];
    }

  private:
    static constexpr bool is_single = std::is_same_v<T, float>;

#ifdef __AVX2__
    __m256i mask() const {
        if constexpr (is_single) {
            return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count_)),
                                      _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
        } else {
            return _mm256_cmpgt_epi64(_mm256_set1_epi64x(static_cast<std::int64_t>(count_)),
                                      _mm256_setr_epi64x(0, 1, 2, 3));
        }
    }
#endif

    std::size_t count_;
};

/// All lanes of a register, with what Lanes does and without asking for every load and store.
template <class B>
class AllLanes {
  public:
    using T = typename B::value_type;

    B load(const T* p) const { return B::load_unaligned(p); }
    void store(T* p, B value) const { value.store_unaligned(p); }
};

/// f(lanes) for the first `count` lanes of a register, or all of them.
template <class B, class F>
[[gnu::always_inline]] inline void with_lanes(std::size_t count, const F& f) {
    if (count >= B::size) {
        f(AllLanes<B>());
    } else {
        f(Lanes<B>(count));
    }
}

}  // namespace seqgrad::kernels
