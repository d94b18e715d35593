#pragma once

#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad::detail {

/// The module's parameters. Throws ValueError, naming the function that needs them, when it is not built.
template <class T>
std::vector<NamedParameter<T>> built_parameters(const char* function, const Module<T>& module) {
    if (!module.built()) {
        throw ValueError(
            fmt::format("{}: {} has no weights yet; build it with an input shape or call it once", function,
                        module.description()));
    }
    return module.parameters();
}

}  // namespace seqgrad::detail
