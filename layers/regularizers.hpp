#pragma once

#include <string_view>
#include <variant>

#include "seqgrad/core/variable.hpp"

namespace seqgrad {

/// l1 sum |w|, which drives weights to exactly 0 (lasso). `l1` is at least 0.
struct L1 {
    double l1 = 0.01;
    friend bool operator==(const L1&, const L1&) = default;
};

/// l2 sum w^2 (ridge; without the factor 1/2 of some texts). `l2` is at least 0.
struct L2 {
    double l2 = 0.01;
    friend bool operator==(const L2&, const L2&) = default;
};

/// l1 sum |w| + l2 sum w^2, both at least 0.
struct L1L2 {
    double l1 = 0.0;
    double l2 = 0.0;
    friend bool operator==(const L1L2&, const L1L2&) = default;
};

/// Which vectors of a matrix OrthogonalRegularizer compares with each other.
enum class OrthogonalMode { rows, columns };

/// factor times the mean of |cosine| over all pairs of rows, or columns, of a matrix: 0 where they are
/// orthogonal to each other. Vectors shorter than 1e-7 count with that length. `factor` is at least 0.
struct OrthogonalRegularizer {
    double factor = 0.01;
    OrthogonalMode mode = OrthogonalMode::rows;
    friend bool operator==(const OrthogonalRegularizer&, const OrthogonalRegularizer&) = default;
};

/// A penalty on a weight that training adds to the loss: one of the rules above, by value, with Keras 3's
/// names and defaults, or none.
///
///     LSTM<float>({.units = 8, .kernel_regularizer = L2{.l2 = 1e-4}})
class Regularizer {
  public:
    using Rule = std::variant<std::monostate, L1, L2, L1L2, OrthogonalRegularizer>;

    /// No penalty.
    Regularizer() = default;
    /// Throws ValueError for a factor that is negative or not finite.
    Regularizer(L1 rule);
    Regularizer(L2 rule);
    Regularizer(L1L2 rule);
    Regularizer(OrthogonalRegularizer rule);

    /// Whether there is a penalty.
    explicit operator bool() const noexcept { return rule_.index() != 0; }

    /// The penalty of w, a scalar that gradients flow through. Throws ValueError where there is none,
    /// ShapeError where the rule does not apply to a weight of this rank.
    template <class T>
    Variable<T> operator()(const Variable<T>& w) const;

    /// The rule's name as in C++ and Keras: "L2"; "" without a rule.
    std::string_view name() const;
    const Rule& rule() const { return rule_; }

    friend bool operator==(const Regularizer&, const Regularizer&) = default;

  private:
    Rule rule_;
};

}  // namespace seqgrad
