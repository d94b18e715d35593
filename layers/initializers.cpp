#include "seqgrad/layers/initializers.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <xtensor-blas/xlinalg.hpp>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/random.hpp"
#include "seqgrad/layers/internal/snake_case.hpp"

namespace seqgrad {

namespace {

// In the order of Initializer::Rule.
constexpr std::array<std::string_view, std::variant_size_v<Initializer::Rule>> rule_names = {
    "Zeros",           "Ones",          "Constant",     "RandomUniform", "RandomNormal", "TruncatedNormal",
    "VarianceScaling", "GlorotUniform", "GlorotNormal", "HeUniform",     "HeNormal",     "LecunUniform",
    "LecunNormal",     "Orthogonal",    "Identity"};

/// Makes the rule of index `i` with its default arguments.
template <std::size_t I = 0>
Initializer::Rule default_rule(std::size_t i) {
    if constexpr (I + 1 < std::variant_size_v<Initializer::Rule>) {
        if (i != I) return default_rule<I + 1>(i);
    }
    return Initializer::Rule(std::in_place_index<I>);
}

void check_finite(const char* rule, const char* argument, double value) {
    if (!std::isfinite(value))
        throw ValueError(fmt::format("{}: {} must be finite, got {}", rule, argument, value));
}

void check_normal(const char* rule, double mean, double stddev) {
    check_finite(rule, "mean", mean);
    if (!(stddev >= 0.0) || !std::isfinite(stddev)) {
        throw ValueError(fmt::format("{}: stddev must be finite and not negative, got {}", rule, stddev));
    }
}

void check(const RandomUniform& r) {
    if (!(r.minval <= r.maxval) || !std::isfinite(r.maxval - r.minval)) {
        throw ValueError(
            fmt::format("RandomUniform: minval must be finite and not above maxval, got minval={}, maxval={}",
                        r.minval, r.maxval));
    }
}
void check(const RandomNormal& r) {
    check_normal("RandomNormal", r.mean, r.stddev);
}
void check(const TruncatedNormal& r) {
    check_normal("TruncatedNormal", r.mean, r.stddev);
}
void check(const VarianceScaling& r) {
    if (!(r.scale > 0.0) || !std::isfinite(r.scale)) {
        throw ValueError(fmt::format("VarianceScaling: scale must be positive and finite, got {}", r.scale));
    }
}
void check(const Orthogonal& r) {
    check_finite("Orthogonal", "gain", r.gain);
}
void check(const Identity& r) {
    check_finite("Identity", "gain", r.gain);
}
template <class R>
void check(const R&) {}

Generator generator(const InitializerSeed& seed) {
    return Generator(seed ? *seed : make_default_seed());
}

/// Keras converts uniform limits through float32 whatever the dtype.
template <Real T>
Tensor<T> uniform(const Shape& shape, double minval, double maxval, const InitializerSeed& seed) {
    return generator(seed).uniform<T>(shape, static_cast<float>(minval), static_cast<float>(maxval));
}

struct Fans {
    double in;
    double out;
};

double product(const Shape& shape, const FanAxes& axes) {
    double n = 1.0;
    for (const std::ptrdiff_t axis : axes) {
        n *= static_cast<double>(shape[normalize_axis("VarianceScaling", axis, shape.size())]);
    }
    return n;
}

Fans compute_fans(const Shape& shape, const FanAxes& input_axes, const FanAxes& output_axes) {
    if (!input_axes.empty() && !output_axes.empty())
        return {product(shape, input_axes), product(shape, output_axes)};
    if (shape.empty()) return {1.0, 1.0};
    if (shape.size() == 1) return {static_cast<double>(shape[0]), static_cast<double>(shape[0])};
    double receptive_field = 1.0;
    for (std::size_t i = 0; i + 2 < shape.size(); ++i) receptive_field *= static_cast<double>(shape[i]);
    return {static_cast<double>(shape[shape.size() - 2]) * receptive_field,
            static_cast<double>(shape[shape.size() - 1]) * receptive_field};
}

double scaled_variance(const VarianceScaling& r, const Shape& shape) {
    const Fans fans = compute_fans(shape, r.input_axes, r.output_axes);
    switch (r.mode) {
        case FanMode::fan_in:
            return r.scale / std::max(1.0, fans.in);
        case FanMode::fan_out:
            return r.scale / std::max(1.0, fans.out);
        case FanMode::fan_avg:
            break;
    }
    return r.scale / std::max(1.0, (fans.in + fans.out) / 2.0);
}

template <Real T>
Tensor<T> draw(const Zeros&, const Shape& shape) {
    return zeros<T>(shape);
}
template <Real T>
Tensor<T> draw(const Ones&, const Shape& shape) {
    return ones<T>(shape);
}
template <Real T>
Tensor<T> draw(const Constant& r, const Shape& shape) {
    return full<T>(shape, static_cast<T>(r.value));
}
template <Real T>
Tensor<T> draw(const RandomUniform& r, const Shape& shape) {
    return uniform<T>(shape, r.minval, r.maxval, r.seed);
}
template <Real T>
Tensor<T> draw(const RandomNormal& r, const Shape& shape) {
    return generator(r.seed).normal<T>(shape, r.mean, r.stddev);
}
template <Real T>
Tensor<T> draw(const TruncatedNormal& r, const Shape& shape) {
    return generator(r.seed).truncated_normal<T>(shape, r.mean, r.stddev);
}
template <Real T>
Tensor<T> draw(const VarianceScaling& r, const Shape& shape) {
    // Standard deviation of a normal distribution cut off at two standard deviations.
    constexpr double truncated_stddev = 0.87962566103423978;
    const double v = scaled_variance(r, shape);
    switch (r.distribution) {
        case ScalingDistribution::truncated_normal:
            return generator(r.seed).truncated_normal<T>(shape, 0.0, std::sqrt(v) / truncated_stddev);
        case ScalingDistribution::untruncated_normal:
            return generator(r.seed).normal<T>(shape, 0.0, std::sqrt(v));
        case ScalingDistribution::uniform:
            break;
    }
    const double limit = std::sqrt(3.0 * v);
    return uniform<T>(shape, -limit, limit, r.seed);
}

template <Real T, class R>
Tensor<T> scaled(double scale, FanMode mode, ScalingDistribution distribution, const R& r,
                 const Shape& shape) {
    return draw<T>(VarianceScaling{.scale = scale,
                                   .mode = mode,
                                   .distribution = distribution,
                                   .seed = r.seed,
                                   .input_axes = r.input_axes,
                                   .output_axes = r.output_axes},
                   shape);
}
template <Real T>
Tensor<T> draw(const GlorotUniform& r, const Shape& shape) {
    return scaled<T>(1.0, FanMode::fan_avg, ScalingDistribution::uniform, r, shape);
}
template <Real T>
Tensor<T> draw(const GlorotNormal& r, const Shape& shape) {
    return scaled<T>(1.0, FanMode::fan_avg, ScalingDistribution::truncated_normal, r, shape);
}
template <Real T>
Tensor<T> draw(const HeUniform& r, const Shape& shape) {
    return scaled<T>(2.0, FanMode::fan_in, ScalingDistribution::uniform, r, shape);
}
template <Real T>
Tensor<T> draw(const HeNormal& r, const Shape& shape) {
    return scaled<T>(2.0, FanMode::fan_in, ScalingDistribution::truncated_normal, r, shape);
}
template <Real T>
Tensor<T> draw(const LecunUniform& r, const Shape& shape) {
    return scaled<T>(1.0, FanMode::fan_in, ScalingDistribution::uniform, r, shape);
}
template <Real T>
Tensor<T> draw(const LecunNormal& r, const Shape& shape) {
    return scaled<T>(1.0, FanMode::fan_in, ScalingDistribution::truncated_normal, r, shape);
}

template <Real T>
Tensor<T> draw(const Orthogonal& r, const Shape& shape) {
    if (shape.size() < 2) {
        throw ShapeError(
            fmt::format("Orthogonal: needs a shape of rank 2 or more, got {}", to_string(shape)));
    }
    const std::size_t columns = shape.back();
    const std::size_t rows = element_count(Shape(shape.begin(), shape.end() - 1));
    Tensor<T> out(shape);
    if (out.size() == 0) return out;

    const std::size_t tall = std::max(rows, columns);
    const std::size_t narrow = std::min(rows, columns);
    const Tensor<T> normal = generator(r.seed).normal<T>(Shape{tall, narrow});
    const auto [q, upper] = xt::linalg::qr(normal);
    // A factorisation may choose the sign of each column of Q; making the diagonal of R positive leaves one
    // answer, and makes Q uniform over the orthogonal matrices.
    for (std::size_t j = 0; j < narrow; ++j) {
        const T diagonal = upper(j, j);
        const T sign = static_cast<T>((diagonal > T(0)) - (diagonal < T(0)));
        for (std::size_t i = 0; i < tall; ++i) {
            const std::size_t at = rows < columns ? j * columns + i : i * columns + j;
            out.data()[at] = static_cast<T>(r.gain) * (q(i, j) * sign);
        }
    }
    return out;
}

template <Real T>
Tensor<T> draw(const Identity& r, const Shape& shape) {
    if (shape.size() != 2) {
        throw ShapeError(fmt::format("Identity: needs a shape of rank 2, got {}", to_string(shape)));
    }
    Tensor<T> out = zeros<T>(shape);
    for (std::size_t i = 0; i < std::min(shape[0], shape[1]); ++i) out(i, i) = static_cast<T>(r.gain);
    return out;
}

}  // namespace

FanMode fan_mode(std::string_view name) {
    if (name == "fan_in") return FanMode::fan_in;
    if (name == "fan_out") return FanMode::fan_out;
    if (name == "fan_avg") return FanMode::fan_avg;
    throw ValueError(
        fmt::format("fan_mode: no mode is called \"{}\"; there are fan_in, fan_out, fan_avg", name));
}

ScalingDistribution scaling_distribution(std::string_view name) {
    if (name == "truncated_normal" || name == "normal") return ScalingDistribution::truncated_normal;
    if (name == "untruncated_normal") return ScalingDistribution::untruncated_normal;
    if (name == "uniform") return ScalingDistribution::uniform;
    throw ValueError(
        fmt::format("scaling_distribution: no distribution is called \"{}\"; there are truncated_normal, "
                    "untruncated_normal, uniform",
                    name));
}

Initializer::Initializer(Rule rule) : rule_(std::move(rule)) {
    std::visit([](const auto& r) { check(r); }, rule_);
}

Initializer::Rule Initializer::named(std::string_view name) {
    if (name == "zero") return Zeros{};
    if (name == "one") return Ones{};
    if (name == "uniform") return RandomUniform{};
    if (name == "normal") return RandomNormal{};
    for (std::size_t i = 0; i < rule_names.size(); ++i) {
        if (name == rule_names[i] || name == detail::snake_case(rule_names[i])) return default_rule(i);
    }
    throw ValueError(fmt::format("Initializer: no initializer is called \"{}\"; there are {}", name,
                                 fmt::join(rule_names, ", ")));
}

template <Real T>
Tensor<T> Initializer::make(const Shape& shape) const {
    return std::visit([&](const auto& r) { return draw<T>(r, shape); }, rule_);
}

std::string_view Initializer::name() const {
    return rule_names[rule_.index()];
}

template Tensor<float> Initializer::make(const Shape&) const;
template Tensor<double> Initializer::make(const Shape&) const;

}  // namespace seqgrad
