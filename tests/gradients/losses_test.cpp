#include "seqgrad/train/losses.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <numbers>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "gradients/harness.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"

using namespace gradients;
using oracle::Array;
using oracle::Arrays;
using oracle::Dual;
using oracle::Index;
using oracle::List;
using oracle::Real;
using seqgrad::Mask;
using seqgrad::Reduction;
using seqgrad::Tensor;

namespace {

// As in Keras 1e-7 is a double's everywhere.
constexpr double epsilon = 1e-7;

const std::vector<Index> shapes{{1},    {3},       {1, 1},    {4, 1},   {2, 3},
                                {0, 3}, {2, 0, 3}, {2, 3, 5}, {2, 131}, {13, 1, 2}};

seqgrad::Shape shape_of(const Index& shape) {
    return seqgrad::Shape(shape.begin(), shape.end());
}
Index without_last(const Index& shape) {
    return Index(shape.begin(), shape.end() - 1);
}

/// A tensor of a shape: the numbers given, over and over.
Tensor<double> repeating(const Index& shape, const std::vector<double>& numbers) {
    Tensor<double> out(shape_of(shape));
    for (std::size_t i = 0; i < out.size(); ++i) out.data()[i] = numbers[i % numbers.size()];
    return out;
}

/// The loss of a row of targets and predictions.
using OfRow = std::function<Dual(const List&, const List&)>;

/// Rows of the last axis one by one.
Array by_row(const Array& p, const Tensor<double>& y, const OfRow& f) {
    const std::size_t n = p.shape.back();
    const std::size_t of_y = y.size() == p.data.size() ? n : 1;
    Array out{without_last(p.shape), {}};
    for (std::size_t row = 0; row < oracle::count(out.shape); ++row) {
        List t, q;
        for (std::size_t i = 0; i < of_y; ++i) t.emplace_back(static_cast<Real>(y.data()[row * of_y + i]));
        for (std::size_t i = 0; i < n; ++i) q.push_back(p.data[row * n + i]);
        out.data.push_back(f(t, q));
    }
    return out;
}

/// A loss by row on predictions of a shape.
template <class Loss>
void check(const std::string& name, const Loss& loss, const Index& shape, const Tensor<double>& y,
           const Domain& domain, const OfRow& of_row) {
    run({name, [=]<class T>(Operands<T> x) { return loss(seqgrad::cast<T>(y), x[0]); },
         [=](const Arrays& x) { return by_row(x[0], y, of_row); }, domain},
        {{shape}});
}

/// A loss by row on predictions [6, 6] of which every third is negative, and so clipped.
template <class Loss>
void check_clipped(const std::string& name, const Loss& loss, const Tensor<double>& y, const OfRow& of_row) {
    const Tensor<double> factors = repeating({6, 6}, {1, 1, -0.1});
    run({name,
         [=]<class T>(Operands<T> x) {
             return loss(seqgrad::cast<T>(y), x[0] * seqgrad::constant(seqgrad::cast<T>(factors)));
         },
         [=](const Arrays& x) {
             Array p = x[0];
             for (std::size_t i = 0; i < p.data.size(); ++i) p.data[i] = p.data[i] * factors.data()[i];
             return by_row(p, y, of_row);
         },
         Domain{.low = 0.1, .high = 0.9}},
        {{{6, 6}}});
}

template <class Loss>
void check(const std::string& name, const Loss& loss, const std::vector<double>& numbers,
           const Domain& domain, const OfRow& of_row) {
    for (const Index& shape : shapes) check(name, loss, shape, repeating(shape, numbers), domain, of_row);
}

/// Whether gradients that must be 0 are, but for the rounding of terms of this size that cancel.
template <class T, class Loss>
void check_without_gradient(const Loss& loss, const Tensor<double>& y, const Tensor<double>& p, double size) {
    const seqgrad::Variable<T> predictions = seqgrad::parameter(seqgrad::cast<T>(p));
    const seqgrad::Variable<T> losses = loss(seqgrad::cast<T>(y), predictions);
    backward(losses, seqgrad::full<T>(losses.shape(), T{1}));
    const Tensor<T> gradient = predictions.grad();
    REQUIRE(gradient.shape() == p.shape());
    for (std::size_t i = 0; i < gradient.size(); ++i)
        CHECK(std::abs(gradient.data()[i]) <= 4 * std::numeric_limits<T>::epsilon() * size);
}

/// A mean over a row.
OfRow mean_of(const std::function<Dual(Dual, Dual)>& f) {
    return [f](const List& t, const List& p) {
        Dual sum;
        for (std::size_t i = 0; i < t.size(); ++i) sum += f(t[i], p[i]);
        return sum / static_cast<Real>(t.size());
    };
}

OfRow with_logits(const OfRow& of_probabilities) {
    return [=](const List& t, const List& x) { return of_probabilities(t, oracle::softmax(x)); };
}

Dual at_least(Real low, Dual p) {
    return p < low ? Dual(low) : p;
}

const std::vector<double> numbers{0.5, -0.75};
const std::vector<double> classes{0.1, 0.7, 0, 0.2, 1};
const Domain probabilities{.low = 0.1, .high = 0.9};
const Domain logits{.low = -4, .high = 4};

// The losses of a row, as plainly as they can be written.

const OfRow squared = mean_of([](Dual t, Dual p) { return (p - t) * (p - t); });
const OfRow absolute = mean_of([](Dual t, Dual p) { return abs(p - t); });
const OfRow percentage =
    mean_of([](Dual t, Dual p) { return 100 * abs((p - t) / at_least(epsilon, abs(t))); });
const OfRow logarithmic = mean_of([](Dual t, Dual p) {
    const Dual d = log1p(at_least(epsilon, p)) - log1p(at_least(epsilon, t));
    return d * d;
});
OfRow huber_of(Real delta) {
    return mean_of([=](Dual t, Dual p) {
        const Dual e = abs(p - t);
        return e > delta ? delta * e - delta * delta / 2 : e * e / 2;
    });
}
// Keras takes a float's ln 2 away in double too. That moves the value, by 2e-9, and no derivative.
const OfRow log_of_cosh =
    mean_of([](Dual t, Dual p) { return log(exp(p - t) + exp(t - p)) - Real{std::numbers::ln2_v<float>}; });

Dual minus_cosine(const List& t, const List& p) {
    Dual product, of_t, of_p;
    for (std::size_t i = 0; i < t.size(); ++i) {
        product += t[i] * p[i];
        of_t += t[i] * t[i];
        of_p += p[i] * p[i];
    }
    return -product / sqrt(of_t * of_p);
}

OfRow binary(Real s) {
    return mean_of([=](Dual t, Dual p) {
        const Dual moved = t * (1 - s) + s / 2;
        const Dual q = at_least(epsilon, p);
        return -moved * log(q) - (1 - moved) * log(1 - q);
    });
}
OfRow binary_of_logits(Real s) {
    return mean_of([=](Dual t, Dual x) {
        const Dual moved = t * (1 - s) + s / 2;
        return log1p(exp(x)) - moved * x;
    });
}
OfRow categorical(Real s) {
    return [=](const List& t, const List& p) {
        Dual loss;
        for (std::size_t i = 0; i < t.size(); ++i)
            loss += -(t[i] * (1 - s) + s / static_cast<Real>(t.size())) *
                    log(at_least(epsilon, p[i] / oracle::sum(p)));
        return loss;
    };
}
/// t holds one label.
Dual sparse(const List& t, const List& p) {
    Dual whole;
    for (const Dual& v : p) whole += at_least(epsilon, v);
    return log(whole) - log(at_least(epsilon, p[static_cast<std::size_t>(t[0].v)]));
}
Dual divergence(const List& t, const List& p) {
    const auto clipped = [](Dual v) { return v > 1 ? Dual(1) : at_least(epsilon, v); };
    Dual sum;
    for (std::size_t i = 0; i < t.size(); ++i) sum += clipped(t[i]) * log(clipped(t[i]) / clipped(p[i]));
    return sum;
}

/// Labels of predictions of a shape: every class in turn.
Tensor<double> labels_of(const Index& shape) {
    Tensor<double> out(shape_of(without_last(shape)));
    for (std::size_t i = 0; i < out.size(); ++i) out.data()[i] = static_cast<double>(i % shape.back());
    return out;
}

// Samples and time steps that count, and how much.

constexpr Reduction reductions[] = {Reduction::sum_over_batch_size, Reduction::mean,
                                    Reduction::mean_with_sample_weight, Reduction::sum, Reduction::none};

/// Weights and a mask for losses of a shape, for the library and as they stand beside every loss.
struct Weighting {
    const char* name;
    std::optional<Tensor<double>> sample_weight = {};
    std::optional<Mask> mask = {};
    bool own_mask = false;  ///< the mask is the predictions' own
};

Tensor<double> weights_of(const Index& shape) {
    return repeating(shape, {0.5, 2, -1.5, 0, 1.25});
}
Mask mask_of(const Index& shape) {
    Mask mask(shape_of(shape));
    for (std::size_t i = 0; i < mask.size(); ++i) mask.data()[i] = i % 3 != 1;
    return mask;
}

/// Every kind of weights and masks that losses [B] or [B, T] can have.
std::vector<Weighting> weightings(const Index& losses) {
    const Index B{losses[0]};
    std::vector<Weighting> all{{"plain"},
                               {"weights of samples", weights_of(B)},
                               {"mask of samples", {}, mask_of(B)},
                               {"own mask of samples", {}, mask_of(B), true},
                               {"weights and mask of samples", weights_of(B), mask_of(B)},
                               {"weights 0", repeating(B, {0})},
                               {"nothing counts", {}, seqgrad::full<bool>(shape_of(B), false)}};
    if (losses.size() > 1) {
        const std::vector<Weighting> of_steps{
            {"weights of steps", weights_of(losses)},
            {"mask of steps", {}, mask_of(losses)},
            {"own mask of steps", {}, mask_of(losses), true},
            {"weights and mask of steps", weights_of(losses), mask_of(losses)},
            {"weights of steps, mask of samples", weights_of(losses), mask_of(B)},
            {"weights of samples, own mask of steps", weights_of(B), mask_of(losses), true},
            {"weights of all samples' steps", weights_of({1, losses[1]})}};
        all.insert(all.end(), of_steps.begin(), of_steps.end());
    }
    return all;
}

template <class T>
seqgrad::LossWeights<T> in(const Weighting& w) {
    seqgrad::LossWeights<T> out;
    if (w.sample_weight) out.sample_weight = seqgrad::cast<T>(*w.sample_weight);
    if (!w.own_mask) out.mask = w.mask;
    return out;
}

template <class T>
seqgrad::Variable<T> masked(const seqgrad::Variable<T>& p, const Weighting& w) {
    return w.own_mask ? p.with_mask(*w.mask) : p;
}

/// The element for loss i of a tensor that has as many, one per sample, or one per step.
template <class V>
V beside(const Tensor<V>& t, const Index& losses, std::size_t i) {
    if (t.size() == oracle::count(losses)) return t.data()[i];
    return t.dimension() == 2 ? t.data()[i % losses.back()] : t.data()[i / losses.back()];
}

Array reduced(const Array& losses, Reduction reduction, const Weighting& w) {
    Array all{losses.shape, {}};
    Dual total;
    Real count = 0, weight = 0;
    for (std::size_t i = 0; i < losses.data.size(); ++i) {
        all.data.emplace_back(0);
        if (w.mask && !beside(*w.mask, losses.shape, i)) continue;
        const Real factor = w.sample_weight ? beside(*w.sample_weight, losses.shape, i) : 1;
        all.data.back() = factor * losses.data[i];
        total += all.data.back();
        weight += factor;
        ++count;
    }
    if (reduction == Reduction::none) return all;
    if (reduction == Reduction::sum) return {{}, {total}};
    Real divisor = count;
    if (reduction == Reduction::mean_with_sample_weight && (w.sample_weight || w.mask)) {
        // As in Keras the sum of the weights that are given: a sample's once, however many steps it has.
        const std::size_t given =
            std::max(w.sample_weight ? w.sample_weight->size() : 0, w.mask ? w.mask->size() : 0);
        divisor = weight * static_cast<Real>(given) / static_cast<Real>(losses.data.size());
    }
    return {{}, {divisor == 0 ? Dual(0) : total / divisor}};
}

/// A loss with every reduction, weights and masks. `make` gives the loss for a reduction, `targets` those of
/// predictions of a shape.
template <class Make>
void check_reduced(const Make& make, const std::function<Tensor<double>(const Index&)>& targets,
                   const Domain& domain, const OfRow& of_row) {
    for (const Index& shape : std::vector<Index>{{4, 3}, {3, 2, 3}}) {
        const Tensor<double> y = targets(shape);
        for (const Weighting& w : weightings(without_last(shape))) {
            for (const Reduction reduction : reductions) {
                const auto loss = make(reduction);
                run({words(loss.name, ", ", w.name, ", reduction ", static_cast<int>(reduction)),
                     [=]<class T>(Operands<T> x) {
                         return loss(seqgrad::cast<T>(y), masked(x[0], w), in<T>(w));
                     },
                     [=](const Arrays& x) { return reduced(by_row(x[0], y, of_row), reduction, w); }, domain},
                    {{shape}});
            }
        }
    }
}

// CTC

/// -ln of the sum of the probabilities of all ways of naming the steps that become the labels.
Dual by_enumeration(const std::vector<List>& steps, const std::vector<std::size_t>& labels) {
    std::vector<std::size_t> path(steps.size(), 0);
    Dual total;
    while (true) {
        std::vector<std::size_t> named;
        for (std::size_t t = 0; t < path.size(); ++t)
            if (path[t] != 0 && (t == 0 || path[t] != path[t - 1])) named.push_back(path[t]);
        if (named == labels) {
            Dual p = 1;
            for (std::size_t t = 0; t < path.size(); ++t) p = p * steps[t][path[t]];
            total += p;
        }
        std::size_t t = 0;
        while (t < path.size() && ++path[t] == steps[t].size()) path[t++] = 0;
        if (t == path.size()) return -log(total);
    }
}

/// One loss per sample; 0 where the mask leaves no step.
Array ctc_of(const Array& x, const std::vector<std::vector<std::size_t>>& labels, const Mask* mask) {
    const std::size_t steps = x.shape[1], V = x.shape[2];
    Array out{{x.shape[0]}, {}};
    for (std::size_t b = 0; b < x.shape[0]; ++b) {
        std::vector<List> kept;
        for (std::size_t t = 0; t < steps; ++t) {
            if (mask != nullptr && !mask->data()[b * steps + t]) continue;
            const auto first = x.data.begin() + static_cast<std::ptrdiff_t>((b * steps + t) * V);
            kept.push_back(oracle::softmax(List(first, first + static_cast<std::ptrdiff_t>(V))));
        }
        out.data.push_back(kept.empty() ? Dual(0) : by_enumeration(kept, labels[b]));
    }
    return out;
}

Tensor<std::int64_t> padded(const std::vector<std::vector<std::size_t>>& labels, std::size_t length) {
    Tensor<std::int64_t> out = seqgrad::zeros<std::int64_t>({labels.size(), length});
    for (std::size_t b = 0; b < labels.size(); ++b)
        for (std::size_t i = 0; i < labels[b].size(); ++i)
            out(b, i) = static_cast<std::int64_t>(labels[b][i]);
    return out;
}

}  // namespace

TEST_CASE("losses of numbers") {
    check(
        "mean_squared_error", [](const auto& t, const auto& p) { return seqgrad::mean_squared_error(t, p); },
        numbers, {}, squared);
    check(
        "mean_absolute_error",
        [](const auto& t, const auto& p) { return seqgrad::mean_absolute_error(t, p); }, numbers,
        {.avoid = numbers}, absolute);
    const auto percent = [](const auto& t, const auto& p) {
        return seqgrad::mean_absolute_percentage_error(t, p);
    };
    check("mean_absolute_percentage_error", percent, numbers, {.avoid = numbers}, percentage);
    check("mean_absolute_percentage_error of almost 0", percent, {1e-8, -1e-8}, {.avoid = {0}}, percentage);
    check(
        "mean_squared_logarithmic_error",
        [](const auto& t, const auto& p) { return seqgrad::mean_squared_logarithmic_error(t, p); },
        {0.5, 3, -1}, {.avoid = {0}}, logarithmic);
    for (const double delta : {0.5, 1.0}) {
        check(
            words("huber ", delta), [=](const auto& t, const auto& p) { return seqgrad::huber(t, p, delta); },
            numbers, {.avoid = {0.5 - delta, 0.5 + delta, -0.75 - delta, -0.75 + delta}}, huber_of(delta));
    }
    check(
        "log_cosh", [](const auto& t, const auto& p) { return seqgrad::log_cosh(t, p); }, numbers, logits,
        log_of_cosh);
}

TEST_CASE("cosine similarity") {
    const std::vector<double> y{0.5, -0.75, 2};
    const Domain far_from_0{.low = 0.3, .high = 2};
    const auto loss = [](const auto& t, const auto& p) { return seqgrad::cosine_similarity(t, p); };
    for (const Index& shape : shapes) {
        if (shape.back() > 1) {
            check("cosine_similarity", loss, shape, repeating(shape, y), far_from_0, minus_cosine);
            continue;
        }
        // Of one feature only the sign counts: no derivative that an error could be relative to. Its two
        // terms, of size 1 / |p|, cancel.
        const Tensor<double> p = repeating(shape, {0.3, -0.7, 1.9, 0.4});
        check_without_gradient<double>(loss, repeating(shape, y), p, 1 / 0.3);
        check_without_gradient<float>(loss, repeating(shape, y), p, 1 / 0.3);
    }
    // Lengths below 1e-7 count as that.
    const Tensor<double> t = repeating({2, 3}, y);
    const double tiny = 1e-9;
    run({"cosine_similarity of almost 0",
         [=]<class T>(Operands<T> x) {
             return seqgrad::cosine_similarity(seqgrad::cast<T>(t), x[0] * static_cast<T>(tiny));
         },
         [=](const Arrays& x) {
             return by_row(x[0], t, [=](const List& of_t, const List& p) {
                 Dual product, squares;
                 for (std::size_t i = 0; i < p.size(); ++i) {
                     product += of_t[i] * p[i] * tiny;
                     squares += of_t[i] * of_t[i];
                 }
                 return -product / sqrt(squares) / epsilon;
             });
         },
         far_from_0},
        {{{2, 3}}});
}

TEST_CASE("binary cross-entropy") {
    for (const double smoothing : {0.0, 0.2}) {
        const auto loss = [=](const auto& t, const auto& p) {
            return seqgrad::binary_crossentropy(t, p, false, smoothing);
        };
        const auto of_logits = [=](const auto& t, const auto& x) {
            return seqgrad::binary_crossentropy(t, x, true, smoothing);
        };
        check(words("binary_crossentropy ", smoothing), loss, classes, probabilities, binary(smoothing));
        check(words("binary_crossentropy of clipped ", smoothing), loss, classes,
              {.low = -0.5, .high = 0.9, .avoid = {0}}, binary(smoothing));
        check(words("binary_crossentropy of logits ", smoothing), of_logits, classes, logits,
              binary_of_logits(smoothing));
    }
    // Above 1 - 1e-7 nothing moves the loss.
    const auto loss = [](const auto& t, const auto& p) { return seqgrad::binary_crossentropy(t, p); };
    const Tensor<double> t = repeating({2, 3}, classes), above = repeating({2, 3}, {1, 1.25, 7});
    check_without_gradient<double>(loss, t, above, 0);
    check_without_gradient<float>(loss, t, above, 0);
}

TEST_CASE("categorical cross-entropy") {
    for (const double smoothing : {0.0, 0.2}) {
        const auto loss = [=](const auto& t, const auto& p) {
            return seqgrad::categorical_crossentropy(t, p, false, smoothing);
        };
        const auto of_logits = [=](const auto& t, const auto& x) {
            return seqgrad::categorical_crossentropy(t, x, true, smoothing);
        };
        for (const Index& shape : shapes) {
            const Tensor<double> t = repeating(shape, classes);
            // Of one class the probability is 1 whatever the prediction is.
            if (shape.back() == 1) {
                check_without_gradient<double>(loss, t, repeating(shape, {0.3, 0.9}), 0);
                check_without_gradient<float>(loss, t, repeating(shape, {0.3, 0.9}), 0);
                check_without_gradient<double>(of_logits, t, repeating(shape, {-0.3, 0.9}), 1);
                check_without_gradient<float>(of_logits, t, repeating(shape, {-0.3, 0.9}), 1);
                continue;
            }
            check(words("categorical_crossentropy ", smoothing), loss, shape, t, probabilities,
                  categorical(smoothing));
            check(words("categorical_crossentropy of logits ", smoothing), of_logits, shape, t, logits,
                  with_logits(categorical(smoothing)));
        }
        check_clipped(words("categorical_crossentropy of clipped ", smoothing), loss,
                      repeating({6, 6}, classes), categorical(smoothing));
    }
}

TEST_CASE("cross-entropy of labels") {
    for (const Index& shape : shapes) {
        if (shape.size() < 2) continue;
        const Tensor<double> y = labels_of(shape);
        const auto labels = seqgrad::to_labels(y);
        const auto loss = [=](const auto&, const auto& p) {
            return seqgrad::sparse_categorical_crossentropy(labels, p);
        };
        const auto of_logits = [=](const auto&, const auto& x) {
            return seqgrad::sparse_categorical_crossentropy(labels, x, true);
        };
        if (shape.back() == 1) {
            check_without_gradient<double>(loss, y, repeating(shape, {0.3, 0.9}), 1 / 0.3);
            check_without_gradient<float>(loss, y, repeating(shape, {0.3, 0.9}), 1 / 0.3);
            check_without_gradient<double>(of_logits, y, repeating(shape, {-0.3, 0.9}), 1);
            check_without_gradient<float>(of_logits, y, repeating(shape, {-0.3, 0.9}), 1);
            continue;
        }
        check("sparse_categorical_crossentropy", loss, shape, y, probabilities, sparse);
        check("sparse_categorical_crossentropy of logits", of_logits, shape, y, logits, with_logits(sparse));
    }
    check_clipped(
        "sparse_categorical_crossentropy of clipped",
        [](const auto& t, const auto& p) {
            return seqgrad::sparse_categorical_crossentropy(seqgrad::to_labels(t), p);
        },
        labels_of({6, 6}), sparse);
}

TEST_CASE("Kullback-Leibler divergence") {
    check(
        "kl_divergence", [](const auto& t, const auto& p) { return seqgrad::kl_divergence(t, p); },
        {0.1, 0.7, 0.25, 0, 1.5}, {.low = -0.5, .high = 1.4, .avoid = {0, 1}}, divergence);
}

TEST_CASE("targets that lack the last axis") {
    for (const Index& shape : std::vector<Index>{{4, 1}, {2, 3, 1}}) {
        const Tensor<double> y = repeating(shape.size() == 2 ? Index{4} : Index{2, 3}, numbers);
        run({"mean_squared_error with fewer axes",
             [=]<class T>(Operands<T> x) { return seqgrad::mean_squared_error(seqgrad::cast<T>(y), x[0]); },
             [=](const Arrays& x) {
                 // [B] beside [B, 1] is made [B, 1]; [B, T] is what [B, T, 1] loses its axis for.
                 Array p = x[0];
                 if (shape.size() > 2) p.shape.pop_back();
                 return by_row(p, y, squared);
             },
             Domain{}},
            {{shape}});
    }
}

TEST_CASE("reductions, weights and masks of losses of numbers") {
    const auto targets = [](const Index& shape) { return repeating(shape, numbers); };
    check_reduced([](Reduction r) { return seqgrad::MeanSquaredError{.reduction = r}; }, targets, {},
                  squared);
    check_reduced([](Reduction r) { return seqgrad::MeanAbsoluteError{.reduction = r}; }, targets,
                  {.avoid = numbers}, absolute);
    check_reduced([](Reduction r) { return seqgrad::MeanAbsolutePercentageError{.reduction = r}; }, targets,
                  {.avoid = numbers}, percentage);
    check_reduced([](Reduction r) { return seqgrad::MeanSquaredLogarithmicError{.reduction = r}; },
                  [](const Index& shape) {
                      return repeating(shape, {0.5, 3, -1});
                  },
                  {.avoid = {0}}, logarithmic);
    check_reduced([](Reduction r) { return seqgrad::Huber{.delta = 0.5, .reduction = r}; }, targets,
                  {.avoid = {0, 1, -1.25, -0.25}}, huber_of(0.5));
    check_reduced([](Reduction r) { return seqgrad::LogCosh{.reduction = r}; }, targets, logits, log_of_cosh);
    check_reduced([](Reduction r) { return seqgrad::CosineSimilarity{.reduction = r}; }, targets,
                  {.low = 0.3, .high = 2}, minus_cosine);
}

TEST_CASE("reductions, weights and masks of losses of probabilities") {
    const auto targets = [](const Index& shape) { return repeating(shape, classes); };
    check_reduced([](Reduction r) { return seqgrad::BinaryCrossentropy{.reduction = r}; }, targets,
                  probabilities, binary(0));
    check_reduced(
        [](Reduction r) {
            return seqgrad::BinaryCrossentropy{.from_logits = true, .label_smoothing = 0.2, .reduction = r};
        },
        targets, logits, binary_of_logits(0.2));
    check_reduced([](Reduction r) { return seqgrad::CategoricalCrossentropy{.reduction = r}; }, targets,
                  probabilities, categorical(0));
    check_reduced(
        [](Reduction r) {
            return seqgrad::CategoricalCrossentropy{
                .from_logits = true, .label_smoothing = 0.2, .reduction = r};
        },
        targets, logits, with_logits(categorical(0.2)));
    check_reduced([](Reduction r) { return seqgrad::SparseCategoricalCrossentropy{.reduction = r}; },
                  labels_of, probabilities, sparse);
    check_reduced(
        [](Reduction r) {
            return seqgrad::SparseCategoricalCrossentropy{.from_logits = true, .reduction = r};
        },
        labels_of, logits, with_logits(sparse));
    check_reduced([](Reduction r) { return seqgrad::KLDivergence{.reduction = r}; }, targets, probabilities,
                  divergence);
}

TEST_CASE("a class that does not count") {
    for (const bool from_logits : {false, true}) {
        for (const Reduction reduction : reductions) {
            for (const Index& shape : std::vector<Index>{{4, 3}, {3, 2, 3}}) {
                Tensor<double> y = labels_of(shape);
                Mask counts = mask_of(without_last(shape));
                for (std::size_t i = 0; i < y.size(); ++i)
                    if (!counts.data()[i]) y.data()[i] = -1;
                const seqgrad::SparseCategoricalCrossentropy loss{
                    .from_logits = from_logits, .ignore_class = -1, .reduction = reduction};
                run({words("sparse_categorical_crossentropy with ignore_class, from_logits ", from_logits,
                           ", reduction ", static_cast<int>(reduction)),
                     [=]<class T>(Operands<T> x) { return loss(seqgrad::cast<T>(y), x[0]); },
                     [=](const Arrays& x) {
                         const OfRow of_row = from_logits ? with_logits(sparse) : OfRow(sparse);
                         return reduced(by_row(x[0], labels_of(shape), of_row), reduction, {"", {}, counts});
                     },
                     probabilities},
                    {{shape}});
            }
        }
    }
}

TEST_CASE("ctc") {
    const std::vector<std::vector<std::size_t>> all{{}, {1}, {2, 2}, {1, 2, 3}, {3, 1}, {2, 1, 1}};
    for (const std::size_t steps : {3u, 4u, 5u}) {
        std::vector<std::vector<std::size_t>> labels;
        for (const auto& l : all)
            if (steps > 3 || l != all.back()) labels.push_back(l);  // which needs 4
        const Tensor<std::int64_t> padded_labels = padded(labels, 3);
        run({"ctc", [=](auto x) { return seqgrad::ctc(padded_labels, x[0]); },
             [=](const Arrays& x) { return ctc_of(x[0], labels, nullptr); }, logits},
            {{{labels.size(), steps, 4}}});
    }
    const std::vector<std::vector<std::size_t>> labels{{1, 1}, {2}, {3, 2}, {1, 2}};
    const Tensor<std::int64_t> padded_labels = padded(labels, 2);
    const Index shape{4, 5, 4};
    // Gaps, padding, every step, and a sample without any.
    const Mask steps =
        seqgrad::tensor<bool>({4, 5}, {true, false, true, true, false, true,  true,  false, false, false,  //
                                       true, true,  true, true, true,  false, false, false, false, false});
    Mask some_steps = steps;
    for (std::size_t t = 3; t < 5; ++t) some_steps(3, t) = true;
    run({"ctc with a mask", [=](auto x) { return seqgrad::ctc(padded_labels, x[0], &some_steps); },
         [=](const Arrays& x) { return ctc_of(x[0], labels, &some_steps); }, logits},
        {{shape}});
    for (const Reduction reduction : reductions) {
        const seqgrad::CTC loss{.reduction = reduction};
        for (const Weighting& w : weightings({4})) {
            run({words("ctc, ", w.name, ", reduction ", static_cast<int>(reduction)),
                 [=]<class T>(Operands<T> x) { return loss(padded_labels, masked(x[0], w), in<T>(w)); },
                 [=](const Arrays& x) { return reduced(ctc_of(x[0], labels, nullptr), reduction, w); },
                 logits},
                {{shape}});
        }
        for (const bool weighted : {false, true}) {
            for (const bool own : {false, true}) {
                Weighting w{"", {}, steps, own};
                if (weighted) w.sample_weight = weights_of({4});
                run({words("ctc, mask of steps, weights ", weighted, ", own mask ", own, ", reduction ",
                           static_cast<int>(reduction)),
                     [=]<class T>(Operands<T> x) { return loss(padded_labels, masked(x[0], w), in<T>(w)); },
                     [=](const Arrays& x) {
                         Weighting of_samples = w;
                         of_samples.mask = seqgrad::tensor<bool>({4}, {true, true, true, false});
                         return reduced(ctc_of(x[0], labels, &steps), reduction, of_samples);
                     },
                     logits},
                    {{shape}});
            }
        }
    }
}
