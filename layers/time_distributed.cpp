#include "seqgrad/layers/time_distributed.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/ops/shape.hpp"

namespace seqgrad {
namespace {

/// The shape with its first axis, of B T samples, split into [B, T].
Shape with_steps(const Shape& shape, std::size_t batch, std::size_t steps) {
    Shape out{batch, steps};
    out.insert(out.end(), shape.begin() + 1, shape.end());
    return out;
}

/// The shape with its axes [B, T] merged into one.
Shape without_steps(const Shape& shape) {
    Shape out{detail::multiplied("TimeDistributed", shape[0], shape[1])};
    out.insert(out.end(), shape.begin() + 2, shape.end());
    return out;
}

/// Whether anything counts in each step: [B, T, ...] -> [B, T].
Mask any_in_step(const Mask& mask) {
    Mask out(Shape{mask.shape()[0], mask.shape()[1]});
    const std::size_t size = out.size() == 0 ? 0 : mask.size() / out.size();
    for (std::size_t i = 0; i < out.size(); ++i) {
        const bool* const first = mask.data() + i * size;
        out.data()[i] = std::find(first, first + size, true) != first + size;
    }
    return out;
}

}  // namespace

template <class T>
TimeDistributed<T>::TimeDistributed(std::shared_ptr<Module<T>> layer, TimeDistributedConfig config)
    : Module<T>(config.name), layer_(std::move(layer)), config_(std::move(config)) {
    if (!layer_) throw ValueError(fmt::format("{}: expected a layer, got none", this->description()));
    if (const Module<T>* stateful = layer_->find_stateful()) {
        throw ValueError(
            fmt::format("{}: {} is stateful, but its batches here are of steps as well as samples",
                        this->description(), stateful->description()));
    }
}

template <class T>
PartialShape TimeDistributed<T>::step_shape(const PartialShape& input_shape) const {
    if (input_shape.size() < 3) {
        throw ShapeError(fmt::format("{}: expected x [batch, time, ...] (rank 3 or more), got {} (rank {})",
                                     this->description(), to_string(input_shape), input_shape.size()));
    }
    PartialShape shape{unknown};
    shape.insert(shape.end(), input_shape.begin() + 2, input_shape.end());
    return shape;
}

template <class T>
PartialShape TimeDistributed<T>::compute_output_shape(const PartialShape& input_shape) const {
    const PartialShape step = layer_->compute_output_shape(step_shape(input_shape));
    PartialShape shape{input_shape[0], input_shape[1]};
    if (!step.empty()) shape.insert(shape.end(), step.begin() + 1, step.end());
    return shape;
}

template <class T>
void TimeDistributed<T>::members(Members<T>& members) {
    members.child("layer", *layer_);
}

template <class T>
void TimeDistributed<T>::build_parameters(const PartialShape& input_shape) {
    layer_->build(step_shape(input_shape));
}

template <class T>
Variable<T> TimeDistributed<T>::call(const Variable<T>& x) {
    step_shape(any_batch(x.shape()));
    const Mask* const mask = x.mask();
    if (mask != nullptr && mask->dimension() < 2) {
        throw ShapeError(fmt::format("{}: expected a mask [batch={}, time={}, ...], got {}",
                                     this->description(), x.shape()[0], x.shape()[1],
                                     to_string(mask->shape())));
    }
    const bool has_inner_mask = mask != nullptr && mask->dimension() > 2;
    Variable<T> samples = reshape(x, without_steps(x.shape()));
    if (has_inner_mask) {
        Mask inner = *mask;
        inner.reshape(without_steps(mask->shape()));
        samples = samples.with_mask(std::move(inner));
    }
    const Variable<T> out = (*layer_)(samples);
    if (out.rank() == 0 || out.shape()[0] != samples.shape()[0]) {
        throw ShapeError(fmt::format("{}: {} made {} of {} samples, not one row for each",
                                     this->description(), layer_->description(), to_string(out.shape()),
                                     samples.shape()[0]));
    }
    const Variable<T> y = reshape(out, with_steps(out.shape(), x.shape()[0], x.shape()[1]));
    if (!has_inner_mask) return y;
    if (out.mask() == nullptr) return y.with_mask(any_in_step(*mask));
    Mask given = *out.mask();
    given.reshape(with_steps(given.shape(), x.shape()[0], x.shape()[1]));
    return y.with_mask(std::move(given));
}

template class TimeDistributed<float>;
template class TimeDistributed<double>;

}  // namespace seqgrad
