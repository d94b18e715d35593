#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "seqgrad/core/random.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"
#include "seqgrad/layers/memory_attention.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad {

/// Arguments of one call of Attention, AdditiveAttention or MultiHeadAttention, beside its inputs.
struct AttentionArguments {
    /// Whether query t sees the positions up to t only; not given: as the layer's configuration says.
    std::optional<bool> use_causal_mask = {};
    /// [B, T, S], or 1 in place of B or T: which query may see which position. Null: each every one. Read
    /// during the call only.
    const Mask* attention_mask = nullptr;
    /// Whether the weights are asked for; not given: as the layer's configuration says. `run` gives them in
    /// any case; MultiHeadAttention has another context for queries that see nothing.
    std::optional<bool> return_attention_scores = {};
};

/// Base of Keras's attention layers: queries [B, T, D] look up values [B, S, V] by their keys [B, S, K].
///
///     weights = softmax over s of score(query[t], key[s])
///     context[t] = sum_s weights[t, s] value[s]
///
/// The masks of the inputs' handles count, with `use_causal_mask` only positions s <= t do. The call with a
/// list takes {query, value} or {query, value, key}, where the values are their own keys unless there are
/// others, and gives {context}, with `return_attention_scores` {context, weights}; `run` takes the arguments
/// that Keras has in its call. The context has the query's mask.
///
/// Throws ShapeError when inputs or masks do not fit each other or the parameters, and for values without
/// positions; ValueError for another number of inputs.
template <class T>
class KeyValueAttention : public Module<T> {
  public:
    /// The context together with the weights that it was made with, whatever `return_attention_scores` says.
    AttentionOutput<T> run(const Variable<T>& query, const Variable<T>& value, const Variable<T>& key = {},
                           const AttentionArguments& arguments = {});

    /// Where the choices of dropout come from.
    Generator& generator() noexcept { return generator_; }

  protected:
    /// The arguments that all of them have.
    struct Options {
        double dropout;
        std::optional<std::int64_t> seed;
        bool return_attention_scores, use_causal_mask;
    };
    /// Of a call, checked. `seen` says which query sees which position: [B, T, S], or 1 in place of B or T;
    /// without it each sees every one.
    struct Inputs {
        Variable<T> query, value, key;
        std::optional<Mask> seen;
        bool return_attention_scores;
    };

    /// Throws ValueError for a rate of dropout outside [0, 1).
    KeyValueAttention(std::string name, std::string type, const Options& options);

    /// Creates the parameters for queries of size D, values of size V and keys of size K.
    virtual void build_sizes(std::size_t D, std::size_t V, std::size_t K) = 0;
    /// Computes context and weights.
    virtual AttentionOutput<T> attend(const Inputs& inputs) = 0;
    /// Whether the masks of query and key say what is seen, beside the value's.
    virtual bool sees_by_all_masks() const { return false; }

    /// Context and weights from scores [B, T, S], as Attention and AdditiveAttention have them.
    AttentionOutput<T> weigh(const Variable<T>& scores, const Inputs& inputs);
    /// The weights, while training with dropout.
    Variable<T> drop(const Variable<T>& weights);
    /// Throws ShapeError unless query and key have one size, which a comparison of the two needs.
    void check_comparable(std::size_t D, std::size_t K) const;

    void members(Members<T>& members) override;
    void build_several(const std::vector<PartialShape>& input_shapes) override;
    std::vector<Variable<T>> call_several(const std::vector<Variable<T>>& inputs) override;
    bool gives_masks() const override { return true; }

  private:
    void check(const Variable<T>& query, const Variable<T>& value, const Variable<T>& key) const;
    std::optional<Mask> seen(const Inputs& inputs, bool causal, const Mask* attention_mask) const;

    Options options_;
    Generator generator_;
    std::size_t D_ = 0, V_ = 0, K_ = 0;
};

extern template class KeyValueAttention<float>;
extern template class KeyValueAttention<double>;

}  // namespace seqgrad
