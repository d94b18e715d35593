#include "seqgrad/layers/layer_normalization.hpp"

#include <cmath>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/normalization.hpp"
#include "seqgrad/layers/internal/features.hpp"

namespace seqgrad {

template <class T>
LayerNormalization<T>::LayerNormalization(LayerNormalizationConfig config)
    : Module<T>(config.name), config_(std::move(config)) {
    if (!(config_.epsilon >= 0 && std::isfinite(config_.epsilon))) {
        throw ValueError(
            fmt::format("{}: epsilon must be at least 0, got {}", this->description(), config_.epsilon));
    }
    if (config_.axis == 0)
        throw ValueError(fmt::format("{}: axis 0 is that of the batch", this->description()));
}

/// The size of the axis that is normalised over. The batch axis never is, wherever it stands from the end.
template <class T>
std::ptrdiff_t LayerNormalization<T>::features_of(const PartialShape& input_shape) const {
    const std::ptrdiff_t known = this->built() ? features_ : unknown;
    if (config_.axis == -1) {
        return static_cast<std::ptrdiff_t>(detail::features_of(this->description(), input_shape, known));
    }
    const auto rank = static_cast<std::ptrdiff_t>(input_shape.size());
    const std::ptrdiff_t axis = config_.axis < 0 ? config_.axis + rank : config_.axis;
    const bool exists = axis > 0 && axis < rank;
    const std::ptrdiff_t size = exists ? input_shape[static_cast<std::size_t>(axis)] : unknown;
    if (size == unknown || (known != unknown && size != known)) {
        throw ShapeError(fmt::format("{}: expected x [batch, ...] whose axis {} has {}, got {} (rank {})",
                                     this->description(), config_.axis,
                                     known == unknown ? "a known size" : fmt::format("size {}", known),
                                     to_string(input_shape), rank));
    }
    return size;
}

template <class T>
PartialShape LayerNormalization<T>::compute_output_shape(const PartialShape& input_shape) const {
    features_of(input_shape);
    return input_shape;
}

template <class T>
void LayerNormalization<T>::members(Members<T>& members) {
    if (config_.scale)
        members.parameter("gamma", gamma_, config_.gamma_regularizer, config_.gamma_constraint);
    if (config_.center) members.parameter("beta", beta_, config_.beta_regularizer, config_.beta_constraint);
}

template <class T>
void LayerNormalization<T>::build_parameters(const PartialShape& input_shape) {
    const std::ptrdiff_t features = features_of(input_shape);
    const auto D = static_cast<std::size_t>(features);
    Variable<T> gamma, beta;
    if (config_.scale) gamma = parameter(config_.gamma_initializer.template make<T>({D}));
    if (config_.center) beta = parameter(config_.beta_initializer.template make<T>({D}));
    features_ = features;
    gamma_ = std::move(gamma);
    beta_ = std::move(beta);
}

template <class T>
Variable<T> LayerNormalization<T>::call(const Variable<T>& x) {
    compute_output_shape(any_batch(x.shape()));
    return layer_norm(x, gamma_, beta_, config_.axis, config_.epsilon);
}

template class LayerNormalization<float>;
template class LayerNormalization<double>;

}  // namespace seqgrad
