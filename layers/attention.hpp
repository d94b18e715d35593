#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "seqgrad/core/no_arguments.hpp"
#include "seqgrad/layers/key_value_attention.hpp"

namespace seqgrad {

/// How Attention compares a query q with a key k: q . k, or the sum over d of tanh(q_d + k_d).
enum class AttentionScoreMode { dot, concat };

/// Arguments of Attention, with Keras's names and defaults.
struct AttentionConfig {
    bool use_scale = false;  ///< learn a factor of the scores
    AttentionScoreMode score_mode = AttentionScoreMode::dot;
    double dropout = 0.0;                   ///< part of the weights to drop while training, in [0, 1)
    std::optional<std::int64_t> seed = {};  ///< of dropout
    bool return_attention_scores = false;   ///< give the weights after the context; in Keras of the call
    bool use_causal_mask = false;           ///< see positions s <= t only; in Keras of the call
    std::string name = {};
};

/// Dot-product attention: softmax(scale q . k) over the keys of a memory, without projections.
///
///     dot:     score = scale q . k
///     concat:  score = concat_score_weight sum_d tanh(scale (q_d + k_d))
///
/// query [B, T, D], value [B, S, V], key [B, S, D]; context [B, T, V], weights [B, T, S]. Parameters: `scale`
/// [] with use_scale and `concat_score_weight` [] with concat, both 1 at first.
///
/// As in Keras a score that does not count is lowered by 1e9: its weight is exactly 0 beside one that does. A
/// query that sees no position at all has the softmax of all its scores, rounded to what 1e9 leaves of them.
/// The value's mask and the causal one say what counts; the query's mask sets rows of the context to 0; the
/// key's is not read. With dropout the weights given are the dropped ones. Inputs, arguments of a call and
/// errors: see KeyValueAttention. Source: Luong et al., arXiv 1508.04025, and Vaswani et al., arXiv
/// 1706.03762.
template <class T>
class Attention : public KeyValueAttention<T> {
  public:
    using Config = AttentionConfig;

    explicit Attention(AttentionConfig config = {});
    explicit Attention(detail::EmptyBraces) : Attention() {}

    const AttentionConfig& config() const noexcept { return config_; }
    /// Empty without use_scale.
    const Variable<T>& scale() const noexcept { return scale_; }
    /// Empty but for concat.
    const Variable<T>& concat_score_weight() const noexcept { return concat_score_weight_; }

    std::string type() const override { return "Attention"; }

  protected:
    void members(Members<T>& members) override;
    void build_sizes(std::size_t D, std::size_t V, std::size_t K) override;
    AttentionOutput<T> attend(const typename KeyValueAttention<T>::Inputs& inputs) override;

  private:
    AttentionConfig config_;
    Variable<T> scale_, concat_score_weight_;
};

extern template class Attention<float>;
extern template class Attention<double>;

}  // namespace seqgrad
