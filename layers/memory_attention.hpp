#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/core/ops/attention_decoder.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad {

/// "bahdanau", "dot", "general" or "concat".
std::string_view to_string(AttentionScore score);
/// "global", "local_m" or "local_p".
std::string_view to_string(AttentionWindow window);

/// The score of this name. Throws ValueError for any other.
AttentionScore attention_score(std::string_view name);
/// The window of this name. Throws ValueError for any other.
AttentionWindow attention_window(std::string_view name);

/// A memory as an attention layer reads it, with what is computed once for all queries.
template <class T>
struct AttentionMemory {
    Variable<T> values;                ///< [B, S, M], 0 at positions that do not count
    Variable<T> keys;                  ///< what queries are compared with: [B, S, A], or the values
    std::shared_ptr<const Mask> mask;  ///< [B, S]: which positions count; null: all
    Variable<T> last_position;         ///< [B], the last position that counts; 0 where none does
};

/// The memory of some samples, see take_rows.hpp.
template <class T>
AttentionMemory<T> take_rows(const AttentionMemory<T>& memory, const Tensor<std::int64_t>& rows);

/// What attention gives for queries [B, U] or [B, T, U].
template <class T>
struct AttentionOutput {
    Variable<T> context;  ///< the mean of the memory under the weights, [B, M] or [B, T, M]
    Variable<T> weights;  ///< [B, S] or [B, T, S]
};

/// Base of what looks up a memory [B, S, M], such as the outputs of an encoder, with queries [B, U] or
/// [B, T, U], such as the states of a decoder:
///
///     weights = softmax over s of score(query, memory[s])
///     context = sum_s weights[s] memory[s]
///
/// A decoder that attends in every step prepares the memory once and asks it with one query after the other:
///
///     const AttentionMemory<float> prepared = attention.prepare(encoded);
///     for (...) { auto [context, weights] = attention.attend(state, prepared); ... }
///
/// The memory's mask says which positions count. The weights of the others are exactly 0, and what the memory
/// holds there, NaN included, has no influence. Where nothing counts, weights and context are 0.
///
/// The call with a list takes {query, memory} and gives {context, weights}; the context has the query's mask.
/// Throws ShapeError when query, memory or mask does not fit and for a memory without positions.
template <class T>
class MemoryAttention : public Module<T> {
  public:
    /// Projects the memory [B, S, M]. Throws ValueError unless the layer is built, see Module::build_for.
    AttentionMemory<T> prepare(const Variable<T>& memory);
    /// `step` is the position of the query, or the first of them, in its sequence; local_m centres its window
    /// there.
    AttentionOutput<T> attend(const Variable<T>& query, const AttentionMemory<T>& memory,
                              std::size_t step = 0);

  protected:
    using Module<T>::Module;
    MemoryAttention() = default;

    /// Creates the parameters for queries of size U and a memory of size M.
    virtual void build_sizes(std::size_t U, std::size_t M) = 0;
    /// What queries are compared with, from the memory's values; by default these.
    virtual Variable<T> keys(const Variable<T>& values) { return values; }
    /// How well queries [B, T, U] fit the memory: [B, T, S].
    virtual Variable<T> scores(const Variable<T>& query, const AttentionMemory<T>& memory) = 0;
    /// Weights from scores [B, T, S]; by default the softmax over the positions that count.
    virtual Variable<T> weights(const Variable<T>& query, const Variable<T>& scores,
                                const AttentionMemory<T>& memory, std::size_t step);
    /// The step of a call with a list.
    virtual std::size_t first_step() const { return 0; }

    void build_several(const std::vector<PartialShape>& input_shapes) override;
    std::vector<Variable<T>> call_several(const std::vector<Variable<T>>& inputs) override;
    bool gives_masks() const override { return true; }

  private:
    std::size_t query_size_ = 0, memory_size_ = 0;
};

extern template class MemoryAttention<float>;
extern template class MemoryAttention<double>;

}  // namespace seqgrad
