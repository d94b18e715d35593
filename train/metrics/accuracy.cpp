#include "seqgrad/train/metrics/accuracy.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/whole_numbers.hpp"
#include "seqgrad/train/losses/internal/rows.hpp"
#include "seqgrad/train/metrics/internal/threshold.hpp"

namespace seqgrad {

namespace {

/// Whether a row's first largest number is this one. Comparisons with NaN are false.
template <class T>
bool is_first_largest(const T* row, std::size_t n, std::size_t index) {
    for (std::size_t i = 0; i < index; ++i) {
        if (!(row[i] < row[index])) return false;
    }
    for (std::size_t i = index; i < n; ++i) {
        if (!(row[i] <= row[index])) return false;
    }
    return true;
}

/// Whether fewer than k of a row's numbers are larger than this one, which is a number itself.
template <class T>
bool is_among_largest(const T* row, std::size_t n, std::size_t index, std::size_t k) {
    if (std::isnan(row[index])) return false;
    return static_cast<std::size_t>(std::count_if(row, row + n, [&](T x) { return x > row[index]; })) < k;
}

void check_k(const std::string& metric, std::size_t k) {
    if (k == 0) throw ValueError(fmt::format("{}: k must be at least 1", metric));
}

template <class T>
Tensor<T> binary_matches(const std::string& metric, const Tensor<T>& y_true, const Tensor<T>& y_pred,
                         double threshold) {
    detail::check_threshold(metric, threshold);
    Tensor<T> matches(detail::common_shape(metric.c_str(), y_true, y_pred));
    for (std::size_t i = 0; i < matches.size(); ++i) {
        const T predicted = static_cast<double>(y_pred.data()[i]) > threshold ? T{1} : T{0};
        matches.data()[i] = predicted == y_true.data()[i] ? T{1} : T{0};
    }
    return matches;
}

/// Of every row of y_pred, right(row, n, class where y_true is largest).
template <class T, class Right>
Tensor<T> categorical_matches(const std::string& metric, const Tensor<T>& y_true, const Tensor<T>& y_pred,
                              const Right& right) {
    const Shape& shape = y_pred.shape();
    if (y_true.shape() != shape || shape.empty() || shape.back() == 0) {
        throw ShapeError(fmt::format(
            "{}: expected y_true and y_pred of one shape [batch, ..., classes], got {} and {}{}", metric,
            to_string(y_true.shape()), to_string(shape),
            y_true.dimension() + 1 == shape.size() ? "; for labels there are SparseCategoricalAccuracy and "
                                                     "SparseTopKCategoricalAccuracy"
                                                   : ""));
    }
    const std::size_t n = shape.back();
    Tensor<T> matches(detail::without_last(shape));
    for (std::size_t row = 0; row < matches.size(); ++row) {
        const T* const y = y_true.data() + row * n;
        const auto target = static_cast<std::size_t>(std::max_element(y, y + n) - y);
        matches.data()[row] = right(y_pred.data() + row * n, n, target) ? T{1} : T{0};
    }
    return matches;
}

/// Of every row of y_pred, right(row, n, label).
template <class T, class Right>
Tensor<T> sparse_matches(const std::string& metric, const Tensor<T>& y_true, const Tensor<T>& y_pred,
                         const Right& right) {
    const Shape& shape = y_pred.shape();
    Shape of_labels(y_true.shape().begin(), y_true.shape().end());
    if (of_labels.size() == shape.size() && !shape.empty() && of_labels.back() == 1) of_labels.pop_back();
    if (shape.empty() || of_labels != detail::without_last(shape)) {
        throw ShapeError(
            fmt::format("{}: expected labels [batch, ...] for y_pred [batch, ..., classes], got {} and {}{}",
                        metric, to_string(y_true.shape()), to_string(shape),
                        y_true.shape() == shape ? "; for one-hot targets there are CategoricalAccuracy and "
                                                  "TopKCategoricalAccuracy"
                                                : ""));
    }
    const std::size_t n = shape.back();
    const Tensor<std::int64_t> labels = detail::whole_numbers(metric, y_true);
    Tensor<T> matches(of_labels);
    for (std::size_t row = 0; row < matches.size(); ++row) {
        const std::int64_t label = labels.data()[row];
        if (label < 0 || static_cast<std::size_t>(label) >= n) {
            throw ValueError(fmt::format("{}: label {} at element {} of {} is outside [0, {})", metric, label,
                                         row, to_string(y_true.shape()), n));
        }
        const bool match = right(y_pred.data() + row * n, n, static_cast<std::size_t>(label));
        matches.data()[row] = match ? T{1} : T{0};
    }
    return matches;
}

}  // namespace

template <class T>
Tensor<T> BinaryAccuracy::values(const Tensor<T>& y_true, const Variable<T>& y_pred) const {
    return binary_matches(name, y_true, y_pred.value(), threshold);
}

template <class T>
Tensor<T> CategoricalAccuracy::values(const Tensor<T>& y_true, const Variable<T>& y_pred) const {
    return categorical_matches(name, y_true, y_pred.value(), is_first_largest<T>);
}

template <class T>
Tensor<T> SparseCategoricalAccuracy::values(const Tensor<T>& y_true, const Variable<T>& y_pred) const {
    return sparse_matches(name, y_true, y_pred.value(), is_first_largest<T>);
}

template <class T>
Tensor<T> TopKCategoricalAccuracy::values(const Tensor<T>& y_true, const Variable<T>& y_pred) const {
    check_k(name, k);
    return categorical_matches(name, y_true, y_pred.value(),
                               [this](const T* row, std::size_t n, std::size_t target) {
                                   return is_among_largest(row, n, target, k);
                               });
}

template <class T>
Tensor<T> SparseTopKCategoricalAccuracy::values(const Tensor<T>& y_true, const Variable<T>& y_pred) const {
    check_k(name, k);
    return sparse_matches(name, y_true, y_pred.value(),
                          [this](const T* row, std::size_t n, std::size_t label) {
                              return is_among_largest(row, n, label, k);
                          });
}

template <class T>
Tensor<T> Accuracy::values(const Tensor<T>& y_true, const Variable<T>& y_pred) const {
    const Shape& shape = y_pred.shape();
    if (shape.size() <= 1 || shape.back() == 1) {
        return BinaryAccuracy{.name = name}.values(y_true, y_pred);
    }
    const bool of_labels = y_true.dimension() < shape.size() ||
                           (y_true.dimension() == shape.size() && y_true.shape().back() == 1);
    return of_labels ? SparseCategoricalAccuracy{.name = name}.values(y_true, y_pred)
                     : CategoricalAccuracy{.name = name}.values(y_true, y_pred);
}

template Tensor<float> BinaryAccuracy::values(const Tensor<float>&, const Variable<float>&) const;
template Tensor<double> BinaryAccuracy::values(const Tensor<double>&, const Variable<double>&) const;
template Tensor<float> CategoricalAccuracy::values(const Tensor<float>&, const Variable<float>&) const;
template Tensor<double> CategoricalAccuracy::values(const Tensor<double>&, const Variable<double>&) const;
template Tensor<float> SparseCategoricalAccuracy::values(const Tensor<float>&, const Variable<float>&) const;
template Tensor<double> SparseCategoricalAccuracy::values(const Tensor<double>&,
                                                          const Variable<double>&) const;
template Tensor<float> TopKCategoricalAccuracy::values(const Tensor<float>&, const Variable<float>&) const;
template Tensor<double> TopKCategoricalAccuracy::values(const Tensor<double>&, const Variable<double>&) const;
template Tensor<float> SparseTopKCategoricalAccuracy::values(const Tensor<float>&,
                                                             const Variable<float>&) const;
template Tensor<double> SparseTopKCategoricalAccuracy::values(const Tensor<double>&,
                                                              const Variable<double>&) const;
template Tensor<float> Accuracy::values(const Tensor<float>&, const Variable<float>&) const;
template Tensor<double> Accuracy::values(const Tensor<double>&, const Variable<double>&) const;

}  // namespace seqgrad
