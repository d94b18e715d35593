#include "seqgrad/layers/flatten.hpp"

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/shape.hpp"

namespace seqgrad {

template <class T>
Flatten<T>::Flatten(FlattenConfig config) : Module<T>(config.name), config_(std::move(config)) {}

template <class T>
PartialShape Flatten<T>::compute_output_shape(const PartialShape& input_shape) const {
    if (input_shape.empty()) {
        throw ShapeError(
            fmt::format("{}: expected x [batch, ...] (rank 1 or more), got a scalar", this->description()));
    }
    std::ptrdiff_t features = 1;
    for (std::size_t i = 1; i < input_shape.size(); ++i)
        features = features == unknown || input_shape[i] == unknown ? unknown : features * input_shape[i];
    return {input_shape[0], features};
}

template <class T>
Variable<T> Flatten<T>::call(const Variable<T>& x) {
    const PartialShape shape = compute_output_shape(any_batch(x.shape()));
    return reshape(x, {x.shape()[0], static_cast<std::size_t>(shape[1])});
}

template class Flatten<float>;
template class Flatten<double>;

}  // namespace seqgrad
