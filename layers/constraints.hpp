#pragma once

#include <cstddef>
#include <string_view>
#include <variant>

#include "seqgrad/core/tensor.hpp"

namespace seqgrad {

/// Vectors along `axis` longer than `max_value` are scaled to that length. For a kernel [D, U] and axis 0
/// these are the weights that come in to each unit. Srivastava et al., JMLR 15 (2014).
struct MaxNorm {
    double max_value = 2.0;   ///< at least 0
    std::ptrdiff_t axis = 0;  ///< negative from the end
    friend bool operator==(const MaxNorm&, const MaxNorm&) = default;
};

/// Negative weights become 0.
struct NonNeg {
    friend bool operator==(const NonNeg&, const NonNeg&) = default;
};

/// Vectors along `axis` are scaled to length 1.
struct UnitNorm {
    std::ptrdiff_t axis = 0;  ///< negative from the end
    friend bool operator==(const UnitNorm&, const UnitNorm&) = default;
};

/// Vectors along `axis` are scaled towards a length in [min_value, max_value], by the part `rate` of the way.
struct MinMaxNorm {
    double min_value = 0.0;   ///< at least 0
    double max_value = 1.0;   ///< at least min_value
    double rate = 1.0;        ///< in [0, 1]
    std::ptrdiff_t axis = 0;  ///< negative from the end
    friend bool operator==(const MinMaxNorm&, const MinMaxNorm&) = default;
};

/// What a weight is made to fulfil after every update: one of the rules above, by value, with Keras 3's names
/// and defaults, or none. As in Keras, lengths have 1e-7 added where they divide, so that a vector of zeros
/// stays one.
///
///     Dense<float>({.units = 8, .kernel_constraint = MaxNorm{.max_value = 3}})
class Constraint {
  public:
    using Rule = std::variant<std::monostate, MaxNorm, NonNeg, UnitNorm, MinMaxNorm>;

    /// No constraint.
    Constraint() = default;
    /// Throws ValueError naming the rule for an argument outside its range.
    Constraint(MaxNorm rule);
    Constraint(NonNeg rule);
    Constraint(UnitNorm rule);
    Constraint(MinMaxNorm rule);

    /// Whether there is a constraint.
    explicit operator bool() const noexcept { return rule_.index() != 0; }

    /// The weight that fulfils the constraint; w itself without one. Throws ShapeError when w has not the
    /// axis.
    template <class T>
    Tensor<T> operator()(const Tensor<T>& w) const;

    /// The rule's name as in C++ and Keras: "MaxNorm"; "" without a rule.
    std::string_view name() const;
    const Rule& rule() const { return rule_; }

    friend bool operator==(const Constraint&, const Constraint&) = default;

  private:
    Rule rule_;
};

}  // namespace seqgrad
