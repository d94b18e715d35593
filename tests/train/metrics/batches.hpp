#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/train/losses/reduction.hpp"
#include "seqgrad/train/metrics/metric.hpp"

namespace seqgrad::test {

/// Samples first..last of a tensor whose first axis is that of samples.
template <class E>
Tensor<E> samples(const Tensor<E>& all, std::size_t first, std::size_t last) {
    Shape shape(all.shape().begin(), all.shape().end());
    const std::size_t size = all.size() / shape[0];
    shape[0] = last - first;
    Tensor<E> some(shape);
    std::copy(all.data() + first * size, all.data() + last * size, some.data());
    return some;
}

/// Samples with what counts of them.
template <class T>
struct Samples {
    Tensor<T> y_true, y_pred;
    LossWeights<T> weights = {};

    std::size_t count() const { return y_true.shape()[0]; }
    Samples range(std::size_t first, std::size_t last) const {
        Samples some{samples(y_true, first, last), samples(y_pred, first, last)};
        if (weights.sample_weight) some.weights.sample_weight = samples(*weights.sample_weight, first, last);
        if (weights.mask) some.weights.mask = samples(*weights.mask, first, last);
        return some;
    }
};

template <class T>
void update(Metric<T>& metric, const Samples<T>& batch) {
    metric.update(batch.y_true, batch.y_pred, batch.weights);
}

/// The metric of all samples, given in batches that end at these samples.
template <class T>
double result_of(Metric<T> metric, const Samples<T>& all, const std::vector<std::size_t>& ends) {
    std::size_t first = 0;
    for (const std::size_t end : ends) {
        update(metric, all.range(first, end));
        first = end;
    }
    return metric.result();
}
template <class T>
double result_of(const Metric<T>& metric, const Samples<T>& all) {
    return result_of(metric, all, {all.count()});
}

/// Reproducible numbers.
class Numbers {
  public:
    explicit Numbers(std::uint32_t seed) : engine_(seed) {}

    /// In [0, 1).
    double uniform() { return static_cast<double>(engine_()) / 4294967296.0; }
    /// A whole number below n.
    std::size_t below(std::size_t n) { return static_cast<std::size_t>(uniform() * static_cast<double>(n)); }

    Tensor<double> between(double low, double high, const Shape& shape) {
        Tensor<double> t(shape);
        for (double& x : elements(t)) x = low + (high - low) * uniform();
        return t;
    }
    Tensor<double> labels(std::size_t classes, const Shape& shape) {
        Tensor<double> t(shape);
        for (double& x : elements(t)) x = static_cast<double>(below(classes));
        return t;
    }
    Mask mask(double share, const Shape& shape) {
        Mask t(shape);
        for (bool& x : elements(t)) x = uniform() < share;
        return t;
    }

  private:
    std::mt19937 engine_;
};

/// Targets that are 1 at the label and 0 elsewhere.
inline Tensor<double> one_hot(const Tensor<double>& labels, std::size_t classes) {
    Shape shape(labels.shape().begin(), labels.shape().end());
    shape.push_back(classes);
    Tensor<double> t = zeros<double>(shape);
    for (std::size_t i = 0; i < labels.size(); ++i)
        t.data()[i * classes + static_cast<std::size_t>(labels.data()[i])] = 1;
    return t;
}

/// Rows of positive numbers divided by their sums.
inline Tensor<double> probabilities(Numbers& numbers, const Shape& shape) {
    Tensor<double> p = numbers.between(0.05, 1, shape);
    for (std::size_t first = 0; first < p.size(); first += shape.back()) {
        double sum = 0;
        for (std::size_t i = 0; i < shape.back(); ++i) sum += p.data()[first + i];
        for (std::size_t i = 0; i < shape.back(); ++i) p.data()[first + i] /= sum;
    }
    return p;
}

}  // namespace seqgrad::test
