#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

namespace seqgrad {

/// A learning rate: a number, or a function of the number of updates already made, of schedules.hpp or one's
/// own.
///
///     Adam<float>({.learning_rate = 1e-3})
///     Adam<float>({.learning_rate = CosineDecay{.initial_learning_rate = 1e-3, .decay_steps = 10'000}})
///     Adam<float>({.learning_rate = [](std::int64_t t) { return 1e-3 / (1.0 + 0.01 * double(t)); }})
class LearningRate {
  public:
    LearningRate(double rate) : rate_(rate) {}

    /// Throws what the function's `check()` throws, where it has one: ValueError for the schedules of
    /// schedules.hpp.
    template <class F>
    requires(!std::convertible_to<F, double> && !std::same_as<std::remove_cvref_t<F>, LearningRate> &&
             std::is_invocable_r_v<double, F&, std::int64_t>) LearningRate(F schedule)
        : schedule_(checked(std::move(schedule))) {}

    /// The rate of the update that follows `iterations` others. It is what the function returned: whoever
    /// uses it checks that it is a finite number >= 0.
    double at(std::int64_t iterations) const { return schedule_ ? schedule_(iterations) : rate_; }

    /// Whether it is a function rather than a number.
    bool is_schedule() const noexcept { return static_cast<bool>(schedule_); }

  private:
    template <class F>
    static F checked(F schedule) {
        if constexpr (requires { std::as_const(schedule).check(); }) std::as_const(schedule).check();
        return schedule;
    }

    double rate_ = 0.0;
    std::function<double(std::int64_t)> schedule_;
};

}  // namespace seqgrad
