#include "seqgrad/optim/clipping.hpp"

#include <array>
#include <cmath>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad {

namespace {

/// Of element(0), ..., element(n - 1).
template <class Element>
double squares_of(std::size_t n, Element element) {
    // Independent sums, so that the additions need not wait for each other.
    constexpr std::size_t lanes = 16;
    std::array<double, lanes> partial{};
    std::size_t i = 0;
    for (; i + lanes <= n; i += lanes) {
        for (std::size_t j = 0; j < lanes; ++j) {
            const double v = element(i + j);
            partial[j] += v * v;
        }
    }
    for (; i < n; ++i) {
        const double v = element(i);
        partial[i % lanes] += v * v;
    }
    double sum = 0.0;
    for (const double p : partial) sum += p;
    return sum;
}

}  // namespace

template <class T>
double sum_of_squares(const Tensor<T>& t) {
    return squares_of(t.size(), [x = t.data()](std::size_t i) { return x[i]; });
}

template <class T>
double detail::sum_of_squares(const Tensor<T>& a, const Tensor<T>& b) {
    return squares_of(a.size(), [x = a.data(), y = b.data()](std::size_t i) { return x[i] + y[i]; });
}

template <class T>
double global_norm(std::span<const Variable<T>> parameters) {
    double sum = 0.0;
    for (const Variable<T>& p : parameters) {
        if (p.has_grad()) sum += sum_of_squares(p.grad());
    }
    return std::sqrt(sum);
}

template <class T>
double clip_by_global_norm(std::span<Variable<T>> parameters, double clip_norm) {
    if (!(clip_norm > 0 && std::isfinite(clip_norm))) {
        throw ValueError(
            fmt::format("clip_by_global_norm: clip_norm must be a finite number above 0, got {}", clip_norm));
    }
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            if (parameters[i].same_as(parameters[j]))
                throw ValueError(
                    fmt::format("clip_by_global_norm: parameters {} and {} are the same one", j, i));
        }
    }
    const double norm = global_norm(std::span<const Variable<T>>(parameters));
    if (!std::isfinite(norm)) {
        throw NonFiniteError(fmt::format(
            "clip_by_global_norm: the norm of the gradients is {}; a gradient is not finite", norm));
    }
    if (norm <= clip_norm) return norm;
    const auto scale = static_cast<T>(clip_norm / norm);
    for (const Variable<T>& p : parameters) {
        if (!p.has_grad()) continue;
        for (T& g : elements(p.node()->grad->tensor)) g *= scale;
    }
    return norm;
}

template double clip_by_global_norm(std::span<Variable<float>>, double);
template double clip_by_global_norm(std::span<Variable<double>>, double);
template double sum_of_squares(const Tensor<float>&);
template double sum_of_squares(const Tensor<double>&);
template double detail::sum_of_squares(const Tensor<float>&, const Tensor<float>&);
template double detail::sum_of_squares(const Tensor<double>&, const Tensor<double>&);
template double global_norm(std::span<const Variable<float>>);
template double global_norm(std::span<const Variable<double>>);

}  // namespace seqgrad
