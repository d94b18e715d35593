#include "seqgrad/layers/bahdanau_attention.hpp"

#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/ops/attention.hpp"
#include "seqgrad/core/ops/linear.hpp"

namespace seqgrad {

template <class T>
BahdanauAttention<T>::BahdanauAttention(BahdanauAttentionConfig config)
    : MemoryAttention<T>(config.name), config_(std::move(config)) {
    if (config_.units == 0)
        throw ValueError(fmt::format("{}: units must be at least 1", this->description()));
    detail::check_size(this->description(), "units", config_.units);
}

template <class T>
void BahdanauAttention<T>::members(Members<T>& members) {
    members.parameter("query_kernel", query_kernel_, config_.kernel_regularizer, config_.kernel_constraint);
    members.parameter("memory_kernel", memory_kernel_, config_.kernel_regularizer, config_.kernel_constraint);
    members.parameter("bias", bias_, config_.bias_regularizer, config_.bias_constraint);
    members.parameter("v", v_, config_.v_regularizer, config_.v_constraint);
}

template <class T>
void BahdanauAttention<T>::build_sizes(std::size_t U, std::size_t M) {
    const std::size_t A = config_.units;
    Variable<T> query_kernel = parameter(config_.kernel_initializer.template make<T>({U, A}));
    Variable<T> memory_kernel = parameter(config_.kernel_initializer.template make<T>({M, A}));
    Variable<T> bias = parameter(config_.bias_initializer.template make<T>({A}));
    v_ = parameter(config_.v_initializer.template make<T>({A}));
    query_kernel_ = std::move(query_kernel);
    memory_kernel_ = std::move(memory_kernel);
    bias_ = std::move(bias);
}

template <class T>
Variable<T> BahdanauAttention<T>::keys(const Variable<T>& values) {
    return linear(values, memory_kernel_, bias_);
}

template <class T>
Variable<T> BahdanauAttention<T>::scores(const Variable<T>& query, const AttentionMemory<T>& memory) {
    return additive_scores(linear(query, query_kernel_), memory.keys, v_);
}

template class BahdanauAttention<float>;
template class BahdanauAttention<double>;

}  // namespace seqgrad
