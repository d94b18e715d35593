#include "seqgrad/core/ops/matmul.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/broadcast.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/internal/unchosen.hpp"
#include "seqgrad/core/kernels/gemm.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad {
namespace {

using detail::columns_of;
using detail::Lines;
using detail::rows_of;
using detail::without_unchosen;
using kernels::gemm;
using kernels::Transpose;

/// A product as so many products of matrices [m, k] x [k, n].
struct Product {
    Product(const Shape& a, const Shape& b) {
        if (a.empty() || b.empty()) {
            throw ShapeError(
                fmt::format("matmul: operands need at least one axis: {} x {}; multiply by a number with *",
                            to_string(a), to_string(b)));
        }
        const bool row = a.size() == 1;
        const bool column = b.size() == 1;
        m = row ? 1 : a[a.size() - 2];
        k = a.back();
        n = column ? 1 : b.back();
        const std::size_t k_of_b = column ? b[0] : b[b.size() - 2];
        if (k != k_of_b) {
            throw ShapeError(fmt::format("matmul: inner sizes differ: {} x {} ({} and {})", to_string(a),
                                         to_string(b), k, k_of_b));
        }
        batch_a = Shape(a.begin(), a.end() - (row ? 1 : 2));
        batch_b = Shape(b.begin(), b.end() - (column ? 1 : 2));
        try {
            batch = broadcast_shape("matmul", batch_a, batch_b);
        } catch (const ShapeError&) {
            throw ShapeError(fmt::format("matmul: batch axes do not broadcast: {} x {} ({} and {})",
                                         to_string(a), to_string(b), to_string(batch_a), to_string(batch_b)));
        }
        result = batch;
        if (!row) result.push_back(m);
        if (!column) result.push_back(n);
        detail::checked("matmul", result);
        // With one matrix on the right, the rows of all matrices on the left are those of a single matrix.
        if (element_count(batch_b) == 1) {
            m *= element_count(batch);
            batch_a = batch_b = batch = Shape{};
        }
    }

    /// Calls f(ia, ib, i) for every product: of matrix ia of a and ib of b, the i-th of the result.
    template <class F>
    void for_each(F&& f) const {
        std::size_t i = 0;
        detail::BroadcastLoop<2>(batch, {&batch_a, &batch_b})
            .for_each_run([&](const std::array<std::size_t, 2>& first, std::size_t count,
                              const std::array<std::size_t, 2>& step) {
                for (std::size_t j = 0; j < count; ++j, ++i)
                    f(first[0] + j * step[0], first[1] + j * step[1], i);
            });
    }

    std::size_t m, k, n;
    Shape batch_a, batch_b, batch;
    Shape result;
};

/// An operand's gradient to add products to, and the factor for what is there: where the operand's matrices
/// are used several times, each use after the first must find the one before.
template <class T>
struct Target {
    Target(Backward<T>& pass, std::size_t i, bool stretched) {
        const GradientBuffer<T> to = pass.buffer(i);
        data = to.tensor.data();
        beta = to.beta();
        if (beta == T{0} && stretched) {
            to.tensor.fill(T{0});
            beta = T{1};
        }
    }
    T* data;
    T beta;
};

/// Sum of x[i] y[i], in parallel lanes for the sake of speed and rounding.
template <class T>
T dot(const T* x, const T* y, std::size_t n) {
    constexpr std::size_t lanes = 16;
    std::array<T, lanes> partial{};
    std::size_t i = 0;
    for (; i + lanes <= n; i += lanes) {
        for (std::size_t j = 0; j < lanes; ++j) partial[j] += x[i + j] * y[i + j];
    }
    T tail{};
    for (; i < n; ++i) tail += x[i] * y[i];
    return detail::pairwise_sum(partial.data(), lanes) + tail;
}

/// Adds grad * other, stretched to `full`, to operand i's gradient.
template <class T>
void accumulate_product(Backward<T>& pass, std::size_t i, const Shape& full, const Tensor<T>& grad,
                        const Tensor<T>& other) {
    if (!pass.wants(i)) return;
    const auto times = detail::keeping_zeros<T>([](T g, T v) { return g * v; });
    if (pass.input_shape(i) != full) {
        Tensor<T> product(full);
        detail::broadcast_apply<false>(product.data(), full, times, grad, other);
        pass.accumulate(i, std::move(product));
        return;
    }
    const GradientBuffer<T> to = pass.buffer(i);
    if (to.first_write()) {
        detail::broadcast_apply<false>(to.tensor.data(), full, times, grad, other);
    } else {
        detail::broadcast_apply<true>(to.tensor.data(), full, times, grad, other);
    }
}

}  // namespace

template <class T>
Variable<T> matmul(const Variable<T>& a, const Variable<T>& b) {
    const Product p(a.shape(), b.shape());
    Tensor<T> value(p.result);
    p.for_each([&, A = a.value().data(), B = b.value().data(), C = value.data()](
                   std::size_t ia, std::size_t ib, std::size_t i) {
        gemm(Transpose::no, Transpose::no, p.m, p.n, p.k, T{1}, A + ia * p.m * p.k, p.k, B + ib * p.k * p.n,
             p.n, T{0}, C + i * p.m * p.n, p.n);
    });
    return record("matmul", std::move(value), {a, b}, [a = save(a), b = save(b)](Backward<T>& pass) {
        const Product p(a.shape(), b.shape());
        const T* G = pass.grad().data();
        std::vector<T> storage;
        if (pass.wants(0)) {  // dA = G B^T
            const Target<T> da(pass, 0, p.batch_a != p.batch);
            const Lines of_b = columns_of(p.k, p.n), of_g = columns_of(p.m, p.n);
            p.for_each([&, B = b.value().data()](std::size_t ia, std::size_t ib, std::size_t i) {
                const T* g = G + i * p.m * p.n;
                gemm(Transpose::no, Transpose::yes, p.m, p.k, p.n, T{1}, g, p.n,
                     without_unchosen(B + ib * p.k * p.n, of_b, g, of_g, storage), p.n, da.beta,
                     da.data + ia * p.m * p.k, p.k);
            });
        }
        if (pass.wants(1)) {  // dB = A^T G
            const Target<T> db(pass, 1, p.batch_b != p.batch);
            const Lines of_a = rows_of(p.m, p.k), of_g = rows_of(p.m, p.n);
            p.for_each([&, A = a.value().data()](std::size_t ia, std::size_t ib, std::size_t i) {
                const T* g = G + i * p.m * p.n;
                gemm(Transpose::yes, Transpose::no, p.k, p.n, p.m, T{1},
                     without_unchosen(A + ia * p.m * p.k, of_a, g, of_g, storage), p.k, g, p.n, db.beta,
                     db.data + ib * p.k * p.n, p.n);
            });
        }
    });
}

template <class T>
Variable<T> vecdot(const Variable<T>& a, const Variable<T>& b, std::ptrdiff_t axis) {
    const Shape full = broadcast_shape("vecdot", a.shape(), b.shape());
    const std::size_t summed = normalize_axis("vecdot", axis, full.size());
    Shape kept = full;
    kept[summed] = 1;
    Shape result = full;
    result.erase(result.begin() + static_cast<std::ptrdiff_t>(summed));

    Tensor<T> value = zeros<T>(detail::checked("vecdot", result));
    std::array<T, detail::broadcast_chunk> repeated_x, repeated_y;
    detail::BroadcastLoop<3>(full, {&a.shape(), &b.shape(), &kept})
        .for_each_run([&](const std::array<std::size_t, 3>& first, std::size_t n,
                          const std::array<std::size_t, 3>& step) {
            const T* x = detail::repeat_into(repeated_x, a.value().data() + first[0], step[0], n);
            const T* y = detail::repeat_into(repeated_y, b.value().data() + first[1], step[1], n);
            T* to = value.data() + first[2];
            for (std::size_t i = 0; i < n; i += detail::broadcast_chunk) {
                const std::size_t count = std::min(detail::broadcast_chunk, n - i);
                const T* xi = x + i * step[0];
                const T* yi = y + i * step[1];
                if (step[2] == 0) {
                    *to += dot(xi, yi, count);
                } else {
                    for (std::size_t j = 0; j < count; ++j) to[i + j] += xi[j] * yi[j];
                }
            }
        });
    return record("vecdot", std::move(value), {a, b},
                  [a = save(a), b = save(b), full, kept](Backward<T>& pass) {
                      Tensor<T> grad = pass.take_grad();
                      grad.reshape(kept);
                      accumulate_product(pass, 0, full, grad, b.value());
                      accumulate_product(pass, 1, full, grad, a.value());
                  });
}

template Variable<float> matmul(const Variable<float>&, const Variable<float>&);
template Variable<double> matmul(const Variable<double>&, const Variable<double>&);
template Variable<float> vecdot(const Variable<float>&, const Variable<float>&, std::ptrdiff_t);
template Variable<double> vecdot(const Variable<double>&, const Variable<double>&, std::ptrdiff_t);

}  // namespace seqgrad
