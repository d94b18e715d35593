#include "seqgrad/optim/schedules.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/optim/optimizer.hpp"

namespace seqgrad {

namespace {

/// A float32 result of one operation on float32 numbers. Rounding a double result gives the same number as
/// float32 arithmetic for the four basic operations, and does not depend on whether the compiler fuses a
/// product with a sum.
double f32(double x) {
    return detail::keras_cast(x);
}

// Transcendental functions of float32 numbers are not correctly rounded everywhere: TensorFlow's are libm's.
double raised(double base, double exponent) {
    return std::pow(static_cast<float>(base), static_cast<float>(exponent));
}
double cosine(double x) {
    return std::cos(static_cast<float>(x));
}
double logarithm(double x) {
    return std::log(static_cast<float>(x));
}

double f32(std::int64_t x) {
    return static_cast<double>(static_cast<float>(x));
}

constexpr auto check_rate = detail::check_not_negative;

void check_positive(const char* type, const char* name, std::int64_t value) {
    if (value <= 0) throw ValueError(fmt::format("{}: {} must be above 0, got {}", type, name, value));
}

void check_positive(const char* type, const char* name, double value) {
    if (!(std::isfinite(value) && value > 0.0))
        throw ValueError(fmt::format("{}: {} must be a finite number above 0, got {}", type, name, value));
}

/// t / n, or the whole part of it.
double periods(std::int64_t step, std::int64_t decay_steps, bool whole) {
    const double p = f32(f32(step) / f32(decay_steps));
    return whole ? std::floor(p) : p;
}

/// factor (1 + cos(pi f)) / 2
double half_wave(double factor, double fraction) {
    const double angle = f32(f32(std::numbers::pi) * fraction);
    return f32(f32(0.5 * factor) * f32(1.0 + cosine(angle)));
}

}  // namespace

void ExponentialDecay::check() const {
    check_rate("ExponentialDecay", "initial_learning_rate", initial_learning_rate);
    check_positive("ExponentialDecay", "decay_steps", decay_steps);
    check_rate("ExponentialDecay", "decay_rate", decay_rate);
}

double ExponentialDecay::operator()(std::int64_t step) const {
    check();
    const double p = periods(step, decay_steps, staircase);
    return f32(f32(initial_learning_rate) * raised(decay_rate, p));
}

void PiecewiseConstantDecay::check() const {
    if (values.size() != boundaries.size() + 1) {
        throw ValueError(fmt::format(
            "PiecewiseConstantDecay: {} values for {} boundaries, expected one more than boundaries",
            values.size(), boundaries.size()));
    }
    for (std::size_t i = 1; i < boundaries.size(); ++i) {
        if (boundaries[i] <= boundaries[i - 1]) {
            throw ValueError(fmt::format("PiecewiseConstantDecay: boundaries must increase, got {} after {}",
                                         boundaries[i], boundaries[i - 1]));
        }
    }
    for (const double value : values) check_rate("PiecewiseConstantDecay", "a value", value);
}

double PiecewiseConstantDecay::operator()(std::int64_t step) const {
    check();
    const auto passed = std::lower_bound(boundaries.begin(), boundaries.end(), step) - boundaries.begin();
    return f32(values[static_cast<std::size_t>(passed)]);
}

void PolynomialDecay::check() const {
    check_rate("PolynomialDecay", "initial_learning_rate", initial_learning_rate);
    check_positive("PolynomialDecay", "decay_steps", decay_steps);
    check_rate("PolynomialDecay", "end_learning_rate", end_learning_rate);
    check_rate("PolynomialDecay", "power", power);
}

double PolynomialDecay::operator()(std::int64_t step) const {
    check();
    double t = f32(step);
    double n = f32(decay_steps);
    if (cycle) {
        n = f32(n * (step == 0 ? 1.0 : std::ceil(f32(t / n))));
    } else {
        t = std::min(t, n);
    }
    const double left = f32(1.0 - f32(t / n));
    const double end = f32(end_learning_rate);
    const double way = f32(f32(initial_learning_rate) - end);
    return f32(f32(way * raised(left, power)) + end);
}

void InverseTimeDecay::check() const {
    check_rate("InverseTimeDecay", "initial_learning_rate", initial_learning_rate);
    check_positive("InverseTimeDecay", "decay_steps", decay_steps);
    check_rate("InverseTimeDecay", "decay_rate", decay_rate);
}

double InverseTimeDecay::operator()(std::int64_t step) const {
    check();
    const double p = periods(step, decay_steps, staircase);
    return f32(f32(initial_learning_rate) / f32(1.0 + f32(f32(decay_rate) * p)));
}

void CosineDecay::check() const {
    check_rate("CosineDecay", "initial_learning_rate", initial_learning_rate);
    check_positive("CosineDecay", "decay_steps", decay_steps);
    detail::check_range("CosineDecay", "alpha", alpha, 0.0, 1.0);
    if (warmup_target) check_rate("CosineDecay", "warmup_target", *warmup_target);
    if (warmup_steps < 0)
        throw ValueError(fmt::format("CosineDecay: warmup_steps must be at least 0, got {}", warmup_steps));
    if (warmup_steps > 0 && !warmup_target) {
        throw ValueError(
            fmt::format("CosineDecay: warmup_steps = {} needs a warmup_target to go to", warmup_steps));
    }
}

double CosineDecay::operator()(std::int64_t step) const {
    check();
    const double start = f32(initial_learning_rate);
    const double n = f32(decay_steps);
    const double target = f32(warmup_target.value_or(initial_learning_rate));
    const double warm = f32(warmup_steps);
    double t = std::min(f32(step), f32(n + warm));
    if (t < warm) return f32(f32(f32(target - start) * f32(t / warm)) + start);
    t = f32(t - warm);
    const double share = f32(f32(f32(1.0 - alpha) * half_wave(1.0, f32(t / n))) + f32(alpha));
    return f32(target * share);
}

void CosineDecayRestarts::check() const {
    check_rate("CosineDecayRestarts", "initial_learning_rate", initial_learning_rate);
    check_positive("CosineDecayRestarts", "first_decay_steps", first_decay_steps);
    if (!(std::isfinite(t_mul) && t_mul >= 1.0)) {
        throw ValueError(
            fmt::format("CosineDecayRestarts: t_mul must be a finite number >= 1, got {}", t_mul));
    }
    check_rate("CosineDecayRestarts", "m_mul", m_mul);
    detail::check_range("CosineDecayRestarts", "alpha", alpha, 0.0, 1.0);
}

double CosineDecayRestarts::operator()(std::int64_t step) const {
    check();
    const double longer = f32(t_mul);
    double fraction = f32(f32(step) / f32(first_decay_steps));
    double restarts = 0.0;
    if (longer == 1.0) {
        restarts = std::floor(fraction);
        fraction = f32(fraction - restarts);
    } else {
        // 1 + t_mul + ... + t_mul^(i - 1) first decays are over after i of them.
        const double growth = f32(1.0 - longer);
        const double reached = f32(1.0 - f32(fraction * growth));
        restarts = std::floor(f32(logarithm(reached) / logarithm(longer)));
        const double length = raised(longer, restarts);
        const double over = f32(f32(1.0 - length) / growth);
        fraction = f32(f32(fraction - over) / length);
    }
    const double share = f32(alpha);
    const double height = raised(m_mul, restarts);
    const double decayed = f32(f32(f32(1.0 - share) * half_wave(height, fraction)) + share);
    return f32(f32(initial_learning_rate) * decayed);
}

void OneCycle::check() const {
    check_rate("OneCycle", "max_lr", max_lr);
    check_positive("OneCycle", "total_steps", total_steps);
    detail::check_range("OneCycle", "pct_start", pct_start, 0.0, three_phase ? 0.5 : 1.0);
    check_positive("OneCycle", "div_factor", div_factor);
    check_positive("OneCycle", "final_div_factor", final_div_factor);
}

double OneCycle::operator()(std::int64_t step) const {
    check();
    struct Phase {
        double end;  // the last update of the phase, counted from 0 and not always whole
        double from;
        double to;
    };
    const auto total = static_cast<double>(total_steps);
    const double initial = max_lr / div_factor;
    const double least = initial / final_div_factor;
    const double top = pct_start * total - 1.0;
    const std::array<Phase, 3> phases{
        three_phase
            ? std::array<Phase, 3>{{{top, initial, max_lr},
                                    {2.0 * pct_start * total - 2.0, max_lr, initial},
                                    {total - 1.0, initial, least}}}
            : std::array<Phase, 3>{
                  {{top, initial, max_lr}, {total - 1.0, max_lr, least}, {total - 1.0, max_lr, least}}}};
    const double t = std::min(static_cast<double>(step), total - 1.0);
    double start = 0.0;
    std::size_t i = 0;
    for (; i + 1 < phases.size() && t > phases[i].end; ++i) start = phases[i].end;
    const auto& [end, from, to] = phases[i];
    const double over = end > start ? (t - start) / (end - start) : 1.0;
    if (anneal_strategy == AnnealStrategy::linear) return (to - from) * over + from;
    return to + (from - to) / 2.0 * (1.0 + std::cos(std::numbers::pi * over));
}

}  // namespace seqgrad
