#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/core/no_arguments.hpp"
#include "seqgrad/optim/optimizer.hpp"

namespace seqgrad {

/// Arguments of Adamax, with Keras's names and defaults.
struct AdamaxConfig {
    LearningRate learning_rate = 0.001;          ///< finite, >= 0
    double beta_1 = 0.9;                         ///< decay of the first moment, in [0, 1)
    double beta_2 = 0.999;                       ///< decay of the norm, in [0, 1)
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

/// Adam with the largest gradient so far in place of the second moment.
///
/// m <- m + (1 - beta_1) (g - m), u <- max(beta_2 u, |g|), w <- w - r m / ((1 - beta_1^t) (u + epsilon)) in
/// update t = 1, 2, ... (Kingma and Ba, "Adam: a method for stochastic optimization", 2015, section 7.1). r
/// is the learning rate, g the gradient; as in Keras, beta_1 in beta_1^t is rounded to float32. Slots:
/// "momentum" (m), "norm" (u).
template <class T>
class Adamax : public Optimizer<T> {
  public:
    using Config = AdamaxConfig;

    /// Throws ValueError for an argument out of its range and for more than one way of clipping.
    explicit Adamax(AdamaxConfig config = {});
    explicit Adamax(detail::EmptyBraces) : Adamax() {}

    const AdamaxConfig& config() const noexcept { return config_; }

    std::string type() const override { return "Adamax"; }

  protected:
    std::vector<std::string_view> slot_names() const override { return {"momentum", "norm"}; }
    bool elementwise() const override { return true; }
    void update(const ParameterUpdate<T>& update) override;

  private:
    AdamaxConfig config_;
};

extern template class Adamax<float>;
extern template class Adamax<double>;

}  // namespace seqgrad
