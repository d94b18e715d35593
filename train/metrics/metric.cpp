#include "seqgrad/train/metrics/metric.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/grad_mode.hpp"
#include "seqgrad/train/metrics/internal/weights.hpp"

namespace seqgrad {

template <class T>
void MeanState::add(const std::string& metric, const Tensor<T>& values, const LossWeights<T>& weights,
                    std::size_t samples) {
    const detail::ElementWeights<T> counted(metric, weights.sample_weight,
                                            weights.mask ? &*weights.mask : nullptr, values.shape());
    // The mean over a batch of nothing may be NaN.
    const std::size_t times = values.dimension() == 0 ? samples : 1;
    if (times == 0) return;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!counted.counts(i)) continue;
        const double w = counted.weight(i) * static_cast<double>(times);
        total.add(w * static_cast<double>(values.data()[i]));
        weight.add(w);
    }
}

double MeanState::mean() const noexcept {
    const double divisor = weight.value();
    return divisor == 0 ? 0 : total.value() / divisor;
}

std::vector<double> MeanState::numbers() const {
    return {total.sum(), total.rest(), weight.sum(), weight.rest()};
}

bool MeanState::set_numbers(std::span<const double> numbers) {
    if (numbers.size() != 4) return false;
    total = {numbers[0], numbers[1]};
    weight = {numbers[2], numbers[3]};
    return true;
}

namespace detail {

Mask reduced_mask(const Mask& mask, const Shape& values) {
    if (mask.dimension() <= values.size()) return mask;
    Shape shape(mask.shape().begin(), mask.shape().begin() + static_cast<std::ptrdiff_t>(values.size()));
    Mask reduced(shape);
    const std::size_t steps = reduced.size() == 0 ? 0 : mask.size() / reduced.size();
    for (std::size_t i = 0; i < reduced.size(); ++i) {
        const bool* const first = mask.data() + i * steps;
        reduced.data()[i] = std::any_of(first, first + steps, [](bool counts) { return counts; });
    }
    return reduced;
}

}  // namespace detail

template <class T>
void Metric<T>::update(const Tensor<T>& y_true, const Variable<T>& y_pred, const LossWeights<T>& weights) {
    const NoGrad guard;
    held_->update(y_true, y_pred, weights);
}

template <class T>
void Metric<T>::set_state(std::span<const double> state) {
    if (!held_->set_numbers(state)) {
        throw ValueError(fmt::format(
            "metric \"{}\": what is to be its state, {} numbers, is not that of such a metric; now it has {}",
            name_, state.size(), held_->numbers().size()));
    }
}

template void MeanState::add(const std::string&, const Tensor<float>&, const LossWeights<float>&,
                             std::size_t);
template void MeanState::add(const std::string&, const Tensor<double>&, const LossWeights<double>&,
                             std::size_t);
template class Metric<float>;
template class Metric<double>;

}  // namespace seqgrad
