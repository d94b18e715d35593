#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/core/no_arguments.hpp"
#include "seqgrad/optim/optimizer.hpp"

namespace seqgrad {

/// Arguments of Nadam, with Keras's names and defaults.
struct NadamConfig {
    LearningRate learning_rate = 0.001;          ///< finite, >= 0
    double beta_1 = 0.9;                         ///< decay of the first moment, in [0, 1)
    double beta_2 = 0.999;                       ///< decay of the second moment, in [0, 1)
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

/// Adam with Nesterov's momentum.
///
/// In update t = 1, 2, ...: m <- m + (1 - beta_1) (g - m), v <- v + (1 - beta_2) (g^2 - v) and
/// w <- w - r (u_{t+1} m / (1 - p_{t+1}) + (1 - u_t) g / (1 - p_t)) / (sqrt(v / (1 - beta_2^t)) + epsilon)
/// with u_t = beta_1 (1 - 0.96^t / 2) and p_t = u_1 u_2 ... u_t (Dozat, "Incorporating Nesterov momentum into
/// Adam", ICLR workshop 2016). r is the learning rate, g the gradient; as in Keras, the betas and 0.96 are
/// rounded to float32 everywhere but in p_t. Slots: "momentum" (m), "velocity" (v).
template <class T>
class Nadam : public Optimizer<T> {
  public:
    using Config = NadamConfig;

    /// Throws ValueError for an argument out of its range and for more than one way of clipping.
    explicit Nadam(NadamConfig config = {});
    explicit Nadam(detail::EmptyBraces) : Nadam() {}

    const NadamConfig& config() const noexcept { return config_; }

    std::string type() const override { return "Nadam"; }

  protected:
    std::vector<std::string_view> slot_names() const override { return {"momentum", "velocity"}; }
    bool elementwise() const override { return true; }
    void update(const ParameterUpdate<T>& update) override;

  private:
    NadamConfig config_;

    double product_until(std::int64_t step);

    // p_t, which follows from t alone: kept so that it is not multiplied from the start in every update.
    double product_ = 1.0;
    std::int64_t product_step_ = 0;
};

extern template class Nadam<float>;
extern template class Nadam<double>;

}  // namespace seqgrad
