#pragma once

#include <string>
#include <vector>

#include "seqgrad/core/gradients.hpp"
#include "seqgrad/layers/module.hpp"

// A model's parameters as an optimizer takes them, for training loops of one's own (docs/own_loop.md).

namespace seqgrad {

/// The parameters of a model and all inside it, each once, in the order of definition, which is always the
/// same: `optimizer.apply(parameters)`. They are handles to the model's own. A model has none before it is
/// built, by `build` or a call. Throws as Module::parameters does.
template <class T>
std::vector<Variable<T>> parameters(const Module<T>& model) {
    std::vector<Variable<T>> found;
    for (auto& [name, variable] : model.parameters()) found.push_back(variable);
    return found;
}

/// Their dotted paths: `optimizer.build(parameters, names)` puts them into messages, states, and groups by
/// name.
template <class T>
std::vector<std::string> parameter_names(const Module<T>& model) {
    std::vector<std::string> found;
    for (auto& [name, variable] : model.parameters()) found.push_back(name);
    return found;
}

/// Forgets the gradients of all parameters of a model.
template <class T>
void clear_gradients(const Module<T>& model) {
    for (auto& [name, variable] : model.parameters()) Variable<T>(variable).clear_grad();
}

}  // namespace seqgrad
