#pragma once

#include <cstddef>
#include <string>

#include "seqgrad/layers/module.hpp"

namespace seqgrad {

/// Arguments of RepeatVector, with Keras's names.
struct RepeatVectorConfig {
    std::size_t n = 0;  ///< how often; at least 1
    std::string name = {};
};

/// The same vector at each of n steps: x [B, D] -> [B, n, D]. A mask of x ends here. Throws ValueError for n
/// of 0, ShapeError for an input of another rank.
template <class T>
class RepeatVector : public Module<T> {
  public:
    using Config = RepeatVectorConfig;

    explicit RepeatVector(RepeatVectorConfig config);

    const RepeatVectorConfig& config() const noexcept { return config_; }

    std::string type() const override { return "RepeatVector"; }
    PartialShape compute_output_shape(const PartialShape& input_shape) const override;

  protected:
    Variable<T> call(const Variable<T>& x) override;

  private:
    RepeatVectorConfig config_;
};

extern template class RepeatVector<float>;
extern template class RepeatVector<double>;

}  // namespace seqgrad
