#include "seqgrad/layers/dense.hpp"

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/ops/linear.hpp"
#include "seqgrad/layers/internal/features.hpp"

namespace seqgrad {

template <class T>
Dense<T>::Dense(DenseConfig config) : Module<T>(config.name), config_(std::move(config)) {
    if (config_.units == 0)
        throw ValueError(fmt::format("{}: units must be at least 1", this->description()));
    detail::check_size(this->description(), "units", config_.units);
}

template <class T>
PartialShape Dense<T>::compute_output_shape(const PartialShape& input_shape) const {
    const std::ptrdiff_t D = kernel_ ? static_cast<std::ptrdiff_t>(kernel_.shape()[0]) : unknown;
    detail::features_of(this->description(), input_shape, D);
    PartialShape shape = input_shape;
    shape.back() = static_cast<std::ptrdiff_t>(config_.units);
    return shape;
}

template <class T>
void Dense<T>::members(Members<T>& members) {
    members.parameter("kernel", kernel_, config_.kernel_regularizer, config_.kernel_constraint);
    if (config_.use_bias) members.parameter("bias", bias_, config_.bias_regularizer, config_.bias_constraint);
}

template <class T>
void Dense<T>::build_parameters(const PartialShape& input_shape) {
    const std::size_t D = detail::features_of(this->description(), input_shape);
    Variable<T> kernel = parameter(config_.kernel_initializer.template make<T>({D, config_.units}));
    if (config_.use_bias) bias_ = parameter(config_.bias_initializer.template make<T>({config_.units}));
    kernel_ = std::move(kernel);
}

template <class T>
Variable<T> Dense<T>::call(const Variable<T>& x) {
    compute_output_shape(any_batch(x.shape()));
    return apply(config_.activation, linear(x, kernel_, bias_));
}

template class Dense<float>;
template class Dense<double>;

}  // namespace seqgrad
