#pragma once

#include <cstddef>
#include <string>

#include "seqgrad/core/no_arguments.hpp"
#include "seqgrad/layers/constraints.hpp"
#include "seqgrad/layers/initializers.hpp"
#include "seqgrad/layers/memory_attention.hpp"
#include "seqgrad/layers/regularizers.hpp"

namespace seqgrad {

/// Arguments of LuongAttention.
struct LuongAttentionConfig {
    AttentionScore score = AttentionScore::general;  ///< dot, general or concat
    /// A, the size in which query and memory meet in concat, and that of local_p's hidden layer; 0: as many
    /// as the query's.
    std::size_t units = 0;
    AttentionWindow window = AttentionWindow::global;
    std::size_t D = 10;    ///< the window's half width in positions; at least 1 where there is a window
    std::size_t step = 0;  ///< the position of the first query of a call with a list, for local_m
    Initializer kernel_initializer = GlorotUniform{};  ///< of all kernels
    Initializer v_initializer = GlorotUniform{};       ///< of `v` and `position_v`
    Regularizer kernel_regularizer = {};
    Regularizer v_regularizer = {};
    Constraint kernel_constraint = {};
    Constraint v_constraint = {};
    std::string name = {};
};

/// Luong's attention over a memory, with one of three scores,
///
///     dot:      score(q, m) = q . m
///     general:  score(q, m) = q W . m
///     concat:   score(q, m) = v . tanh([q; m] W)
///
/// over all positions or over a window |s - p| <= D around a position p, counted from 0:
///
///     local_m:  p = the query's own position t
///     local_p:  p = last sigmoid(position_v . tanh(q position_kernel)), with `last` the last position that
///               counts; after the softmax each weight is multiplied by exp(-(s - p)^2 / (2 (D/2)^2))
///
/// query [B, U] or [B, T, U], memory [B, S, M]; context [B, M] or [B, T, M], weights [B, S] or [B, T, S].
/// Parameters: `kernel` W [U, M] for general, [U + M, A] for concat, the query's rows first; `v` [A] for
/// concat; `position_kernel` [U, A] and `position_v` [A] for local_p. Weights outside the window are exactly
/// 0; where no position in it counts, all are. Those of local_p add up to less than 1. The memory's part of
/// concat is computed once for a memory. Masks and step-by-step use: see MemoryAttention.
///
/// Throws ValueError for the score bahdanau and a window with D of 0; ShapeError for dot with U != M and for
/// a query or memory that does not fit. Source: Luong, Pham and Manning, "Effective approaches to
/// attention-based neural machine translation", arXiv 1508.04025, equations 7 to 10.
template <class T>
class LuongAttention : public MemoryAttention<T> {
  public:
    using Config = LuongAttentionConfig;

    explicit LuongAttention(LuongAttentionConfig config = {});
    explicit LuongAttention(detail::EmptyBraces) : LuongAttention() {}

    const LuongAttentionConfig& config() const noexcept { return config_; }
    /// Empty for dot.
    const Variable<T>& kernel() const noexcept { return kernel_; }
    /// Empty but for concat.
    const Variable<T>& v() const noexcept { return v_; }
    /// Empty but for local_p, as `position_v`.
    const Variable<T>& position_kernel() const noexcept { return position_kernel_; }
    const Variable<T>& position_v() const noexcept { return position_v_; }

    std::string type() const override { return "LuongAttention"; }

  protected:
    void members(Members<T>& members) override;
    void build_sizes(std::size_t U, std::size_t M) override;
    Variable<T> keys(const Variable<T>& values) override;
    Variable<T> scores(const Variable<T>& query, const AttentionMemory<T>& memory) override;
    Variable<T> weights(const Variable<T>& query, const Variable<T>& scores, const AttentionMemory<T>& memory,
                        std::size_t step) override;
    std::size_t first_step() const override { return config_.step; }

  private:
    Mask window(const Tensor<T>& centre, const AttentionMemory<T>& memory) const;

    LuongAttentionConfig config_;
    Variable<T> kernel_, v_, position_kernel_, position_v_;
};

extern template class LuongAttention<float>;
extern template class LuongAttention<double>;

}  // namespace seqgrad
