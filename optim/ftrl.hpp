#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/core/no_arguments.hpp"
#include "seqgrad/optim/optimizer.hpp"

namespace seqgrad {

/// Arguments of Ftrl, with Keras's names and defaults.
struct FtrlConfig {
    LearningRate learning_rate = 0.001;                 ///< finite, >= 0
    double learning_rate_power = -0.5;                  ///< <= 0; 0 for a rate that stays
    double initial_accumulator_value = 0.1;             ///< >= 0
    double l1_regularization_strength = 0.0;            ///< >= 0
    double l2_regularization_strength = 0.0;            ///< >= 0, of the parameter at its new place
    double l2_shrinkage_regularization_strength = 0.0;  ///< >= 0, of the parameter where it is
    double beta = 0.0;                                  ///< >= 0
    std::optional<double> weight_decay = {};            ///< see OptimizerOptions
    std::optional<double> clipnorm = {};                ///< see Clipping
    std::optional<double> clipvalue = {};               ///< see Clipping
    std::optional<double> global_clipnorm = {};         ///< see Clipping
    bool use_ema = false;                               ///< see OptimizerOptions, as all that follow
    double ema_momentum = 0.99;
    std::optional<std::int64_t> ema_overwrite_frequency = {};
    std::optional<std::int64_t> gradient_accumulation_steps = {};
    std::vector<std::string> exclude_from_weight_decay = {};
    std::vector<ParameterGroup> groups = {};
};

/// Follow the regularized leader, for sparse parameters.
///
/// With q = -learning_rate_power and s the shrinkage: n' = n + g^2, z <- z + g + 2 s w - (n'^q - n^q) w / r,
/// w <- (clip(z, -l1, l1) - z) / (n'^q / r + 2 l2 + beta / r), n <- n' (McMahan et al., "Ad click prediction:
/// a view from the trenches", KDD 2013). r is the learning rate, g the gradient. An update with r = 0 changes
/// nothing; an element without any curvature (n' = 0, no l2, no beta) stays. Slots: "accumulator"
/// (n), at first `initial_accumulator_value`, as in Keras rounded to float32; "linear" (z).
template <class T>
class Ftrl : public Optimizer<T> {
  public:
    using Config = FtrlConfig;

    /// Throws ValueError for an argument out of its range and for more than one way of clipping.
    explicit Ftrl(FtrlConfig config = {});
    explicit Ftrl(detail::EmptyBraces) : Ftrl() {}

    const FtrlConfig& config() const noexcept { return config_; }

    std::string type() const override { return "Ftrl"; }

  protected:
    std::vector<std::string_view> slot_names() const override { return {"accumulator", "linear"}; }
    double slot_start(std::size_t slot) const override;
    bool elementwise() const override { return true; }
    void update(const ParameterUpdate<T>& update) override;

  private:
    FtrlConfig config_;
};

extern template class Ftrl<float>;
extern template class Ftrl<double>;

}  // namespace seqgrad
