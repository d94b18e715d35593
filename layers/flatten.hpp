#pragma once

#include <string>

#include "seqgrad/core/no_arguments.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad {

/// Arguments of Flatten.
struct FlattenConfig {
    std::string name = {};
};

/// All features of a sample in one row: x [B, ...] -> [B, product of the other sizes]; [B] -> [B, 1]. A mask
/// of x ends here. Throws ShapeError for an input of rank 0.
template <class T>
class Flatten : public Module<T> {
  public:
    using Config = FlattenConfig;

    explicit Flatten(FlattenConfig config = {});
    explicit Flatten(detail::EmptyBraces) : Flatten() {}

    const FlattenConfig& config() const noexcept { return config_; }

    std::string type() const override { return "Flatten"; }
    PartialShape compute_output_shape(const PartialShape& input_shape) const override;

  protected:
    Variable<T> call(const Variable<T>& x) override;

  private:
    FlattenConfig config_;
};

extern template class Flatten<float>;
extern template class Flatten<double>;

}  // namespace seqgrad
