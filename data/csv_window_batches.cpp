#include "seqgrad/data/csv_window_batches.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/data/internal/batches.hpp"
#include "seqgrad/data/internal/windows.hpp"

namespace seqgrad {

using detail::setting;

template <Real T>
CsvWindowBatches<T>::CsvWindowBatches(CsvSeriesReader series, CsvWindowOptions options)
    : series_(std::move(series)),
      options_(std::move(options)),
      features_(series_.options().columns.size()),
      step_(Shape{1, features_}) {
    const WindowOptions& windows = options_.windows;
    detail::check_window_options("CsvWindowBatches", windows, features_);
    detail::check_batch_size(options_.batch_size);
    if (options_.scaler && options_.scaler->mean().size() != features_) {
        throw ShapeError(fmt::format("CsvWindowBatches: expected a scaler of {} features, got one of {}",
                                     features_, options_.scaler->mean().size()));
    }
    targets_ = detail::target_features(windows, features_);
    constexpr const char* op = "CsvWindowBatches";
    x_size_ = detail::multiplied(op, windows.window, features_);
    y_size_ = detail::multiplied(op, windows.horizon, targets_.size());
    detail::checked(op, {options_.batch_size, detail::added(op, x_size_, y_size_)});
}

template <Real T>
void CsvWindowBatches<T>::start(Generator& generator) {
    ended_ = true;  // unless the file can be read again
    series_.rewind();
    if (options_.shuffle_buffer != 0) generator_ = generator.split(1)[0];
    steps_.clear();
    buffer_.clear();
    first_step_ = unused_steps_ = windows_ = taken_ = 0;
    ended_ = false;
}

template <Real T>
std::optional<Batch<T>> CsvWindowBatches<T>::next() {
    // Looked at first: there may be no memory for a window that is longer than the series.
    if (buffer_.empty() && !has_window()) {
        if (taken_ != 0) size_ = taken_;
        return std::nullopt;
    }
    Dataset<T> samples{Tensor<T>(Shape{options_.batch_size, options_.windows.window, features_}),
                       Tensor<T>(Shape{options_.batch_size, y_size_})};
    std::size_t count = 0;
    for (; count < options_.batch_size; ++count) {
        const Place to{samples.x.data() + count * x_size_, samples.y.data() + count * y_size_};
        if (!draw(&to)) break;
    }
    ++taken_;
    return Batch<T>{count < options_.batch_size ? samples.slice(0, count) : std::move(samples)};
}

template <Real T>
void CsvWindowBatches<T>::skip(std::size_t batches) {
    for (std::size_t i = 0; i < batches; ++i) {
        std::size_t count = 0;
        while (count < options_.batch_size && draw(nullptr)) ++count;
        if (count == 0) detail::throw_too_far(batches, i);
        ++taken_;
    }
}

template <Real T>
std::optional<std::size_t> CsvWindowBatches<T>::size() const {
    const std::size_t size = size_;
    return size == 0 ? std::nullopt : std::optional(size);
}

template <Real T>
SourceSettings CsvWindowBatches<T>::settings() const {
    const CsvSeriesOptions& series = series_.options();
    SourceSettings all = {setting("columns", features_),
                          setting("begin", series.begin),
                          setting("window", options_.windows.window),
                          setting("horizon", options_.windows.horizon),
                          setting("stride", options_.windows.stride),
                          setting("batch_size", options_.batch_size),
                          setting("shuffle_buffer", options_.shuffle_buffer)};
    if (series.end) all.push_back(setting("end", *series.end));
    return all;
}

/// The next window of the pass, copied to `to` unless that is null; false at the end.
template <Real T>
bool CsvWindowBatches<T>::draw(const Place* to) {
    if (options_.shuffle_buffer == 0) return read_window(to);
    const std::size_t size = x_size_ + y_size_;
    while (buffer_.size() / size < options_.shuffle_buffer && has_window()) {
        const std::size_t end = buffer_.size();
        buffer_.resize(end + size);
        const Place last{&buffer_[end], &buffer_[end + x_size_]};
        read_window(&last);
    }
    if (buffer_.empty()) return false;
    const std::size_t windows = buffer_.size() / size;
    const auto drawn = static_cast<std::size_t>(
        generator_.integers(Shape{1}, 0, static_cast<std::int64_t>(windows)).data()[0]);
    const Place place{&buffer_[drawn * size], &buffer_[drawn * size + x_size_]};
    if (to != nullptr) {
        std::copy_n(place.x, x_size_, to->x);
        std::copy_n(place.y, y_size_, to->y);
    }
    if (!read_window(&place)) {
        if (drawn + 1 < windows) std::copy_n(&buffer_[(windows - 1) * size], size, place.x);
        buffer_.resize(buffer_.size() - size);
    }
    return true;
}

/// Whether the series has another window, all steps of which are then read.
template <Real T>
bool CsvWindowBatches<T>::has_window() {
    const WindowOptions& windows = options_.windows;
    while (!ended_) {
        const std::size_t steps = steps_.size() / features_ - first_step_;
        if (steps >= windows.window && steps - windows.window >= windows.horizon) return true;
        ended_ = !read_step();
        if (ended_ && windows_ == 0) {
            throw ShapeError(fmt::format(
                "CsvWindowBatches: a window of {} and a horizon of {} need as many steps together, got {} "
                "from {}",
                windows.window, windows.horizon, steps, series_.source()));
        }
    }
    return false;
}

/// The next window of the series, copied to `to` unless that is null; false at the end.
template <Real T>
bool CsvWindowBatches<T>::read_window(const Place* to) {
    if (!has_window()) return false;
    const WindowOptions& windows = options_.windows;
    if (to != nullptr)
        detail::copy_window(&steps_[first_step_ * features_], features_, targets_, windows, to->x, to->y);
    const std::size_t passed = std::min(windows.stride, windows.window + windows.horizon);
    first_step_ += passed;
    unused_steps_ = windows.stride - passed;
    ++windows_;
    return true;
}

/// Reads a step of the series; false at its end.
template <Real T>
bool CsvWindowBatches<T>::read_step() {
    for (; unused_steps_ != 0; --unused_steps_) {
        if (!series_.next()) return false;
    }
    if (!series_.next()) return false;
    std::ranges::transform(series_.values(), step_.begin(), [](double v) { return static_cast<T>(v); });
    // Not before half of them are of no use, so that a step is rarely moved more than once.
    if (2 * first_step_ * features_ >= steps_.size()) {
        steps_.erase(steps_.begin(), steps_.begin() + static_cast<std::ptrdiff_t>(first_step_ * features_));
        first_step_ = 0;
    }
    const Tensor<T> step = options_.scaler ? options_.scaler->transform(step_) : step_;
    steps_.insert(steps_.end(), step.begin(), step.end());
    return true;
}

template class CsvWindowBatches<float>;
template class CsvWindowBatches<double>;

}  // namespace seqgrad
