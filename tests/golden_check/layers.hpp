#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "golden_check/config.hpp"

#include "seqgrad/core/variable.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad::test {

/// The inputs of one call by their names in the fixture; those of real numbers are Variables that require
/// gradients.
template <class T>
class CallInputs {
  public:
    explicit CallInputs(const Json& inputs);

    /// Throws Unsupported when there is no such input of real numbers.
    const Variable<T>& variable(const std::string& name) const;
    /// The inputs "initial_state.0", "initial_state.1", ...
    std::vector<Variable<T>> initial_states() const;
    const std::vector<NamedParameter<T>>& variables() const { return variables_; }
    /// Throws Unsupported for an input that no call of `variable` or `initial_states` asked for.
    void check_all_used() const;

  private:
    std::vector<NamedParameter<T>> variables_;
    std::vector<std::string> others_;
    mutable std::vector<std::string> used_;
};

/// A layer built from a fixture's config, and how it is called.
template <class T>
struct BuiltLayer {
    std::shared_ptr<Module<T>> module;
    std::function<std::vector<Variable<T>>(const CallInputs<T>&)> call;
};

/// Throws Unsupported for a layer or an argument that the library does not have.
template <class T>
BuiltLayer<T> build_layer(const std::string& kind, const Json& config);

/// Gives a built module the fixture's weights, which must be exactly its parameters. `prefix` precedes the
/// parameters' names in the fixture.
template <class T>
void assign_weights(const Module<T>& module, const Json& weights, const std::string& prefix = "");

}  // namespace seqgrad::test
