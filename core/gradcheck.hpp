#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

// Checks the gradients of an operation, a layer or a loss against differences of its values. It depends on no
// test framework; docs/gradcheck.md shows how to use it.

namespace seqgrad {

/// How `gradcheck` compares.
struct GradcheckOptions {
    /// Largest |analytic - numeric| / max(|analytic|, |numeric|), after what the rounding of the function's
    /// values explains.
    double relative_tolerance = 1e-7;
    /// First step of the differences, times max(1, |x|); every level halves it.
    double first_step = 0.125;
    /// At most this many step sizes are tried for an input element; most functions need four or five.
    std::size_t max_levels = 18;
    /// Fail where the slopes to the left and to the right disagree. Otherwise the middle of the two is what
    /// the gradient is compared with there.
    bool detect_kinks = true;
    /// Up to this many elements (inputs' times outputs') the whole Jacobian is compared, beyond it
    /// `directions` random projections of it for every input.
    std::size_t max_jacobian_elements = 100'000;
    std::size_t directions = 4;
    /// Of the random output gradients and directions.
    std::uint64_t seed = 1;
    /// An input all of whose derivatives are 0, by the backward pass and by differences, may be right.
    /// Otherwise it is a failure: most such functions use a captured Variable where they should use the
    /// input.
    bool allow_unused = false;
    /// What messages call the inputs; their positions if there are none.
    std::vector<std::string> input_names = {};
};

/// What `gradcheck` came to.
enum class GradcheckOutcome {
    passed,
    /// An analytic derivative is not the function's.
    wrong_gradient,
    /// A derivative is right for each output alone, but not for several outputs at once, for an input that
    /// something else uses too, or for a second backward pass.
    wrong_combination,
    /// An input that wants no gradient got one, or an input's value was changed.
    touched_input,
    /// An input has no influence on the outputs, see GradcheckOptions::allow_unused.
    unused_input,
    /// A value or a derivative is infinite or not a number.
    not_finite,
    /// The function has a kink at an input element, so that it has no derivative there.
    kink,
    /// The rounding of the function's values hides the derivative, or the differences do not settle: nothing
    /// can be said about the gradient at these inputs.
    inconclusive,
};

/// The result of `gradcheck`. Where it passed, the element named is the one with the largest relative error;
/// otherwise the first one with the largest among those that failed.
struct GradcheckReport {
    bool passed = false;
    GradcheckOutcome outcome = GradcheckOutcome::passed;
    /// Position among the inputs and index in it. Empty index in a projection onto a random direction.
    std::size_t input = 0;
    /// Its name, if GradcheckOptions::input_names has one.
    std::string input_name;
    std::vector<std::size_t> input_index;
    /// Position among the function's outputs and index in it. Empty index in a projection.
    std::size_t output = 0;
    std::vector<std::size_t> output_index;
    /// d output element / d input element by the backward pass, and by differences.
    double analytic = 0;
    double numeric = 0;
    /// |analytic - numeric| less the rounding noise, over the larger of the two.
    double relative_error = 0;
    /// What the rounding of the function's values can change `numeric` by.
    double noise = 0;
    /// Derivatives compared with differences.
    std::size_t compared = 0;
    /// Of those, how many agree within the rounding noise only.
    std::size_t within_noise = 0;
    /// Whether the whole Jacobian was compared, and not projections of it.
    bool full_jacobian = true;

    /// A sentence for a person: what was compared, the worst element and, where it failed, what to look for.
    std::string message() const;

    /// Particulars that `message` adds.
    std::string detail;
};

/// A function of several inputs with several outputs.
using GradcheckFunction = std::function<std::vector<Variable<double>>(std::span<const Variable<double>>)>;

/// Compares the Jacobian of f, as `backward` computes it, with central differences (Richardson
/// extrapolation to step 0; Ridders, "Accurate computation of F'(x) and F'(x)F''(x)", 1982).
///
/// Inputs are copied; the caller's are not touched. A parameter wants a gradient; a constant, or a frozen
/// parameter, must not receive one. An input given twice is one variable to f as well.
///
/// Besides one backward pass for every output element, passes with random output gradients are compared with
/// the same combination of Jacobian rows: through the same graph once more, and through a fresh one in which
/// every input already has a gradient from elsewhere, which f's must be added to.
///
/// An input that wants a gradient and has no influence on any output fails, unless `allow_unused`: a function
/// that uses a captured Variable in its place would pass otherwise.
///
/// Rounding near zero is excused up to a few ulp of the function's value (or of the inputs' first-order
/// contributions to it, where they are larger) over the step, but only where this noise is too small to hide
/// a wrong gradient; elsewhere the outcome is `inconclusive`, a failure.
///
/// Throws ValueError when f is not deterministic (its values differ from call to call, or within NoGrad),
/// when no input wants a gradient, for options outside their range, and for another number of names than of
/// inputs.
GradcheckReport gradcheck(const GradcheckFunction& f, const std::vector<Variable<double>>& inputs,
                          const GradcheckOptions& options = {});

/// A function with one output.
template <class F>
concept SingleOutputFunction =
    std::same_as<std::invoke_result_t<F&, std::span<const Variable<double>>>, Variable<double>>;

/// The same for f with one output.
template <SingleOutputFunction F>
GradcheckReport gradcheck(F&& f, const std::vector<Variable<double>>& inputs,
                          const GradcheckOptions& options = {}) {
    const auto several = [&f](std::span<const Variable<double>> x) {
        return std::vector<Variable<double>>{f(x)};
    };
    return gradcheck(GradcheckFunction(several), inputs, options);
}

}  // namespace seqgrad
