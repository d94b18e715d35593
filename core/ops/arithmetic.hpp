#pragma once

#include <concepts>
#include <type_traits>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

// Elementwise arithmetic. Operands broadcast against each other by NumPy's rules; where an operand was
// stretched its gradient is summed. All throw ShapeError when the shapes do not broadcast.

namespace seqgrad {

/// a + b.
template <class T>
Variable<T> add(const Variable<T>& a, const Variable<T>& b);

/// a - b.
template <class T>
Variable<T> subtract(const Variable<T>& a, const Variable<T>& b);

/// a * b, elementwise.
template <class T>
Variable<T> multiply(const Variable<T>& a, const Variable<T>& b);

/// a / b, elementwise, with IEEE results for b = 0.
template <class T>
Variable<T> divide(const Variable<T>& a, const Variable<T>& b);

/// -x.
template <class T>
Variable<T> negative(const Variable<T>& x);

namespace detail {

template <class X>
struct VariableElement {};
template <class T>
struct VariableElement<Variable<T>> {
    using type = T;
};

template <class X>
concept IsVariable = requires {
    typename VariableElement<std::remove_cvref_t<X>>::type;
};

template <class X, class T>
concept OperandOf = std::same_as<std::remove_cvref_t<X>, Variable<T>> ||
    (!IsVariable<X> && (std::is_arithmetic_v<std::remove_cvref_t<X>> || std::convertible_to<X, Tensor<T>>));

template <class A, class B>
struct OperandsElement : VariableElement<std::remove_cvref_t<A>> {};
template <class A, class B>
requires(!IsVariable<A>) struct OperandsElement<A, B> : VariableElement<std::remove_cvref_t<B>> {
};

/// At least one Variable; the other a Variable of the same element type, a number, or an xtensor expression.
template <class A, class B>
concept VariableOperands = (IsVariable<A> || IsVariable<B>)&&OperandOf<
    A, typename OperandsElement<A, B>::type>&& OperandOf<B, typename OperandsElement<A, B>::type>;

template <class T, class X>
Variable<T> as_variable(X&& x) {
    if constexpr (IsVariable<X>) {
        return std::forward<X>(x);
    } else if constexpr (std::is_arithmetic_v<std::remove_cvref_t<X>>) {
        return constant(full<T>({}, static_cast<T>(x)));
    } else {
        return constant(Tensor<T>(std::forward<X>(x)));
    }
}

}  // namespace detail

// Operators take a Variable on either side, beside it another Variable, a number or a tensor: `2 * x + 1`, `x
// - target`.

template <class A, class B>
requires detail::VariableOperands<A, B>
auto operator+(A&& a, B&& b) {
    using T = typename detail::OperandsElement<A, B>::type;
    return add<T>(detail::as_variable<T>(std::forward<A>(a)), detail::as_variable<T>(std::forward<B>(b)));
}

template <class A, class B>
requires detail::VariableOperands<A, B>
auto operator-(A&& a, B&& b) {
    using T = typename detail::OperandsElement<A, B>::type;
    return subtract<T>(detail::as_variable<T>(std::forward<A>(a)),
                       detail::as_variable<T>(std::forward<B>(b)));
}

template <class A, class B>
requires detail::VariableOperands<A, B>
auto operator*(A&& a, B&& b) {
    using T = typename detail::OperandsElement<A, B>::type;
    return multiply<T>(detail::as_variable<T>(std::forward<A>(a)),
                       detail::as_variable<T>(std::forward<B>(b)));
}

template <class A, class B>
requires detail::VariableOperands<A, B>
auto operator/(A&& a, B&& b) {
    using T = typename detail::OperandsElement<A, B>::type;
    return divide<T>(detail::as_variable<T>(std::forward<A>(a)), detail::as_variable<T>(std::forward<B>(b)));
}

template <class T>
Variable<T> operator-(const Variable<T>& x) {
    return negative(x);
}

}  // namespace seqgrad
