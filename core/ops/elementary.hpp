#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

// Elementary functions of every element. Outside a function's domain its value is IEEE's (log(-1) is NaN,
// 1 / 0 infinite), and so is its gradient. Where a function has a kink, the gradient is TensorFlow's choice,
// said at each. Functions of several operands broadcast them by NumPy's rules and throw ShapeError when they
// do not.

namespace seqgrad {

/// x^y for two Variables. d/dx = y x^(y-1), and 0 where y = 0; d/dy = x^y ln x, and 0 where x <= 0, outside
/// the logarithm's domain.
template <class T>
Variable<T> power(const Variable<T>& x, const Variable<T>& y);

/// x^exponent for a fixed exponent.
template <class T>
Variable<T> power(const Variable<T>& x, std::type_identity_t<T> exponent);

/// e^x.
template <class T>
Variable<T> exp(const Variable<T>& x);

/// e^x - 1, exact to the last digits for small x.
template <class T>
Variable<T> expm1(const Variable<T>& x);

/// The natural logarithm.
template <class T>
Variable<T> log(const Variable<T>& x);

/// ln(1 + x), exact to the last digits for small x.
template <class T>
Variable<T> log1p(const Variable<T>& x);

/// The square root. Its gradient at 0 is infinite.
template <class T>
Variable<T> sqrt(const Variable<T>& x);

/// x^2.
template <class T>
Variable<T> square(const Variable<T>& x);

/// |x|, with gradient 0 at 0.
template <class T>
Variable<T> abs(const Variable<T>& x);

/// 1 / x.
template <class T>
Variable<T> reciprocal(const Variable<T>& x);

/// The sine of x in radians.
template <class T>
Variable<T> sin(const Variable<T>& x);

/// The cosine of x in radians.
template <class T>
Variable<T> cos(const Variable<T>& x);

/// x kept within [min, max]: min(max(x, min), max). The gradient is 1 inside and on both bounds, 0 outside.
/// NaN stays NaN. Throws ValueError unless min <= max.
template <class T>
Variable<T> clip(const Variable<T>& x, std::type_identity_t<T> min, std::type_identity_t<T> max);

/// The smaller of a and b, NaN where either is. Where they are equal the whole gradient goes to a.
template <class T>
Variable<T> minimum(const Variable<T>& a, const Variable<T>& b);

/// The larger of a and b, NaN where either is. Where they are equal the whole gradient goes to a.
template <class T>
Variable<T> maximum(const Variable<T>& a, const Variable<T>& b);

/// a if the condition holds, b otherwise, element by element; all three broadcast.
///
/// What was not chosen takes no part in the backward pass, also of the operations that computed it: the
/// library's elementwise operations, reductions, softmaxes, norms, losses and matrix products keep a gradient
/// of exactly 0 at 0, whatever value or derivative it meets. `where(x.value() > 0, sqrt(x), 0)` has gradient
/// 0 at x = 0, and so have elements that `select`, `slice` and `take` leave out. An operation that carries
/// one element's value to others has carried NaN to what was chosen, too, and the recurrent operations
/// multiply a step's gradients by its input; give these finite numbers: `lstm(where(known, x, 0), ...)`. A
/// backward function of your own has to make 0 of 0 itself.
template <class T>
Variable<T> where(Tensor<bool> condition, const Variable<T>& a, const Variable<T>& b);

namespace detail {

/// One Variable, beside it a number or a tensor.
template <class A, class B>
concept MixedOperands = VariableOperands<A, B> && !(IsVariable<A> && IsVariable<B>);

/// A number as exponent has an overload of its own.
template <class A, class B>
concept MixedPowerOperands = MixedOperands<A, B> && !std::is_arithmetic_v<std::remove_cvref_t<B>>;

}  // namespace detail

// As with the operators, one of two operands may be a number or a tensor: `maximum(x, 0)`, `power(2, x)`.

template <class A, class B>
requires detail::MixedPowerOperands<A, B>
auto power(A&& x, B&& y) {
    using T = typename detail::OperandsElement<A, B>::type;
    return power<T>(detail::as_variable<T>(std::forward<A>(x)), detail::as_variable<T>(std::forward<B>(y)));
}

template <class A, class B>
requires detail::MixedOperands<A, B>
auto minimum(A&& a, B&& b) {
    using T = typename detail::OperandsElement<A, B>::type;
    return minimum<T>(detail::as_variable<T>(std::forward<A>(a)), detail::as_variable<T>(std::forward<B>(b)));
}

template <class A, class B>
requires detail::MixedOperands<A, B>
auto maximum(A&& a, B&& b) {
    using T = typename detail::OperandsElement<A, B>::type;
    return maximum<T>(detail::as_variable<T>(std::forward<A>(a)), detail::as_variable<T>(std::forward<B>(b)));
}

// The condition may be an expression, `where(x.value() > 0, x, 0)`. This overload also keeps xtensor's own
// `where`, which argument-dependent lookup finds, from being taken for temporaries.
template <class C, class A, class B>
requires std::convertible_to<C, Tensor<bool>> && detail::VariableOperands<A, B>
auto where(C&& condition, A&& a, B&& b) {
    using T = typename detail::OperandsElement<A, B>::type;
    return where<T>(Tensor<bool>(std::forward<C>(condition)), detail::as_variable<T>(std::forward<A>(a)),
                    detail::as_variable<T>(std::forward<B>(b)));
}

}  // namespace seqgrad
