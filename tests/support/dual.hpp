#pragma once

#include <cmath>
#include <numbers>

// Numbers v + d eps with eps^2 = 0, in long double: a function computed with them gives its value and its
// exact derivative along the direction that the inputs' d name. Shares nothing with the library.

namespace oracle {

using Real = long double;

struct Dual {
    Real v = 0;
    Real d = 0;

    Dual() = default;
    Dual(Real value, Real derivative = 0) : v(value), d(derivative) {}

    friend Dual operator+(Dual a, Dual b) { return {a.v + b.v, a.d + b.d}; }
    friend Dual operator-(Dual a, Dual b) { return {a.v - b.v, a.d - b.d}; }
    friend Dual operator-(Dual a) { return {-a.v, -a.d}; }
    friend Dual operator*(Dual a, Dual b) { return {a.v * b.v, a.d * b.v + a.v * b.d}; }
    friend Dual operator/(Dual a, Dual b) { return {a.v / b.v, (a.d * b.v - a.v * b.d) / (b.v * b.v)}; }
    Dual& operator+=(Dual b) { return *this = *this + b; }
    friend bool operator<(Dual a, Dual b) { return a.v < b.v; }
    friend bool operator>(Dual a, Dual b) { return a.v > b.v; }
};

inline Dual exp(Dual x) {
    return {std::exp(x.v), x.d * std::exp(x.v)};
}
inline Dual expm1(Dual x) {
    return {std::expm1(x.v), x.d * std::exp(x.v)};
}
inline Dual log(Dual x) {
    return {std::log(x.v), x.d / x.v};
}
inline Dual log1p(Dual x) {
    return {std::log1p(x.v), x.d / (1 + x.v)};
}
inline Dual sqrt(Dual x) {
    return {std::sqrt(x.v), x.d / (2 * std::sqrt(x.v))};
}
inline Dual sin(Dual x) {
    return {std::sin(x.v), x.d * std::cos(x.v)};
}
inline Dual cos(Dual x) {
    return {std::cos(x.v), -x.d * std::sin(x.v)};
}
inline Dual tanh(Dual x) {
    return {std::tanh(x.v), x.d / (std::cosh(x.v) * std::cosh(x.v))};
}
inline Dual erf(Dual x) {
    return {std::erf(x.v), x.d * 2 * std::numbers::inv_sqrtpi_v<Real> * std::exp(-x.v * x.v)};
}
inline Dual abs(Dual x) {
    return x.v < 0 ? -x : x;
}
inline Dual power(Dual x, Real n) {
    return {std::pow(x.v, n), x.d * n * std::pow(x.v, n - 1)};
}
inline Dual power(Dual x, Dual y) {
    return exp(y * log(x));
}
inline Dual sigmoid(Dual x) {
    return 1 / (1 + exp(-x));
}

}  // namespace oracle
