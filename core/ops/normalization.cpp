#include "seqgrad/core/ops/normalization.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/reduce.hpp"
#include "seqgrad/core/internal/rows.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad {

using detail::RowsAlong;

namespace {

template <class T>
T mean_of(const T* x, std::size_t n) {
    return detail::SumOf<T>::of_run(x, n) / static_cast<T>(n);
}

template <class T>
Variable<T> scale_or_offset(const char* name, const Variable<T>& given, T absent, const Shape& shape,
                            std::size_t axis) {
    if (!given) return constant(full<T>({shape[axis]}, absent));
    if (given.shape() != Shape{shape[axis]}) {
        throw ShapeError(
            fmt::format("layer_norm: x {} normalised along axis {} needs {} of shape [{}], got {}",
                        to_string(shape), axis, name, shape[axis], to_string(given.shape())));
    }
    return given;
}

/// Adds up rows that come one after another, [D] each. Groups of them are added up in T, the groups in
/// double, so that long batches keep their digits in float.
template <class T>
class RowSum {
  public:
    explicit RowSum(std::size_t length) : group_(length), total_(length) {}

    /// f(i) is element i of the next row.
    template <class F>
    void add(F&& f) {
        for (std::size_t i = 0; i < group_.size(); ++i) group_[i] += f(i);
        if (++rows_ == rows_of_group) close_group();
    }
    Tensor<T> result() {
        close_group();
        Tensor<T> sum(Shape{total_.size()});
        for (std::size_t i = 0; i < total_.size(); ++i) sum.data()[i] = static_cast<T>(total_[i]);
        return sum;
    }

  private:
    static constexpr std::size_t rows_of_group = 64;

    void close_group() {
        for (std::size_t i = 0; i < group_.size(); ++i) {
            total_[i] += static_cast<double>(group_[i]);
            group_[i] = T{0};
        }
        rows_ = 0;
    }

    std::vector<T> group_;
    std::vector<double> total_;
    std::size_t rows_ = 0;
};

}  // namespace

template <class T>
Variable<T> layer_norm(const Variable<T>& x, const Variable<T>& gamma, const Variable<T>& beta,
                       std::ptrdiff_t axis, double epsilon) {
    const std::size_t along_axis = normalize_axis("layer_norm", axis, x.rank());
    if (!(epsilon >= 0))
        throw ValueError(fmt::format("layer_norm: epsilon must not be negative, got {}", epsilon));
    const Variable<T> scale = scale_or_offset("gamma", gamma, T{1}, x.shape(), along_axis);
    const Variable<T> offset = scale_or_offset("beta", beta, T{0}, x.shape(), along_axis);

    const RowsAlong along(x.shape(), along_axis);
    const std::size_t n = along.length();
    Tensor<T> storage, value(x.shape());
    // Of every row its mean, what rounding took from it (the mean of the deviations, which counts where x is
    // far from zero) and 1 / sqrt(variance + epsilon): with x, all that the backward pass needs.
    Tensor<T> means(Shape{along.count()}), rests(Shape{along.count()}), reciprocals(Shape{along.count()});
    const T* row = along.of(x.value(), storage).data();
    T* to = value.data();
    std::vector<T> squares(n);
    for (std::size_t r = 0; r < along.count(); ++r, row += n, to += n) {
        const T mean = mean_of(row, n);
        for (std::size_t i = 0; i < n; ++i) to[i] = row[i] - mean;
        const T rest = mean_of(to, n);
        for (std::size_t i = 0; i < n; ++i) {
            to[i] -= rest;
            squares[i] = to[i] * to[i];
        }
        const T reciprocal = 1 / std::sqrt(mean_of(squares.data(), n) + static_cast<T>(epsilon));
        const T* g = scale.value().data();
        const T* b = offset.value().data();
        for (std::size_t i = 0; i < n; ++i) to[i] = to[i] * reciprocal * g[i] + b[i];
        means.data()[r] = mean;
        rests.data()[r] = rest;
        reciprocals.data()[r] = reciprocal;
    }
    return record("layer_norm", along.back(std::move(value)), {x, scale, offset},
                  [x = save(x), scale = save(scale), means = std::move(means), rests = std::move(rests),
                   reciprocals = std::move(reciprocals), along](Backward<T>& pass) {
                      const std::size_t n = along.length();
                      Tensor<T> x_storage, g_storage, gradient(x.shape());
                      const T* row = along.of(x.value(), x_storage).data();
                      const T* g = along.of(pass.grad(), g_storage).data();
                      const T* gamma = scale.value().data();
                      T* to = gradient.data();
                      std::vector<T> normal(n), terms(n);
                      RowSum<T> scale_gradient(n), offset_gradient(n);
                      for (std::size_t r = 0; r < along.count(); ++r, row += n, g += n, to += n) {
                          if (detail::all_zero(g, n)) {  // not chosen: takes no part, whatever x is
                              std::fill_n(to, n, T{0});
                              continue;
                          }
                          const T reciprocal = reciprocals.data()[r];
                          for (std::size_t i = 0; i < n; ++i)
                              normal[i] = (row[i] - means.data()[r] - rests.data()[r]) * reciprocal;
                          if (pass.wants(1))
                              scale_gradient.add([&](std::size_t i) { return g[i] * normal[i]; });
                          if (pass.wants(2)) offset_gradient.add([&](std::size_t i) { return g[i]; });
                          if (!pass.wants(0)) continue;
                          // x reaches y through itself, through the mean and through the variance.
                          for (std::size_t i = 0; i < n; ++i) {
                              to[i] = g[i] * gamma[i];
                              terms[i] = to[i] * normal[i];
                          }
                          const T through_mean = mean_of(to, n);
                          const T through_variance = mean_of(terms.data(), n);
                          for (std::size_t i = 0; i < n; ++i) {
                              to[i] = reciprocal * (to[i] - through_mean - normal[i] * through_variance);
                          }
                      }
                      if (pass.wants(0)) pass.accumulate(0, along.back(std::move(gradient)));
                      if (pass.wants(1)) pass.accumulate(1, scale_gradient.result());
                      if (pass.wants(2)) pass.accumulate(2, offset_gradient.result());
                  });
}

template Variable<float> layer_norm(const Variable<float>&, const Variable<float>&, const Variable<float>&,
                                    std::ptrdiff_t, double);
template Variable<double> layer_norm(const Variable<double>&, const Variable<double>&,
                                     const Variable<double>&, std::ptrdiff_t, double);

}  // namespace seqgrad
