#pragma once

// What the kernels ask of a register type beside arithmetic. They are written for any type that offers what
// they use of xsimd's batches: value_type, arch_type, size, loads, stores, arithmetic, comparisons, and the
// functions fma, fnma, fms, select, abs, bitofsign, min and max, found by the type of their arguments.
// xsimd's batches are the library's; tests have one whose registers are emulated. Included only by the
// translation units that are compiled once for each instruction set.

#include <cstdint>
#include <type_traits>

#include <xsimd/xsimd.hpp>

namespace seqgrad::kernels {

/// Whether registers of B are those of the instruction set Arch or of one that extends it.
template <class B, class Arch>
constexpr bool is_in = std::is_base_of_v<Arch, typename B::arch_type>;

/// A register of integers as wide as the elements of B.
template <class B>
struct IntegersOf {
    using Integer = std::conditional_t<sizeof(typename B::value_type) == 4, std::int32_t, std::int64_t>;
    using Type = xsimd::batch<Integer, typename B::arch_type>;
};
template <class B>
using Integers = typename IntegersOf<B>::Type;

/// The sum of all lanes.
template <class T, class Arch>
inline T sum_of_lanes(xsimd::batch<T, Arch> x) {
#if XSIMD_VERSION_MAJOR >= 9
    return xsimd::reduce_add(x);
#else
    return xsimd::hadd(x);
#endif
}

// The functions that this library has under the same names, and gives other register types' own.
template <class T, class Arch>
inline xsimd::batch<T, Arch> erf_of_lanes(xsimd::batch<T, Arch> x) {
    return xsimd::erf(x);
}
template <class T, class Arch>
inline xsimd::batch<T, Arch> log_of_lanes(xsimd::batch<T, Arch> x) {
    return xsimd::log(x);
}
template <class T, class Arch>
inline xsimd::batch<T, Arch> log1p_of_lanes(xsimd::batch<T, Arch> x) {
    return xsimd::log1p(x);
}

/// The value, which then stays in its register: where it is used a few times GCC rather loads it for every
/// use, and the loads then take longer than the multiplications.
template <class B>
[[gnu::always_inline]] inline B kept(B value) {
#if defined(__x86_64__)
    if constexpr (is_in<B, xsimd::sse2> || is_in<B, xsimd::avx> || is_in<B, xsimd::avx512f>) {
        auto bits = static_cast<typename B::register_type>(value);
        asm("" : "+v"(bits));
        return B(bits);
    }
#endif
    return value;
}

}  // namespace seqgrad::kernels
