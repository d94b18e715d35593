#pragma once

#include <cstddef>
#include <vector>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/data/windows.hpp"

namespace seqgrad::detail {

/// Refuses options that fit no series of `features` features.
void check_window_options(const char* op, const WindowOptions& options, std::size_t features);

/// The features that are forecast of `features`.
std::vector<std::size_t> target_features(const WindowOptions& options, std::size_t features);

/// Copies the window that begins at `first`, of steps of `features` numbers, to x [window, D], and its
/// targets to y [horizon * F].
template <Real T>
void copy_window(const T* first, std::size_t features, const std::vector<std::size_t>& targets,
                 const WindowOptions& options, T* x, T* y);

extern template void copy_window(const float*, std::size_t, const std::vector<std::size_t>&,
                                 const WindowOptions&, float*, float*);
extern template void copy_window(const double*, std::size_t, const std::vector<std::size_t>&,
                                 const WindowOptions&, double*, double*);

}  // namespace seqgrad::detail
