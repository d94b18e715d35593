// Metrics beside those of Keras 3.15.1 on TensorFlow (float32), of the same inputs in two updates. RMSE, R2,
// F1, precision and recall have no masks there: a weight of 0 stands for it. Keras's R2 and F1 take [B, C]:
// steps were made samples. Perplexity and bits per character are those of the mean of its
// SparseCategoricalCrossentropy.

#include <string>
#include <vector>

#include "train/metrics/batches.hpp"
#include <doctest/doctest.h>

#include "seqgrad/train/losses.hpp"
#include "seqgrad/train/metrics.hpp"

using namespace seqgrad;
using test::Samples;

namespace {

constexpr double tolerance = 1e-6;

/// What Keras gives without and with the weights of samples.
template <class T>
void check(const Metric<T>& metric, const Samples<T>& all, double plain, double weighted) {
    CAPTURE(metric.name());
    Samples<T> unweighted = all;
    unweighted.weights = {};
    CHECK(test::result_of(metric, unweighted, {3, 5}) == doctest::Approx(plain).epsilon(tolerance));
    CHECK(test::result_of(metric, all, {3, 5}) == doctest::Approx(weighted).epsilon(tolerance));
}

/// What Keras gives without weights and mask, with the mask, with weights of steps, with both; the mask is
/// given, or goes with the predictions.
template <class T>
void check_steps(const Metric<T>& metric, const Samples<T>& all, const std::vector<double>& expected) {
    CAPTURE(metric.name());
    for (std::size_t i = 0; i < 4; ++i) {
        CAPTURE(i);
        Samples<T> counted = all;
        if (i % 2 == 0) counted.weights.mask.reset();
        if (i / 2 == 0) counted.weights.sample_weight.reset();
        CHECK(test::result_of(metric, counted, {1, 4}) == doctest::Approx(expected[i]).epsilon(tolerance));
        if (!counted.weights.mask) continue;
        Metric<T> of_predictions = metric;
        of_predictions.update(counted.y_true, constant(counted.y_pred).with_mask(*counted.weights.mask),
                              {.sample_weight = counted.weights.sample_weight});
        CHECK(of_predictions.result() == doctest::Approx(expected[i]).epsilon(tolerance));
    }
}

template <class T>
LossWeights<T> of_samples() {
    return {.sample_weight = tensor<T>({5}, {T(1.5), T(0.6), T(1.1), T(0.6), T(0.9)})};
}

template <class T>
Tensor<T> numbers(const Shape& shape, const std::vector<double>& values) {
    return cast<T>(tensor<double>(shape, values));
}

/// [4, 3, ...] with weights and a mask of steps.
template <class T>
Samples<T> of_steps(const Tensor<T>& y_true, const Tensor<T>& y_pred) {
    return {y_true,
            y_pred,
            {.sample_weight = numbers<T>({4, 3}, {1.4, 0.9, 0.8, 1.1, 1.6, 1.3, 1.7, 1.3, 2, 1, 0.7, 0.2}),
             .mask = tensor<bool>(
                 {4, 3}, {true, true, true, true, false, false, true, true, false, false, true, true})}};
}

const std::vector<double> step_labels{0, 1, 0, 0, 2, 1, 1, 1, 0, 0, 1, 2};
const std::vector<double> step_logits{-2.2, -2.3, -1.3, 0.1, 0.6,  -0.2, 0.6,  -0.5, 1.6,  -1.7, 0.5,  -0.5,
                                      -1.4, 2.1,  0.2,  1.4, -0.3, -0.1, -0.1, 2,    0.3,  -1.5, -1.7, 3,
                                      0.2,  -1.7, 0,    0,   0.7,  0.2,  0.1,  0.5,  -0.4, -1.1, -0.2, 0.5};
// sigmoid(step_logits), rounded to two digits, and softmax(step_logits), likewise.
const std::vector<double> step_sigmoids{0.1,  0.09, 0.21, 0.52, 0.65, 0.45, 0.65, 0.38, 0.83,
                                        0.15, 0.62, 0.38, 0.2,  0.89, 0.55, 0.8,  0.43, 0.48,
                                        0.48, 0.88, 0.57, 0.18, 0.15, 0.95, 0.55, 0.15, 0.5,
                                        0.5,  0.67, 0.55, 0.52, 0.62, 0.4,  0.25, 0.45, 0.62};
const std::vector<double> step_softmax{0.23, 0.21, 0.56, 0.3,  0.49, 0.22, 0.25, 0.08, 0.67,
                                       0.07, 0.68, 0.25, 0.03, 0.85, 0.13, 0.71, 0.13, 0.16,
                                       0.09, 0.77, 0.14, 0.01, 0.01, 0.98, 0.51, 0.08, 0.42,
                                       0.24, 0.48, 0.29, 0.32, 0.48, 0.2,  0.12, 0.29, 0.59};
const std::vector<double> step_targets{-3.6, -2,   -2.1, 0.2,  -0.6, -0.9, 0.8, -0.9, 0.5, -2.2, 1.5,  -2.7,
                                       0.5,  1.6,  -0.5, 0.3,  -1.1, 0.5,  0.2, 3.9,  0.9, -2.6, 0.3,  3.1,
                                       1.7,  -1.3, 0.5,  -0.1, 2.2,  0.1,  0.2, 0.4,  1.7, 1,    -1.8, 0.6};

}  // namespace

TEST_CASE_TEMPLATE("metrics of numbers are Keras's", T, float, double) {
    const Samples<T> all{numbers<T>({5, 3}, {3.38, -0.93, 0.07, 0.82, -1.58, 0, 0, -3.51, 2.04, 1.2, -1.25,
                                             -0.34, 1.01, -0.52, -0.49}),
                         numbers<T>({5, 3}, {1.93, -0.38, 0.19, 1.09, -3.11, 1.65, 0.15, -3.9, 4.07, 1.15,
                                             -2.7, -0.75, -1.28, 0.53, -0.91}),
                         of_samples<T>()};
    check<T>(RootMeanSquaredError{}, all, 1.1732377, 1.1507164);
    check<T>(MeanAbsoluteError{}, all, 0.92066669, 0.89411354);
    check<T>(MeanSquaredError{}, all, 1.3764868, 1.3241483);
    check<T>(R2Score{}, all, -0.3357586, -0.069236659);
    check<T>(R2Score{.class_aggregation = ClassAggregation::variance_weighted_average}, all, -0.29765174,
             -0.015783435);
}

TEST_CASE_TEMPLATE("metrics of what is true or not are Keras's", T, float, double) {
    const Samples<T> all{numbers<T>({5, 3}, {0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0}),
                         numbers<T>({5, 3}, {0.09, 0.71, 0.52, 0.7, 0.96, 0.68, 0.05, 0.31, 0.59, 0.24, 0.96,
                                             0.95, 0.85, 0.47, 0.84}),
                         of_samples<T>()};
    check<T>(BinaryAccuracy{}, all, 0.6, 0.6241135);
    check<T>(BinaryAccuracy{.threshold = 0.3}, all, 0.4666667, 0.48226959);
    check<T>(Precision{}, all, 0.5, 0.52808988);
    check<T>(Precision{.threshold = 0.3, .class_id = 2}, all, 0.4, 0.36170214);
    check<T>(Recall{}, all, 0.83333331, 0.81034482);
    check<T>(Recall{.threshold = 0.3, .class_id = 1}, all, 1, 1);
    check<T>(F1Score{.average = ClassAverage::micro}, all, 0.72727269, 0.78095227);
    check<T>(F1Score{}, all, 0.71111101, 0.76046783);
    check<T>(F1Score{.average = ClassAverage::weighted}, all, 0.71111107, 0.76113671);
    check<T>(F1Score{.average = ClassAverage::micro, .threshold = 0.4}, all, 0.58823526, 0.60256404);
    check<T>(F1Score{.threshold = 0.4}, all, 0.57936502, 0.59412593);
    check<T>(F1Score{.average = ClassAverage::weighted, .threshold = 0.4}, all, 0.57936502, 0.59983867);
}

TEST_CASE_TEMPLATE("metrics of classes are Keras's", T, float, double) {
    const std::vector<double> label{0, 0, 3, 1, 0};
    const Tensor<T> y_pred =
        numbers<T>({5, 4}, {0.051, 0.404, 0.202, 0.343, 0.189, 0.152, 0.299, 0.36,  0.123, 0.246,
                            0.412, 0.218, 0.068, 0.497, 0.311, 0.124, 0.5,   0.153, 0.136, 0.21});
    const Samples<T> sparse{numbers<T>({5}, label), y_pred, of_samples<T>()};
    check<T>(SparseCategoricalAccuracy{}, sparse, 0.4, 0.31914896);
    check<T>(Accuracy{}, sparse, 0.4, 0.31914896);
    check<T>(SparseTopKCategoricalAccuracy{.k = 2}, sparse, 0.4, 0.31914896);
    check<T>(SparseCategoricalCrossentropy{}, sparse, 1.511102, 1.7405144);
    const Samples<T> one_hot{cast<T>(test::one_hot(tensor<double>({5}, label), 4)), y_pred, of_samples<T>()};
    check<T>(CategoricalAccuracy{}, one_hot, 0.4, 0.31914896);
    check<T>(Accuracy{}, one_hot, 0.4, 0.31914896);
    check<T>(TopKCategoricalAccuracy{.k = 2}, one_hot, 0.4, 0.31914896);
}

TEST_CASE_TEMPLATE("metrics of steps are Keras's with weights and masks", T, float, double) {
    const Tensor<T> labels = numbers<T>({4, 3}, step_labels), logits = numbers<T>({4, 3, 3}, step_logits);
    const Tensor<T> classes = cast<T>(test::one_hot(tensor<double>({4, 3}, step_labels), 3));
    const Samples<T> sparse = of_steps(labels, logits), one_hot = of_steps(classes, logits);
    const std::vector<double> accuracy{0.41666669, 0.5, 0.3928571, 0.43209878};
    check_steps<T>(SparseCategoricalAccuracy{}, sparse, accuracy);
    check_steps<T>(CategoricalAccuracy{}, one_hot, accuracy);
    check_steps<T>(Accuracy{}, sparse, accuracy);
    check_steps<T>(Accuracy{}, one_hot, accuracy);
    const std::vector<double> top{0.66666669, 0.75, 0.66428566, 0.70370376};
    check_steps<T>(SparseTopKCategoricalAccuracy{.k = 2}, sparse, top);
    check_steps<T>(TopKCategoricalAccuracy{.k = 2}, one_hot, top);
    check_steps<T>(BinaryAccuracy{.threshold = 0}, one_hot, {0.58333337, 0.625, 0.58333331, 0.57613176});
    check_steps<T>(F1Score{}, one_hot, {0.38816735, 0.3833333, 0.33367392, 0.27863249});
    const Samples<T> sigmoids = of_steps(classes, numbers<T>({4, 3, 3}, step_sigmoids));
    check_steps<T>(Precision{}, sigmoids, {0.41176471, 0.45454547, 0.40932643, 0.39814815});
    check_steps<T>(Recall{}, sigmoids, {0.58333331, 0.625, 0.5642857, 0.53086418});
    const Samples<T> of_numbers = of_steps(numbers<T>({4, 3, 3}, step_targets), logits);
    check_steps<T>(MeanSquaredError{}, of_numbers, {1.2308333, 1.3674999, 1.1654046, 1.297284});
    check_steps<T>(MeanAbsoluteError{}, of_numbers, {0.88055551, 0.91666663, 0.8745237, 0.90617293});
    check_steps<T>(RootMeanSquaredError{}, of_numbers, {1.1094292, 1.1694015, 1.0795391, 1.1389837});
    check_steps<T>(R2Score{}, of_numbers, {0.51229697, 0.56151325, 0.58129817, 0.64807957});
}

TEST_CASE_TEMPLATE("metrics of text are those of Keras's cross-entropy", T, float, double) {
    const Samples<T> sparse = of_steps(numbers<T>({4, 3}, step_labels), numbers<T>({4, 3, 3}, step_logits));
    check_steps<T>(SparseCategoricalCrossentropy{.from_logits = true}, sparse,
                   {1.5548149, 1.553907, 1.6173093, 1.7144775});
    check_steps<T>(Perplexity{.from_logits = true}, sparse, {4.7342103, 4.7299141, 5.0395124, 5.5537731});
    check_steps<T>(BitsPerCharacter{.from_logits = true}, sparse,
                   {2.2431238, 2.241814, 2.3332842, 2.4734682});
    const Samples<T> of_probabilities{sparse.y_true, numbers<T>({4, 3, 3}, step_softmax)};
    CHECK(test::result_of<T>(Perplexity{}, of_probabilities, {1, 4}) ==
          doctest::Approx(4.7026143).epsilon(tolerance));
    CHECK(test::result_of<T>(BitsPerCharacter{}, of_probabilities, {1, 4}) ==
          doctest::Approx(2.233463).epsilon(tolerance));
}
