#include "seqgrad/train/metrics/metric.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "train/metrics/batches.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/grad_mode.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/elementary.hpp"
#include "seqgrad/train/losses.hpp"
#include "seqgrad/train/metrics.hpp"

using namespace seqgrad;
using test::Numbers;
using test::result_of;
using test::Samples;
using test::update;

namespace {

constexpr std::size_t sample_count = 9, step_count = 4, class_count = 3;
const double no_number = std::nan("");

/// A user's metric: the largest weighted error, and in how many batches.
struct LargestError {
    struct State {
        double largest = 0;
        double batches = 0;

        std::vector<double> numbers() const { return {largest, batches}; }
        bool set_numbers(std::span<const double> numbers) {
            if (numbers.size() != 2) return false;
            largest = numbers[0];
            batches = numbers[1];
            return true;
        }
    };
    static constexpr const char* name = "largest_error";

    void update(State& state, const Tensor<double>& y_true, const Variable<double>& y_pred,
                const LossWeights<double>&) const {
        state.batches += 1;
        for (std::size_t i = 0; i < y_true.size(); ++i) {
            const double error = std::abs(y_true.data()[i] - y_pred.value().data()[i]);
            if (std::isnan(error)) throw ValueError("largest_error: NaN");
            state.largest = std::max(state.largest, error);
        }
    }
    double result(const State& state) const { return state.largest; }
};

/// A metric with samples that it can measure.
struct Measured {
    Metric<double> metric;
    Samples<double> samples;
};

/// Every kind of metric with random samples of sequences, weights and a mask of steps.
std::vector<Measured> all_metrics() {
    Numbers numbers(1);
    const Shape of_steps{sample_count, step_count}, of_elements{sample_count, step_count, class_count};
    const LossWeights<double> weights{.sample_weight = numbers.between(0.1, 2, of_steps),
                                      .mask = numbers.mask(0.7, of_steps)};
    const Tensor<double> labels = numbers.labels(class_count, of_steps);
    const Tensor<double> y_pred = test::probabilities(numbers, of_elements);
    const Samples<double> sparse{labels, y_pred, weights};
    const Samples<double> one_hot{test::one_hot(labels, class_count), y_pred, weights};
    const Samples<double> of_numbers{numbers.between(-2, 2, of_elements), y_pred, weights};
    const auto squares = [](const Tensor<double>& y, const Tensor<double>& p) { return (y - p) * (y - p); };
    return {
        {Accuracy{}, sparse},
        {BinaryAccuracy{.threshold = 0.3}, one_hot},
        {CategoricalAccuracy{}, one_hot},
        {SparseCategoricalAccuracy{.ignore_class = 2}, sparse},
        {TopKCategoricalAccuracy{.k = 2}, one_hot},
        {SparseTopKCategoricalAccuracy{.k = 2}, sparse},
        {RootMeanSquaredError{}, of_numbers},
        {R2Score{}, of_numbers},
        {R2Score{.class_aggregation = ClassAggregation::variance_weighted_average}, of_numbers},
        {Precision{.threshold = 0.3}, one_hot},
        {Recall{.threshold = 0.3, .class_id = 1}, one_hot},
        {F1Score{.average = ClassAverage::weighted}, one_hot},
        {F1Score{.threshold = 0.3}, one_hot},
        {Perplexity{}, sparse},
        {BitsPerCharacter{.from_logits = true, .ignore_class = 1}, sparse},
        {MeanAbsoluteError{}, of_numbers},
        {SparseCategoricalCrossentropy{.ignore_class = 0}, sparse},
        {CategoricalCrossentropy{.from_logits = true}, one_hot},
        {Metric<double>("squares", squares), of_numbers},
    };
}

Metric<double> mean_error() {
    return {"mean_error", [](const Tensor<double>& y, const Tensor<double>& p) { return p - y; }};
}

}  // namespace

TEST_CASE("the result does not depend on how samples are split into batches") {
    for (const Measured& measured : all_metrics()) {
        CAPTURE(measured.metric.name());
        const double whole = result_of(measured.metric, measured.samples);
        CHECK(std::isfinite(whole));
        std::vector<std::size_t> one_by_one;
        for (std::size_t i = 1; i <= sample_count; ++i) one_by_one.push_back(i);
        // The one with 4 twice has a batch of nothing.
        for (const std::vector<std::size_t>& ends :
             {one_by_one, {1, sample_count}, {8, sample_count}, {2, 4, 4, 7, sample_count}}) {
            CHECK(result_of(measured.metric, measured.samples, ends) == whole);
        }
    }
}

TEST_CASE("the result of an epoch is not the mean of its batches") {
    Metric<double> accuracy = BinaryAccuracy{};
    accuracy.update(ones<double>({1}), ones<double>({1}));
    accuracy.update(ones<double>({3}), zeros<double>({3}));
    CHECK(accuracy.result() == 0.25);
    Metric<double> rmse = RootMeanSquaredError{};
    rmse.update(zeros<double>({1, 1}), full<double>({1, 1}, 4));
    rmse.update(zeros<double>({3, 1}), zeros<double>({3, 1}));
    CHECK(rmse.result() == 2);
}

TEST_CASE("batches of sequences of different lengths count by their steps") {
    Metric<double> accuracy = SparseCategoricalAccuracy{};
    const Tensor<double> right = tensor<double>({1, 1, 2}, {0, 1});
    accuracy.update(ones<double>({1, 1}), right);
    accuracy.update(zeros<double>({1, 3}), tensor<double>({1, 3, 2}, {0, 1, 0, 1, 0, 1}));
    CHECK(accuracy.result() == 0.25);
}

TEST_CASE("metrics go on from a state to the same bits") {
    for (const Measured& measured : all_metrics()) {
        CAPTURE(measured.metric.name());
        Metric<double> metric = measured.metric;
        update(metric, measured.samples.range(0, 5));
        const std::vector<double> state = metric.state();
        Metric<double> resumed = measured.metric;
        update(resumed, measured.samples.range(3, 8));  // of which nothing may stay
        resumed.set_state(state);
        CHECK(resumed.state() == state);
        CHECK(resumed.result() == metric.result());
        for (Metric<double>* both : {&metric, &resumed})
            update(*both, measured.samples.range(5, sample_count));
        CHECK(resumed.state() == metric.state());
        CHECK(resumed.result() == metric.result());
        CHECK(metric.state() != state);
        // The state of one that has gathered nothing.
        resumed.set_state(Metric<double>(measured.metric).state());
        update(resumed, measured.samples);
        CHECK(resumed.result() == result_of(measured.metric, measured.samples));
    }
}

TEST_CASE("a state of another metric is refused and changes nothing") {
    for (const Measured& measured : all_metrics()) {
        CAPTURE(measured.metric.name());
        Metric<double> metric = measured.metric;
        update(metric, measured.samples);
        const std::vector<double> before = metric.state();
        std::vector<double> state = before;
        state.push_back(1);
        CHECK_THROWS_AS(metric.set_state(state), ValueError);
        state.resize(before.size() - 1);
        CHECK_THROWS_AS(metric.set_state(state), ValueError);
        CHECK(metric.state() == before);
    }
    Metric<double> accuracy("top1", SparseCategoricalAccuracy{});
    CHECK_THROWS_WITH_AS(accuracy.set_state(std::vector<double>{1, 2, 3}),
                         "metric \"top1\": what is to be its state, 3 numbers, is not that of such a metric; "
                         "now it has 4",
                         ValueError);
}

TEST_CASE("copies gather by themselves, and a reset forgets") {
    for (const Measured& measured : all_metrics()) {
        CAPTURE(measured.metric.name());
        Metric<double> metric = measured.metric;
        const double nothing = metric.result();
        update(metric, measured.samples.range(0, 5));
        const double half = metric.result();
        Metric<double> copy = metric;
        Metric<double> assigned = mean_error();
        assigned = metric;
        CHECK(assigned.name() == metric.name());
        update(copy, measured.samples.range(5, sample_count));
        CHECK(metric.result() == half);
        CHECK(assigned.result() == half);
        update(assigned, measured.samples.range(5, sample_count));
        CHECK(copy.result() == result_of(measured.metric, measured.samples));
        CHECK(assigned.result() == copy.result());
        Metric<double>& itself = copy;
        copy = itself;
        CHECK(copy.result() == assigned.result());
        copy.reset();
        CHECK(copy.result() == nothing);
        CHECK(copy.state() == measured.metric.state());
        update(copy, measured.samples);
        CHECK(copy.result() == assigned.result());
    }
}

TEST_CASE("what stands in padding has no influence") {
    for (const Measured& measured : all_metrics()) {
        CAPTURE(measured.metric.name());
        const Samples<double>& clean = measured.samples;
        Samples<double> dirty = clean;
        for (std::size_t step = 0; step < clean.weights.mask->size(); ++step) {
            if (clean.weights.mask->data()[step]) continue;
            for (Tensor<double>* t : {&dirty.y_true, &dirty.y_pred, &*dirty.weights.sample_weight}) {
                const std::size_t size = t->size() / clean.weights.mask->size();
                std::fill_n(t->data() + step * size, size, no_number);
            }
        }
        const double expected = result_of(measured.metric, clean);
        CHECK(result_of(measured.metric, dirty) == expected);
        // The predictions' own mask.
        Metric<double> metric = measured.metric;
        metric.update(dirty.y_true, constant(dirty.y_pred).with_mask(*dirty.weights.mask),
                      {.sample_weight = dirty.weights.sample_weight});
        CHECK(metric.result() == expected);
        // A given mask goes before it.
        metric.reset();
        metric.update(dirty.y_true,
                      constant(dirty.y_pred).with_mask(full<bool>({sample_count, step_count}, true)),
                      dirty.weights);
        CHECK(metric.result() == expected);
        // One in which nothing counts.
        metric.update(full<double>(dirty.y_true.shape(), no_number),
                      full<double>(dirty.y_pred.shape(), no_number),
                      {.mask = full<bool>({sample_count, step_count}, false)});
        CHECK(metric.result() == expected);
    }
}

TEST_CASE("a weight of 0 leaves out as a mask does") {
    for (const Measured& measured : all_metrics()) {
        CAPTURE(measured.metric.name());
        Samples<double> masked = measured.samples, weightless = measured.samples;
        masked.weights.mask->data()[0] = false;  // the first step of all
        for (std::size_t step = 0; step < masked.weights.mask->size(); ++step) {
            if (!masked.weights.mask->data()[step]) weightless.weights.sample_weight->data()[step] = 0;
        }
        weightless.weights.mask.reset();
        CHECK(result_of(measured.metric, weightless) == result_of(measured.metric, masked));
    }
}

TEST_CASE("the result of nothing is 0, and its perplexity 1") {
    for (const Measured& measured : all_metrics()) {
        CAPTURE(measured.metric.name());
        const double nothing = measured.metric.name() == "perplexity" ? 1 : 0;
        CHECK(measured.metric.result() == nothing);
        Samples<double> masked = measured.samples;
        masked.weights.mask = full<bool>({sample_count, step_count}, false);
        CHECK(result_of(measured.metric, masked) == nothing);
    }
}

TEST_CASE("functions of Tensors and Variables are metrics") {
    const Samples<double> samples{tensor<double>({2, 2}, {1, 2, 3, 4}), tensor<double>({2, 2}, {1, 0, 7, 4})};
    using V = Variable<double>;
    using X = Tensor<double>;
    const auto mean_of = [&](auto f) { return result_of(Metric<double>("f", f), samples, {1, 2}); };
    CHECK(mean_of([](const X& y, const X& p) { return xt::abs(y - p); }) == 1.5);
    CHECK(mean_of([](const X& y, const X& p) -> X { return xt::amax(xt::abs(y - p), {1}); }) == 3);
    CHECK(mean_of([](const V& y, const V& p) { return abs(y - p); }) == 1.5);
    CHECK(mean_of([](const X& y, const V& p) { return abs(constant(y) - p); }) == 1.5);
    CHECK(mean_of([](const auto& y, const auto& p) { return y - p; }) == -0.5);
    CHECK(mean_of([](const X& y, const X& p) { return xt::equal(y, p); }) == 0.5);
    // They get 0 in padding, and one number per sample, step or element is weighted.
    Metric<double> sums("sums", [](const X& y, const X& p) -> X { return xt::sum(y + p, {2}); });
    const X y = tensor<double>({2, 2, 1}, {1, no_number, 2, 3}),
            p = tensor<double>({2, 2, 1}, {1, 2, no_number, 4});
    const Mask mask = tensor<bool>({2, 2}, {true, false, false, true});
    sums.update(y, p, {.sample_weight = tensor<double>({2}, {3, 1}), .mask = mask});
    CHECK(sums.result() == (3 * 2 + 7) / 4.0);
    CHECK(sums.name() == "sums");
}

TEST_CASE("a single number stands for all samples of its batch") {
    Metric<double> metric("first",
                          [](const Tensor<double>& y, const Tensor<double>&) { return y.data()[0]; });
    metric.update(full<double>({3, 2}, 1), zeros<double>({3, 2}));
    const Variable<double> masked = constant(zeros<double>({1, 2})).with_mask(full<bool>({1, 2}, true));
    metric.update(full<double>({1, 2}, 5), masked);
    CHECK(metric.result() == 2);
    Metric<double> mean("mean", [](const Tensor<double>& y, const Tensor<double>&) {
        return std::accumulate(y.begin(), y.end(), 0.0) / static_cast<double>(y.size());
    });
    mean.update(full<double>({1, 2}, 5), zeros<double>({1, 2}));
    mean.update(zeros<double>({0, 2}), zeros<double>({0, 2}));
    CHECK(mean.result() == 5);
    const Tensor<double> two = zeros<double>({2, 2});
    CHECK_THROWS_WITH_AS(
        metric.update(two, two, {.sample_weight = ones<double>({2})}),
        "first: a sample_weight of shape [2] does not fit values of shape []; return one value "
        "per sample to weight them",
        ShapeError);
    CHECK_THROWS_WITH_AS(metric.update(two, two, {.mask = full<bool>({2}, true)}),
                         "first: a mask of shape [2] does not fit values of shape []; return one value per "
                         "sample to weight them",
                         ShapeError);
    CHECK(metric.result() == 2);
}

TEST_CASE("a loss is a metric whatever its reduction") {
    const Samples<double> samples{zeros<double>({3, 1}), tensor<double>({3, 1}, {1, 2, 4})};
    for (const Reduction reduction : {Reduction::sum_over_batch_size, Reduction::sum, Reduction::none}) {
        CHECK(result_of<double>(MeanSquaredError{.reduction = reduction}, samples, {2, 3}) == 7);
    }
    CHECK(Metric<double>(MeanSquaredError{}).name() == "mean_squared_error");
    const Metric<double> named("mse", MeanSquaredError{});
    CHECK(named.name() == "mse");
    CHECK(result_of(named, samples, {2, 3}) == 7);
    CHECK(result_of<double>(Huber{.delta = 1}, samples, {1, 3}) == (0.5 + 1.5 + 3.5) / 3);
    // Of [B] there is one loss for the batch.
    CHECK(result_of<double>(MeanAbsoluteError{}, {zeros<double>({3}), tensor<double>({3}, {1, 2, 6})},
                            {2, 3}) == 3);
}

TEST_CASE("CTC as a metric is the mean over samples that have steps") {
    Numbers numbers(7);
    const Tensor<double> labels = tensor<double>({3, 2}, {1, 2, 2, 0, no_number, no_number});
    const Tensor<double> logits = numbers.between(-1, 1, {3, 4, 3});
    LossWeights<double> weights{.sample_weight = tensor<double>({3}, {1, 3, 5}),
                                .mask = tensor<bool>({3, 4}, {true, true, true, true, true, true, false,
                                                              false, false, false, false, false})};
    const auto of_one = [&](std::size_t b) {
        return CTC{}(test::samples(labels, b, b + 1), constant(test::samples(logits, b, b + 1)),
                     {.mask = test::samples(*weights.mask, b, b + 1)})
            .item();
    };
    Samples<double> padded{labels, logits, weights};
    std::fill_n(padded.y_true.data() + 4, 2, 0.0);
    CHECK(result_of<double>(CTC{}, padded, {1, 3}) == doctest::Approx((of_one(0) + 3 * of_one(1)) / 4));
}

TEST_CASE("a user's own metric has a state of its own") {
    Metric<double> metric = LargestError{};
    CHECK(metric.name() == "largest_error");
    metric.update(zeros<double>({2}), tensor<double>({2}, {1, -3}));
    metric.update(zeros<double>({2}), tensor<double>({2}, {2, 0}));
    CHECK(metric.result() == 3);
    CHECK(metric.state() == std::vector<double>{3, 2});
    metric.set_state(std::vector<double>{8, 1});
    CHECK(metric.result() == 8);
    CHECK_THROWS_AS(metric.set_state(std::vector<double>{8}), ValueError);
    // What threw half-way has changed nothing.
    CHECK_THROWS_AS(metric.update(zeros<double>({2}), tensor<double>({2}, {9, no_number})), ValueError);
    CHECK(metric.state() == std::vector<double>{8, 1});
    CHECK(Metric<double>("worst", LargestError{}).name() == "worst");
}

TEST_CASE("metrics compute nothing for a backward pass") {
    bool recording = true;
    Metric<double> metric("f", [&](const Variable<double>& y, const Variable<double>& p) {
        recording = grad_enabled();
        return y - p;
    });
    metric.update(zeros<double>({2, 1}), parameter(ones<double>({2, 1})));
    CHECK_FALSE(recording);
    CHECK(grad_enabled());
}

TEST_CASE("sums lose nothing to the size of their terms") {
    CompensatedSum sum;
    for (const double term : {1e16, 1.0, 1.0, 1.0, -1e16}) sum.add(term);
    CHECK(sum.value() == 3);
    CompensatedSum tenths;
    for (int i = 0; i < 1000000; ++i) tenths.add(0.1);
    CHECK(tenths.value() == doctest::Approx(1e5).epsilon(1e-15));
    const double infinity = std::numeric_limits<double>::infinity();
    CompensatedSum infinite;
    for (const double term : {1.0, infinity, 1.0}) infinite.add(term);
    CHECK(infinite.value() == infinity);
    infinite.add(-infinity);
    CHECK(std::isnan(infinite.value()));
}

TEST_CASE("errors name the metric and what was wrong, and nothing is gathered") {
    const auto refuses = [](Metric<double> metric, const Samples<double>& batch, const std::string& message,
                            auto error) {
        using E = decltype(error);
        const std::vector<double> before = metric.state();
        CHECK_THROWS_WITH_AS(update(metric, batch), message.c_str(), E);
        CHECK(metric.state() == before);
    };
    const ShapeError shape_error("");
    const ValueError value_error("");
    const Tensor<double> scores = zeros<double>({2, 3});
    refuses(
        BinaryAccuracy{}, {zeros<double>({2}), scores},
        "binary_accuracy: expected y_true and y_pred of one shape [batch, ..., features], got [2] and [2, 3]",
        shape_error);
    refuses(BinaryAccuracy{.threshold = no_number}, {scores, scores}, "binary_accuracy: the threshold is NaN",
            value_error);
    refuses(
        CategoricalAccuracy{}, {zeros<double>({2}), scores},
        "categorical_accuracy: expected y_true and y_pred of one shape [batch, ..., classes], got [2] and "
        "[2, 3]; for labels there are SparseCategoricalAccuracy and SparseTopKCategoricalAccuracy",
        shape_error);
    refuses(
        SparseCategoricalAccuracy{}, {scores, scores},
        "sparse_categorical_accuracy: expected labels [batch, ...] for y_pred [batch, ..., classes], got "
        "[2, 3] and [2, 3]; for one-hot targets there are CategoricalAccuracy and TopKCategoricalAccuracy",
        shape_error);
    refuses(SparseCategoricalAccuracy{}, {tensor<double>({2}, {2, 3}), scores},
            "sparse_categorical_accuracy: label 3 at element 1 of [2] is outside [0, 3)", value_error);
    refuses(SparseTopKCategoricalAccuracy{}, {tensor<double>({2}, {-1, 0}), scores},
            "sparse_top_k_categorical_accuracy: label -1 at element 0 of [2] is outside [0, 3)", value_error);
    refuses(Metric<double>("top1", SparseCategoricalAccuracy{}), {tensor<double>({2}, {0, 0.5}), scores},
            "top1: element 1 of [2] is 0.5, not a whole number", value_error);
    refuses(SparseTopKCategoricalAccuracy{.k = 0}, {zeros<double>({2}), scores},
            "sparse_top_k_categorical_accuracy: k must be at least 1", value_error);
    refuses(TopKCategoricalAccuracy{.k = 0}, {scores, scores},
            "top_k_categorical_accuracy: k must be at least 1", value_error);
    refuses(Accuracy{}, {zeros<double>({2, 4}), scores},
            "accuracy: expected y_true and y_pred of one shape [batch, ..., classes], got [2, 4] and [2, 3]",
            shape_error);
    refuses(
        RootMeanSquaredError{}, {zeros<double>({2, 4}), scores},
        "root_mean_squared_error: expected y_true and y_pred of one shape [batch, ..., features], got [2, 4] "
        "and [2, 3]",
        shape_error);
    refuses(Precision{}, {tensor<double>({2, 3}, {0, 1, 0, 0, 0, 2}), scores},
            "precision: expected y_true of 0 and 1, one-hot for classes, got 2", value_error);
    refuses(Recall{.class_id = 3}, {scores, scores},
            "recall: class_id 3 is outside [0, 3), the columns of y_pred [2, 3]", value_error);
    refuses(Recall{.threshold = no_number}, {scores, scores}, "recall: the threshold is NaN", value_error);
    refuses(F1Score{.threshold = no_number}, {scores, scores}, "f1_score: the threshold is NaN", value_error);
    refuses(F1Score{}, {zeros<double>({2, 1}), zeros<double>({2, 1})},
            "f1_score: a single class, y_pred [2, 1], needs a threshold, such as 0.5", value_error);
    refuses(Perplexity{}, {zeros<double>({3}), scores},
            "sparse_categorical_crossentropy: y_pred [batch, ..., classes] = [2, 3] needs labels of shape "
            "[2], got [3]",
            shape_error);
    refuses(RootMeanSquaredError{}, {scores, scores, {.sample_weight = ones<double>({3})}},
            "root_mean_squared_error: a sample_weight of shape [3] does not fit values of shape [2, 3]",
            shape_error);
    refuses(R2Score{}, {scores, scores, {.mask = full<bool>({3}, true)}},
            "r2_score: a mask of shape [3] does not fit values of shape [2, 3]", shape_error);
    refuses(
        SparseCategoricalAccuracy{}, {zeros<double>({2}), scores, {.mask = full<bool>({2, 3}, true)}},
        "sparse_categorical_accuracy: a mask of shape [2, 3] does not fit values of shape [2]; for one value "
        "per step y_true and y_pred need a feature axis",
        shape_error);
    for (Metric<double> metric : {Metric<double>(R2Score{}), Metric<double>(F1Score{})}) {
        update(metric, {scores, scores});
        refuses(metric, {zeros<double>({2, 4}), zeros<double>({2, 4})},
                metric.name() + ": y_pred [2, 4] has a last axis of 4, earlier batches had one of 3",
                shape_error);
    }
}
