#include "seqgrad/layers/input.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/sizes.hpp"

namespace seqgrad {

template <class T>
InputLayer<T>::InputLayer(InputLayerConfig config) : Module<T>(config.name), config_(std::move(config)) {
    if (std::ranges::any_of(config_.shape, [](std::ptrdiff_t size) { return size < 0 && size != unknown; })) {
        throw ValueError(fmt::format("{}: shape must not have negative sizes, got {}", this->description(),
                                     to_string(config_.shape)));
    }
    if (config_.batch_size) detail::check_size(this->description(), "batch_size", *config_.batch_size);
}

template <class T>
PartialShape InputLayer<T>::batch_shape() const {
    PartialShape shape{config_.batch_size ? static_cast<std::ptrdiff_t>(*config_.batch_size) : unknown};
    shape.insert(shape.end(), config_.shape.begin(), config_.shape.end());
    return shape;
}

template <class T>
PartialShape InputLayer<T>::compute_output_shape(const PartialShape& input_shape) const {
    PartialShape shape = batch_shape();
    bool fits = shape.size() == input_shape.size();
    for (std::size_t i = 0; fits && i < shape.size(); ++i) {
        fits = shape[i] == unknown || input_shape[i] == unknown || shape[i] == input_shape[i];
        if (shape[i] == unknown) shape[i] = input_shape[i];
    }
    if (!fits) {
        throw ShapeError(fmt::format("{}: expected x {}, got {}", this->description(),
                                     to_string(batch_shape()), to_string(input_shape)));
    }
    return shape;
}

template <class T>
Variable<T> InputLayer<T>::call(const Variable<T>& x) {
    compute_output_shape(PartialShape(x.shape().begin(), x.shape().end()));
    return x;
}

template class InputLayer<float>;
template class InputLayer<double>;

}  // namespace seqgrad
