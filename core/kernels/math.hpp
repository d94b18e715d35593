#pragma once

// Elementary functions of whole vector registers, shared by every kernel. Included only by the translation
// units that are compiled once for each instruction set. Every function here is a template over the batch
// type, whose architecture parameter keeps the copies of different instruction sets apart at link time.

#include <bit>
#include <limits>
#include <type_traits>

#include "seqgrad/core/kernels/register.hpp"

namespace seqgrad::kernels::math {

template <class B>
using Value = typename B::value_type;

template <class B>
constexpr bool is_single = std::is_same_v<Value<B>, float>;

/// A polynomial by Horner's rule, the coefficient of the highest power first.
template <class B, class... Coefficients>
inline B polynomial(B x, double highest, Coefficients... others) {
    B p(static_cast<Value<B>>(highest));
    ((p = fma(p, x, B(static_cast<Value<B>>(others)))), ...);
    return p;
}

/// The smaller (larger) of a constant and x; NaN where x is NaN, because the processor's minimum returns its
/// second operand then.
template <class B>
inline B at_most(Value<B> limit, B x) {
    return min(B(limit), x);
}
template <class B>
inline B at_least(Value<B> limit, B x) {
    return max(B(limit), x);
}

/// Adding this leaves the nearest integer in the low bits of the significand.
template <class B>
constexpr Value<B> rounding_shift = is_single<B> ? Value<B>(0x1.8p23) : Value<B>(0x1.8p52);

/// 2^n for integral n in the range of normal numbers.
template <class B>
inline B power_of_two(B n) {
    constexpr int digits = std::numeric_limits<Value<B>>::digits - 1;
    constexpr auto bias = std::numeric_limits<Value<B>>::max_exponent - 1;
    const B shifted = n + B(rounding_shift<B> + Value<B>(bias));
    return std::bit_cast<B>(std::bit_cast<Integers<B>>(shifted) << digits);
}

/// e^x = 2^n (1 + p) with |x - n ln 2| <= ln(2) / 2.
template <class B>
struct ExpParts {
    B n, p;
};

/// Cody and Waite's reduction, then Taylor's polynomial of e^r - 1: with |r| <= 0.347 the first term left out
/// is below a quarter of a unit in the last place.
template <class B>
inline ExpParts<B> exp_parts(B x) {
    const B n = fma(x, B(Value<B>(1.4426950408889634074)), B(rounding_shift<B>)) - B(rounding_shift<B>);
    if constexpr (is_single<B>) {
        // ln 2 in two parts, the first short enough that its product with n is exact.
        B r = fma(n, B(-0.693359375f), x);
        r = fma(n, B(2.12194440054690583e-4f), r);
        const B q = polynomial(r, 1. / 5040, 1. / 720, 1. / 120, 1. / 24, 1. / 6, 1. / 2);
        return {n, fma(r * r, q, r)};
    } else {
        B r = fma(n, B(-0x1.62e42fefa0000p-1), x);
        r = fma(n, B(-0x1.cf79abc9e3b39p-40), r);
        const B q = polynomial(r, 1. / 6227020800, 1. / 479001600, 1. / 39916800, 1. / 3628800, 1. / 362880,
                               1. / 40320, 1. / 5040, 1. / 720, 1. / 120, 1. / 24, 1. / 6, 1. / 2);
        return {n, fma(r * r, q, r)};
    }
}

/// Below (above) these, e^x is zero (infinite) in T.
template <class B>
constexpr Value<B> exp_lowest = is_single<B> ? Value<B>(-104) : Value<B>(-746);
template <class B>
constexpr Value<B> exp_highest = is_single<B> ? Value<B>(89) : Value<B>(710);

/// x 2^n for integral n, also where 2^n or the result lies outside the normal numbers.
template <class B>
inline B scale_by_power_of_two(B x, B n) {
#ifdef __AVX512F__
    if constexpr (is_in<B, xsimd::avx512f>) {
        if constexpr (is_single<B>)
            return B(_mm512_scalef_ps(x, n));
        else
            return B(_mm512_scalef_pd(x, n));
    }
#endif
    // In two steps, so that each factor is a normal number.
    const B half = fma(n, B(Value<B>(0.5)), B(rounding_shift<B>)) - B(rounding_shift<B>);
    return x * power_of_two(half) * power_of_two(n - half);
}

template <class B>
inline B exp(B x) {
    const auto [n, p] = exp_parts(at_most(exp_highest<B>, at_least(exp_lowest<B>, x)));
    return scale_by_power_of_two(p + B(Value<B>(1)), n);
}

/// e^-|x|
template <class B>
inline B exp_minus_abs(B x) {
    return math::exp(-abs(x));
}

/// x where it is so small that f(x) = x + O(x^2) rounds to it, f elsewhere: keeps the sign of -0 and denormal
/// numbers.
template <class B>
inline B x_where_tiny(B x, B f) {
    return select(abs(x) < B(std::numeric_limits<Value<B>>::epsilon() / 4), x, f);
}

template <class B>
inline B expm1(B x) {
    // Below -50 the result is -1 in either type.
    const auto [n, p] = exp_parts(at_most(exp_highest<B>, at_least(Value<B>(-50), x)));
    // Half of the result, so that 2^n stays finite as long as the result is.
    const B half_scale = power_of_two(n - B(Value<B>(1)));
    const B half = fma(p, half_scale, half_scale - B(Value<B>(0.5)));
    return x_where_tiny(x, half + half);
}

/// e^(factor x) = scale (1 + p) for |factor x| <= 88, single precision: 2^n and 2^f - 1 with n + f = factor x
/// log2(e) and |f| <= 1/2.
template <class B>
struct ScaledExp {
    B scale, p;
};
template <class B>
inline ScaledExp<B> scaled_exp(B x, float factor) {
    static_assert(is_single<B>);
    // log2(e) in two parts. Added to a number of magnitude 1, the shift leaves n + 127 in the low bits: the
    // exponent of 2^n.
    const float log2e = factor * 0x1.715476p+0f, log2e_rest = factor * 0x1.4ae0cp-26f;
    const B shift(0x1.8p23f + 127);
    const B shifted = fma(x, B(log2e), shift);
    const B f = fma(x, B(log2e_rest), fms(x, B(log2e), shifted - shift));
    // (2^f - 1) / f, a polynomial fitted for seqgrad to a relative error of 1.1e-8.
    const B q = polynomial(f, 0.000154032174717, 0.00133907343538, 0.00961823841395, 0.0555035743644,
                           0.240226497892, 0.693147187926);
    return {std::bit_cast<B>(std::bit_cast<Integers<B>>(shifted) << 23), f * q};
}

/// tanh x = (e^2|x| - 1) / (e^2|x| + 1) with the sign of x.
template <class B>
inline B tanh(B x) {
    const B sign = bitofsign(x), magnitude = abs(x);
    B e;  // e^2|x| - 1, up to where the quotient rounds to one
    if constexpr (is_single<B>) {
        const auto [scale, p] = scaled_exp(at_most(10.f, magnitude), 2.f);
        e = fma(p, scale, scale - B(1.f));
    } else {
        const auto [n, p] = exp_parts(at_most(40., magnitude + magnitude));
        const B scale = power_of_two(n);
        e = fma(p, scale, scale - B(1.));
    }
    return (e / (e + B(Value<B>(2)))) | sign;
}

/// 1 / (1 + e^-x), from e^-|x| so that nothing overflows and small results keep their digits.
template <class B>
inline B sigmoid(B x) {
    const B e = exp_minus_abs(x);
    const B one(Value<B>(1));
    return select(x < B(Value<B>(0)), e, one) / (one + e);
}

/// The sigmoid of a gate. In single precision a gate is never more closed than e^-87, below which numbers
/// lose digits; that makes it the cheaper one.
template <class B>
inline B gate(B x) {
    if constexpr (is_single<B>) {
        const auto [scale, p] = scaled_exp(at_most(87.f, at_least(-87.f, x)), -1.f);
        return B(1.f) / fma(p, scale, scale + B(1.f));
    } else {
        return math::sigmoid(x);
    }
}

template <class B>
inline B erf(B x) {
    if constexpr (is_single<B>) {
        return erf_of_lanes(x);
    } else {
        const B magnitude = at_most(6., abs(x));  // erf(6) rounds to 1
        const B square = magnitude * magnitude;
        // Chebyshev interpolants computed for seqgrad in 50 digits: erf(x) / x in x^2 for |x| <= 1 (error
        // 7e-18), and e^(x^2) erfc(x) in t = (x - 2.5) / (x + 2.5) for 1 <= x <= 6 (error 3e-17).
        const B small =
            x * polynomial(square, -7.7958988270021422416e-10, 1.3720064546777685604e-8,
                           -1.6208483801871705902e-7, 1.644742470331736241e-6, -0.000014924736907419660338,
                           0.00012055294904839707917, -0.00085483259753896920806, 0.0052239776071164227321,
                           -0.02686617064323777036, 0.11283791670945006266, -0.37612638903183540438,
                           1.1283791670955125665);
        const B t = (magnitude - B(2.5)) / (magnitude + B(2.5));
        const B scaled_erfc =
            polynomial(t, -1.58763389312734402e-6, -2.23285165175552144e-6, 7.49973505076329867e-6,
                       0.0000185967477311445286, -0.0000341757188968562926, -0.000128874831348378418,
                       0.0002283799633257643, 0.000875915287577432747, -0.00264236595181345486,
                       -0.00399370116012302921, 0.0399225390754652319, -0.125033052378917812,
                       0.251713193217448766, -0.37173673394897296, 0.210806364061143584);
        const B large = (B(1.) - math::exp(-square) * scaled_erfc) | bitofsign(x);
        return select(magnitude < B(1.), small, large);
    }
}

template <class B>
inline B log(B x) {
    // xsimd's logarithm takes no denormal numbers in double: scale them up by a power of two.
    const auto denormal = x < B(std::numeric_limits<Value<B>>::min());
    const B result = log_of_lanes(select(denormal, x * B(Value<B>(0x1p54)), x));
    return select(denormal, result - B(Value<B>(54 * 0.693147180559945309417)), result);
}

template <class B>
inline B log1p(B x) {
    return x_where_tiny(x, log1p_of_lanes(x));
}

/// log(1 + e^x) = max(x, 0) + log(1 + e^-|x|)
template <class B>
inline B softplus(B x) {
    return at_least(Value<B>(0), x) + math::log1p(exp_minus_abs(x));
}

}  // namespace seqgrad::kernels::math
