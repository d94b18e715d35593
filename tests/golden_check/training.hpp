#pragma once

#include "golden_check/comparison.hpp"

namespace seqgrad::test {

/// The value of a loss and its gradient with respect to the predictions.
template <class T>
Comparison check_loss(const Json& fixture);

/// Variables after every update with given gradients.
template <class T>
Comparison check_optimizer(const Json& fixture);

/// A learning rate at given numbers of updates.
template <class T>
Comparison check_schedule(const Json& fixture);

/// A whole training run: the loss of every step, and the weights at the end.
template <class T>
Comparison check_trajectory(const Json& fixture);

}  // namespace seqgrad::test
