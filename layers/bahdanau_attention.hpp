#pragma once

#include <cstddef>
#include <string>

#include "seqgrad/layers/constraints.hpp"
#include "seqgrad/layers/initializers.hpp"
#include "seqgrad/layers/memory_attention.hpp"
#include "seqgrad/layers/regularizers.hpp"

namespace seqgrad {

/// Arguments of BahdanauAttention.
struct BahdanauAttentionConfig {
    std::size_t units = 0;  ///< A, the size in which query and memory meet; at least 1
    Initializer kernel_initializer = GlorotUniform{};  ///< of both kernels
    Initializer bias_initializer = Zeros{};
    Initializer v_initializer = GlorotUniform{};
    Regularizer kernel_regularizer = {};
    Regularizer bias_regularizer = {};
    Regularizer v_regularizer = {};
    Constraint kernel_constraint = {};
    Constraint bias_constraint = {};
    Constraint v_constraint = {};
    std::string name = {};
};

/// Concatenative (additive) attention over a memory:
///
///     score(q, m) = v . tanh(q W + m U + b)
///
/// query [B, U] or [B, T, U], memory [B, S, M]; context [B, M] or [B, T, M], weights [B, S] or [B, T, S].
/// Parameters: `query_kernel` W [U, A], `memory_kernel` U [M, A], `bias` b [A], `v` [A]. m U + b is computed
/// once for a memory. Masks and step-by-step use: see MemoryAttention. Throws ValueError for units of 0,
/// ShapeError for a query or memory that does not fit. Source: Bahdanau, Cho and Bengio, "Neural machine
/// translation by jointly learning to align and translate", arXiv 1409.0473, equation 6 and appendix A.1.2.
template <class T>
class BahdanauAttention : public MemoryAttention<T> {
  public:
    using Config = BahdanauAttentionConfig;

    explicit BahdanauAttention(BahdanauAttentionConfig config);

    const BahdanauAttentionConfig& config() const noexcept { return config_; }
    const Variable<T>& query_kernel() const noexcept { return query_kernel_; }
    const Variable<T>& memory_kernel() const noexcept { return memory_kernel_; }
    const Variable<T>& bias() const noexcept { return bias_; }
    const Variable<T>& v() const noexcept { return v_; }

    std::string type() const override { return "BahdanauAttention"; }

  protected:
    void members(Members<T>& members) override;
    void build_sizes(std::size_t U, std::size_t M) override;
    Variable<T> keys(const Variable<T>& values) override;
    Variable<T> scores(const Variable<T>& query, const AttentionMemory<T>& memory) override;

  private:
    BahdanauAttentionConfig config_;
    Variable<T> query_kernel_, memory_kernel_, bias_, v_;
};

extern template class BahdanauAttention<float>;
extern template class BahdanauAttention<double>;

}  // namespace seqgrad
