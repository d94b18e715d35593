#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "seqgrad/layers/constraints.hpp"
#include "seqgrad/layers/initializers.hpp"
#include "seqgrad/layers/key_value_attention.hpp"
#include "seqgrad/layers/regularizers.hpp"

namespace seqgrad {

/// Arguments of MultiHeadAttention, with Keras's names and defaults.
struct MultiHeadAttentionConfig {
    std::size_t num_heads = 0;                  ///< H; at least 1
    std::size_t key_dim = 0;                    ///< size of query and key in a head; at least 1
    std::optional<std::size_t> value_dim = {};  ///< size of the value in a head; without it key_dim
    double dropout = 0.0;                       ///< part of the weights to drop while training, in [0, 1)
    bool use_bias = true;
    /// Sizes of the context after [B, T]; without it the query's D.
    std::optional<PartialShape> output_shape = {};
    Initializer kernel_initializer = GlorotUniform{};
    Initializer bias_initializer = Zeros{};
    Regularizer kernel_regularizer = {};
    Regularizer bias_regularizer = {};
    Constraint kernel_constraint = {};
    Constraint bias_constraint = {};
    std::optional<std::int64_t> seed = {};  ///< of dropout
    bool return_attention_scores = false;   ///< give the weights after the context; in Keras of the call
    bool use_causal_mask = false;           ///< see positions s <= t only; in Keras of the call
    std::string name = {};
};

namespace detail {

/// A linear map of MultiHeadAttention, whose kernel and bias keep the heads as an axis: Keras's EinsumDense.
template <class T>
class HeadProjection : public Module<T> {
  public:
    explicit HeadProjection(const MultiHeadAttentionConfig& config);

    std::string type() const override { return "EinsumDense"; }
    const Variable<T>& kernel() const noexcept { return kernel_; }
    const Variable<T>& bias() const noexcept { return bias_; }
    /// The first `input_axes` axes of the kernel are summed over.
    void set(Variable<T> kernel, std::size_t input_axes, Variable<T> bias);

    /// x [B, T, inputs] times the kernel as a matrix [inputs, outputs], plus the bias: [B, T, outputs].
    Variable<T> apply(const Variable<T>& x) const;

  protected:
    void members(Members<T>& members) override;

  private:
    bool use_bias_;
    std::size_t input_axes_ = 1;
    Regularizer kernel_regularizer_, bias_regularizer_;
    Constraint kernel_constraint_, bias_constraint_;
    Variable<T> kernel_, bias_;
};

}  // namespace detail

/// Attention in several heads side by side, each with projections of its own:
///
///     weights_h = softmax over s of (query[t] W^q_h + b^q_h) . (key[s] W^k_h + b^k_h) / sqrt(key_dim)
///     context[t] = sum_h (sum_s weights_h[t, s] (value[s] W^v_h + b^v_h)) W^o_h + b^o
///
/// query [B, T, D], value [B, S, V], key [B, S, K]; context [B, T, output_shape...], weights [B, H, T, S].
/// Parameters: `query.kernel` [D, H, key_dim] and `query.bias` [H, key_dim]; `key` likewise from K; `value`
/// with value_dim; `attention_output.kernel` [H, value_dim, output_shape...] and `attention_output.bias`
/// [output_shape...].
///
/// A position counts if the masks of query, value and key, the attention_mask and the causal one all say so;
/// the others have weights of exactly 0. A query that sees nothing gets what Keras 3.15.1 gives it: weights
/// of 1/S, thus the mean of all values, or weights of 0, thus the output's bias alone, if the scores are
/// asked for
/// (`return_attention_scores`) or `dropout` is above 0, also in inference. Either way neither query nor key
/// gets a gradient from it. The mask of the query is the one of its handle; Keras ignores the argument
/// `query_mask` too. With dropout the weights given are those before it. Not here are Keras's attention_axes,
/// sliding_window, use_gate and flash_attention. Inputs, arguments of a call and errors: see
/// KeyValueAttention; ValueError for sizes of 0 as well. Source: Vaswani et al., "Attention is all you need",
/// arXiv 1706.03762.
template <class T>
class MultiHeadAttention : public KeyValueAttention<T> {
  public:
    using Config = MultiHeadAttentionConfig;

    explicit MultiHeadAttention(MultiHeadAttentionConfig config);

    const MultiHeadAttentionConfig& config() const noexcept { return config_; }
    const detail::HeadProjection<T>& query_projection() const noexcept { return query_; }
    const detail::HeadProjection<T>& key_projection() const noexcept { return key_; }
    const detail::HeadProjection<T>& value_projection() const noexcept { return value_; }
    const detail::HeadProjection<T>& output_projection() const noexcept { return output_; }

    std::string type() const override { return "MultiHeadAttention"; }

  protected:
    void members(Members<T>& members) override;
    void build_sizes(std::size_t D, std::size_t V, std::size_t K) override;
    AttentionOutput<T> attend(const typename KeyValueAttention<T>::Inputs& inputs) override;
    bool sees_by_all_masks() const override { return true; }

  private:
    std::size_t value_dim() const { return config_.value_dim.value_or(config_.key_dim); }

    MultiHeadAttentionConfig config_;
    detail::HeadProjection<T> query_, key_, value_, output_;
};

extern template class MultiHeadAttention<float>;
extern template class MultiHeadAttention<double>;

}  // namespace seqgrad
