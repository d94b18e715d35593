#include "seqgrad/train/metrics/regression.hpp"

#include <cmath>
#include <cstddef>

#include "seqgrad/train/metrics/internal/weights.hpp"

namespace seqgrad {

template <class T>
Tensor<T> RootMeanSquaredError::values(const Tensor<T>& y_true, const Variable<T>& y_pred) const {
    Tensor<T> squares(detail::common_shape(name.c_str(), y_true, y_pred.value()));
    for (std::size_t i = 0; i < squares.size(); ++i) {
        const T error = y_pred.value().data()[i] - y_true.data()[i];
        squares.data()[i] = error * error;
    }
    return squares;
}

double RootMeanSquaredError::result(double mean) const {
    return std::sqrt(mean);
}

void R2Column::add(double y, double p, double w) noexcept {
    // Without weight there would be nothing to divide by.
    if (w == 0) return;
    if (weight == 0) shift = y;
    weight += w;
    const double shifted = y - shift;
    const double from_old_mean = shifted - mean;
    mean += w / weight * from_old_mean;
    deviations += w * from_old_mean * (shifted - mean);
    errors.add(w * (y - p) * (y - p));
}

double R2Column::score() const noexcept {
    if (weight == 0) return 0;
    if (deviations == 0) return errors.value() == 0 ? 1 : 0;
    return 1 - errors.value() / deviations;
}

std::vector<double> R2Column::numbers() const {
    return {weight, mean, deviations, errors.sum(), errors.rest(), shift};
}

bool R2Column::set_numbers(std::span<const double> numbers) {
    // Of five in checkpoints from before there was a shift.
    if (numbers.size() != 5 && numbers.size() != 6) return false;
    weight = numbers[0];
    mean = numbers[1];
    deviations = numbers[2];
    errors = {numbers[3], numbers[4]};
    shift = numbers.size() == 6 ? numbers[5] : 0;
    return true;
}

template <class T>
void R2Score::update(State& state, const Tensor<T>& y_true, const Variable<T>& y_pred,
                     const LossWeights<T>& weights) const {
    detail::fit_columns(name, state.columns, y_true, y_pred);
    detail::for_each_element(name, y_true, y_pred, weights, [&](std::size_t column, T y, T p, double w) {
        state.columns[column].add(static_cast<double>(y), static_cast<double>(p), w);
    });
}

double R2Score::result(const State& state) const {
    double scores = 0, weighted_scores = 0, weights = 0;
    for (const R2Column& column : state.columns) {
        scores += column.score();
        weighted_scores += column.deviations * column.score();
        weights += column.deviations;
    }
    if (class_aggregation == ClassAggregation::variance_weighted_average && weights != 0) {
        return weighted_scores / weights;
    }
    return state.columns.empty() ? 0 : scores / static_cast<double>(state.columns.size());
}

template Tensor<float> RootMeanSquaredError::values(const Tensor<float>&, const Variable<float>&) const;
template Tensor<double> RootMeanSquaredError::values(const Tensor<double>&, const Variable<double>&) const;
template void R2Score::update(State&, const Tensor<float>&, const Variable<float>&,
                              const LossWeights<float>&) const;
template void R2Score::update(State&, const Tensor<double>&, const Variable<double>&,
                              const LossWeights<double>&) const;

}  // namespace seqgrad
