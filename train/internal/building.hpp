#pragma once

#include "seqgrad/core/grad_mode.hpp"
#include "seqgrad/data/dataset.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/train/internal/model_call.hpp"
#include "seqgrad/train/internal/modes.hpp"

namespace seqgrad::detail {

/// Builds a model, unless it is built, by calling it with a batch: in inference mode, without a graph, and so
/// that it remembers nothing of it.
template <class T>
void build_with(Module<T>& model, const Dataset<T>& batch) {
    if (model.built()) return;
    const NoGrad no_grad;
    const TrainingMode<T> mode(model, false);
    output_of(model, batch);
    model.reset_state();
}

}  // namespace seqgrad::detail
