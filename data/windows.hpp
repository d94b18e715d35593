#pragma once

#include <cstddef>
#include <vector>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/data/dataset.hpp"

namespace seqgrad {

/// How windows are cut from a series; all in steps of time.
struct WindowOptions {
    std::size_t window = 24;                        ///< steps a model sees
    std::size_t horizon = 1;                        ///< steps it forecasts, those right after the window
    std::size_t stride = 1;                         ///< steps from one window to the next
    std::vector<std::size_t> target_features = {};  ///< features to forecast; none named means all
};

/// Every whole window of a series [time, D] (or [time], with D = 1) and the steps that follow it.
///
/// x is [N, window, D] and y is [N, horizon * F], step by step with the F forecast features side by side;
/// window i begins at step i * stride. Throws ShapeError unless the series holds window + horizon steps,
/// ValueError for a window, horizon or stride of 0 and for a target feature that the series has not.
template <Real T>
Dataset<T> make_windows(const Tensor<T>& series, const WindowOptions& options = {});

/// Windows of a series split in time: all of a training window and its targets lie before step `split`, all
/// targets of a test window at `split` or after. The first test window reaches back into the training part,
/// so that the very first step after the split is forecast too. Throws as make_windows does, and ShapeError
/// when either part has no window.
template <Real T>
TrainTest<T> split_windows(const Tensor<T>& series, std::size_t split, const WindowOptions& options = {});

}  // namespace seqgrad
