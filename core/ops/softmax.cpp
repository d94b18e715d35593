#include "seqgrad/core/ops/softmax.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/reduce.hpp"
#include "seqgrad/core/internal/rows.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/kernels/elementwise.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad {

using detail::for_row_groups;
using detail::RowsAlong;

namespace {

template <class T>
T sum_of(const T* x, std::size_t n) {
    return detail::SumOf<T>::of_run(x, n);
}

template <class T>
T largest_of(const T* x, std::size_t n) {
    return detail::MaxOf<T>::of_run(x, n);
}

/// to = from - shift, for one row.
template <class T>
void subtract_from_row(T* to, const T* from, T shift, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) to[i] = from[i] - shift;
}

}  // namespace

template <class T>
Variable<T> softmax(const Variable<T>& x, std::ptrdiff_t axis) {
    const RowsAlong along(x.shape(), normalize_axis("softmax", axis, x.rank()));
    const std::size_t n = along.length();
    Tensor<T> storage, value(x.shape());
    const T* in = along.of(x.value(), storage).data();
    for_row_groups(along.count(), n, [&](std::size_t first, std::size_t rows) {
        T* const group = value.data() + first * n;
        for (std::size_t r = 0; r < rows; ++r) {
            const T* row = in + (first + r) * n;
            subtract_from_row(group + r * n, row, largest_of(row, n), n);
        }
        kernels::exp(rows * n, group, group);
        for (std::size_t r = 0; r < rows; ++r) {
            const T total = sum_of(group + r * n, n);
            for (std::size_t i = 0; i < n; ++i) group[r * n + i] /= total;
        }
    });
    const Variable<T> result = constant(along.back(std::move(value)));
    return record("softmax", result, {x}, [y = save(result), along](Backward<T>& pass) {
        const std::size_t n = along.length();
        Tensor<T> y_storage, g_storage, gradient(y.shape());
        const T* probability = along.of(y.value(), y_storage).data();
        const T* g = along.of(pass.grad(), g_storage).data();
        T* to = gradient.data();
        for (std::size_t r = 0; r < along.count(); ++r, probability += n, g += n, to += n) {
            // A row that was not chosen takes no part, whatever its probabilities are.
            if (detail::all_zero(g, n)) {
                std::fill_n(to, n, T{0});
                continue;
            }
            for (std::size_t i = 0; i < n; ++i) to[i] = g[i] * probability[i];
            const T mean = sum_of(to, n);
            for (std::size_t i = 0; i < n; ++i) to[i] = probability[i] * (g[i] - mean);
        }
        pass.accumulate(0, along.back(std::move(gradient)));
    });
}

template <class T>
Variable<T> log_softmax(const Variable<T>& x, std::ptrdiff_t axis) {
    const RowsAlong along(x.shape(), normalize_axis("log_softmax", axis, x.rank()));
    const std::size_t n = along.length();
    Tensor<T> storage, value(x.shape());
    const T* in = along.of(x.value(), storage).data();
    std::vector<T> e;
    for_row_groups(along.count(), n, [&](std::size_t first, std::size_t rows) {
        T* const group = value.data() + first * n;
        for (std::size_t r = 0; r < rows; ++r) {
            const T* row = in + (first + r) * n;
            subtract_from_row(group + r * n, row, largest_of(row, n), n);
        }
        e.resize(rows * n);
        kernels::exp(rows * n, group, e.data());
        for (std::size_t r = 0; r < rows; ++r) {
            subtract_from_row(group + r * n, group + r * n, std::log(sum_of(e.data() + r * n, n)), n);
        }
    });
    const Variable<T> result = constant(along.back(std::move(value)));
    return record("log_softmax", result, {x}, [y = save(result), along](Backward<T>& pass) {
        const std::size_t n = along.length();
        Tensor<T> y_storage, g_storage, gradient(y.shape());
        const Tensor<T>& log_probability = along.of(y.value(), y_storage);
        kernels::exp(log_probability.size(), log_probability.data(), gradient.data());
        const T* g = along.of(pass.grad(), g_storage).data();
        T* to = gradient.data();
        for (std::size_t r = 0; r < along.count(); ++r, g += n, to += n) {
            if (detail::all_zero(g, n)) {
                std::fill_n(to, n, T{0});
                continue;
            }
            const T total = sum_of(g, n);
            for (std::size_t i = 0; i < n; ++i) to[i] = g[i] - to[i] * total;
        }
        pass.accumulate(0, along.back(std::move(gradient)));
    });
}

namespace {

/// For every row of logits its largest one and the sum of e^(logit - largest). Kept apart for the backward
/// pass: in their combination, the row's logsumexp, rounding costs a large logit its last digits.
template <class T>
struct Normalizers {
    Tensor<T> largest, total;
};

/// Visits e^(logit - largest) row by row: f(row, e). With `compute`, fills in the normalizers beforehand.
template <bool compute, class T, class N, class F>
void for_each_exponential_row(const Tensor<T>& logits, N& normalizers, F&& f) {
    const std::size_t n = logits.shape().back();
    const std::size_t count = normalizers.largest.size();
    std::vector<T> e;
    for_row_groups(count, n, [&](std::size_t first, std::size_t rows) {
        e.resize(rows * n);
        for (std::size_t r = 0; r < rows; ++r) {
            const T* row = logits.data() + (first + r) * n;
            if constexpr (compute) normalizers.largest.data()[first + r] = largest_of(row, n);
            subtract_from_row(e.data() + r * n, row, normalizers.largest.data()[first + r], n);
        }
        kernels::exp(rows * n, e.data(), e.data());
        for (std::size_t r = 0; r < rows; ++r) {
            if constexpr (compute) normalizers.total.data()[first + r] = sum_of(e.data() + r * n, n);
            f(first + r, e.data() + r * n);
        }
    });
}

template <class T>
Normalizers<T> normalizers_of(const Tensor<T>& logits, const Shape& shape) {
    Normalizers<T> result{Tensor<T>(shape), Tensor<T>(shape)};
    for_each_exponential_row<true>(logits, result, [](std::size_t, const T*) {});
    return result;
}

/// logits' shape without the classes. Throws ShapeError when there are none.
template <class T>
Shape samples_shape(const Variable<T>& logits) {
    if (logits.rank() == 0) {
        throw ShapeError("softmax_cross_entropy: expected logits [..., classes], got a tensor of rank 0");
    }
    const Shape samples(logits.shape().begin(), logits.shape().end() - 1);
    return detail::checked("softmax_cross_entropy", samples);
}

void check_labels(const Tensor<std::int64_t>& labels, const Shape& logits) {
    const std::size_t classes = logits.back();
    for (std::size_t i = 0; i < labels.size(); ++i) {
        const std::int64_t label = labels.data()[i];
        if (label >= 0 && static_cast<std::size_t>(label) < classes) continue;
        std::vector<std::size_t> index(labels.dimension());
        std::size_t rest = i;
        for (std::size_t axis = index.size(); axis-- > 0;) {
            index[axis] = rest % labels.shape()[axis];
            rest /= labels.shape()[axis];
        }
        throw ValueError(fmt::format(
            "softmax_cross_entropy: label {} at index [{}] lies outside [0, {}), the classes of logits {}",
            label, fmt::join(index, ", "), classes, to_string(logits)));
    }
}

}  // namespace

template <class T>
Variable<T> softmax_cross_entropy(const Variable<T>& logits, Tensor<std::int64_t> labels) {
    const Shape shape = samples_shape(logits);
    if (labels.shape() != shape) {
        throw ShapeError(
            fmt::format("softmax_cross_entropy: logits [..., classes] = {} need labels of shape {}, got {}",
                        to_string(logits.shape()), to_string(shape), to_string(labels.shape())));
    }
    check_labels(labels, logits.shape());
    const std::size_t n = logits.shape().back();
    Normalizers<T> norm = normalizers_of(logits.value(), shape);
    Tensor<T> loss(shape);
    for (std::size_t r = 0; r < loss.size(); ++r) {
        const T logit = logits.value().data()[r * n + static_cast<std::size_t>(labels.data()[r])];
        loss.data()[r] = std::log(norm.total.data()[r]) - (logit - norm.largest.data()[r]);
    }
    return record("softmax_cross_entropy", std::move(loss), {logits},
                  [x = save(logits), labels = std::move(labels), norm = std::move(norm)](Backward<T>& pass) {
                      if (!pass.wants(0)) return;
                      const std::size_t n = x.shape().back();
                      const Tensor<T>& logits = x.value();
                      const GradientBuffer<T> to = pass.buffer(0);
                      const bool first = to.first_write();
                      for_each_exponential_row<false>(logits, norm, [&](std::size_t r, const T* e) {
                          const T g = pass.grad().data()[r];
                          const T scale = g / norm.total.data()[r];
                          T* row = to.tensor.data() + r * n;
                          if (g == 0) {  // not chosen: takes no part, whatever the logits are
                              if (first) std::fill_n(row, n, T{0});
                              return;
                          }
                          if (first) {
                              for (std::size_t i = 0; i < n; ++i) row[i] = scale * e[i];
                          } else {
                              for (std::size_t i = 0; i < n; ++i) row[i] += scale * e[i];
                          }
                          row[labels.data()[r]] -= g;
                      });
                  });
}

template <class T>
Variable<T> softmax_cross_entropy(const Variable<T>& logits, const Variable<T>& targets) {
    const Shape shape = samples_shape(logits);
    if (targets.shape() != logits.shape()) {
        throw ShapeError(fmt::format("softmax_cross_entropy: logits {} and targets {} differ in shape",
                                     to_string(logits.shape()), to_string(targets.shape())));
    }
    const std::size_t n = logits.shape().back();
    Normalizers<T> norm = normalizers_of(logits.value(), shape);
    Tensor<T> loss(shape);
    std::vector<T> terms(n);
    for (std::size_t r = 0; r < loss.size(); ++r) {
        const T* x = logits.value().data() + r * n;
        const T* t = targets.value().data() + r * n;
        const T largest = norm.largest.data()[r];
        const T log_total = std::log(norm.total.data()[r]);
        for (std::size_t i = 0; i < n; ++i)
            terms[i] = t[i] == 0 ? T{0} : t[i] * (log_total - (x[i] - largest));
        loss.data()[r] = sum_of(terms.data(), n);
    }
    return record("softmax_cross_entropy", std::move(loss), {logits, targets},
                  [x = save(logits), targets = save(targets), norm = std::move(norm)](Backward<T>& pass) {
                      const std::size_t n = x.shape().back();
                      const Tensor<T>& logits = x.value();
                      const T* const t = targets.value().data();
                      const T* const g = pass.grad().data();
                      if (pass.wants(0)) {
                          Tensor<T> gradient(x.shape());
                          for_each_exponential_row<false>(logits, norm, [&](std::size_t r, const T* e) {
                              if (g[r] == 0) {
                                  std::fill_n(gradient.data() + r * n, n, T{0});
                                  return;
                              }
                              const T scale = sum_of(t + r * n, n) / norm.total.data()[r];
                              for (std::size_t i = 0; i < n; ++i) {
                                  gradient.data()[r * n + i] = g[r] * (scale * e[i] - t[r * n + i]);
                              }
                          });
                          pass.accumulate(0, std::move(gradient));
                      }
                      if (pass.wants(1)) {
                          Tensor<T> gradient(x.shape());
                          for (std::size_t r = 0; r < norm.total.size(); ++r) {
                              const T log_total = std::log(norm.total.data()[r]);
                              const T largest = norm.largest.data()[r];
                              if (g[r] == 0) {
                                  std::fill_n(gradient.data() + r * n, n, T{0});
                                  continue;
                              }
                              for (std::size_t i = r * n; i < (r + 1) * n; ++i) {
                                  gradient.data()[i] = g[r] * (log_total - (logits.data()[i] - largest));
                              }
                          }
                          pass.accumulate(1, std::move(gradient));
                      }
                  });
}

template <class T>
Variable<T> softmax_cross_entropy(const Variable<T>& logits, Tensor<std::type_identity_t<T>> targets) {
    return softmax_cross_entropy(logits, constant(std::move(targets)));
}

template Variable<float> softmax(const Variable<float>&, std::ptrdiff_t);
template Variable<double> softmax(const Variable<double>&, std::ptrdiff_t);
template Variable<float> log_softmax(const Variable<float>&, std::ptrdiff_t);
template Variable<double> log_softmax(const Variable<double>&, std::ptrdiff_t);
template Variable<float> softmax_cross_entropy(const Variable<float>&, Tensor<std::int64_t>);
template Variable<double> softmax_cross_entropy(const Variable<double>&, Tensor<std::int64_t>);
template Variable<float> softmax_cross_entropy(const Variable<float>&, const Variable<float>&);
template Variable<double> softmax_cross_entropy(const Variable<double>&, const Variable<double>&);
template Variable<float> softmax_cross_entropy(const Variable<float>&, Tensor<float>);
template Variable<double> softmax_cross_entropy(const Variable<double>&, Tensor<double>);

}  // namespace seqgrad
