#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/core/no_arguments.hpp"
#include "seqgrad/optim/optimizer.hpp"

namespace seqgrad {

/// Arguments of RMSprop, with Keras's names and defaults.
struct RMSpropConfig {
    LearningRate learning_rate = 0.001;          ///< finite, >= 0
    double rho = 0.9;                            ///< decay of the running means, in [0, 1)
    double momentum = 0.0;                       ///< in [0, 1]
    double epsilon = 1e-7;                       ///< finite, > 0
    bool centered = false;                       ///< divides by the deviation of the gradient
    std::optional<double> weight_decay = {};     ///< see OptimizerOptions
    std::optional<double> clipnorm = {};         ///< see Clipping
    std::optional<double> clipvalue = {};        ///< see Clipping
    std::optional<double> global_clipnorm = {};  ///< see Clipping
    bool use_ema = false;                        ///< see OptimizerOptions, as all that follow
    double ema_momentum = 0.99;
    std::optional<std::int64_t> ema_overwrite_frequency = {};
    std::optional<std::int64_t> gradient_accumulation_steps = {};
    std::vector<std::string> exclude_from_weight_decay = {};
    std::vector<ParameterGroup> groups = {};
};

/// Divides the gradient by a running mean of its size.
///
/// v <- rho v + (1 - rho) g^2, w <- w - r g / sqrt(v + epsilon) (Hinton, "Neural networks for machine
/// learning", lecture 6, 2012). With `centered` the variance v - a^2 stands for v, where a <- rho a + (1 -
/// rho) g is a running mean of the gradient (Graves, "Generating sequences with recurrent neural networks",
/// 2013); where rounding makes it negative it counts 0. With momentum m: s <- m s + r g / sqrt(...), w <- w -
/// s. r is the learning rate, g the gradient. Slots: "velocity" (v); "momentum" (s), only where momentum is
/// not 0; "average_gradient" (a), only with `centered`.
template <class T>
class RMSprop : public Optimizer<T> {
  public:
    using Config = RMSpropConfig;

    /// Throws ValueError for an argument out of its range and for more than one way of clipping.
    explicit RMSprop(RMSpropConfig config = {});
    explicit RMSprop(detail::EmptyBraces) : RMSprop() {}

    const RMSpropConfig& config() const noexcept { return config_; }

    std::string type() const override { return "RMSprop"; }

  protected:
    std::vector<std::string_view> slot_names() const override;
    bool elementwise() const override { return true; }
    void update(const ParameterUpdate<T>& update) override;

  private:
    RMSpropConfig config_;
};

extern template class RMSprop<float>;
extern template class RMSprop<double>;

}  // namespace seqgrad
