#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "seqgrad/layers/constraints.hpp"
#include "seqgrad/layers/initializers.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/layers/regularizers.hpp"

namespace seqgrad {

/// Arguments of Embedding, with Keras's names and defaults.
struct EmbeddingConfig {
    std::size_t input_dim = 0;   ///< V, the number of different ids; at least 1
    std::size_t output_dim = 0;  ///< size of the vectors; at least 1
    Initializer embeddings_initializer = RandomUniform{};
    Regularizer embeddings_regularizer = {};
    Constraint embeddings_constraint = {};
    bool mask_zero = false;  ///< id 0 is padding: the output's mask is false there
    std::string name = {};
};

/// A vector for each of V ids, learnt: y[b, t] = embeddings[x[b, t]].
///
/// x [B, ...] holds ids, whole numbers in [0, V): integers, or stored in T, of which a float tells them apart
/// up to 2^24; y [B, ..., output_dim]. Parameter: `embeddings` [V, output_dim]. No gradient flows to x. With
/// `mask_zero` y has the mask x != 0; without it a mask of x ends here. Throws ValueError for sizes of 0 and,
/// naming its place, for an element of x that is not such an id; ShapeError for an input of rank 0.
template <class T>
class Embedding : public Module<T> {
  public:
    using Config = EmbeddingConfig;

    explicit Embedding(EmbeddingConfig config);

    using Module<T>::operator();
    /// The same for ids [B, ...] as integers, of any size. Throws as for ids in T.
    Variable<T> operator()(const Tensor<std::int64_t>& ids);

    const EmbeddingConfig& config() const noexcept { return config_; }
    const Variable<T>& embeddings() const noexcept { return embeddings_; }

    std::string type() const override { return "Embedding"; }
    bool supports_masking() const override { return config_.mask_zero; }
    PartialShape compute_output_shape(const PartialShape& input_shape) const override;

  protected:
    void members(Members<T>& members) override;
    void build_parameters(const PartialShape& input_shape) override;
    Variable<T> call(const Variable<T>& x) override;

  private:
    Variable<T> look_up(const Tensor<std::int64_t>& ids) const;

    EmbeddingConfig config_;
    Variable<T> embeddings_;
};

extern template class Embedding<float>;
extern template class Embedding<double>;

}  // namespace seqgrad
