#pragma once

#include <cstdint>
#include <type_traits>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"
#include "seqgrad/train/losses/crossentropy.hpp"
#include "seqgrad/train/losses/reduction.hpp"

// Connectionist temporal classification: the loss of a network that reads T steps and is to name L <= T
// labels without being told at which steps (Graves, Fernandez, Gomez, Schmidhuber, "Connectionist temporal
// classification: labelling unsegmented sequence data with recurrent neural networks", 2006).

namespace seqgrad {

/// -ln p(labels | logits) in nats, one per sample: labels [B, L], logits [B, T, V] -> [B].
///
/// Every step names one of V classes, with probabilities softmax(logits); class 0 is the blank. What is named
/// becomes labels when repetitions are merged and then blanks removed (equations 3 and 8 of the paper), and p
/// is the sum over all ways of naming that become the sample's labels. As in Keras labels are in [1, V) and 0
/// fills a row up to L. Where `steps` [B, T] is given, the steps at which it is false are left out: what
/// stands there counts nothing. Computed in double in log space whatever T is.
///
/// Throws ShapeError when the shapes do not fit; ValueError for a label outside [0, V), for a 0 before a
/// label, and for a sample with fewer steps than its labels need, which is one each and one more between two
/// that are equal.
template <class T>
Variable<T> ctc(const Tensor<std::int64_t>& labels, const Variable<T>& logits, const Mask* steps = nullptr);

/// The loss of labels that are not aligned with the steps, see `ctc`; Keras's, and with masks.
struct CTC {
    static constexpr const char* name = "ctc";
    Reduction reduction = Reduction::sum_over_batch_size;

    /// One number, unless the reduction is `none`. A mask [B, T], given or the predictions' own, says which
    /// steps there are; a sample without any does not count. A mask [B] says which samples count. Throws as
    /// ctc, reduce_loss and, for labels stored in T, to_labels do.
    template <class T>
    Variable<T> operator()(const Tensor<std::int64_t>& labels, const Variable<T>& logits,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const;
    template <Real T>
    Variable<T> operator()(const Tensor<T>& y_true, const Variable<T>& logits,
                           const std::type_identity_t<LossWeights<T>>& weights = {}) const {
        return (*this)(to_labels(y_true), logits, weights);
    }
};

}  // namespace seqgrad
