#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/core/no_arguments.hpp"
#include "seqgrad/optim/optimizer.hpp"

namespace seqgrad {

/// Arguments of Adam, with Keras's names and defaults.
struct AdamConfig {
    LearningRate learning_rate = 0.001;          ///< finite, >= 0
    double beta_1 = 0.9;                         ///< decay of the first moment, in [0, 1)
    double beta_2 = 0.999;                       ///< decay of the second moment, in [0, 1)
    double epsilon = 1e-7;                       ///< finite, > 0
    bool amsgrad = false;                        ///< divides by the largest second moment so far
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

/// Adaptive moment estimation.
///
/// m <- m + (1 - beta_1) (g - m), v <- v + (1 - beta_2) (g^2 - v), w <- w - a m / (sqrt(v) + epsilon) with
/// a = r sqrt(1 - beta_2^t) / (1 - beta_1^t) in update t = 1, 2, ... (Kingma and Ba, "Adam: a method for
/// stochastic optimization", 2015, the form at the end of section 2, whose epsilon is not corrected for the
/// start). With `amsgrad` u <- max(u, v) stands for v in the update of w (Reddi et al., "On the convergence
/// of Adam and beyond", ICLR 2018). r is the learning rate, g the gradient; as in Keras, the betas in `a` are
/// rounded to float32. Slots: "momentum" (m), "velocity" (v), "velocity_hat" (u), only with `amsgrad`.
template <class T>
class Adam : public Optimizer<T> {
  public:
    using Config = AdamConfig;

    /// Throws ValueError for an argument out of its range and for more than one way of clipping.
    explicit Adam(AdamConfig config = {});
    explicit Adam(detail::EmptyBraces) : Adam() {}

    const AdamConfig& config() const noexcept { return config_; }

    std::string type() const override { return "Adam"; }

  protected:
    std::vector<std::string_view> slot_names() const override;
    bool elementwise() const override { return true; }
    void update(const ParameterUpdate<T>& update) override;

  private:
    AdamConfig config_;
};

extern template class Adam<float>;
extern template class Adam<double>;

}  // namespace seqgrad
