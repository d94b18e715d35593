#include "seqgrad/train/losses/ctc.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad {

namespace {

constexpr double log_zero = -std::numeric_limits<double>::infinity();

/// ln(e^a + e^b), also where one or both are 0's logarithm.
double log_add(double a, double b) {
    const double high = std::max(a, b);
    return high == log_zero ? high : high + std::log1p(std::exp(std::min(a, b) - high));
}

/// What one sample has to name. Of its L labels, with a blank before, between and after, come 2 L + 1 states;
/// odd ones are labels.
struct Sample {
    std::vector<std::size_t> labels;
    std::vector<std::size_t> steps;  ///< positions in time that count

    std::size_t states() const { return 2 * labels.size() + 1; }
    std::size_t class_of(std::size_t state) const { return state % 2 == 0 ? 0 : labels[state / 2]; }
    /// Whether the blank before a state may be skipped: not so between equal labels.
    bool skips(std::size_t state) const {
        return state % 2 == 1 && state > 1 && labels[state / 2] != labels[state / 2 - 1];
    }
};

/// ln softmax of one step's logits, as x_v - the result.
template <class T>
double log_total(const T* x, std::size_t classes) {
    const auto high = static_cast<double>(*std::max_element(x, x + classes));
    double sum = 0;
    for (std::size_t v = 0; v < classes; ++v) sum += std::exp(static_cast<double>(x[v]) - high);
    return high + std::log(sum);
}

/// The logits [T, V] of one sample with what turns them into logarithms of probabilities.
template <class T>
struct Steps {
    const T* logits;
    std::size_t classes;
    std::vector<double> totals;  ///< of every step that counts

    Steps(const T* x, std::size_t n, const Sample& sample) : logits(x), classes(n) {
        for (const std::size_t t : sample.steps) totals.push_back(log_total(x + t * n, n));
    }
    /// ln p of a class at the k-th step that counts.
    double log_p(const Sample& sample, std::size_t k, std::size_t v) const {
        return static_cast<double>(logits[sample.steps[k] * classes + v]) - totals[k];
    }
};

/// alpha [steps, states] of the paper's equation 5 as logarithms: of everything that is named until a step,
/// that step's included, and ends in a state.
template <class T>
std::vector<double> forward(const Sample& sample, const Steps<T>& steps) {
    const std::size_t n = sample.states();
    std::vector<double> alpha(sample.steps.size() * n, log_zero);
    for (std::size_t k = 0; k < sample.steps.size(); ++k) {
        double* const now = alpha.data() + k * n;
        for (std::size_t s = 0; s < n; ++s) {
            double from = log_zero;
            if (k == 0) {
                from = s < 2 ? 0.0 : log_zero;
            } else {
                const double* const before = now - n;
                from = before[s];
                if (s > 0) from = log_add(from, before[s - 1]);
                if (sample.skips(s)) from = log_add(from, before[s - 2]);
            }
            now[s] = from + steps.log_p(sample, k, sample.class_of(s));
        }
    }
    return alpha;
}

/// ln p(labels): of what ends in the last label or the blank after it.
double log_likelihood(const Sample& sample, const std::vector<double>& alpha) {
    if (alpha.empty()) return 0.0;  // no steps, and so no labels
    const double last = alpha.back();
    return sample.labels.empty() ? last : log_add(last, alpha[alpha.size() - 2]);
}

/// Adds scale * d(-ln p(labels)) / d logits to `to` [T, V].
template <class T>
void add_gradient(T* to, const Sample& sample, const Steps<T>& steps, double scale) {
    const std::size_t n = sample.states();
    const std::vector<double> alpha = forward(sample, steps);
    const double whole = log_likelihood(sample, alpha);
    // beta as alpha, of everything that is named after a step; a step's own is alpha's alone.
    std::vector<double> beta(n, log_zero), next(n);
    beta[n - 1] = 0;
    if (n > 1) beta[n - 2] = 0;
    std::vector<double> named(steps.classes);  // p(class at this step | labels)
    for (std::size_t k = sample.steps.size(); k-- > 0;) {
        std::fill(named.begin(), named.end(), 0.0);
        for (std::size_t s = 0; s < n; ++s)
            named[sample.class_of(s)] += std::exp(alpha[k * n + s] + beta[s] - whole);
        T* const row = to + sample.steps[k] * steps.classes;
        for (std::size_t v = 0; v < steps.classes; ++v)
            row[v] += static_cast<T>(scale * (std::exp(steps.log_p(sample, k, v)) - named[v]));
        for (std::size_t s = 0; s < n; ++s) {
            const auto onward = [&](std::size_t to_state) {
                return beta[to_state] + steps.log_p(sample, k, sample.class_of(to_state));
            };
            next[s] = onward(s);
            if (s + 1 < n) next[s] = log_add(next[s], onward(s + 1));
            if (s + 2 < n && sample.skips(s + 2)) next[s] = log_add(next[s], onward(s + 2));
        }
        beta.swap(next);
    }
}

/// Reads and checks a batch.
std::vector<Sample> samples_of(const Tensor<std::int64_t>& labels, const Shape& logits, const Mask* mask) {
    if (logits.size() != 3 || labels.dimension() != 2 || labels.shape(0) != logits[0]) {
        throw ShapeError(
            fmt::format("ctc: expected labels [batch, length] and logits [batch, time, classes], "
                        "got {} and {}",
                        to_string(labels.shape()), to_string(logits)));
    }
    if (mask != nullptr && mask->shape() != Shape{logits[0], logits[1]}) {
        throw ShapeError(fmt::format("ctc: expected a mask of steps [batch={}, time={}], got {}", logits[0],
                                     logits[1], to_string(mask->shape())));
    }
    const std::size_t length = labels.shape(1), time = logits[1];
    std::vector<Sample> samples(logits[0]);
    for (std::size_t b = 0; b < samples.size(); ++b) {
        Sample& sample = samples[b];
        std::size_t needed = 0;
        for (std::size_t i = 0; i < length; ++i) {
            const std::int64_t label = labels.data()[b * length + i];
            if (label == 0) continue;
            if (label < 0 || static_cast<std::size_t>(label) >= logits[2]) {
                throw ValueError(fmt::format(
                    "ctc: label {} at index [{}, {}] lies outside [0, {}), the classes of logits {}", label,
                    b, i, logits[2], to_string(logits)));
            }
            if (sample.labels.size() != i) {
                throw ValueError(fmt::format(
                    "ctc: label {} at index [{}, {}] follows a 0, which is the blank and only fills rows up",
                    label, b, i));
            }
            sample.labels.push_back(static_cast<std::size_t>(label));
            needed += i > 0 && sample.labels[i - 1] == sample.labels[i] ? 2 : 1;
        }
        for (std::size_t t = 0; t < time; ++t) {
            if (mask == nullptr || mask->data()[b * time + t]) sample.steps.push_back(t);
        }
        if (sample.steps.size() < needed) {
            throw ValueError(
                fmt::format("ctc: the {} labels of sample {} need at least {} steps (one each, and one more "
                            "between equal ones), it has {}",
                            sample.labels.size(), b, needed, sample.steps.size()));
        }
    }
    return samples;
}

}  // namespace

template <class T>
Variable<T> ctc(const Tensor<std::int64_t>& labels, const Variable<T>& logits, const Mask* steps) {
    std::vector<Sample> samples = samples_of(labels, logits.shape(), steps);
    const std::size_t classes = logits.shape()[2];
    const std::size_t size = logits.shape()[1] * classes;
    Tensor<T> losses(Shape{samples.size()});
    for (std::size_t b = 0; b < samples.size(); ++b) {
        const Steps<T> of_sample(logits.value().data() + b * size, classes, samples[b]);
        losses.data()[b] = static_cast<T>(-log_likelihood(samples[b], forward(samples[b], of_sample)));
    }
    return record("ctc", std::move(losses), {logits},
                  [logits = save(logits), samples = std::move(samples), classes, size](Backward<T>& pass) {
                      if (!pass.wants(0)) return;
                      Tensor<T> gradient = zeros<T>(logits.shape());
                      for (std::size_t b = 0; b < samples.size(); ++b) {
                          // A loss that was not chosen takes no part, whatever the logits are.
                          if (pass.grad().data()[b] == 0) continue;
                          const Steps<T> steps(logits.value().data() + b * size, classes, samples[b]);
                          add_gradient(gradient.data() + b * size, samples[b], steps,
                                       static_cast<double>(pass.grad().data()[b]));
                      }
                      pass.accumulate(0, std::move(gradient));
                  });
}

template <class T>
Variable<T> CTC::operator()(const Tensor<std::int64_t>& labels, const Variable<T>& logits,
                            const std::type_identity_t<LossWeights<T>>& weights) const {
    LossWeights<T> all = weights;
    const Mask* steps = all.mask ? &*all.mask : logits.mask();
    if (steps == nullptr || steps->dimension() != 2) {
        if (steps != nullptr && !all.mask) all.mask = *steps;
        return reduce_loss(ctc(labels, logits.without_mask(), nullptr), reduction, all);
    }
    // A sample without steps is padding, and so are its labels.
    const Mask of_steps = *steps;
    Tensor<std::int64_t> counted = labels;
    Mask of_samples = full<bool>({of_steps.shape(0)}, false);
    for (std::size_t b = 0; b < of_samples.size(); ++b) {
        const bool* row = of_steps.data() + b * of_steps.shape(1);
        of_samples.data()[b] = std::any_of(row, row + of_steps.shape(1), [](bool counts) { return counts; });
        if (!of_samples.data()[b] && labels.dimension() == 2 && b < labels.shape(0))
            std::fill_n(counted.data() + b * labels.shape(1), labels.shape(1), std::int64_t{0});
    }
    all.mask = std::move(of_samples);
    return reduce_loss(ctc(counted, logits.without_mask(), &of_steps), reduction, all);
}

template Variable<float> ctc(const Tensor<std::int64_t>&, const Variable<float>&, const Mask*);
template Variable<double> ctc(const Tensor<std::int64_t>&, const Variable<double>&, const Mask*);
template Variable<float> CTC::operator()(const Tensor<std::int64_t>&, const Variable<float>&,
                                         const LossWeights<float>&) const;
template Variable<double> CTC::operator()(const Tensor<std::int64_t>&, const Variable<double>&,
                                          const LossWeights<double>&) const;

}  // namespace seqgrad
