#pragma once

#include <utility>
#include <vector>

#include "seqgrad/core/variable.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad::detail {

/// The handles by which a module and all inside it hold their parameters, to put others in their places for a
/// while.
template <class T>
class ParameterHandles {
  public:
    explicit ParameterHandles(Module<T>& module);
    ~ParameterHandles() {
        for (auto& [handle, original] : handles_) *handle = std::move(original);
    }
    ParameterHandles(const ParameterHandles&) = delete;
    ParameterHandles& operator=(const ParameterHandles&) = delete;

    /// Puts a Variable in every place where a parameter was at first.
    void replace(const Variable<T>& parameter, const Variable<T>& other) {
        for (auto& [handle, original] : handles_) {
            if (original.same_as(parameter)) *handle = other;
        }
    }

  private:
    std::vector<std::pair<Variable<T>*, Variable<T>>> handles_;
};

}  // namespace seqgrad::detail
