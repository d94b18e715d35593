#include "seqgrad/data/scaler.hpp"

#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/data/csv_series_reader.hpp"

namespace seqgrad {
namespace {

/// A standard deviation of up to so many times the mean is rounding, not a signal.
constexpr double rounding = 2 * std::numeric_limits<double>::epsilon();

}  // namespace

StandardScaler::StandardScaler(std::vector<double> mean, std::vector<double> scale) {
    if (mean.empty() || mean.size() != scale.size()) {
        throw ValueError(
            fmt::format("StandardScaler: expected one mean and one scale for each feature, got {} and {}",
                        mean.size(), scale.size()));
    }
    for (std::size_t f = 0; f < mean.size(); ++f) {
        if (!std::isfinite(mean[f])) {
            throw ValueError(
                fmt::format("StandardScaler: feature {}: expected a finite mean, got {}", f, mean[f]));
        }
        if (!std::isnormal(scale[f]) || scale[f] < 0) {
            throw ValueError(fmt::format(
                "StandardScaler: feature {}: expected a scale that is a normal number above 0, got {}", f,
                scale[f]));
        }
    }
    mean_ = std::move(mean);
    scale_ = std::move(scale);
}

StandardScaler& StandardScaler::fit(std::span<const double> values) {
    fit_rows(values.data(), values.size(), 1);
    return *this;
}

template <Real T>
StandardScaler& StandardScaler::fit(const Tensor<T>& x) {
    if (x.dimension() == 0) {
        throw ShapeError("StandardScaler: expected values [time] or [..., features], got " +
                         to_string(x.shape()));
    }
    const std::size_t features = x.dimension() == 1 ? 1 : x.shape(x.dimension() - 1);
    fit_rows(x.data(), features == 0 ? 0 : x.size() / features, features);
    return *this;
}

StandardScaler& StandardScaler::fit(CsvSeriesReader& series) {
    fit_each(series.options().columns.size(), [&series](const auto& see) {
        series.rewind();
        while (series.next()) see(series.values().data());
    });
    series.rewind();
    return *this;
}

template <Real T>
void StandardScaler::fit_rows(const T* x, std::size_t rows, std::size_t features) {
    fit_each(features, [=](const auto& see) {
        for (std::size_t r = 0; r < rows; ++r) see(x + r * features);
    });
}

/// Fits rows of `features` numbers, which `each_row` hands to the function that it is given, every time.
///
/// Everything is added up as differences from the first row, so that digits that all rows share cost none of
/// the precision, and the second pass corrects the mean of the first one by what its rounding left over.
template <class EachRow>
void StandardScaler::fit_each(std::size_t features, const EachRow& each_row) {
    std::size_t rows = 0;
    std::vector<double> first(features), shifts(features);
    std::vector<bool> constant(features, true);
    each_row([&](const auto* row) {
        for (std::size_t f = 0; f < features; ++f) {
            const double value = row[f];
            if (!std::isfinite(value)) {
                throw ValueError(fmt::format(
                    "StandardScaler: feature {}, row {}: expected a finite value, got {}", f, rows, value));
            }
            if (rows == 0) first[f] = value;
            if (value != first[f]) constant[f] = false;
            shifts[f] += value - first[f];
        }
        ++rows;
    });
    if (rows == 0) throw ValueError("StandardScaler: expected values to fit, got none");
    const auto n = static_cast<double>(rows);
    for (std::size_t f = 0; f < features; ++f) {
        if (constant[f]) {
            throw ValueError(
                fmt::format("StandardScaler: feature {} is {} in all {} rows: a constant has no scale; leave "
                            "the feature out",
                            f, first[f], rows));
        }
        shifts[f] /= n;
    }
    std::vector<double> rests(features), squares(features);
    each_row([&](const auto* row) {
        for (std::size_t f = 0; f < features; ++f) {
            const double deviation = row[f] - first[f] - shifts[f];
            rests[f] += deviation;
            squares[f] += deviation * deviation;
        }
    });
    std::vector<double> means(features), scales(features);
    for (std::size_t f = 0; f < features; ++f) {
        const double rest = rests[f] / n;
        means[f] = first[f] + shifts[f] + rest;
        scales[f] = std::sqrt(squares[f] / n - rest * rest);
        if (!std::isnormal(scales[f])) {
            throw ValueError(fmt::format(
                "StandardScaler: feature {} has a standard deviation beyond the range of double", f));
        }
        if (scales[f] <= rounding * std::abs(means[f])) {
            throw ValueError(
                fmt::format("StandardScaler: feature {} is {} in all {} rows, but for rounding (its standard "
                            "deviation is {}): a constant has no scale; leave the feature out",
                            f, means[f], rows, scales[f]));
        }
    }
    mean_ = std::move(means);
    scale_ = std::move(scales);
}

Series StandardScaler::transform(std::span<const double> values) const {
    check_univariate("transform");
    Series out(values.begin(), values.end());
    for (double& v : out) v = (v - mean_[0]) / scale_[0];
    return out;
}

template <Real T>
Tensor<T> StandardScaler::transform(const Tensor<T>& x, std::size_t steps) const {
    check_shape("transform", x, steps);
    Tensor<T> out(x.shape());
    for (std::size_t i = 0; i < x.size(); ++i) {
        const std::size_t f = i % mean_.size();
        out.data()[i] = static_cast<T>((x.data()[i] - mean_[f]) / scale_[f]);
    }
    return out;
}

Series StandardScaler::inverse_transform(std::span<const double> values) const {
    check_univariate("inverse_transform");
    Series out(values.begin(), values.end());
    for (double& v : out) v = v * scale_[0] + mean_[0];
    return out;
}

template <Real T>
Tensor<T> StandardScaler::inverse_transform(const Tensor<T>& z, std::size_t steps) const {
    check_shape("inverse_transform", z, steps);
    Tensor<T> out(z.shape());
    for (std::size_t i = 0; i < z.size(); ++i) {
        const std::size_t f = i % mean_.size();
        out.data()[i] = static_cast<T>(z.data()[i] * scale_[f] + mean_[f]);
    }
    return out;
}

const std::vector<double>& StandardScaler::mean() const {
    check_fitted("mean");
    return mean_;
}

const std::vector<double>& StandardScaler::scale() const {
    check_fitted("scale");
    return scale_;
}

StandardScaler StandardScaler::select(std::span<const std::size_t> features) const {
    check_fitted("select");
    if (features.empty()) throw ValueError("StandardScaler: select expected one feature or more, got none");
    StandardScaler out;
    for (const std::size_t f : features) {
        if (f >= mean_.size()) {
            throw ValueError(
                fmt::format("StandardScaler: select found no feature {} among {}", f, mean_.size()));
        }
        out.mean_.push_back(mean_[f]);
        out.scale_.push_back(scale_[f]);
    }
    return out;
}

void StandardScaler::check_fitted(const char* call) const {
    if (!is_fitted()) {
        throw ValueError(fmt::format(
            "StandardScaler: {} needs a fitted scaler; call fit on the training part first", call));
    }
}

void StandardScaler::check_univariate(const char* call) const {
    check_fitted(call);
    if (mean_.size() != 1) {
        throw ValueError(fmt::format("StandardScaler: {} got one series, but was fitted on {} features", call,
                                     mean_.size()));
    }
}

template <Real T>
void StandardScaler::check_shape(const char* call, const Tensor<T>& x, std::size_t steps) const {
    check_fitted(call);
    if (steps == 0) throw ValueError(fmt::format("StandardScaler: {} expected 1 step or more, got 0", call));
    const std::size_t D = mean_.size(), rank = x.dimension();
    if (D == 1 && steps == 1 && rank < 2) return;
    // Divided rather than multiplied, which could overflow.
    if (rank != 0 && x.shape(rank - 1) % D == 0 && x.shape(rank - 1) / D == steps) return;
    throw ShapeError(fmt::format(
        "StandardScaler: {} expected a last axis of the {} feature{} that it was fitted on{}, got {}{}", call,
        D, D == 1 ? "" : "s", steps == 1 ? "" : fmt::format(" times {} steps", steps), to_string(x.shape()),
        steps == 1 ? "; say how many steps stand side by side, if several do, or fit it on as many features"
                   : ""));
}

template StandardScaler& StandardScaler::fit(const Tensor<float>&);
template StandardScaler& StandardScaler::fit(const Tensor<double>&);
template Tensor<float> StandardScaler::transform(const Tensor<float>&, std::size_t) const;
template Tensor<double> StandardScaler::transform(const Tensor<double>&, std::size_t) const;
template Tensor<float> StandardScaler::inverse_transform(const Tensor<float>&, std::size_t) const;
template Tensor<double> StandardScaler::inverse_transform(const Tensor<double>&, std::size_t) const;

}  // namespace seqgrad
