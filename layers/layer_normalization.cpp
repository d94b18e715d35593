#include "seqgrad/layers/layer_normalization.hpp"

#include <cmath>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/normalization.hpp"

namespace seqgrad {

template <class T>
LayerNormalization<T>::LayerNormalization(LayerNormalizationConfig config)
    : Module<T>(config.name), config_(std::move(config)) {
    if (!(config_.epsilon >= 0 && std::isfinite(config_.epsilon))) {
        throw ValueError(
            fmt::format("{}: epsilon must be at least 0, got {}", this->description(), config_.epsilon));
    }
}

template <class T>
PartialShape LayerNormalization<T>::compute_output_shape(const PartialShape& input_shape) const {
    if (input_shape.size() < 2 || input_shape.back() == unknown ||
        (features_ != unknown && input_shape.back() != features_)) {
        throw ShapeError(
            fmt::format("{}: expected x [batch, ..., features{}] (rank 2 or more), got {} (rank {})",
                        this->description(), features_ == unknown ? "" : fmt::format("={}", features_),
                        to_string(input_shape), input_shape.size()));
    }
    return input_shape;
}

template <class T>
void LayerNormalization<T>::members(Members<T>& members) {
    if (config_.scale) members.parameter("gamma", gamma_);
    if (config_.center) members.parameter("beta", beta_);
}

template <class T>
void LayerNormalization<T>::build_parameters(const PartialShape& input_shape) {
    compute_output_shape(input_shape);
    features_ = input_shape.back();
    const auto D = static_cast<std::size_t>(features_);
    if (config_.scale) gamma_ = parameter(config_.gamma_initializer.template make<T>({D}));
    if (config_.center) beta_ = parameter(config_.beta_initializer.template make<T>({D}));
}

template <class T>
Variable<T> LayerNormalization<T>::call(const Variable<T>& x) {
    compute_output_shape(any_batch(x.shape()));
    return layer_norm(x, gamma_, beta_, -1, config_.epsilon);
}

template class LayerNormalization<float>;
template class LayerNormalization<double>;

}  // namespace seqgrad
