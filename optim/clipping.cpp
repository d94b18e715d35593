#include "seqgrad/optim/clipping.hpp"

#include <array>
#include <cmath>

namespace seqgrad {

template <class T>
double sum_of_squares(const Tensor<T>& t) {
    // Independent sums, so that the additions need not wait for each other.
    constexpr std::size_t lanes = 16;
    std::array<double, lanes> partial{};
    const T* x = t.data();
    const std::size_t n = t.size();
    std::size_t i = 0;
    for (; i + lanes <= n; i += lanes) {
        for (std::size_t j = 0; j < lanes; ++j) {
            const double v = x[i + j];
            partial[j] += v * v;
        }
    }
    for (; i < n; ++i) {
        const double v = x[i];
        partial[i % lanes] += v * v;
    }
    double sum = 0.0;
    for (const double p : partial) sum += p;
    return sum;
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
template double global_norm(std::span<const Variable<float>>);
template double global_norm(std::span<const Variable<double>>);

}  // namespace seqgrad
