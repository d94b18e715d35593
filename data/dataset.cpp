#include "seqgrad/data/dataset.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad {

namespace {

/// Elements of one sample of a tensor [N, ...].
template <Real T>
std::size_t sample_size(const Tensor<T>& t) {
    return element_count(Shape(t.shape().begin() + 1, t.shape().end()));
}

template <Real T>
Shape with_samples(const Tensor<T>& t, std::size_t samples) {
    Shape shape(t.shape().begin(), t.shape().end());
    shape[0] = samples;
    return shape;
}

template <Real T>
Tensor<T> slice_samples(const Tensor<T>& t, std::size_t begin, std::size_t end) {
    const std::size_t size = sample_size(t);
    Tensor<T> out(with_samples(t, end - begin));
    std::copy(t.data() + begin * size, t.data() + end * size, out.data());
    return out;
}

template <Real T>
Tensor<T> select_samples(const Tensor<T>& t, std::span<const std::size_t> samples) {
    const std::size_t size = sample_size(t);
    Tensor<T> out(with_samples(t, samples.size()));
    for (std::size_t i = 0; i < samples.size(); ++i) {
        std::copy_n(t.data() + samples[i] * size, size, out.data() + i * size);
    }
    return out;
}

/// Samples of the first part, when there are some in both.
template <Real T>
std::size_t train_samples(const char* call, const Dataset<T>& data, double fraction) {
    const std::size_t n = data.size();
    const std::size_t train = split_point(n, fraction);
    if (train == 0 || train == n) {
        throw ValueError(fmt::format("{}: a fraction {} of {} samples leaves one part without samples", call,
                                     fraction, n));
    }
    return train;
}

}  // namespace

template <Real T>
std::size_t Dataset<T>::size() const {
    if (x.dimension() == 0 || y.dimension() == 0 || x.shape(0) != y.shape(0)) {
        throw ShapeError(fmt::format("dataset: expected inputs [N, ...] and targets [N, ...], got {} and {}",
                                     to_string(x.shape()), to_string(y.shape())));
    }
    if (sample_weight && (sample_weight->dimension() == 0 || sample_weight->shape(0) != x.shape(0))) {
        throw ShapeError(fmt::format("dataset: expected sample weights [{}, ...], got {}", x.shape(0),
                                     to_string(sample_weight->shape())));
    }
    for (const Tensor<T>& input : more_inputs) {
        if (input.dimension() == 0 || input.shape(0) != x.shape(0)) {
            throw ShapeError(fmt::format("dataset: expected further inputs [{}, ...], got {}", x.shape(0),
                                         to_string(input.shape())));
        }
    }
    return x.shape(0);
}

template <Real T>
Dataset<T> Dataset<T>::slice(std::size_t begin, std::size_t end) const {
    const std::size_t n = size();
    if (begin > end || end > n) {
        throw ValueError(fmt::format("dataset: no samples [{}, {}) among {}", begin, end, n));
    }
    Dataset part{slice_samples(x, begin, end), slice_samples(y, begin, end)};
    if (sample_weight) part.sample_weight = slice_samples(*sample_weight, begin, end);
    for (const Tensor<T>& input : more_inputs) part.more_inputs.push_back(slice_samples(input, begin, end));
    return part;
}

template <Real T>
Dataset<T> Dataset<T>::select(std::span<const std::size_t> samples) const {
    const std::size_t n = size();
    for (const std::size_t sample : samples) {
        if (sample >= n) throw ValueError(fmt::format("dataset: no sample {} among {}", sample, n));
    }
    Dataset part{select_samples(x, samples), select_samples(y, samples)};
    if (sample_weight) part.sample_weight = select_samples(*sample_weight, samples);
    for (const Tensor<T>& input : more_inputs) part.more_inputs.push_back(select_samples(input, samples));
    return part;
}

std::size_t split_point(std::size_t steps, double fraction) {
    if (!(fraction > 0 && fraction < 1)) {
        throw ValueError(fmt::format("split_point: expected a fraction between 0 and 1, got {}", fraction));
    }
    // A product that falls short of a whole number by rounding alone, such as 0.29 * 100, counts as that
    // number.
    const double product = fraction * static_cast<double>(steps);
    const double nearest = std::round(product);
    return static_cast<std::size_t>(std::abs(product - nearest) < 1e-9 * nearest ? nearest
                                                                                 : std::floor(product));
}

template <Real T>
TrainTest<T> split_in_time(const Dataset<T>& data, double fraction) {
    const std::size_t train = train_samples("split_in_time", data, fraction);
    return {data.slice(0, train), data.slice(train, data.size())};
}

template <Real T>
TrainTest<T> split_at_random(const Dataset<T>& data, double fraction, Generator& generator) {
    const std::size_t train = train_samples("split_at_random", data, fraction);
    const Tensor<std::int64_t> order = generator.permutation(data.size());
    const std::vector<std::size_t> samples(order.begin(), order.end());
    return {data.select(std::span(samples).first(train)), data.select(std::span(samples).subspan(train))};
}

template struct Dataset<float>;
template struct Dataset<double>;
template TrainTest<float> split_in_time(const Dataset<float>&, double);
template TrainTest<double> split_in_time(const Dataset<double>&, double);
template TrainTest<float> split_at_random(const Dataset<float>&, double, Generator&);
template TrainTest<double> split_at_random(const Dataset<double>&, double, Generator&);

}  // namespace seqgrad
