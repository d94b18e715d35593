#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

#include "seqgrad/core/kernels/recurrent.hpp"

// What the kernels compute, as plainly as it can be written. Works for complex numbers too, whose imaginary
// part is then the derivative: a complex step shares nothing with back-propagation and has no difference to
// cancel.

namespace seqgrad::test {

template <class S>
using Array = std::vector<S>;

template <class To, class From>
Array<To> cast(const Array<From>& from) {
    Array<To> out(from.size());
    std::transform(from.begin(), from.end(), out.begin(), [](From v) { return static_cast<To>(v); });
    return out;
}

template <class S>
Array<S> draw(std::size_t n, std::mt19937_64& random, double scale = 1) {
    std::normal_distribution<double> normal;  // scaled here: the standard asks for a deviation above 0
    Array<S> out(n);
    for (S& v : out) v = static_cast<S>(scale * normal(random));
    return out;
}

/// Infinite when the sizes differ; NaN when there is one.
template <class T>
double worst_difference(const Array<T>& got, const Array<double>& want) {
    double worst = got.size() == want.size() ? 0 : std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < got.size() && i < want.size(); ++i) {
        const double difference = std::abs(double(got[i]) - want[i]);
        if (!(difference <= worst)) worst = difference;
    }
    return worst;
}

template <class S>
S sigmoid(S x) {
    return S(1) / (S(1) + std::exp(-x));
}

/// sum[j] += v [n] times column j of `weights` [n, columns], for j in [first, last).
template <class S>
void add_product(std::size_t n, const S* v, const S* weights, std::size_t columns, std::size_t first,
                 std::size_t last, S* sum) {
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = first; j < last; ++j) sum[j] += v[i] * weights[i * columns + j];
}

/// One step of one sample: h and c [U] become the next ones. Null without a bias; c is lstm's only.
template <class S>
void take_step(kernels::Cell cell, std::size_t features, std::size_t units, const S* x, const S* kernel,
               const S* recurrent_kernel, const S* bias, S* h, S* c) {
    using enum kernels::Cell;
    const std::size_t columns = kernels::weight_groups(cell) * units;
    const bool reset_before = cell == gru_reset_before;
    Array<S> input(columns), recurrent(columns), old(h, h + units);
    if (bias) std::copy_n(bias, columns, input.data());
    if (bias && cell == gru) std::copy_n(bias + columns, columns, recurrent.data());
    add_product(features, x, kernel, columns, 0, columns, input.data());
    add_product(units, old.data(), recurrent_kernel, columns, 0, reset_before ? 2 * units : columns,
                recurrent.data());
    const auto sum = [&](std::size_t gate, std::size_t u) {
        return input[gate * units + u] + recurrent[gate * units + u];
    };
    if (reset_before) {
        Array<S> reset = old;
        for (std::size_t u = 0; u < units; ++u) reset[u] *= sigmoid(sum(1, u));
        add_product(units, reset.data(), recurrent_kernel, columns, 2 * units, columns, recurrent.data());
    }
    for (std::size_t u = 0; u < units; ++u) {
        if (cell == simple_rnn) {
            h[u] = std::tanh(sum(0, u));
        } else if (cell == lstm) {
            c[u] = sigmoid(sum(1, u)) * c[u] + sigmoid(sum(0, u)) * std::tanh(sum(2, u));
            h[u] = sigmoid(sum(3, u)) * std::tanh(c[u]);
        } else {
            const S z = sigmoid(sum(0, u)), r = reset_before ? S(1) : sigmoid(sum(1, u));
            const S candidate = std::tanh(input[2 * units + u] + r * recurrent[2 * units + u]);
            h[u] = z * old[u] + (S(1) - z) * candidate;
        }
    }
}

}  // namespace seqgrad::test
