#include "seqgrad/layers/additive_attention.hpp"

#include <utility>

#include "seqgrad/core/ops/attention.hpp"
#include "seqgrad/layers/initializers.hpp"

namespace seqgrad {

template <class T>
AdditiveAttention<T>::AdditiveAttention(AdditiveAttentionConfig config)
    : KeyValueAttention<T>(
          config.name, "AdditiveAttention",
          {config.dropout, config.seed, config.return_attention_scores, config.use_causal_mask}),
      config_(std::move(config)) {}

template <class T>
void AdditiveAttention<T>::members(Members<T>& members) {
    KeyValueAttention<T>::members(members);
    if (config_.use_scale) members.parameter("scale", scale_);
}

template <class T>
void AdditiveAttention<T>::build_sizes(std::size_t D, std::size_t, std::size_t K) {
    this->check_comparable(D, K);
    if (config_.use_scale) scale_ = parameter(Initializer(GlorotUniform{}).make<T>({D}));
}

template <class T>
AttentionOutput<T> AdditiveAttention<T>::attend(const typename KeyValueAttention<T>::Inputs& inputs) {
    const Variable<T> v = scale_ ? scale_ : constant(ones<T>({inputs.query.shape().back()}));
    return this->weigh(additive_scores(inputs.query, inputs.key, v), inputs);
}

template class AdditiveAttention<float>;
template class AdditiveAttention<double>;

}  // namespace seqgrad
