#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/layers/internal/assign.hpp"
#include "seqgrad/layers/internal/json_file.hpp"
#include "seqgrad/layers/module.hpp"

// Modules' parameters in files: what weights and models have in common.

namespace seqgrad::detail {

/// The most that building a model of a file may take whose weights take so many bytes: some initializers need
/// several times what they give.
inline std::size_t building_memory(std::size_t weights) {
    constexpr std::size_t base = std::size_t{1} << 20;
    return base + 8 * weights;
}

/// What is wrong where it would take more.
inline std::string too_large_for(std::size_t weights) {
    return fmt::format("a model that takes much more memory than the {} bytes of weights that the file has",
                       weights);
}

/// Puts the parameters into a document, which must not outlive their values. Throws ValueError where one
/// holds a number that is not finite, unless that is allowed.
template <class T>
void add_parameters(JsonDocument& document, const char* function,
                    const std::vector<NamedParameter<T>>& parameters, const SaveOptions& options) {
    for (const auto& [name, variable] : parameters)
        document.add(name, variable.shape(), elements(variable.value()));
    if (!options.allow_non_finite) document.check_finite(function);
}

/// Of a file's tensors those that fit the parameters of their names: kept until all are known to, or,
/// `at_once`, put into them as they are read. The parameters must outlive it.
template <class T>
Destinations destinations_in(std::vector<NamedParameter<T>>& parameters, bool at_once) {
    std::unordered_map<std::string, Variable<T>*> by_name;
    for (auto& [name, variable] : parameters) by_name.emplace(name, &variable);
    return [by_name = std::move(by_name), at_once](std::string_view name, DType dtype,
                                                   const Shape& shape) -> Destination {
        const auto found = by_name.find(std::string(name));
        if (found == by_name.end() || !misfit(*found->second, dtype, shape).empty()) return Dropped();
        if (at_once) return found->second->mutable_data();
        return Kept();
    };
}

/// Gives the module's parameters the elements of the file's tensors that were kept, as `assign` does.
template <class T>
LoadReport assign_content(const Module<T>& module, std::vector<NamedParameter<T>>& parameters,
                          JsonContent& content, LoadMode mode = LoadMode::exact) {
    std::vector<Offered> offered;
    for (const NamedData& tensor : content.tensors()) {
        offered.push_back(
            {tensor.name, tensor.shape, tensor.dtype,
             std::visit([](const auto& e) { return ElementsView(std::span(e)); }, tensor.data->elements)});
    }
    return assign(module, parameters, offered, {}, mode);
}

}  // namespace seqgrad::detail
