#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/core/no_arguments.hpp"
#include "seqgrad/optim/optimizer.hpp"

namespace seqgrad {

/// Arguments of AdamW, with Keras's names and defaults.
struct AdamWConfig {
    LearningRate learning_rate = 0.001;          ///< finite, >= 0
    double weight_decay = 0.004;                 ///< finite, >= 0
    double beta_1 = 0.9;                         ///< decay of the first moment, in [0, 1)
    double beta_2 = 0.999;                       ///< decay of the second moment, in [0, 1)
    double epsilon = 1e-7;                       ///< finite, > 0
    bool amsgrad = false;                        ///< divides by the largest second moment so far
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

/// Adam with weight decay that is not scaled by the moments.
///
/// w <- w - d r w before every update, the rest is Adam (Loshchilov and Hutter, "Decoupled weight decay
/// regularization", ICLR 2019). d is `weight_decay`, r the learning rate; as in Keras, d is rounded to
/// float32. Slots: "momentum", "velocity", "velocity_hat", only with `amsgrad`.
template <class T>
class AdamW : public Optimizer<T> {
  public:
    using Config = AdamWConfig;

    /// Throws ValueError for an argument out of its range and for more than one way of clipping.
    explicit AdamW(AdamWConfig config = {});
    explicit AdamW(detail::EmptyBraces) : AdamW() {}

    const AdamWConfig& config() const noexcept { return config_; }

    std::string type() const override { return "AdamW"; }

  protected:
    std::vector<std::string_view> slot_names() const override;
    bool elementwise() const override { return true; }
    void update(const ParameterUpdate<T>& update) override;

  private:
    AdamWConfig config_;
};

extern template class AdamW<float>;
extern template class AdamW<double>;

}  // namespace seqgrad
