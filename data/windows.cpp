#include "seqgrad/data/windows.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/data/internal/windows.hpp"

namespace seqgrad {

namespace detail {

void check_window_options(const char* op, const WindowOptions& options, std::size_t features) {
    if (options.window == 0 || options.horizon == 0 || options.stride == 0) {
        throw ValueError(
            fmt::format("{}: expected a window, horizon and stride of 1 or more steps, got {}, {} and {}", op,
                        options.window, options.horizon, options.stride));
    }
    for (const std::size_t f : options.target_features) {
        if (f >= features)
            throw ValueError(fmt::format("{}: no target feature {} among {}", op, f, features));
    }
}

std::vector<std::size_t> target_features(const WindowOptions& options, std::size_t features) {
    std::vector<std::size_t> targets = options.target_features;
    if (targets.empty()) {
        targets.resize(features);
        std::iota(targets.begin(), targets.end(), std::size_t{0});
    }
    return targets;
}

template <Real T>
void copy_window(const T* first, std::size_t features, const std::vector<std::size_t>& targets,
                 const WindowOptions& options, T* x, T* y) {
    std::copy_n(first, options.window * features, x);
    for (std::size_t h = 0; h < options.horizon; ++h) {
        const T* step = first + (options.window + h) * features;
        for (const std::size_t f : targets) *y++ = step[f];
    }
}

template void copy_window(const float*, std::size_t, const std::vector<std::size_t>&, const WindowOptions&,
                          float*, float*);
template void copy_window(const double*, std::size_t, const std::vector<std::size_t>&, const WindowOptions&,
                          double*, double*);

}  // namespace detail

namespace {

/// Features of a series [time, D] or [time].
template <Real T>
std::size_t feature_count(const char* op, const Tensor<T>& series) {
    if (series.dimension() == 1) return 1;
    if (series.dimension() == 2) return series.shape(1);
    throw ShapeError(fmt::format("{}: expected a series [time] or [time, features], got {}", op,
                                 to_string(series.shape())));
}

/// Windows that, with their targets, lie within `steps` steps.
std::size_t window_count(std::size_t steps, const WindowOptions& options) {
    if (steps < options.window || steps - options.window < options.horizon) return 0;
    return (steps - options.window - options.horizon) / options.stride + 1;
}

/// The windows that, with their targets, lie in steps [begin, end) of the series.
template <Real T>
Dataset<T> cut_windows(const Tensor<T>& series, std::size_t features, std::size_t begin, std::size_t end,
                       const WindowOptions& options) {
    const std::vector<std::size_t> targets = detail::target_features(options, features);
    const std::size_t samples = window_count(end - begin, options);
    const std::size_t y_size = detail::multiplied("windows", options.horizon, targets.size());
    Dataset<T> out{Tensor<T>(detail::checked("windows", {samples, options.window, features})),
                   Tensor<T>(detail::checked("windows", {samples, y_size}))};
    for (std::size_t i = 0; i < samples; ++i) {
        detail::copy_window(series.data() + (begin + i * options.stride) * features, features, targets,
                            options, out.x.data() + i * options.window * features,
                            out.y.data() + i * options.horizon * targets.size());
    }
    return out;
}

}  // namespace

template <Real T>
Dataset<T> make_windows(const Tensor<T>& series, const WindowOptions& options) {
    const std::size_t features = feature_count("make_windows", series);
    detail::check_window_options("make_windows", options, features);
    const std::size_t steps = series.shape(0);
    if (window_count(steps, options) == 0) {
        throw ShapeError(
            fmt::format("make_windows: a window of {} and a horizon of {} need as many steps together, got a "
                        "series {}",
                        options.window, options.horizon, to_string(series.shape())));
    }
    return cut_windows(series, features, 0, steps, options);
}

template <Real T>
TrainTest<T> split_windows(const Tensor<T>& series, std::size_t split, const WindowOptions& options) {
    const std::size_t features = feature_count("split_windows", series);
    detail::check_window_options("split_windows", options, features);
    const std::size_t steps = series.shape(0);
    if (window_count(split, options) == 0 || split > steps || steps - split < options.horizon) {
        throw ShapeError(fmt::format(
            "split_windows: expected at least window + horizon = {} + {} steps before the split and "
            "{} after it, got a split at {} of a series {}",
            options.window, options.horizon, options.horizon, split, to_string(series.shape())));
    }
    return {cut_windows(series, features, 0, split, options),
            cut_windows(series, features, split - options.window, steps, options)};
}

template Dataset<float> make_windows(const Tensor<float>&, const WindowOptions&);
template Dataset<double> make_windows(const Tensor<double>&, const WindowOptions&);
template TrainTest<float> split_windows(const Tensor<float>&, std::size_t, const WindowOptions&);
template TrainTest<double> split_windows(const Tensor<double>&, std::size_t, const WindowOptions&);

}  // namespace seqgrad
