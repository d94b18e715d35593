#include "seqgrad/layers/luong_attention.hpp"

#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/ops/activations.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/attention.hpp"
#include "seqgrad/core/ops/elementary.hpp"
#include "seqgrad/core/ops/linear.hpp"
#include "seqgrad/core/ops/matmul.hpp"
#include "seqgrad/core/ops/shape.hpp"
#include "seqgrad/core/ops/slice.hpp"

namespace seqgrad {

template <class T>
LuongAttention<T>::LuongAttention(LuongAttentionConfig config)
    : MemoryAttention<T>(config.name), config_(std::move(config)) {
    if (config_.score == AttentionScore::bahdanau) {
        throw ValueError(
            fmt::format("{}: score must be dot, general or concat, got bahdanau; use BahdanauAttention",
                        this->description()));
    }
    if (config_.window != AttentionWindow::global && config_.D == 0)
        throw ValueError(fmt::format("{}: window {} needs D of at least 1, got 0", this->description(),
                                     to_string(config_.window)));
    detail::check_size(this->description(), "units", config_.units);
}

template <class T>
void LuongAttention<T>::members(Members<T>& members) {
    if (config_.score != AttentionScore::dot)
        members.parameter("kernel", kernel_, config_.kernel_regularizer, config_.kernel_constraint);
    if (config_.score == AttentionScore::concat)
        members.parameter("v", v_, config_.v_regularizer, config_.v_constraint);
    if (config_.window == AttentionWindow::local_p) {
        members.parameter("position_kernel", position_kernel_, config_.kernel_regularizer,
                          config_.kernel_constraint);
        members.parameter("position_v", position_v_, config_.v_regularizer, config_.v_constraint);
    }
}

template <class T>
void LuongAttention<T>::build_sizes(std::size_t U, std::size_t M) {
    const std::size_t A = config_.units == 0 ? U : config_.units;
    Variable<T> kernel, v, position_kernel;
    if (config_.score == AttentionScore::dot) {
        if (U != M) {
            throw ShapeError(
                fmt::format("{}: score dot needs a query and a memory of one size, got query [..., units={}] "
                            "and memory [batch, memory time, features={}]; score general takes both",
                            this->description(), U, M));
        }
    } else if (config_.score == AttentionScore::general) {
        kernel = parameter(config_.kernel_initializer.template make<T>({U, M}));
    } else {
        kernel = parameter(config_.kernel_initializer.template make<T>({U + M, A}));
        v = parameter(config_.v_initializer.template make<T>({A}));
    }
    if (config_.window == AttentionWindow::local_p) {
        position_kernel = parameter(config_.kernel_initializer.template make<T>({U, A}));
        position_v_ = parameter(config_.v_initializer.template make<T>({A}));
    }
    kernel_ = std::move(kernel);
    v_ = std::move(v);
    position_kernel_ = std::move(position_kernel);
}

template <class T>
Variable<T> LuongAttention<T>::keys(const Variable<T>& values) {
    if (config_.score != AttentionScore::concat) return values;
    const auto M = static_cast<std::ptrdiff_t>(values.shape().back());
    return linear(values, slice(kernel_, {Range{.start = -M}}));
}

template <class T>
Variable<T> LuongAttention<T>::scores(const Variable<T>& query, const AttentionMemory<T>& memory) {
    switch (config_.score) {
        case AttentionScore::general:
            return dot_scores(linear(query, kernel_), memory.keys);
        case AttentionScore::concat: {
            const auto U = static_cast<std::ptrdiff_t>(query.shape().back());
            return additive_scores(linear(query, slice(kernel_, {Range{.stop = U}})), memory.keys, v_);
        }
        default:
            return dot_scores(query, memory.keys);
    }
}

template <class T>
Variable<T> LuongAttention<T>::weights(const Variable<T>& query, const Variable<T>& scores,
                                       const AttentionMemory<T>& memory, std::size_t step) {
    const std::size_t N = query.shape()[1], S = memory.values.shape()[1];
    if (config_.window == AttentionWindow::local_m) {
        Tensor<T> centre(Shape{1, N});
        for (std::size_t t = 0; t < N; ++t) centre.data()[t] = static_cast<T>(step + t);
        const Mask seen = window(centre, memory);
        return masked_softmax(scores, &seen);
    }
    if (config_.window == AttentionWindow::local_p) {
        const Variable<T> part = sigmoid(matmul(tanh(linear(query, position_kernel_)), position_v_));
        const Variable<T> centre = expand_dims(memory.last_position, {1}) * part;  // [B, T]
        Tensor<T> positions(Shape{S});
        for (std::size_t s = 0; s < S; ++s) positions.data()[s] = static_cast<T>(s);
        const Variable<T> distance = positions - expand_dims(centre, {2});  // [B, T, S]
        const auto D = static_cast<double>(config_.D);
        const Variable<T> gaussian = exp(square(distance) * (-2 / (D * D)));
        const Mask seen = window(centre.value(), memory);
        return masked_softmax(scores, &seen) * gaussian;
    }
    return masked_softmax(scores, memory.mask.get());
}

/// Which positions count and lie in the windows around `centre` [B, T]; [1, T] for all samples.
template <class T>
Mask LuongAttention<T>::window(const Tensor<T>& centre, const AttentionMemory<T>& memory) const {
    const std::size_t B = memory.mask ? memory.values.shape()[0] : centre.shape()[0];
    const std::size_t N = centre.shape()[1], S = memory.values.shape()[1];
    Mask seen(detail::checked(this->description(), {B, N, S}));
    for (std::size_t b = 0; b < B; ++b) {
        for (std::size_t t = 0; t < N; ++t) {
            const T p = centre.data()[centre.shape()[0] == 1 ? t : b * N + t];
            for (std::size_t s = 0; s < S; ++s) {
                seen.data()[(b * N + t) * S + s] =
                    std::abs(static_cast<T>(s) - p) <= static_cast<T>(config_.D) &&
                    (!memory.mask || memory.mask->data()[b * S + s]);
            }
        }
    }
    return seen;
}

template class LuongAttention<float>;
template class LuongAttention<double>;

}  // namespace seqgrad
