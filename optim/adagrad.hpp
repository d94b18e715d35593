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

/// Arguments of Adagrad, with Keras's names and defaults.
struct AdagradConfig {
    LearningRate learning_rate = 0.001;          ///< finite, >= 0
    double initial_accumulator_value = 0.1;      ///< finite, >= 0
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

/// Divides the gradient by the root of the sum of all its squares so far.
///
/// n <- n + g^2, w <- w - r g / sqrt(n + epsilon) (Duchi, Hazan and Singer, "Adaptive subgradient methods for
/// online learning and stochastic optimization", JMLR 2011). r is the learning rate, g the gradient. Slot:
/// "accumulator" (n), at first `initial_accumulator_value`, as in Keras rounded to float32.
template <class T>
class Adagrad : public Optimizer<T> {
  public:
    using Config = AdagradConfig;

    /// Throws ValueError for an argument out of its range and for more than one way of clipping.
    explicit Adagrad(AdagradConfig config = {});
    explicit Adagrad(detail::EmptyBraces) : Adagrad() {}

    const AdagradConfig& config() const noexcept { return config_; }

    std::string type() const override { return "Adagrad"; }

  protected:
    std::vector<std::string_view> slot_names() const override { return {"accumulator"}; }
    double slot_start(std::size_t slot) const override;
    bool elementwise() const override { return true; }
    void update(const ParameterUpdate<T>& update) override;

  private:
    AdagradConfig config_;
};

extern template class Adagrad<float>;
extern template class Adagrad<double>;

}  // namespace seqgrad
