#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "seqgrad/core/tensor.hpp"

namespace seqgrad {

/// The seed of a random initializer. With a seed, every tensor made has the numbers Keras makes from the same
/// seed, and two tensors of one shape are equal. Without one, every tensor made takes a new seed from
/// default_generator().
using InitializerSeed = std::optional<std::int64_t>;

/// Axes of a weight that count as its input or output side, negative ones from the end. The product of their
/// sizes is then the fan. Both lists have to be given; otherwise the last two axes are input and output, each
/// times the product of all others, and a weight of rank 1 has both fans equal to its size.
using FanAxes = std::vector<std::ptrdiff_t>;

/// What VarianceScaling divides its scale by.
enum class FanMode { fan_in, fan_out, fan_avg };

/// What VarianceScaling draws from.
enum class ScalingDistribution { truncated_normal, untruncated_normal, uniform };

/// The mode of this name ("fan_in", ...). Throws ValueError for any other.
FanMode fan_mode(std::string_view name);

/// The distribution of this name ("truncated_normal" or "normal", ...). Throws ValueError for any other.
ScalingDistribution scaling_distribution(std::string_view name);

/// All 0.
struct Zeros {
    friend bool operator==(const Zeros&, const Zeros&) = default;
};

/// All 1.
struct Ones {
    friend bool operator==(const Ones&, const Ones&) = default;
};

/// All `value`.
struct Constant {
    double value = 0.0;
    friend bool operator==(const Constant&, const Constant&) = default;
};

/// Uniform in [minval, maxval), minval <= maxval.
struct RandomUniform {
    double minval = -0.05;
    double maxval = 0.05;
    InitializerSeed seed{};
    friend bool operator==(const RandomUniform&, const RandomUniform&) = default;
};

/// Normal with the given mean and standard deviation (>= 0).
struct RandomNormal {
    double mean = 0.0;
    double stddev = 0.05;
    InitializerSeed seed{};
    friend bool operator==(const RandomNormal&, const RandomNormal&) = default;
};

/// Normal, drawn again where two or more standard deviations (stddev >= 0) from the mean.
struct TruncatedNormal {
    double mean = 0.0;
    double stddev = 0.05;
    InitializerSeed seed{};
    friend bool operator==(const TruncatedNormal&, const TruncatedNormal&) = default;
};

/// Mean 0 and variance scale / max(1, fan), with the fan that `mode` names: uniform in +-sqrt(3 scale / fan),
/// normal, or truncated normal (whose standard deviation is divided by 0.8796 to make up for the truncation).
/// `scale` must be positive.
struct VarianceScaling {
    double scale = 1.0;
    FanMode mode = FanMode::fan_in;
    ScalingDistribution distribution = ScalingDistribution::truncated_normal;
    InitializerSeed seed{};
    FanAxes input_axes{};
    FanAxes output_axes{};
    friend bool operator==(const VarianceScaling&, const VarianceScaling&) = default;
};

/// Uniform in +-sqrt(6 / (fan_in + fan_out)): Glorot and Bengio, "Understanding the difficulty of training
/// deep feedforward neural networks", 2010.
struct GlorotUniform {
    InitializerSeed seed{};
    FanAxes input_axes{};
    FanAxes output_axes{};
    friend bool operator==(const GlorotUniform&, const GlorotUniform&) = default;
};

/// Truncated normal of variance 2 / (fan_in + fan_out): Glorot and Bengio, 2010.
struct GlorotNormal {
    InitializerSeed seed{};
    FanAxes input_axes{};
    FanAxes output_axes{};
    friend bool operator==(const GlorotNormal&, const GlorotNormal&) = default;
};

/// Uniform in +-sqrt(6 / fan_in): He et al., "Delving deep into rectifiers", 2015.
struct HeUniform {
    InitializerSeed seed{};
    FanAxes input_axes{};
    FanAxes output_axes{};
    friend bool operator==(const HeUniform&, const HeUniform&) = default;
};

/// Truncated normal of variance 2 / fan_in: He et al., 2015.
struct HeNormal {
    InitializerSeed seed{};
    FanAxes input_axes{};
    FanAxes output_axes{};
    friend bool operator==(const HeNormal&, const HeNormal&) = default;
};

/// Uniform in +-sqrt(3 / fan_in): LeCun et al., "Efficient backprop", 1998.
struct LecunUniform {
    InitializerSeed seed{};
    FanAxes input_axes{};
    FanAxes output_axes{};
    friend bool operator==(const LecunUniform&, const LecunUniform&) = default;
};

/// Truncated normal of variance 1 / fan_in: LeCun et al., 1998.
struct LecunNormal {
    InitializerSeed seed{};
    FanAxes input_axes{};
    FanAxes output_axes{};
    friend bool operator==(const LecunNormal&, const LecunNormal&) = default;
};

/// A matrix with orthonormal columns, or rows where it has fewer rows than columns, times `gain`. All axes
/// but the last are taken together as rows; a weight needs at least two. Saxe, McClelland and Ganguli, "Exact
/// solutions to the nonlinear dynamics of learning in deep linear neural networks", 2014.
struct Orthogonal {
    double gain = 1.0;
    InitializerSeed seed{};
    friend bool operator==(const Orthogonal&, const Orthogonal&) = default;
};

/// `gain` on the main diagonal of a matrix, 0 elsewhere.
struct Identity {
    double gain = 1.0;
    friend bool operator==(const Identity&, const Identity&) = default;
};

/// How a weight gets its first values: one of the rules above, by value, with Keras 3's arguments and
/// defaults.
///
///     Dense<float>({.units = 8, .kernel_initializer = HeNormal{.seed = 42}, .bias_initializer = "ones"})
///
/// Float tensors equal those of Keras on TensorFlow: bit for bit where they are uniform, within 2 units in
/// the last place where normal, within 1e-6 gain where Orthogonal (the QR factorisation may round
/// differently). Double tensors equal those of Keras run in float64, which rounds the limits of a uniform
/// distribution to float32.
class Initializer {
  public:
    using Rule = std::variant<Zeros, Ones, Constant, RandomUniform, RandomNormal, TruncatedNormal,
                              VarianceScaling, GlorotUniform, GlorotNormal, HeUniform, HeNormal, LecunUniform,
                              LecunNormal, Orthogonal, Identity>;

    /// Takes a rule. Throws ValueError naming it when an argument is outside its allowed values.
    Initializer(Rule rule);
    template <class R>
    requires(!std::same_as<R, Rule> && std::constructible_from<Rule, R>) Initializer(R rule)
        : Initializer(Rule(std::move(rule))) {}

    /// The rule of this name with its default arguments: "GlorotUniform" or "glorot_uniform"; also Keras's
    /// short names "zero", "one", "uniform" (RandomUniform) and "normal" (RandomNormal). Throws ValueError
    /// listing the known names.
    template <class Name>
    requires std::convertible_to<const Name&, std::string_view> Initializer(const Name& name)
        : Initializer(named(name)) {}

    /// A new tensor of this shape. Throws ShapeError when the rule does not apply to a tensor of this rank.
    template <Real T>
    Tensor<T> make(const Shape& shape) const;

    /// The rule's name as in C++ and Keras: "GlorotUniform".
    std::string_view name() const;
    const Rule& rule() const { return rule_; }

    friend bool operator==(const Initializer&, const Initializer&) = default;

  private:
    static Rule named(std::string_view name);

    Rule rule_;
};

}  // namespace seqgrad
