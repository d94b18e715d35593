// Metrics beside their definitions in plain loops, over random samples of sequences with weights and masks.

#include <cmath>
#include <cstddef>
#include <vector>

#include "train/metrics/batches.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/train/losses.hpp"
#include "seqgrad/train/metrics.hpp"

using namespace seqgrad;
using test::Numbers;
using test::Samples;

namespace {

constexpr std::size_t sample_count = 11, step_count = 5, class_count = 4;
const Shape of_steps{sample_count, step_count};
const Shape of_elements{sample_count, step_count, class_count};

/// With weights and a mask of steps.
Samples<double> weighted(Numbers& numbers, Tensor<double> y_true, Tensor<double> y_pred) {
    return {std::move(y_true),
            std::move(y_pred),
            {.sample_weight = numbers.between(0.1, 2, of_steps), .mask = numbers.mask(0.7, of_steps)}};
}

double result_of(const Metric<double>& metric, const Samples<double>& all) {
    return test::result_of(metric, all, {2, 3, 7, sample_count});
}

/// Calls f(row, weight) for every step that counts.
template <class F>
void each_step(const Samples<double>& all, const F& f) {
    for (std::size_t i = 0; i < sample_count * step_count; ++i) {
        if (all.weights.mask->data()[i]) f(i, all.weights.sample_weight->data()[i]);
    }
}

/// The weighted mean over steps of value(row).
template <class F>
double mean_over_steps(const Samples<double>& all, const F& value) {
    double total = 0, weights = 0;
    each_step(all, [&](std::size_t row, double w) {
        total += w * value(row);
        weights += w;
    });
    return total / weights;
}

std::size_t how_many_larger(const double* row, std::size_t index) {
    std::size_t larger = 0;
    for (std::size_t i = 0; i < class_count; ++i) larger += row[i] > row[index] ? 1 : 0;
    return larger;
}

struct Counts {
    double tp = 0, fp = 0, fn = 0;

    double f1() const {
        const double precision = tp / (tp + fp), recall = tp / (tp + fn);
        return 2 * precision * recall / (precision + recall);
    }
};

/// What is counted of class c, `predicted(row, c)` of which is predicted.
template <class F>
Counts counts_of(const Samples<double>& all, std::size_t c, const F& predicted) {
    Counts counts;
    each_step(all, [&](std::size_t row, double w) {
        const bool is_true = all.y_true.data()[row * class_count + c] == 1, is_predicted = predicted(row, c);
        counts.tp += is_true && is_predicted ? w : 0;
        counts.fp += !is_true && is_predicted ? w : 0;
        counts.fn += is_true && !is_predicted ? w : 0;
    });
    return counts;
}

const auto near = [](double value) { return doctest::Approx(value).epsilon(1e-12); };

}  // namespace

TEST_CASE("accuracies are shares of what is right") {
    Numbers numbers(1);
    const Tensor<double> labels = numbers.labels(class_count, of_steps);
    // Of one digit, so that some are equal.
    Tensor<double> scores = numbers.between(0, 1, of_elements);
    for (double& x : elements(scores)) x = std::round(10 * x) / 10;
    const Samples<double> sparse = weighted(numbers, labels, scores);
    Samples<double> one_hot = sparse;
    one_hot.y_true = test::one_hot(labels, class_count);

    const auto label = [&](std::size_t row) { return static_cast<std::size_t>(labels.data()[row]); };
    const double first = mean_over_steps(sparse, [&](std::size_t row) {
        const double* p = scores.data() + row * class_count;
        std::size_t best = 0;
        for (std::size_t i = 1; i < class_count; ++i) {
            if (p[i] > p[best]) best = i;
        }
        return best == label(row) ? 1.0 : 0.0;
    });
    CHECK(result_of(SparseCategoricalAccuracy{}, sparse) == near(first));
    CHECK(result_of(CategoricalAccuracy{}, one_hot) == near(first));
    for (std::size_t k = 1; k <= class_count + 1; ++k) {
        const double top = mean_over_steps(sparse, [&](std::size_t row) {
            return how_many_larger(scores.data() + row * class_count, label(row)) < k ? 1.0 : 0.0;
        });
        CHECK(result_of(SparseTopKCategoricalAccuracy{.k = k}, sparse) == near(top));
        CHECK(result_of(TopKCategoricalAccuracy{.k = k}, one_hot) == near(top));
        CHECK((top == 1) == (k >= class_count));
    }
    for (const double threshold : {0.3, 0.5, 0.65}) {
        const double elementwise = mean_over_steps(one_hot, [&](std::size_t row) {
            double right = 0;
            for (std::size_t i = 0; i < class_count; ++i) {
                const bool predicted = scores.data()[row * class_count + i] > threshold;
                right += predicted == (i == label(row)) ? 1 : 0;
            }
            return right / class_count;
        });
        CHECK(result_of(BinaryAccuracy{.threshold = threshold}, one_hot) == near(elementwise));
    }
}

TEST_CASE("errors of numbers are means of their squares and sizes") {
    Numbers numbers(2);
    const Samples<double> all =
        weighted(numbers, numbers.between(-2, 2, of_elements), numbers.between(-2, 2, of_elements));
    const auto mean_over_elements = [&](auto value) {
        return mean_over_steps(all, [&](std::size_t row) {
            double sum = 0;
            for (std::size_t i = row * class_count; i < (row + 1) * class_count; ++i)
                sum += value(all.y_pred.data()[i] - all.y_true.data()[i]);
            return sum / class_count;
        });
    };
    const double squares = mean_over_elements([](double e) { return e * e; });
    CHECK(result_of(RootMeanSquaredError{}, all) == near(std::sqrt(squares)));
    CHECK(result_of(MeanSquaredError{}, all) == near(squares));
    CHECK(result_of(MeanAbsoluteError{}, all) ==
          near(mean_over_elements([](double e) { return std::abs(e); })));
}

TEST_CASE("R2 is what of the variance is predicted") {
    Numbers numbers(3);
    for (const double offset : {0.0, 1e6}) {
        CAPTURE(offset);
        Tensor<double> y = numbers.between(-2, 2, of_elements);
        Tensor<double> p = y;
        for (std::size_t i = 0; i < y.size(); ++i) {
            // Columns of different variances.
            y.data()[i] = offset + y.data()[i] * static_cast<double>(1 + i % class_count);
            p.data()[i] = y.data()[i] + numbers.uniform();
        }
        const Samples<double> all = weighted(numbers, y, p);
        double scores = 0, weighted_scores = 0, variances = 0;
        for (std::size_t c = 0; c < class_count; ++c) {
            const auto target = [&](std::size_t row) { return y.data()[row * class_count + c]; };
            const double mean = mean_over_steps(all, target);
            const double variance = mean_over_steps(
                all, [&](std::size_t row) { return (target(row) - mean) * (target(row) - mean); });
            const double error = mean_over_steps(all, [&](std::size_t row) {
                const double e = p.data()[row * class_count + c] - target(row);
                return e * e;
            });
            scores += 1 - error / variance;
            weighted_scores += variance - error;
            variances += variance;
        }
        // Around 1e6 the mean itself has only the digits down to 1e-10.
        const double tolerance = offset == 0 ? 1e-12 : 1e-9;
        CHECK(result_of(R2Score{}, all) == doctest::Approx(scores / class_count).epsilon(tolerance));
        CHECK(result_of(R2Score{.class_aggregation = ClassAggregation::variance_weighted_average}, all) ==
              doctest::Approx(weighted_scores / variances).epsilon(tolerance));
    }
}

TEST_CASE("R2 of targets without variance, and of one column") {
    const Tensor<double> same = full<double>({3, 1}, 0.1);
    CHECK(test::result_of<double>(R2Score{}, {same, same}) == 1);
    CHECK(test::result_of<double>(R2Score{}, {same, tensor<double>({3, 1}, {0.1, 0.2, 0.3})}) == 0);
    // A column without variance has no weight beside one with.
    const Samples<double> two{tensor<double>({2, 2}, {1, 0, 1, 4}), tensor<double>({2, 2}, {1, 1, 1, 4})};
    CHECK(test::result_of<double>(R2Score{}, two) == (1 + 0.875) / 2);
    const R2Score by_variance{.class_aggregation = ClassAggregation::variance_weighted_average};
    CHECK(test::result_of<double>(by_variance, two) == 0.875);
    CHECK(test::result_of<double>(by_variance, {same, same}) == 1);
    // [B] is a column, not a row; so is [B] beside [B, 1].
    const Tensor<double> y = tensor<double>({4}, {1, 2, 3, 6}), p = tensor<double>({4}, {1, 2, 4, 5});
    CHECK(test::result_of<double>(R2Score{}, {y, p}) == near(1 - 2.0 / 14));
    CHECK(test::result_of<double>(R2Score{}, {y, tensor<double>({4, 1}, {1, 2, 4, 5})}) ==
          near(1 - 2.0 / 14));
}

TEST_CASE("R2 far from zero is as precise as around it") {
    for (const double mean : {0.0, 1e9, 1e15, -1e15}) {
        Tensor<double> y(Shape{3000, 1}), p(Shape{3000, 1});
        for (std::size_t i = 0; i < y.size(); ++i) {
            y.data()[i] = mean + static_cast<double>(i % 3);
            p.data()[i] = mean + (i % 3 == 2 ? 3.0 : static_cast<double>(i % 3));
        }
        CHECK(test::result_of<double>(R2Score{}, {y, p}) == near(0.5));
    }
}

TEST_CASE("R2 goes on from the numbers of a checkpoint, of an older one too") {
    R2Column column;
    for (const double y : {5.0, 7.0, 9.0}) column.add(y, y + 1, 1);
    R2Column again;
    REQUIRE(again.set_numbers(column.numbers()));
    REQUIRE(again.numbers() == column.numbers());
    // Weight, mean, squared deviations and the squared errors' sum and rest.
    R2Column old;
    REQUIRE(old.set_numbers(std::vector<double>{3, 7, 8, 3, 0}));
    for (R2Column* each : {&column, &again, &old}) each->add(11, 11, 1);
    CHECK(column.score() == near(1 - 3.0 / 20));
    CHECK(again.score() == column.score());
    CHECK(old.score() == near(column.score()));
    CHECK_FALSE(old.set_numbers(std::vector<double>{3, 7, 8, 3}));
}

TEST_CASE("precision, recall and F1 are ratios of counts") {
    Numbers numbers(4);
    Tensor<double> y = numbers.between(0, 1, of_elements);
    for (double& x : elements(y)) x = x > 0.6 ? 1 : 0;
    const Samples<double> all = weighted(numbers, y, numbers.between(0, 1, of_elements));
    const auto above = [&](double threshold) {
        return [&all, threshold](std::size_t row, std::size_t c) {
            return all.y_pred.data()[row * class_count + c] > threshold;
        };
    };
    for (const double threshold : {0.3, 0.5}) {
        Counts sum;
        double macro = 0, by_support = 0;
        for (std::size_t c = 0; c < class_count; ++c) {
            const Counts counts = counts_of(all, c, above(threshold));
            CHECK(result_of(Precision{.threshold = threshold, .class_id = c}, all) ==
                  near(counts.tp / (counts.tp + counts.fp)));
            CHECK(result_of(Recall{.threshold = threshold, .class_id = c}, all) ==
                  near(counts.tp / (counts.tp + counts.fn)));
            sum.tp += counts.tp;
            sum.fp += counts.fp;
            sum.fn += counts.fn;
            macro += counts.f1() / class_count;
            by_support += counts.f1() * (counts.tp + counts.fn);
        }
        CHECK(result_of(Precision{.threshold = threshold}, all) == near(sum.tp / (sum.tp + sum.fp)));
        CHECK(result_of(Recall{.threshold = threshold}, all) == near(sum.tp / (sum.tp + sum.fn)));
        CHECK(result_of(F1Score{.threshold = threshold}, all) == near(macro));
        CHECK(result_of(F1Score{.average = ClassAverage::micro, .threshold = threshold}, all) ==
              near(sum.f1()));
        CHECK(result_of(F1Score{.average = ClassAverage::weighted, .threshold = threshold}, all) ==
              near(by_support / (sum.tp + sum.fn)));
    }
    double macro = 0;
    for (std::size_t c = 0; c < class_count; ++c) {
        macro += counts_of(all, c,
                           [&](std::size_t row, std::size_t column) {
                               return how_many_larger(all.y_pred.data() + row * class_count, column) == 0;
                           })
                     .f1() /
                 class_count;
    }
    CHECK(result_of(F1Score{}, all) == near(macro));
}

TEST_CASE("where there is nothing to divide by, precision, recall and F1 are 0") {
    const Samples<double> nothing_predicted{tensor<double>({2, 2}, {1, 0, 0, 1}), zeros<double>({2, 2})};
    const Samples<double> nothing_true{zeros<double>({2, 2}), ones<double>({2, 2})};
    for (const Samples<double>& samples : {nothing_predicted, nothing_true}) {
        CHECK(test::result_of<double>(Precision{}, samples) == 0);
        CHECK(test::result_of<double>(Recall{}, samples) == 0);
        for (const ClassAverage average :
             {ClassAverage::micro, ClassAverage::macro, ClassAverage::weighted}) {
            CHECK(test::result_of<double>(F1Score{.average = average}, samples) == 0);
            CHECK(test::result_of<double>(F1Score{.average = average, .threshold = 0.5}, samples) == 0);
        }
    }
    // Without a threshold all that are largest are predicted, but a row of zeros predicts nothing.
    const Samples<double> equal{tensor<double>({2, 2}, {1, 0, 1, 0}), tensor<double>({2, 2}, {2, 2, 0, 0})};
    CHECK(test::result_of<double>(F1Score{.average = ClassAverage::micro}, equal) == 0.5);
}

TEST_CASE("perplexity and bits per character are cross-entropies") {
    Numbers numbers(5);
    const Tensor<double> labels = numbers.labels(class_count, of_steps);
    const Samples<double> of_probabilities =
        weighted(numbers, labels, test::probabilities(numbers, of_elements));
    Samples<double> of_logits = of_probabilities;
    for (double& x : elements(of_logits.y_pred)) x = std::log(x) + 3;
    const double nats = mean_over_steps(of_probabilities, [&](std::size_t row) {
        const auto label = static_cast<std::size_t>(labels.data()[row]);
        return -std::log(of_probabilities.y_pred.data()[row * class_count + label]);
    });
    CHECK(result_of(Perplexity{}, of_probabilities) == near(std::exp(nats)));
    CHECK(result_of(Perplexity{.from_logits = true}, of_logits) == near(std::exp(nats)));
    CHECK(result_of(BitsPerCharacter{}, of_probabilities) == near(nats / std::log(2.0)));
    CHECK(result_of(BitsPerCharacter{.from_logits = true}, of_logits) == near(nats / std::log(2.0)));
}

TEST_CASE("what has the label to ignore is left out as by a mask") {
    Numbers numbers(6);
    const Samples<double> masked =
        weighted(numbers, numbers.labels(class_count, of_steps), test::probabilities(numbers, of_elements));
    Samples<double> labelled = masked;
    // Half of what the mask leaves out has the label instead; the mask and the label work together.
    for (std::size_t i = 0; i < labelled.y_true.size(); i += 2) {
        if (labelled.weights.mask->data()[i]) continue;
        labelled.y_true.data()[i] = -1;
        labelled.weights.mask->data()[i] = true;
    }
    REQUIRE(*labelled.weights.mask != *masked.weights.mask);
    const auto same = [&](const Metric<double>& metric) {
        CAPTURE(metric.name());
        CHECK(result_of(metric, labelled) == result_of(metric, masked));
    };
    same(SparseCategoricalAccuracy{.ignore_class = -1});
    same(SparseTopKCategoricalAccuracy{.k = 2, .ignore_class = -1});
    same(Perplexity{.ignore_class = -1});
    same(BitsPerCharacter{.ignore_class = -1});
    same(SparseCategoricalCrossentropy{.ignore_class = -1});
    CHECK_THROWS_AS(result_of(Perplexity{}, labelled), ValueError);
    CHECK_THROWS_AS(result_of(SparseCategoricalAccuracy{}, labelled), ValueError);
}

TEST_CASE("the accuracy is chosen by the shapes") {
    const Tensor<double> scores = tensor<double>({2, 3}, {0.6, 0.1, 0.7, 0.9, 0.4, 0.3});
    CHECK(test::result_of<double>(Accuracy{}, {tensor<double>({2}, {2, 1}), scores}) == 0.5);
    CHECK(test::result_of<double>(Accuracy{}, {tensor<double>({2, 1}, {2, 1}), scores}) == 0.5);
    CHECK(test::result_of<double>(Accuracy{}, {tensor<double>({2, 3}, {0, 0, 1, 0, 1, 0}), scores}) == 0.5);
    const Tensor<double> one = tensor<double>({4, 1}, {0.6, 0.4, 0.7, 0.2});
    CHECK(test::result_of<double>(Accuracy{}, {tensor<double>({4, 1}, {1, 0, 1, 1}), one}) == 0.75);
    CHECK(test::result_of<double>(Accuracy{}, {tensor<double>({4}, {1, 0, 1, 1}), one}) == 0.75);
    CHECK(test::result_of<double>(Accuracy{}, {tensor<double>({4}, {1, 0, 1, 1}),
                                               tensor<double>({4}, {0.6, 0.4, 0.7, 0.2})}) == 0.75);
    const Tensor<double> steps = tensor<double>({2, 2, 1}, {0.6, 0.4, 0.7, 0.2});
    CHECK(test::result_of<double>(Accuracy{}, {tensor<double>({2, 2}, {1, 0, 1, 1}), steps}) == 0.75);
    // Batches of one metric may differ.
    Metric<double> accuracy = Accuracy{};
    accuracy.update(tensor<double>({2}, {2, 1}), scores);
    accuracy.update(tensor<double>({4}, {1, 0, 1, 1}), one);
    CHECK(accuracy.result() == 4.0 / 6);
}

TEST_CASE("of equal predictions the first counts, and one that is NaN is wrong") {
    const double nan = std::nan("");
    const Tensor<double> labels = tensor<double>({4}, {0, 1, 2, 0});
    const Tensor<double> y_pred = tensor<double>({4, 3}, {1, 1, 0, 1, 1, 0, 0, nan, 1, nan, nan, nan});
    CHECK(test::result_of<double>(SparseCategoricalAccuracy{}, {labels, y_pred}) == 0.25);
    CHECK(test::result_of<double>(CategoricalAccuracy{}, {test::one_hot(labels, 3), y_pred}) == 0.25);
    // Among the largest are all that are equal.
    CHECK(test::result_of<double>(SparseTopKCategoricalAccuracy{.k = 1}, {labels, y_pred}) == 0.75);
    CHECK(test::result_of<double>(BinaryAccuracy{}, {ones<double>({2}), tensor<double>({2}, {nan, 1})}) ==
          0.5);
}
