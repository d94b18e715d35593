#pragma once

#include <cstddef>

#include "seqgrad/core/kernels/instruction_set.hpp"

namespace seqgrad::kernels {

/// Elementwise functions of one instruction set: each writes y[i] = f(x[i]) for i < n.
///
/// `x` and `y` need no alignment beyond T's own and are either the same array or do not overlap. Infinities,
/// NaN, denormal numbers and signed zeros give what the real function's limit is; float results lie within 3
/// units in the last place of the exact value, double ones within 4.
template <class T>
struct Elementwise {
    using Function = void (*)(std::size_t n, const T* x, T* y);

    Function exp;
    Function expm1;
    Function log;
    Function log1p;
    Function tanh;
    Function sigmoid;   ///< 1 / (1 + e^-x)
    Function softplus;  ///< log(1 + e^x)
    Function erf;
};

/// The functions of one available instruction set.
template <class T>
const Elementwise<T>& elementwise(InstructionSet set);

/// The functions of this process's instruction set. Throws ValueError as instruction_set() does.
template <class T>
inline const Elementwise<T>& elementwise() {
    static const Elementwise<T>& functions = elementwise<T>(instruction_set());
    return functions;
}

/// The same by name: `kernels::tanh(n, x, y)`.
template <class T>
void exp(std::size_t n, const T* x, T* y) {
    elementwise<T>().exp(n, x, y);
}
template <class T>
void expm1(std::size_t n, const T* x, T* y) {
    elementwise<T>().expm1(n, x, y);
}
template <class T>
void log(std::size_t n, const T* x, T* y) {
    elementwise<T>().log(n, x, y);
}
template <class T>
void log1p(std::size_t n, const T* x, T* y) {
    elementwise<T>().log1p(n, x, y);
}
template <class T>
void tanh(std::size_t n, const T* x, T* y) {
    elementwise<T>().tanh(n, x, y);
}
template <class T>
void sigmoid(std::size_t n, const T* x, T* y) {
    elementwise<T>().sigmoid(n, x, y);
}
template <class T>
void softplus(std::size_t n, const T* x, T* y) {
    elementwise<T>().softplus(n, x, y);
}
template <class T>
void erf(std::size_t n, const T* x, T* y) {
    elementwise<T>().erf(n, x, y);
}

}  // namespace seqgrad::kernels
