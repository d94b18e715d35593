#include "seqgrad/layers/masking.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/elementary.hpp"

namespace seqgrad {

template <class T>
Masking<T>::Masking(MaskingConfig config) : Module<T>(config.name), config_(std::move(config)) {}

template <class T>
PartialShape Masking<T>::compute_output_shape(const PartialShape& input_shape) const {
    if (input_shape.size() < 2) {
        throw ShapeError(
            fmt::format("{}: expected x [batch, ..., features] (rank 2 or more), got {} (rank {})",
                        this->description(), to_string(input_shape), input_shape.size()));
    }
    return input_shape;
}

template <class T>
Variable<T> Masking<T>::call(const Variable<T>& x) {
    compute_output_shape(any_batch(x.shape()));
    const T padding = static_cast<T>(config_.mask_value);
    Shape steps(x.shape().begin(), x.shape().end());
    const std::size_t features = steps.back();
    steps.back() = 1;
    Mask counts(steps);
    const T* step = x.value().data();
    for (bool& any : elements(counts)) {
        any = std::any_of(step, step + features, [padding](T v) { return v != padding; });
        step += features;
    }
    const bool all = std::ranges::all_of(elements(counts), [](bool any) { return any; });
    const Variable<T> y = all ? x : where(counts, x, constant(zeros<T>({})));
    steps.pop_back();
    counts.reshape(steps);
    return y.with_mask(std::move(counts));
}

template class Masking<float>;
template class Masking<double>;

}  // namespace seqgrad
