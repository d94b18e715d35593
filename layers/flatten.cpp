#include "seqgrad/layers/flatten.hpp"

#include <limits>

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
    for (std::size_t i = 1; i < input_shape.size() && features != unknown; ++i) {
        const std::ptrdiff_t size = input_shape[i];
        if (size > 0 && features > std::numeric_limits<std::ptrdiff_t>::max() / size) {
            throw ShapeError(fmt::format("{}: the sizes of {} are too large to be multiplied",
                                         this->description(), to_string(input_shape)));
        }
        features = size == unknown ? unknown : features * size;
    }
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
