#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/internal/tensor_data.hpp"
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

/// What is wrong with a tensor for a parameter; "" where it fits.
template <class T>
std::string misfit(const Variable<T>& parameter, DType dtype, const Shape& shape) {
    if (shape != parameter.shape())
        return fmt::format("expected shape {}, got {}", to_string(parameter.shape()), to_string(shape));
    if (std::is_same_v<T, float> && dtype == DType::float64)
        return "float64 numbers would be rounded to float32";
    return "";
}

/// A tensor that a parameter is to have the elements of. They need not be there where it does not fit.
struct Offered {
    std::string_view name;
    Shape shape;
    DType dtype;
    ElementsView elements;
};

/// Gives the module's parameters the elements of the tensors of their names. Throws FormatError with all that
/// does not fit, and changes nothing then.
template <class T>
void assign(const Module<T>& module, std::vector<NamedParameter<T>>& parameters,
            std::span<const Offered> tensors) {
    std::unordered_map<std::string_view, const Offered*> by_name;
    for (const Offered& tensor : tensors) by_name.emplace(tensor.name, &tensor);
    std::vector<std::string> problems;
    std::vector<std::pair<Variable<T>*, const Offered*>> pairs;
    for (auto& [name, variable] : parameters) {
        const auto found = by_name.find(name);
        if (found == by_name.end()) {
            problems.push_back(fmt::format("\"{}\" is missing", name));
            continue;
        }
        const Offered& tensor = *found->second;
        const std::string problem = misfit(variable, tensor.dtype, tensor.shape);
        if (!problem.empty()) problems.push_back(fmt::format("\"{}\": {}", name, problem));
        pairs.emplace_back(&variable, &tensor);
        by_name.erase(found);
    }
    for (const Offered& tensor : tensors) {
        if (by_name.contains(tensor.name))
            problems.push_back(fmt::format("\"{}\" is unexpected", tensor.name));
    }
    if (!problems.empty()) {
        throw FormatError(fmt::format("does not fit {}, nothing was loaded:\n  {}", module.description(),
                                      fmt::join(problems, "\n  ")));
    }
    for (auto& [variable, tensor] : pairs) {
        std::visit(
            [to = variable->mutable_data()](const auto& elements) {
                std::ranges::transform(elements, to.begin(), [](auto x) { return static_cast<T>(x); });
            },
            tensor->elements);
    }
}

}  // namespace seqgrad::detail
