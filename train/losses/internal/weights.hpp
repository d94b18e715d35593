#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/tensor.hpp"

// How weights and masks of samples or time steps meet the numbers that they weight.

namespace seqgrad::detail {

/// Weights of this shape with axes of size 1 appended, so that they broadcast to `target`; nothing where they
/// do not.
template <class W>
std::optional<Tensor<W>> spread(Tensor<W> weights, Shape shape, const Shape& target) {
    while (shape.size() < target.size()) shape.push_back(1);
    bool fits = shape.size() == target.size();
    for (std::size_t i = 0; fits && i < shape.size(); ++i) fits = shape[i] == target[i] || shape[i] == 1;
    if (!fits) return std::nullopt;
    weights.reshape(shape);
    return weights;
}

/// What is weighted, and by whom, as an error says it.
struct Weighted {
    std::string_view owner;  ///< "loss", or the name of a metric
    std::string_view one;    ///< "loss", "value"
    std::string_view many;   ///< "losses", "values"
};

/// Gives weights (`what`) of a batch, or of its time steps, the rank of the numbers of this shape that they
/// weight, to which they then broadcast. Throws ShapeError when they do not fit.
template <class W>
Tensor<W> aligned(const Weighted& weighted, const char* what, const Tensor<W>& weights, const Shape& target) {
    Shape shape(weights.shape().begin(), weights.shape().end());
    if (shape.size() == target.size() + 1 && shape.back() == 1) shape.pop_back();
    std::optional<Tensor<W>> out = spread(weights, std::move(shape), target);
    if (!out) {
        const auto mend =
            target.empty() ? fmt::format("; return one {} per sample to weight them", weighted.one)
            : weights.dimension() == target.size() + 1
                ? fmt::format("; for one {} per step y_true and y_pred need a feature axis", weighted.one)
                : "";
        throw ShapeError(fmt::format("{}: a {} of shape {} does not fit {} of shape {}{}", weighted.owner,
                                     what, to_string(weights.shape()), weighted.many, to_string(target),
                                     mend));
    }
    return std::move(*out);
}

}  // namespace seqgrad::detail
