#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "golden_check/config.hpp"

#include "seqgrad/core/variable.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad::test {

/// The inputs of one call, in the order in which layers take them, with their masks; those of real numbers
/// are Variables that require gradients, ids are constants.
template <class T>
struct CallInputs {
    /// Throws Unsupported for an input that no layer takes.
    explicit CallInputs(const Json& inputs);

    std::vector<Variable<T>> all;
    /// Those of real numbers by their names in the fixture.
    std::vector<NamedParameter<T>> differentiable;
    /// MultiHeadAttention's, which belongs to no input.
    std::optional<Mask> attention_mask;
};

/// Calls the layer as a fixture's call says: with its inputs and `arguments`. Throws Unsupported for an
/// argument that the layer does not take.
template <class T>
std::vector<Variable<T>> call_layer(Module<T>& layer, const CallInputs<T>& inputs, const Json& arguments);

/// A layer built from a fixture's config, which leaves sizes that its `weights` show to them. Throws
/// Unsupported for a layer or an argument that the library does not have.
template <class T>
std::shared_ptr<Module<T>> build_layer(const std::string& kind, const Json& config,
                                       const Json& weights = Json::object());

/// Gives a built module the fixture's weights, which must be exactly its parameters. `prefix` precedes the
/// parameters' names in the fixture.
template <class T>
void assign_weights(const Module<T>& module, const Json& weights, const std::string& prefix = "");

}  // namespace seqgrad::test
