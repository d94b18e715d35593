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

/// Gathers what does and does not fit, and decides about it.
class Loading {
  public:
    void loaded(std::string_view name) { report_.loaded.emplace_back(name); }
    void missing(std::string_view name) {
        report_.missing.emplace_back(name);
        problems_.push_back(fmt::format("\"{}\" is missing", name));
    }
    void mismatched(std::string_view name, std::string why) {
        problems_.push_back(fmt::format("\"{}\": {}", name, why));
        report_.mismatched.push_back({std::string(name), std::move(why)});
    }
    void unexpected(std::string_view name) {
        report_.unexpected.emplace_back(name);
        problems_.push_back(fmt::format("\"{}\" is unexpected", name));
    }
    void ignored(std::string_view name) { report_.ignored.emplace_back(name); }
    /// Explains a problem further, without being one.
    void add_note(std::string note) { notes_.push_back(std::move(note)); }

    /// The report. Throws FormatError unless all fits or, in part, something does.
    template <class T>
    LoadReport finish(const Module<T>& module, LoadMode mode) {
        if (problems_.empty() || (mode == LoadMode::partial && !report_.loaded.empty()))
            return std::move(report_);
        add_unbuilt(module, "");
        problems_.insert(problems_.end(), notes_.begin(), notes_.end());
        throw FormatError(fmt::format("does not fit {}{}, nothing was loaded:\n  {}", module.description(),
                                      mode == LoadMode::partial ? " in any part" : "",
                                      fmt::join(problems_, "\n  ")));
    }

  private:
    /// Notes what there are no parameters of although a file may have them.
    template <class T>
    void add_unbuilt(const Module<T>& module, const std::string& path) {
        const auto children = module.children();
        if (path.empty() && children.empty() && module.parameters().empty())
            add_note(
                fmt::format("{} has no parameters; a model of one's own names its parameters and layers in "
                            "`members`",
                            module.description()));
        for (const auto& [name, child] : children) {
            const std::string inside = path.empty() || name.empty() ? path + name : path + "." + name;
            if (child->built()) {
                add_unbuilt(*child, inside.empty() ? name : inside);
            } else {
                add_note(
                    fmt::format("{} \"{}\" is not built: no call has reached it", child->type(), inside));
            }
        }
    }

    LoadReport report_;
    std::vector<std::string> problems_, notes_;
};

/// What is wrong with a tensor of other elements, for a parameter.
inline std::string wrong_type(const StoredTensors::Other& other) {
    return fmt::format("expected floating-point numbers, got {}", other.dtype);
}

/// Gives the module's parameters the elements of the tensors of their names. Throws FormatError as LoadMode
/// says, and changes nothing then.
template <class T>
LoadReport assign(const Module<T>& module, std::vector<NamedParameter<T>>& parameters,
                  std::span<const Offered> tensors, std::span<const StoredTensors::Other> others,
                  LoadMode mode) {
    std::unordered_map<std::string_view, const Offered*> by_name;
    for (const Offered& tensor : tensors) by_name.emplace(tensor.name, &tensor);
    std::unordered_map<std::string_view, const StoredTensors::Other*> others_by_name;
    for (const StoredTensors::Other& other : others) others_by_name.emplace(other.name, &other);
    Loading loading;
    std::vector<std::pair<Variable<T>*, const Offered*>> pairs;
    for (auto& [name, variable] : parameters) {
        if (const auto other = others_by_name.find(name); other != others_by_name.end()) {
            loading.mismatched(name, wrong_type(*other->second));
            others_by_name.erase(other);
            continue;
        }
        const auto found = by_name.find(name);
        if (found == by_name.end()) {
            loading.missing(name);
            continue;
        }
        const Offered& tensor = *found->second;
        by_name.erase(found);
        std::string problem = misfit(variable, tensor.dtype, tensor.shape);
        if (!problem.empty()) {
            loading.mismatched(name, std::move(problem));
            continue;
        }
        loading.loaded(name);
        pairs.emplace_back(&variable, &tensor);
    }
    for (const Offered& tensor : tensors)
        if (by_name.contains(tensor.name)) loading.unexpected(tensor.name);
    for (const StoredTensors::Other& other : others)
        if (others_by_name.contains(other.name)) loading.ignored(other.name);
    LoadReport report = loading.finish(module, mode);
    for (auto& [variable, tensor] : pairs) {
        std::visit(
            [to = variable->mutable_data()](const auto& elements) {
                std::ranges::transform(elements, to.begin(), [](auto x) { return static_cast<T>(x); });
            },
            tensor->elements);
    }
    return report;
}

}  // namespace seqgrad::detail
