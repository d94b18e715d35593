#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

// What language models are measured by: the cross-entropy of the next token's label, y_true [B, ...] or
// [B, ..., 1], with y_pred [B, ..., V], see sparse_categorical_crossentropy.

namespace seqgrad {

/// e to the mean cross-entropy in nats: among how many equally likely tokens the choice would be as hard.
struct Perplexity {
    bool from_logits = false;  ///< y_pred are logits rather than probabilities
    /// What has this label, often -1, does not count, as if the mask left it out.
    std::optional<std::int64_t> ignore_class = {};
    std::string name = "perplexity";

    /// The cross-entropies in nats. Throws as sparse_categorical_crossentropy and to_labels do.
    template <class T>
    Tensor<T> values(const Tensor<T>& y_true, const Variable<T>& y_pred) const;
    double result(double mean) const;
};

/// The mean cross-entropy in bits, per token; of a model of characters, bits per character.
struct BitsPerCharacter {
    bool from_logits = false;  ///< y_pred are logits rather than probabilities
    /// What has this label, often -1, does not count, as if the mask left it out.
    std::optional<std::int64_t> ignore_class = {};
    std::string name = "bits_per_character";

    /// The cross-entropies in nats. Throws as sparse_categorical_crossentropy and to_labels do.
    template <class T>
    Tensor<T> values(const Tensor<T>& y_true, const Variable<T>& y_pred) const;
    double result(double mean) const;
};

}  // namespace seqgrad
