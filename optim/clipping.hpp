#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

namespace seqgrad {

/// How gradients g are limited before an update, with Keras's names. At most one is given.
struct Clipping {
    std::optional<double> clipnorm = {};         ///< each parameter's: g c / max(|g|, c)
    std::optional<double> clipvalue = {};        ///< each element: min(max(g, -c), c)
    std::optional<double> global_clipnorm = {};  ///< all parameters': g c / max(norm of all together, c)
};

/// A gradient as an update reads it: clipped element by element on the way, so that no copy is made.
template <class T>
struct ClippedGradient {
    const T* data;
    T scale = T{1};
    T limit = std::numeric_limits<T>::infinity();

    T operator[](std::size_t i) const {
        const T g = data[i] * scale;
        return g < -limit ? -limit : g > limit ? limit : g;
    }
};

/// The sum of the squares of a tensor's elements, accumulated in double: finite unless an element is not.
template <class T>
double sum_of_squares(const Tensor<T>& t);

namespace detail {

/// The same of the sum of two tensors of one shape.
template <class T>
double sum_of_squares(const Tensor<T>& a, const Tensor<T>& b);

}  // namespace detail

/// The Euclidean norm of all gradients taken together as one vector. Parameters without a gradient count 0.
template <class T>
double global_norm(std::span<const Variable<T>> parameters);

/// Limits the global norm of all gradients before an update, for training loops of one's own: each gradient g
/// becomes g c / max(norm, c) with c = `clip_norm`, rounded as an optimizer with `global_clipnorm` does it.
///
/// Returns the norm as it was. Parameters without a gradient are left alone. Throws ValueError unless
/// `clip_norm` is a finite number above 0, NonFiniteError if the norm is not finite; no gradient changes
/// then.
template <class T>
double clip_by_global_norm(std::span<Variable<T>> parameters, double clip_norm);
template <class T>
double clip_by_global_norm(std::vector<Variable<T>>& parameters, double clip_norm) {
    return clip_by_global_norm(std::span<Variable<T>>(parameters), clip_norm);
}

}  // namespace seqgrad
