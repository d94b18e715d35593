#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "support/naive.hpp"

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

// Runs an operation through everything that its values and gradients can be compared with:
//
// - gradcheck, against differences of its own values;
// - a second forward (support/naive.hpp) in long double dual numbers, for its values and for <v, J u> = <J'v,
// u>;
// - float against double.
//
// A case is one operation with its attributes, the shapes of its operands, which of them want a gradient, and
// which of them are the same variable. An operation is added with its name, how the library and how the naive
// forward computes it, and where its operands' elements may lie:
//
//     run({"log", [](auto x) { return log(x[0]); },
//          [](const Arrays& x) { return map(x[0], [](Dual v) { return log(v); }); }, positive},
//         unary_shapes);

namespace gradients {

/// What the comparisons allow.
namespace tolerance {
/// gradcheck, relative to the larger derivative.
inline constexpr double numeric = 1e-7;
/// |<v, J u> - <J'v, u>|, relative to the larger of the two (or to 1e-3 of their terms' magnitudes).
inline constexpr double adjoint = 1e-10;
/// Values in double against the naive ones, relative to the element (or to 1e-2 of the largest).
inline constexpr double value = 1e-12;
/// |float - double| <= float_absolute + float_relative |double|, for values and gradients.
inline constexpr double float_absolute = 1e-5;
inline constexpr double float_relative = 1e-4;
}  // namespace tolerance

/// Of all cases only every so many are run, evenly spread: for builds in which all of them take too long.
std::size_t& every();

/// What was run so far.
struct Totals {
    std::size_t cases = 0;
    std::size_t derivatives = 0;
    double worst_numeric = 0;
    std::string worst_numeric_case;
    std::size_t adjoint_checks = 0;
    double worst_adjoint = 0;
    std::string worst_adjoint_case;
    std::size_t values = 0;
    double worst_value = 0;
    std::string worst_value_case;
    /// The largest fraction of the tolerance that a float used up.
    double worst_float = 0;
    std::string worst_float_case;
};
Totals& totals();

/// Where an operand's elements are drawn from: uniformly from [low, high), at least `margin` away from every
/// number in `avoid`; or, when `distinct`, all elements of all operands evenly spaced and shuffled, so that
/// no two are near each other.
struct Domain {
    double low = -2;
    double high = 2;
    std::vector<double> avoid = {};
    bool distinct = false;
    double margin = 0.1;
};
inline const Domain positive{.low = 0.3, .high = 3};

template <class T>
using Operands = std::span<const seqgrad::Variable<T>>;
template <class T>
using Results = std::vector<seqgrad::Variable<T>>;

namespace detail {
template <class T>
Results<T> as_list(seqgrad::Variable<T> v) {
    return {std::move(v)};
}
template <class T>
Results<T> as_list(Results<T> v) {
    return v;
}
inline oracle::Arrays as_list(oracle::Array a) {
    return {std::move(a)};
}
inline oracle::Arrays as_list(oracle::Arrays a) {
    return a;
}
}  // namespace detail

/// An operation with its attributes. `engine` takes Operands<T> for both element types, `naive` Arrays; each
/// gives one result or a list of them.
struct Op {
    template <class Engine, class Naive>
    Op(std::string op_name, Engine engine, Naive naive_forward, std::vector<Domain> operand_domains = {{}})
        : name(std::move(op_name)),
          in_double([engine](Operands<double> x) { return detail::as_list(engine(x)); }),
          in_float([engine](Operands<float> x) { return detail::as_list(engine(x)); }),
          naive([naive_forward](const oracle::Arrays& x) { return detail::as_list(naive_forward(x)); }),
          domains(std::move(operand_domains)) {}
    template <class Engine, class Naive>
    Op(std::string op_name, Engine engine, Naive naive_forward, Domain domain)
        : Op(std::move(op_name), engine, naive_forward, std::vector<Domain>{std::move(domain)}) {}

    std::string name;
    std::function<Results<double>(Operands<double>)> in_double;
    std::function<Results<float>(Operands<float>)> in_float;
    std::function<oracle::Arrays(const oracle::Arrays&)> naive;
    /// Of each operand; the last one also of those after it.
    std::vector<Domain> domains;
    /// Whether the same is computed in float and in double; not so where random numbers differ between them.
    bool same_in_float = true;
};

using Shapes = std::vector<oracle::Index>;

/// Which operands want gradients.
enum class Wanted {
    every_subset,
    /// All of them, and each alone: for operations of many operands.
    all_and_each
};

/// The subsets of operands that want gradients, and every pair of operands of one shape given the same
/// variable, for each of the lists of operand shapes.
void run(const Op& op, const std::vector<Shapes>& operand_shapes, Wanted wanted = Wanted::every_subset);

/// Shapes for operations of one operand, and of two that broadcast.
extern const std::vector<Shapes> unary_shapes;
extern const std::vector<Shapes> binary_shapes;

/// An index list for the library, from the naive one's.
seqgrad::Tensor<std::int64_t> indices(const oracle::Integers& integers);

/// The parts printed one after the other.
template <class... Parts>
std::string words(const Parts&... parts) {
    std::ostringstream out;
    (out << ... << parts);
    return out.str();
}

/// "[2, 3]"
std::string text(const oracle::Index& shape);

}  // namespace gradients
