#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

#include "support/fixture.hpp"
#include "support/golden.hpp"
#include "support/ulp.hpp"

namespace seqgrad::test {

/// A fixture that asks for something the library does not offer yet.
class Unsupported : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// |a - b| <= absolute + relative * |b|, where b is the fixture's number.
struct Tolerance {
    double absolute;
    double relative;
};

/// The tolerances of the fixture format for values and gradients computed in T.
template <class T>
inline constexpr Tolerance golden_tolerance{GoldenTolerance<T>::absolute, GoldenTolerance<T>::relative};

/// What random draws in float32 are allowed: uniform numbers are equal bit for bit, those made from normal
/// ones differ by units in the last place, and a QR factorisation may round differently.
inline constexpr Tolerance exact{0, 0};
inline constexpr std::uint64_t normal_ulps = 2;
inline constexpr Tolerance orthogonal_tolerance{1e-6, 0};

/// Outputs of the notebook, whose recurrent kernel is orthogonal.
inline constexpr Tolerance notebook_tolerance{1e-6, 0};

/// Gathers the differences between what was computed and what a fixture holds.
class Comparison {
  public:
    /// `of_largest`: the absolute part of a tolerance is multiplied by the largest magnitude of the tensor if
    /// that is above 1, since a sum of terms that cancel is as uncertain as its terms.
    explicit Comparison(bool of_largest = false) : of_largest_(of_largest) {}

    /// Compares element by element. Another shape, or a number that is not finite on one side only, is a
    /// failure.
    template <class T>
    void add(const std::string& what, const Tensor<T>& computed, const Json& expected, Tolerance tolerance) {
        if (computed.shape() != tensor_shape(expected)) {
            fail(what + ": shape " + to_string(computed.shape()) + ", expected " +
                 to_string(tensor_shape(expected)));
            return;
        }
        const Tensor<double> golden = to_tensor<double>(expected);
        if (of_largest_) {
            double largest = 1;
            for (const double v : golden) largest = std::max(largest, std::abs(v));
            tolerance.absolute *= largest;
        }
        for (std::size_t i = 0; i < computed.size(); ++i) {
            add(what + "[" + std::to_string(i) + "]", static_cast<double>(computed.data()[i]),
                golden.data()[i], tolerance);
        }
    }

    void add(const std::string& what, double computed, double expected, Tolerance tolerance) {
        ++count_;
        const double error = std::abs(computed - expected);
        if (computed != expected) {
            max_absolute_ = worse(max_absolute_, error);
            // Relative errors of numbers next to zero say nothing: those below the absolute tolerance are
            // left out.
            if (std::abs(expected) > tolerance.absolute)
                max_relative_ = worse(max_relative_, error / std::abs(expected));
        }
        if (!(computed == expected ||
              error <= tolerance.absolute + tolerance.relative * std::abs(expected))) {
            fail(what + ": " + std::to_string(computed) + ", expected " + std::to_string(expected));
        }
    }

    /// Compares float32 numbers by their distance in units in the last place.
    void add_ulps(const std::string& what, const Tensor<float>& computed, const Json& expected,
                  std::uint64_t ulps) {
        add(what, computed, expected, {std::numeric_limits<double>::infinity(), 0});
        if (computed.shape() == tensor_shape(expected) &&
            max_ulp_distance(computed, to_tensor<float>(expected)) > ulps) {
            fail(what + ": more than " + std::to_string(ulps) + " ulp away");
        }
    }

    void fail(const std::string& message) {
        if (passed_) first_failure_ = message;
        passed_ = false;
    }

    /// A comparison of nothing has shown nothing.
    bool passed() const { return passed_ && count_ > 0; }
    std::string first_failure() const {
        return count_ == 0 && passed_ ? "nothing was compared" : first_failure_;
    }
    double max_absolute_error() const { return max_absolute_; }
    double max_relative_error() const { return max_relative_; }

  private:
    static double worse(double a, double b) { return std::isnan(b) || b > a ? b : a; }

    bool of_largest_;
    bool passed_ = true;
    std::size_t count_ = 0;
    std::string first_failure_;
    double max_absolute_ = 0;
    double max_relative_ = 0;
};

}  // namespace seqgrad::test
