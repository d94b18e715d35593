#include "seqgrad/train/metrics/classification.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/train/metrics/internal/threshold.hpp"
#include "seqgrad/train/metrics/internal/weights.hpp"

namespace seqgrad {

namespace {

/// A prediction of which the largest absolute value is no more than this predicts nothing, as in Keras.
constexpr double nothing_predicted = 1e-9;

double ratio(double a, double b) {
    return b == 0 ? 0 : a / b;
}

template <class T>
bool is_true(const std::string& metric, T y) {
    if (y != T{0} && y != T{1}) {
        throw ValueError(fmt::format("{}: expected y_true of 0 and 1, one-hot for classes, got {}", metric,
                                     static_cast<double>(y)));
    }
    return y == T{1};
}

template <class T>
void count(const std::string& metric, double threshold, const std::optional<std::size_t>& class_id,
           ClassCounts& counts, const Tensor<T>& y_true, const Variable<T>& y_pred,
           const LossWeights<T>& weights) {
    detail::check_threshold(metric, threshold);
    const std::size_t columns =
        detail::column_count(detail::common_shape(metric.c_str(), y_true, y_pred.value()));
    if (class_id && *class_id >= columns) {
        throw ValueError(fmt::format("{}: class_id {} is outside [0, {}), the columns of y_pred {}", metric,
                                     *class_id, columns, to_string(y_pred.shape())));
    }
    detail::for_each_element(metric, y_true, y_pred, weights, [&](std::size_t column, T y, T p, double w) {
        if (class_id && column != *class_id) return;
        counts.add(is_true(metric, y), static_cast<double>(p) > threshold, w);
    });
}

/// 1 for what is largest in its row of the last axis, unless that is 0; otherwise 0.
template <class T>
Tensor<T> largest(const Tensor<T>& y_pred, std::size_t columns) {
    Tensor<T> predicted(y_pred.shape());
    for (std::size_t first = 0; first < predicted.size(); first += columns) {
        const T* const row = y_pred.data() + first;
        const T most = *std::max_element(row, row + columns);
        for (std::size_t i = 0; i < columns; ++i) {
            const bool is = row[i] >= most && std::abs(static_cast<double>(row[i])) > nothing_predicted;
            predicted.data()[first + i] = is ? T{1} : T{0};
        }
    }
    return predicted;
}

double f1(double true_positives, double false_positives, double false_negatives) {
    return ratio(2 * true_positives, 2 * true_positives + false_positives + false_negatives);
}

}  // namespace

void ClassCounts::add(bool is_true, bool is_predicted, double weight) noexcept {
    if (is_true && is_predicted) true_positives.add(weight);
    if (!is_true && is_predicted) false_positives.add(weight);
    if (is_true && !is_predicted) false_negatives.add(weight);
}

std::vector<double> ClassCounts::numbers() const {
    return {true_positives.sum(),   true_positives.rest(), false_positives.sum(),
            false_positives.rest(), false_negatives.sum(), false_negatives.rest()};
}

bool ClassCounts::set_numbers(std::span<const double> numbers) {
    if (numbers.size() != 6) return false;
    true_positives = {numbers[0], numbers[1]};
    false_positives = {numbers[2], numbers[3]};
    false_negatives = {numbers[4], numbers[5]};
    return true;
}

template <class T>
void Precision::update(State& state, const Tensor<T>& y_true, const Variable<T>& y_pred,
                       const LossWeights<T>& weights) const {
    count(name, threshold, class_id, state, y_true, y_pred, weights);
}

double Precision::result(const State& state) const {
    const double right = state.true_positives.value();
    return ratio(right, right + state.false_positives.value());
}

template <class T>
void Recall::update(State& state, const Tensor<T>& y_true, const Variable<T>& y_pred,
                    const LossWeights<T>& weights) const {
    count(name, threshold, class_id, state, y_true, y_pred, weights);
}

double Recall::result(const State& state) const {
    const double right = state.true_positives.value();
    return ratio(right, right + state.false_negatives.value());
}

template <class T>
void F1Score::update(State& state, const Tensor<T>& y_true, const Variable<T>& y_pred,
                     const LossWeights<T>& weights) const {
    if (threshold) detail::check_threshold(name, *threshold);
    const std::size_t columns = detail::fit_columns(name, state.columns, y_true, y_pred);
    if (!threshold && columns == 1) {
        throw ValueError(fmt::format("{}: a single class, y_pred {}, needs a threshold, such as 0.5", name,
                                     to_string(y_pred.shape())));
    }
    const Variable<T> compared =
        threshold ? y_pred : constant(largest(y_pred.value(), columns)).with_mask_of(y_pred);
    const double above = threshold.value_or(0.5);
    detail::for_each_element(name, y_true, compared, weights, [&](std::size_t column, T y, T p, double w) {
        state.columns[column].add(is_true(name, y), static_cast<double>(p) > above, w);
    });
}

double F1Score::result(const State& state) const {
    double right = 0, wrong = 0, missed = 0;  // of all classes together
    double scores = 0, weighted_scores = 0;
    for (const ClassCounts& counts : state.columns) {
        const double tp = counts.true_positives.value();
        const double fp = counts.false_positives.value();
        const double fn = counts.false_negatives.value();
        right += tp;
        wrong += fp;
        missed += fn;
        scores += f1(tp, fp, fn);
        weighted_scores += (tp + fn) * f1(tp, fp, fn);
    }
    switch (average) {
        case ClassAverage::micro:
            return f1(right, wrong, missed);
        case ClassAverage::macro:
            return ratio(scores, static_cast<double>(state.columns.size()));
        case ClassAverage::weighted:
            return ratio(weighted_scores, right + missed);
    }
    throw ValueError(fmt::format("{}: average has no such value", name));
}

template void Precision::update(State&, const Tensor<float>&, const Variable<float>&,
                                const LossWeights<float>&) const;
template void Precision::update(State&, const Tensor<double>&, const Variable<double>&,
                                const LossWeights<double>&) const;
template void Recall::update(State&, const Tensor<float>&, const Variable<float>&,
                             const LossWeights<float>&) const;
template void Recall::update(State&, const Tensor<double>&, const Variable<double>&,
                             const LossWeights<double>&) const;
template void F1Score::update(State&, const Tensor<float>&, const Variable<float>&,
                              const LossWeights<float>&) const;
template void F1Score::update(State&, const Tensor<double>&, const Variable<double>&,
                              const LossWeights<double>&) const;

}  // namespace seqgrad
