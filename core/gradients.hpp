#pragma once

#include <span>
#include <vector>

#include "seqgrad/core/variable.hpp"

namespace seqgrad {

/// Forgets the gradients of all these parameters, as `clear_grad` does for one: before the backward pass of a
/// step, which adds to what is there.
template <class T>
void clear_gradients(std::span<Variable<T>> parameters) {
    for (Variable<T>& p : parameters) p.clear_grad();
}
template <class T>
void clear_gradients(std::vector<Variable<T>>& parameters) {
    clear_gradients(std::span<Variable<T>>(parameters));
}

}  // namespace seqgrad
