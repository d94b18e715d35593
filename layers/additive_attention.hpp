#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "seqgrad/core/no_arguments.hpp"
#include "seqgrad/layers/key_value_attention.hpp"

namespace seqgrad {

/// Arguments of AdditiveAttention, with Keras's names and defaults.
struct AdditiveAttentionConfig {
    bool use_scale = true;                  ///< learn a factor of every feature
    double dropout = 0.0;                   ///< part of the weights to drop while training, in [0, 1)
    std::optional<std::int64_t> seed = {};  ///< of dropout
    bool return_attention_scores = false;   ///< give the weights after the context; in Keras of the call
    bool use_causal_mask = false;           ///< see positions s <= t only; in Keras of the call
    std::string name = {};
};

/// Additive attention without projections: score = sum_d scale_d tanh(q_d + k_d).
///
/// query [B, T, D], value [B, S, V], key [B, S, D]; context [B, T, V], weights [B, T, S]. Parameters: `scale`
/// [D] with use_scale. Masks and dropout: as in Attention. Inputs, arguments of a call and errors: see
/// KeyValueAttention. For the layer of the paper, with projections, see BahdanauAttention. Source: Bahdanau
/// et al., arXiv 1409.0473.
template <class T>
class AdditiveAttention : public KeyValueAttention<T> {
  public:
    using Config = AdditiveAttentionConfig;

    explicit AdditiveAttention(AdditiveAttentionConfig config = {});
    explicit AdditiveAttention(detail::EmptyBraces) : AdditiveAttention() {}

    const AdditiveAttentionConfig& config() const noexcept { return config_; }
    /// Empty without use_scale.
    const Variable<T>& scale() const noexcept { return scale_; }

    std::string type() const override { return "AdditiveAttention"; }

  protected:
    void members(Members<T>& members) override;
    void build_sizes(std::size_t D, std::size_t V, std::size_t K) override;
    AttentionOutput<T> attend(const typename KeyValueAttention<T>::Inputs& inputs) override;

  private:
    AdditiveAttentionConfig config_;
    Variable<T> scale_;
};

extern template class AdditiveAttention<float>;
extern template class AdditiveAttention<double>;

}  // namespace seqgrad
