#pragma once

#include <concepts>
#include <initializer_list>
#include <span>
#include <vector>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

// Gradients are numbers, not results of recorded operations: there are no second derivatives. What is
// computed from a gradient counts as constant, in a loss as in a backward function; a penalty on a gradient's
// norm needs the derivative of the gradient written out as operations.
//
// A backward function may run a pass of its own, as a user's checkpointing does: it computes a part of the
// graph again and calls `grad` or `backward`. The pass inside leaves the running one's gradients alone and
// frees nothing that the running one needs. What it frees or has freed is as after any other pass.

namespace seqgrad {

/// What happens to the graph after a backward pass.
struct BackwardOptions {
    /// Keep it, so that another pass can run through it. Otherwise what it saved is freed while the pass goes
    /// on, and a second pass throws ValueError.
    bool retain_graph = false;
    /// Not supported: true throws ValueError. Gradients are tensors without a history, so that there are no
    /// second derivatives.
    bool create_graph = false;
};

/// Back-propagation: adds d loss / d v to the gradient of every parameter v that `loss` depends on.
///
/// `loss` has one element. Throws ShapeError when it has not, ValueError when it depends on no parameter,
/// when its graph was freed by an earlier pass, when a value the graph saved was assigned to since, or inside
/// of a backward function whose own operation the loss depends on. No gradient of a leaf changes when it
/// throws; the graph may be freed.
template <class T>
void backward(const Variable<T>& loss, BackwardOptions options = {});

/// The same from any output: adds the product of `gradient` (d loss / d output, of the output's shape) with
/// the Jacobian.
template <class T, std::same_as<Tensor<T>> Gradient>
void backward(const Variable<T>& output, const Gradient& gradient, BackwardOptions options = {});

/// The same with a gradient that is not copied, however large it is: its value is read, and stays as it is.
/// Throws ValueError if it requires a gradient itself, which it would not get.
template <class T>
void backward(const Variable<T>& output, const Variable<T>& gradient, BackwardOptions options = {});

/// d loss / d v for each of `variables`, parameters or results of operations, without touching any stored
/// gradient. Zeros for one that the loss does not depend on. Throws as `backward` does.
template <class T>
std::vector<Tensor<T>> grad(const Variable<T>& loss, std::span<const Variable<T>> variables,
                            BackwardOptions options = {});
template <class T>
std::vector<Tensor<T>> grad(const Variable<T>& loss, std::initializer_list<Variable<T>> variables,
                            BackwardOptions options = {}) {
    return grad(loss, std::span<const Variable<T>>(variables.begin(), variables.size()), options);
}

/// The same from any output, whose gradient is given.
template <class T, std::same_as<Tensor<T>> Gradient>
std::vector<Tensor<T>> grad(const Variable<T>& output, const Gradient& gradient,
                            std::span<const Variable<T>> variables, BackwardOptions options = {});
template <class T, std::same_as<Tensor<T>> Gradient>
std::vector<Tensor<T>> grad(const Variable<T>& output, const Gradient& gradient,
                            std::initializer_list<Variable<T>> variables, BackwardOptions options = {}) {
    return grad(output, gradient, std::span<const Variable<T>>(variables.begin(), variables.size()), options);
}

}  // namespace seqgrad
