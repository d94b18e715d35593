#include "seqgrad/optim/clipping.hpp"

#include <array>
#include <cmath>

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

template double sum_of_squares(const Tensor<float>&);
template double sum_of_squares(const Tensor<double>&);
template double detail::sum_of_squares(const Tensor<float>&, const Tensor<float>&);
template double detail::sum_of_squares(const Tensor<double>&, const Tensor<double>&);
template double global_norm(std::span<const Variable<float>>);
template double global_norm(std::span<const Variable<double>>);

}  // namespace seqgrad
