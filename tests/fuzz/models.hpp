#pragma once

#include "seqgrad/core/random.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/sequential.hpp"

namespace seqgrad::fuzz {

/// The model whose weights the fuzz programs read, and the seeds have: few numbers, nested names.
template <class T>
Sequential<T> small_model() {
    Sequential<T> model{LSTM<T>({.units = 1, .name = "lstm"}), Dense<T>({.units = 2, .name = "head"})};
    model.build({unknown, unknown, 1});
    return model;
}

}  // namespace seqgrad::fuzz
