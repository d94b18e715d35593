#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "seqgrad/core/random.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad {

/// Arguments of Dropout, with Keras's names and defaults.
struct DropoutConfig {
    double rate = 0.5;  ///< part of the elements to drop, in [0, 1]
    /// Shape of the choices, which broadcasts to x's; `unknown` stands for x's own size. {unknown, 1,
    /// unknown} drops features of [B, T, D] for all steps at once.
    std::optional<PartialShape> noise_shape = {};
    std::optional<std::int64_t> seed = {};  ///< of the choices; without it they start from a new seed
    std::string name = {};
};

/// While training, sets elements to 0 with probability `rate` and multiplies the others by 1 / (1 - rate);
/// otherwise gives x itself.
///
/// x of any shape; y of the same. A layer has its own generator: the n-th call of a layer with a seed drops
/// what the n-th call of Keras's layer with that seed drops. Throws ValueError for a rate outside [0, 1] and
/// for a size of 0 or less in noise_shape; ShapeError when noise_shape does not fit x. Source: Srivastava et
/// al., JMLR 15 (2014).
template <class T>
class Dropout : public Module<T> {
  public:
    using Config = DropoutConfig;

    explicit Dropout(DropoutConfig config);

    const DropoutConfig& config() const noexcept { return config_; }
    /// Where the choices come from.
    Generator& generator() noexcept { return generator_; }

    std::string type() const override { return "Dropout"; }
    bool supports_masking() const override { return true; }
    PartialShape compute_output_shape(const PartialShape& input_shape) const override { return input_shape; }

  protected:
    void members(Members<T>& members) override {
        if (config_.rate != 0.0) members.generator("generator", generator_);
    }
    Variable<T> call(const Variable<T>& x) override;

  private:
    DropoutConfig config_;
    Generator generator_;
};

extern template class Dropout<float>;
extern template class Dropout<double>;

}  // namespace seqgrad
