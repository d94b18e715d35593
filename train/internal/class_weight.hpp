#pragma once

#include <cstdint>
#include <map>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

namespace seqgrad::detail {

/// The weights of the classes of targets y for predictions p: 1 for a class that is not named.
///
/// y [B] or [B, 1] has a label for each sample: weights [B]. For p [B, ..., V], y [B, ...] or [B, ..., 1] has
/// a label for each step, y [B, ..., V] the probabilities of its classes, of which the largest one counts:
/// weights [B, ...]. Labels are rounded as Keras does. What p's mask leaves out is not looked at. Throws
/// ValueError for y of another shape, and for rows of y [B, ..., V] that are neither zeros nor probabilities.
template <class T>
Tensor<T> class_weights(const std::map<std::int64_t, double>& weight_of, const Tensor<T>& y,
                        const Variable<T>& p);

}  // namespace seqgrad::detail
