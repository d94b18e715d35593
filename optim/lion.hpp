#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/core/no_arguments.hpp"
#include "seqgrad/optim/optimizer.hpp"

namespace seqgrad {

/// Arguments of Lion, with Keras's names and defaults.
struct LionConfig {
    LearningRate learning_rate = 0.001;          ///< finite, >= 0
    double beta_1 = 0.9;                         ///< share of the momentum in a step, in (0, 1]
    double beta_2 = 0.99;                        ///< decay of the momentum, in [0, 1]
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

/// Steps of one size, in the direction of momentum and gradient together.
///
/// w <- w - r sign(beta_1 m + (1 - beta_1) g), then m <- beta_2 m + (1 - beta_2) g (Chen et al., "Symbolic
/// discovery of optimization algorithms", NeurIPS 2023). r is the learning rate, g the gradient; as in Keras,
/// the betas are rounded to float32. Slot: "momentum" (m).
template <class T>
class Lion : public Optimizer<T> {
  public:
    using Config = LionConfig;

    /// Throws ValueError for an argument out of its range and for more than one way of clipping.
    explicit Lion(LionConfig config = {});
    explicit Lion(detail::EmptyBraces) : Lion() {}

    const LionConfig& config() const noexcept { return config_; }

    std::string type() const override { return "Lion"; }

  protected:
    std::vector<std::string_view> slot_names() const override { return {"momentum"}; }
    bool elementwise() const override { return true; }
    void update(const ParameterUpdate<T>& update) override;

  private:
    LionConfig config_;
};

extern template class Lion<float>;
extern template class Lion<double>;

}  // namespace seqgrad
