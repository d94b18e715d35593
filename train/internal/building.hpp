#pragma once

#include <cstddef>
#include <string>
#include <unordered_set>
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

/// The shapes of the parameters that a loss depends on and that are none of these, in the order in which a
/// walk back from the loss comes to them.
template <class T>
std::vector<Shape> unnamed_parameters(const Variable<T>& loss, const std::vector<Variable<T>>& parameters) {
    std::vector<const Node<T>*> queue;
    std::unordered_set<const Node<T>*> seen;
    const auto visit = [&](const NodeRef<T>& node) {
        if (node && node->requires_grad && seen.insert(node.get()).second) queue.push_back(node.get());
    };
    for (const Variable<T>& p : parameters) seen.insert(p.node().get());
    visit(loss.node());
    std::vector<Shape> shapes;
    for (std::size_t i = 0; i < queue.size(); ++i) {
        if (queue[i]->is_leaf()) shapes.push_back(queue[i]->shape);
        for (const NodeRef<T>& input : queue[i]->inputs()) visit(input);
    }
    return shapes;
}

}  // namespace seqgrad::detail
