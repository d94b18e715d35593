#pragma once

#include <string>
#include <utility>
#include <vector>

#include "seqgrad/core/grad_mode.hpp"
#include "seqgrad/core/variable.hpp"
#include "seqgrad/data/dataset.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/optim/optimizer.hpp"
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

/// Builds an optimizer for a model's parameters, and gives these.
template <class T>
std::vector<Variable<T>> build_optimizer(Optimizer<T>& optimizer, const Module<T>& model) {
    std::vector<Variable<T>> variables;
    std::vector<std::string> names;
    for (auto& [name, variable] : model.parameters()) {
        names.push_back(std::move(name));
        variables.push_back(std::move(variable));
    }
    optimizer.build(variables, names);
    return variables;
}

}  // namespace seqgrad::detail
