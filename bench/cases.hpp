#pragma once

#include <cstddef>
#include <random>

#include "seqgrad/core/tensor.hpp"

namespace seqgrad::bench {

/// A recurrent layer's sizes: batch B, time T, features D and units U.
struct Case {
    const char* name;
    std::size_t batch, steps, features, units;
};

inline constexpr Case cases[] = {
    {"seed", 32, 16, 12, 8},      {"one", 1, 100, 64, 128},   {"small", 32, 50, 32, 64},
    {"charlm", 64, 64, 128, 256}, {"long", 16, 512, 64, 128}, {"large", 64, 128, 512, 512},
};

/// A recurrent layer by Keras's name, and the columns of its kernels in units.
struct Cell {
    const char* name;
    std::size_t gates;
};

inline constexpr Cell cells[] = {{"SimpleRNN", 1}, {"LSTM", 4}, {"GRU", 3}};

/// Multiplications and additions of the matrix products of a forward pass: x W and h R.
constexpr double forward_flops(const Case& c, std::size_t gates) {
    return 2.0 * static_cast<double>(gates * c.units * (c.features + c.units) * c.batch * c.steps);
}

/// The same with the backward pass: dR, the gradient of h, and dW. x is data, so that nobody asks for its
/// gradient.
constexpr double training_flops(const Case& c, std::size_t gates) {
    return 3 * forward_flops(c, gates) -
           2.0 * static_cast<double>(gates * c.units * c.features * c.batch * c.steps);
}

/// Normally distributed numbers, the same ones in every run.
template <class T>
Tensor<T> draw(const Shape& shape, double scale = 1) {
    static std::mt19937 random(1);
    std::normal_distribution<T> normal(0, static_cast<T>(scale));
    Tensor<T> out(shape);
    for (T& v : elements(out)) v = normal(random);
    return out;
}

}  // namespace seqgrad::bench
