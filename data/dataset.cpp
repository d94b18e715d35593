#include "seqgrad/data/dataset.hpp"

#include <algorithm>
#include <limits>

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

}  // namespace

template <Real T>
std::size_t Dataset<T>::size() const {
    if (x.dimension() == 0 || y.dimension() == 0 || x.shape(0) != y.shape(0)) {
        throw ShapeError(fmt::format("dataset: expected inputs [N, ...] and targets [N, ...], got {} and {}",
                                     to_string(x.shape()), to_string(y.shape())));
    }
    return x.shape(0);
}

template <Real T>
Dataset<T> Dataset<T>::slice(std::size_t begin, std::size_t end) const {
    const std::size_t n = size();
    if (begin > end || end > n) {
        throw ValueError(fmt::format("dataset: no samples [{}, {}) among {}", begin, end, n));
    }
    return {slice_samples(x, begin, end), slice_samples(y, begin, end)};
}

template <Real T>
Dataset<T> Dataset<T>::select(std::span<const std::size_t> samples) const {
    const std::size_t n = size();
    for (const std::size_t sample : samples) {
        if (sample >= n) throw ValueError(fmt::format("dataset: no sample {} among {}", sample, n));
    }
    return {select_samples(x, samples), select_samples(y, samples)};
}

template <Real T>
Tensor<T> from_integers(const Tensor<std::int64_t>& integers) {
    constexpr std::int64_t largest = std::int64_t{1} << std::numeric_limits<T>::digits;
    for (const std::int64_t i : elements(integers)) {
        if (i > largest || i < -largest) {
            throw ValueError(
                fmt::format("from_integers: {} lies outside [-{}, {}], the integers that {} holds exactly", i,
                            largest, largest, sizeof(T) == sizeof(float) ? "float" : "double"));
        }
    }
    return cast<T>(integers);
}

template struct Dataset<float>;
template struct Dataset<double>;
template Tensor<float> from_integers<float>(const Tensor<std::int64_t>&);
template Tensor<double> from_integers<double>(const Tensor<std::int64_t>&);

}  // namespace seqgrad
