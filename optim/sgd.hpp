#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/core/no_arguments.hpp"
#include "seqgrad/optim/optimizer.hpp"

namespace seqgrad {

/// Arguments of SGD, with Keras's names and defaults.
struct SGDConfig {
    LearningRate learning_rate = 0.01;           ///< finite, >= 0
    double momentum = 0.0;                       ///< in [0, 1]
    bool nesterov = false;                       ///< looks one step of momentum ahead; none without momentum
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

/// Gradient descent, with momentum where asked for.
///
/// w <- w - r g; with momentum m: v <- m v - r g, then w <- w + v, or with `nesterov` w <- w + m v - r g
/// (Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013).
/// r is the learning rate, g the gradient; as in Keras, m is rounded to float32. Slot: "momentum" (v), only
/// where momentum is not 0.
template <class T>
class SGD : public Optimizer<T> {
  public:
    using Config = SGDConfig;

    /// Throws ValueError for an argument out of its range and for more than one way of clipping.
    explicit SGD(SGDConfig config = {});
    explicit SGD(detail::EmptyBraces) : SGD() {}

    const SGDConfig& config() const noexcept { return config_; }

    std::string type() const override { return "SGD"; }

  protected:
    std::vector<std::string_view> slot_names() const override;
    bool elementwise() const override { return true; }
    void update(const ParameterUpdate<T>& update) override;

  private:
    SGDConfig config_;
};

extern template class SGD<float>;
extern template class SGD<double>;

}  // namespace seqgrad
