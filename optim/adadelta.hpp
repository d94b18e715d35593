#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/core/no_arguments.hpp"
#include "seqgrad/optim/optimizer.hpp"

namespace seqgrad {

/// Arguments of Adadelta, with Keras's names and defaults.
struct AdadeltaConfig {
    LearningRate learning_rate = 0.001;          ///< finite, >= 0
    double rho = 0.95;                           ///< decay of the running means, in [0, 1)
    double epsilon = 1e-7;                       ///< finite, > 0
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

/// Steps of the size of earlier steps, whatever the gradient's unit.
///
/// n <- rho n + (1 - rho) g^2, s = -sqrt(d + epsilon) g / sqrt(n + epsilon), d <- rho d + (1 - rho) s^2,
/// w <- w + r s (Zeiler, "ADADELTA: an adaptive learning rate method", 2012, algorithm 1, there with r = 1).
/// r is the learning rate, g the gradient. Slots: "accumulated_grad" (n), "accumulated_delta_var" (d).
template <class T>
class Adadelta : public Optimizer<T> {
  public:
    using Config = AdadeltaConfig;

    /// Throws ValueError for an argument out of its range and for more than one way of clipping.
    explicit Adadelta(AdadeltaConfig config = {});
    explicit Adadelta(detail::EmptyBraces) : Adadelta() {}

    const AdadeltaConfig& config() const noexcept { return config_; }

    std::string type() const override { return "Adadelta"; }

  protected:
    std::vector<std::string_view> slot_names() const override {
        return {"accumulated_grad", "accumulated_delta_var"};
    }
    bool elementwise() const override { return true; }
    void update(const ParameterUpdate<T>& update) override;

  private:
    AdadeltaConfig config_;
};

extern template class Adadelta<float>;
extern template class Adadelta<double>;

}  // namespace seqgrad
