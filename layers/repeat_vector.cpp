#include "seqgrad/layers/repeat_vector.hpp"

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/ops/shape.hpp"

namespace seqgrad {

template <class T>
RepeatVector<T>::RepeatVector(RepeatVectorConfig config)
    : Module<T>(config.name), config_(std::move(config)) {
    if (config_.n == 0) throw ValueError(fmt::format("{}: n must be at least 1", this->description()));
    detail::check_size(this->description(), "n", config_.n);
}

template <class T>
PartialShape RepeatVector<T>::compute_output_shape(const PartialShape& input_shape) const {
    if (input_shape.size() != 2) {
        throw ShapeError(fmt::format("{}: expected x [batch, features] (rank 2), got {} (rank {})",
                                     this->description(), to_string(input_shape), input_shape.size()));
    }
    return {input_shape[0], static_cast<std::ptrdiff_t>(config_.n), input_shape[1]};
}

template <class T>
Variable<T> RepeatVector<T>::call(const Variable<T>& x) {
    compute_output_shape(any_batch(x.shape()));
    return broadcast_to(expand_dims(x, {1}), Shape{x.shape()[0], config_.n, x.shape()[1]});
}

template class RepeatVector<float>;
template class RepeatVector<double>;

}  // namespace seqgrad
