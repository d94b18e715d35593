#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace seqgrad {

// Learning rates r(t) that are functions of the number t of updates already made (calls of `apply` where
// gradients are gathered). Each stands where a learning rate is asked for:
//
//     Adam<float>({.learning_rate = CosineDecay{.initial_learning_rate = 1e-3, .decay_steps = 10'000}})
//
// Arguments have Keras's names and defaults; those without a default have to be given. As in Keras, whose
// numbers these are, everything but OneCycle is computed in float32. `check` throws ValueError for arguments
// out of their range; a LearningRate is checked when it is made. Below r0 is the initial learning rate and n
// `decay_steps`.

namespace detail {
inline constexpr double required_argument = std::numeric_limits<double>::quiet_NaN();
}  // namespace detail

/// r(t) = r0 decay_rate^(t / n), with `staircase` the whole part of t / n.
struct ExponentialDecay {
    double initial_learning_rate = detail::required_argument;  ///< finite, >= 0
    std::int64_t decay_steps = 0;                              ///< > 0, in updates
    double decay_rate = detail::required_argument;             ///< finite, >= 0
    bool staircase = false;

    void check() const;
    double operator()(std::int64_t step) const;
};

/// values[0] for t <= boundaries[0], values[i] for boundaries[i - 1] < t <= boundaries[i], the last value
/// after.
struct PiecewiseConstantDecay {
    std::vector<std::int64_t> boundaries = {};  ///< increasing, in updates
    std::vector<double> values = {};            ///< finite, >= 0; one more than there are boundaries

    void check() const;
    double operator()(std::int64_t step) const;
};

/// r(t) = (r0 - end) (1 - min(t, n) / n)^power + end; with `cycle` n is in each cycle the next multiple of n
/// instead of an end.
struct PolynomialDecay {
    double initial_learning_rate = detail::required_argument;  ///< finite, >= 0
    std::int64_t decay_steps = 0;                              ///< > 0, in updates
    double end_learning_rate = 0.0001;                         ///< finite, >= 0
    double power = 1.0;                                        ///< finite, >= 0
    bool cycle = false;

    void check() const;
    double operator()(std::int64_t step) const;
};

/// r(t) = r0 / (1 + decay_rate t / n), with `staircase` the whole part of t / n.
struct InverseTimeDecay {
    double initial_learning_rate = detail::required_argument;  ///< finite, >= 0
    std::int64_t decay_steps = 0;                              ///< > 0, in updates
    double decay_rate = detail::required_argument;             ///< finite, >= 0
    bool staircase = false;

    void check() const;
    double operator()(std::int64_t step) const;
};

/// r(t) = p ((1 - alpha) (1 + cos(pi t' / n)) / 2 + alpha). Without `warmup_target` p = r0 and t' = min(t,
/// n). With it the rate first goes straight from r0 to p = `warmup_target` in `warmup_steps` updates, and t'
/// = min(t - warmup_steps, n) (Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts",
/// ICLR 2017).
struct CosineDecay {
    double initial_learning_rate = detail::required_argument;  ///< finite, >= 0
    std::int64_t decay_steps = 0;                              ///< > 0, in updates
    double alpha = 0.0;                                        ///< share that is left, in [0, 1]
    std::optional<double> warmup_target = {};                  ///< finite, >= 0
    std::int64_t warmup_steps = 0;                             ///< >= 0, in updates; none without a target

    void check() const;
    double operator()(std::int64_t step) const;
};

/// Cosine decays one after the other, the first of `first_decay_steps` updates, each `t_mul` times longer and
/// `m_mul` times higher than the one before: in decay i, r = r0 ((1 - alpha) m_mul^i (1 + cos(pi f)) / 2 +
/// alpha) where f is the share of the decay that is over (Loshchilov and Hutter 2017).
struct CosineDecayRestarts {
    double initial_learning_rate = detail::required_argument;  ///< finite, >= 0
    std::int64_t first_decay_steps = 0;                        ///< > 0, in updates
    double t_mul = 2.0;                                        ///< finite, >= 1
    double m_mul = 1.0;                                        ///< finite, >= 0
    double alpha = 0.0;                                        ///< share that is left, in [0, 1]

    void check() const;
    double operator()(std::int64_t step) const;
};

/// How OneCycle goes from one rate to the next.
enum class AnnealStrategy { cos, linear };

/// Up to `max_lr` and down to nearly nothing (Smith and Topin, "Super-convergence: very fast training of
/// neural networks using large learning rates", 2019).
///
/// From max_lr / div_factor up to max_lr in the first pct_start total_steps updates, from there down to
/// max_lr / div_factor / final_div_factor at the last; with `three_phase` first back to where it began, in as
/// many updates as it took up. After the last update it stays. Names, defaults and numbers are those of
/// PyTorch's OneCycleLR, which also moves the momentum: this does not.
struct OneCycle {
    double max_lr = detail::required_argument;  ///< finite, >= 0
    std::int64_t total_steps = 0;               ///< > 0, in updates
    double pct_start = 0.3;                     ///< share of the way up, in [0, 1]; [0, 0.5] in three phases
    AnnealStrategy anneal_strategy = AnnealStrategy::cos;  ///< PyTorch's "cos" or "linear"
    double div_factor = 25.0;                              ///< finite, > 0
    double final_div_factor = 1e4;                         ///< finite, > 0
    bool three_phase = false;

    void check() const;
    double operator()(std::int64_t step) const;
};

}  // namespace seqgrad
