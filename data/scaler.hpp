#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/data/series.hpp"

namespace seqgrad {

class CsvSeriesReader;

/// Shifts and scales each feature to mean 0 and standard deviation 1: z = (x - mean) / scale.
///
/// Fit it on the training part alone: what it learns from later steps would leak into the forecasts. `scale`
/// is the population's standard deviation, sqrt(mean((x - mean)^2)). Everything is computed in double, and as
/// precisely for values far from zero as for those around it.
///
/// A feature is a constant, which has no scale, if scale <= 2 epsilon |mean| with double's epsilon
/// of 2.2e-16: its values then differ as 0.3 and 0.1 + 0.2 do, by rounding alone. This is the bound of
/// scikit-learn's StandardScaler for two rows; there it grows with the number of rows, as the error of its
/// sums does.
class StandardScaler {
  public:
    /// A scaler to be fitted.
    StandardScaler() = default;

    /// The scaler with this mean and scale of each feature, such as one that was fitted before. Throws
    /// ValueError unless there are as many of both, one at least, and every mean is finite and every scale a
    /// normal number above 0.
    StandardScaler(std::vector<double> mean, std::vector<double> scale);

    /// Learns mean and scale from one feature. Throws ValueError if there are no values, one is not finite,
    /// or they are a constant; the scaler is then as it was.
    StandardScaler& fit(std::span<const double> values);

    /// Learns mean and scale of each feature: of the last axis for rank 2 and above ([time, D], [B, T, D]),
    /// of the one feature there is for rank 1 ([time]). Throws ShapeError for rank 0, ValueError naming the
    /// feature as above.
    template <Real T>
    StandardScaler& fit(const Tensor<T>& x);

    /// Learns mean and scale of each feature of a series in a file: the same numbers as from a tensor [time,
    /// D] in double of all its steps. It reads the series twice, from its first step to its last, and leaves
    /// it at its first. Throws ValueError as above, and what reading throws.
    StandardScaler& fit(CsvSeriesReader& series);

    /// z = (x - mean) / scale. Throws ValueError before fit, or unless fitted on one feature.
    Series transform(std::span<const double> values) const;

    /// z = (x - mean) / scale, feature by feature, for x [..., D] of the D features that it was fitted on;
    /// with `steps`, as targets of several steps have, for x [..., steps * D], step by step with the features
    /// of a step side by side. If D is 1 a single number [] and a series [time] fit, too. Throws ValueError
    /// before fit and for 0 steps, ShapeError for another last axis.
    template <Real T>
    Tensor<T> transform(const Tensor<T>& x, std::size_t steps = 1) const;

    /// x = z * scale + mean. Throws as transform does.
    Series inverse_transform(std::span<const double> values) const;

    /// x = z * scale + mean, feature by feature, with shapes as in transform: for forecasts [B, horizon * D]
    /// it is inverse_transform(forecasts, horizon). Throws as transform does.
    template <Real T>
    Tensor<T> inverse_transform(const Tensor<T>& z, std::size_t steps = 1) const;

    /// Whether it has mean and scale, from fit or given.
    bool is_fitted() const { return !mean_.empty(); }

    /// Mean of each feature. Throws ValueError before fit.
    const std::vector<double>& mean() const;

    /// Standard deviation of each feature. Throws ValueError before fit.
    const std::vector<double>& scale() const;

    /// The scaler of some of the features, for targets that have only those (WindowOptions::target_features).
    /// Throws ValueError before fit, for no features, and for one that there is not.
    StandardScaler select(std::span<const std::size_t> features) const;

  private:
    template <Real T>
    void fit_rows(const T* x, std::size_t rows, std::size_t features);
    template <class EachRow>
    void fit_each(std::size_t features, const EachRow& each_row);

    void check_fitted(const char* call) const;
    void check_univariate(const char* call) const;
    template <Real T>
    void check_shape(const char* call, const Tensor<T>& x, std::size_t steps) const;

    std::vector<double> mean_;
    std::vector<double> scale_;
};

}  // namespace seqgrad
