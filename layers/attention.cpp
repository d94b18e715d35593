#include "seqgrad/layers/attention.hpp"

#include <utility>

#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/attention.hpp"
#include "seqgrad/core/ops/shape.hpp"

namespace seqgrad {

template <class T>
Attention<T>::Attention(AttentionConfig config)
    : KeyValueAttention<T>(
          config.name, "Attention",
          {config.dropout, config.seed, config.return_attention_scores, config.use_causal_mask}),
      config_(std::move(config)) {}

template <class T>
void Attention<T>::members(Members<T>& members) {
    KeyValueAttention<T>::members(members);
    if (config_.use_scale) members.parameter("scale", scale_);
    if (config_.score_mode == AttentionScoreMode::concat)
        members.parameter("concat_score_weight", concat_score_weight_);
}

template <class T>
void Attention<T>::build_sizes(std::size_t D, std::size_t, std::size_t K) {
    this->check_comparable(D, K);
    if (config_.use_scale) scale_ = parameter(ones<T>({}));
    if (config_.score_mode == AttentionScoreMode::concat) concat_score_weight_ = parameter(ones<T>({}));
}

template <class T>
AttentionOutput<T> Attention<T>::attend(const typename KeyValueAttention<T>::Inputs& inputs) {
    const auto scaled = [&](const Variable<T>& x) { return scale_ ? x * scale_ : x; };
    if (config_.score_mode == AttentionScoreMode::dot)
        return this->weigh(scaled(dot_scores(inputs.query, inputs.key)), inputs);
    const Variable<T> v = broadcast_to(concat_score_weight_, Shape{inputs.query.shape().back()});
    return this->weigh(additive_scores(scaled(inputs.query), scaled(inputs.key), v), inputs);
}

template class Attention<float>;
template class Attention<double>;

}  // namespace seqgrad
