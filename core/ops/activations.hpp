#pragma once

#include <concepts>
#include <string_view>
#include <type_traits>

#include "seqgrad/core/variable.hpp"

// Activation functions with Keras 3's names, defaults and, at kinks, TensorFlow's gradients.

namespace seqgrad {

/// The hyperbolic tangent.
template <class T>
Variable<T> tanh(const Variable<T>& x);

/// 1 / (1 + e^-x).
template <class T>
Variable<T> sigmoid(const Variable<T>& x);

/// min(max(x / 6 + 1/2, 0), 1), with gradient 0 at -3 and 3.
template <class T>
Variable<T> hard_sigmoid(const Variable<T>& x);

/// max(x, 0), with gradient 0 at 0.
template <class T>
Variable<T> relu(const Variable<T>& x);

/// x where positive, negative_slope x elsewhere. At 0 the gradient is negative_slope. In double too the
/// default is 0.2 in float's digits, 0.20000000298, as in Keras on TensorFlow.
template <class T>
Variable<T> leaky_relu(const Variable<T>& x, std::type_identity_t<T> negative_slope = T(0.2F));

/// alpha (e^x - 1) where negative, x elsewhere. At 0 the gradient is 1. Clevert et al. 2016, arXiv
/// 1511.07289.
template <class T>
Variable<T> elu(const Variable<T>& x, std::type_identity_t<T> alpha = T(1));

/// 1.0507009873554805 elu(x, 1.6732632423543772): keeps activations near mean 0 and variance 1. At 0 the
/// gradient is 1.05... . Klambauer et al. 2017, arXiv 1706.02515.
template <class T>
Variable<T> selu(const Variable<T>& x);

/// ln(1 + e^x), without overflow.
template <class T>
Variable<T> softplus(const Variable<T>& x);

/// x (1 + erf(x / sqrt(2))) / 2; or, when `approximate`, x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2.
/// In double too sqrt(1/2) and 0.044715 have float's digits, as in Keras on TensorFlow: against the exact
/// constants the result differs by some 1e-8. Hendrycks and Gimpel 2016, arXiv 1606.08415.
template <class T>
Variable<T> gelu(const Variable<T>& x, bool approximate = false);

/// x sigmoid(x), also called swish.
template <class T>
Variable<T> silu(const Variable<T>& x);

/// x / (1 + |x|).
template <class T>
Variable<T> softsign(const Variable<T>& x);

/// One of the activation functions, as a value: `{.activation = Activation::tanh}`, or by Keras's name
/// `{.activation = "tanh"}`. The parameters that some functions have stand at their defaults; softmax and
/// log_softmax go along the last axis.
class Activation {
  public:
    enum Kind : unsigned char {
        elu,
        exponential,
        gelu,
        hard_sigmoid,
        leaky_relu,
        linear,
        log_softmax,
        relu,
        selu,
        sigmoid,
        silu,
        softmax,
        softplus,
        softsign,
        tanh,
    };

    /// x itself.
    constexpr Activation() = default;
    constexpr Activation(Kind kind) : kind_(kind) {}
    /// As activation_from_name.
    template <class Name>
    requires std::convertible_to<const Name&, std::string_view> Activation(const Name& name);

    constexpr Kind kind() const { return kind_; }
    /// Keras's name: "hard_sigmoid".
    std::string_view name() const;

    friend constexpr bool operator==(Activation, Activation) = default;

  private:
    Kind kind_ = linear;
};

/// The activation function with this name; "swish" is another name for silu. Throws ValueError, listing the
/// names there are, for any other.
Activation activation_from_name(std::string_view name);

template <class Name>
requires std::convertible_to<const Name&, std::string_view> Activation::Activation(const Name& name)
    : Activation(activation_from_name(name)) {}

/// The activation function of x.
template <class T>
Variable<T> apply(Activation activation, const Variable<T>& x);

}  // namespace seqgrad
