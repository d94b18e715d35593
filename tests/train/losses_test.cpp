#include "seqgrad/train/losses.hpp"

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "support/fixture.hpp"
#include "support/golden.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/elementary.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/core/ops/shape.hpp"

using namespace seqgrad;

namespace {

/// Compares value and gradient of a loss with a fixture of golden/losses.
template <class T>
void check_fixture(const Loss<T>& loss, const std::string& name) {
    CAPTURE(name);
    const test::Json fixture = test::read_fixture(test::golden_path("losses/" + name + ".json"));
    const Variable<T> y_pred = parameter(test::to_tensor<T>(fixture.at("y_pred")));
    LossWeights<T> weights;
    if (!fixture.at("sample_weight").is_null())
        weights.sample_weight = test::to_tensor<T>(fixture.at("sample_weight"));
    const Variable<T> value = loss(test::to_tensor<T>(fixture.at("y_true")), y_pred, weights);
    CHECK(test::golden_error(value.value(), full<double>({}, fixture.at("value").get<double>())) <= 1.0);
    backward(value);
    CHECK(test::golden_error(y_pred.grad(), test::to_tensor<double>(fixture.at("gradient"))) <= 1.0);
}

const Tensor<double> y = tensor<double>({2, 3}, {1, 2, 3, 4, 5, 6});

/// Losses 1, 2, 3 / 4, 5, 6 of two samples and three steps.
Variable<double> six_losses() {
    return parameter(y);
}

double reduced(Reduction reduction, const LossWeights<double>& weights = {}) {
    return reduce_loss(six_losses(), reduction, weights).item();
}

}  // namespace

TEST_CASE_TEMPLATE("losses and their gradients are Keras's", T, float, double) {
    for (const std::string weighted : {"", "_weighted"}) {
        check_fixture<T>(MeanSquaredError{}, "mean_squared_error" + weighted);
        check_fixture<T>(MeanAbsoluteError{}, "mean_absolute_error" + weighted);
        check_fixture<T>(MeanAbsolutePercentageError{}, "mean_absolute_percentage_error" + weighted);
        // The fixtures leave out which delta make_golden.py gave.
        check_fixture<T>(Huber{.delta = 0.7}, "huber" + weighted);
        check_fixture<T>(LogCosh{}, "log_cosh" + weighted);
        check_fixture<T>(KLDivergence{}, "kl_divergence" + weighted);
        check_fixture<T>(BinaryCrossentropy{}, "binary_crossentropy" + weighted);
        check_fixture<T>(BinaryCrossentropy{.from_logits = true}, "binary_crossentropy_logits" + weighted);
        check_fixture<T>(CategoricalCrossentropy{}, "categorical_crossentropy" + weighted);
        check_fixture<T>(CategoricalCrossentropy{.from_logits = true, .label_smoothing = 0.1},
                         "categorical_crossentropy_logits_smoothed" + weighted);
        check_fixture<T>(SparseCategoricalCrossentropy{}, "sparse_categorical_crossentropy" + weighted);
        check_fixture<T>(SparseCategoricalCrossentropy{.from_logits = true},
                         "sparse_categorical_crossentropy_logits" + weighted);
    }
}

TEST_CASE("losses are reduced as their name says") {
    CHECK(reduced(Reduction::sum_over_batch_size) == 3.5);
    CHECK(reduced(Reduction::mean) == 3.5);
    CHECK(reduced(Reduction::mean_with_sample_weight) == 3.5);
    CHECK(reduced(Reduction::sum) == 21.0);
    CHECK(reduce_loss(six_losses(), Reduction::none).value() == y);
}

TEST_CASE("weights multiply the losses of samples or steps") {
    const LossWeights<double> samples{.sample_weight = tensor<double>({2}, {1, 0.5})};
    CHECK(reduced(Reduction::sum, samples) == 6.0 + 7.5);
    CHECK(reduced(Reduction::sum_over_batch_size, samples) == 13.5 / 6);
    CHECK(reduced(Reduction::mean_with_sample_weight, samples) == 13.5 / 1.5);
    const LossWeights<double> column{.sample_weight = tensor<double>({2, 1}, {1, 0.5})};
    CHECK(reduced(Reduction::sum, column) == 13.5);
    const LossWeights<double> row{.sample_weight = tensor<double>({1, 3}, {1, 0, 2})};
    CHECK(reduced(Reduction::sum, row) == 1 + 6 + 4 + 12);
    const LossWeights<double> steps{.sample_weight = tensor<double>({2, 3}, {1, 0, 0, 0, 0, 3})};
    CHECK(reduced(Reduction::mean_with_sample_weight, steps) == 19.0 / 4);
    const LossWeights<double> longer{.sample_weight = tensor<double>({2, 3, 1}, {1, 0, 0, 0, 0, 3})};
    CHECK(reduced(Reduction::sum, longer) == 19.0);
    CHECK(reduce_loss(six_losses(), Reduction::none, samples).value() ==
          tensor<double>({2, 3}, {1, 2, 3, 2, 2.5, 3}));
}

TEST_CASE("with a mask the mean is over what counts") {
    const LossWeights<double> mask{.mask = tensor<bool>({2, 3}, {true, true, false, true, false, false})};
    CHECK(reduced(Reduction::sum_over_batch_size, mask) == doctest::Approx(7.0 / 3));
    CHECK(reduced(Reduction::mean_with_sample_weight, mask) == doctest::Approx(7.0 / 3));
    CHECK(reduced(Reduction::sum, mask) == 7.0);
    const LossWeights<double> both{.sample_weight = tensor<double>({2}, {1, 0.5}),
                                   .mask = tensor<bool>({2, 3}, {true, true, false, true, false, false})};
    CHECK(reduced(Reduction::sum_over_batch_size, both) == doctest::Approx(5.0 / 3));
    CHECK(reduced(Reduction::mean_with_sample_weight, both) == doctest::Approx(5.0 / 2.5));
    const LossWeights<double> sample{.mask = tensor<bool>({2}, {false, true})};
    CHECK(reduced(Reduction::sum_over_batch_size, sample) == 5.0);
    const Variable<double> losses = six_losses();
    backward(reduce_loss(losses, Reduction::mean, mask));
    for (std::size_t i = 0; i < 6; ++i)
        CHECK(losses.grad().data()[i] == doctest::Approx(mask.mask->data()[i] ? 1.0 / 3 : 0.0));
}

TEST_CASE("the gradients of all reductions agree with differences") {
    const LossWeights<double> weights{.sample_weight = tensor<double>({2}, {1, 0.5}),
                                      .mask = tensor<bool>({2, 3}, {true, true, false, true, false, true})};
    for (const Reduction reduction : {Reduction::sum_over_batch_size, Reduction::mean,
                                      Reduction::mean_with_sample_weight, Reduction::sum}) {
        for (const LossWeights<double>& w : {LossWeights<double>{}, weights}) {
            const Variable<double> losses = six_losses();
            backward(reduce_loss(losses, reduction, w));
            for (std::size_t i = 0; i < 6; ++i) {
                Tensor<double> more = y;
                more.data()[i] += 1.0;  // the loss is linear
                const double difference =
                    reduce_loss(constant(more), reduction, w).item() - reduced(reduction, w);
                CHECK(losses.grad().data()[i] == doctest::Approx(difference));
            }
        }
    }
    const Variable<double> losses = six_losses();
    backward(reduce_loss(losses, Reduction::none, weights), tensor<double>({2, 3}, {1, 2, 3, 4, 5, 6}));
    CHECK(losses.grad() == tensor<double>({2, 3}, {1, 2, 0, 2, 0, 3}));
}

TEST_CASE("a mask of which nothing counts, and a batch of nothing, give 0") {
    const LossWeights<double> nothing{.mask = tensor<bool>({2}, {false, false})};
    const Variable<double> losses = six_losses();
    for (const Reduction reduction : {Reduction::sum_over_batch_size, Reduction::mean,
                                      Reduction::mean_with_sample_weight, Reduction::sum}) {
        const Variable<double> value = reduce_loss(losses, reduction, nothing);
        CHECK(value.item() == 0.0);
        backward(value);
        CHECK(losses.grad() == zeros<double>({2, 3}));
        CHECK(reduce_loss(constant(zeros<double>({0, 3})), reduction).item() == 0.0);
    }
}

TEST_CASE("weights and masks that do not fit are refused") {
    const auto with = [](Tensor<double> w) { return [w] { reduced(Reduction::sum, {.sample_weight = w}); }; };
    CHECK_THROWS_WITH_AS(with(ones<double>({3}))(),
                         "loss: a sample_weight of shape [3] does not fit losses of shape [2, 3]",
                         ShapeError);
    CHECK_THROWS_AS(with(ones<double>({2, 2}))(), ShapeError);
    CHECK_THROWS_AS(with(ones<double>({2, 3, 2}))(), ShapeError);
    CHECK_THROWS_AS(with(ones<double>({1, 2, 3}))(), ShapeError);
    CHECK_THROWS_WITH_AS(reduced(Reduction::sum, {.mask = full<bool>({3, 2}, true)}),
                         "loss: a mask of shape [3, 2] does not fit losses of shape [2, 3]", ShapeError);
    CHECK_THROWS_WITH_AS(
        reduce_loss(constant(zeros<double>({})), Reduction::sum, {.sample_weight = ones<double>({2})}),
        "loss: a sample_weight of shape [2] does not fit losses of shape []; return one loss per sample to "
        "weight them",
        ShapeError);
}

TEST_CASE("mean_squared_error averages over the last axis and drops one of size 1") {
    const Variable<double> p = constant(tensor<double>({2, 2}, {1, 2, 3, 4}));
    CHECK(mean_squared_error(tensor<double>({2, 2}, {1, 0, 0, 0}), p).value() ==
          tensor<double>({2}, {2, 12.5}));
    const Variable<double> column = parameter(tensor<double>({2, 1}, {1, 2}));
    const Variable<double> loss = mean_squared_error(tensor<double>({2}, {0, 0}), column);
    CHECK(loss.value() == tensor<double>({2}, {1, 4}));
    backward(loss, tensor<double>({2}, {1, 10}));
    CHECK(column.grad() == tensor<double>({2, 1}, {2, 40}));
    CHECK(mean_squared_error(tensor<double>({2, 2, 1}, {1, 2, 3, 4}), p).value() == zeros<double>({2}));
    CHECK(mean_squared_error(tensor<double>({2, 1}, {1, 3}), constant(tensor<double>({2}, {1, 2}))).value() ==
          tensor<double>({2}, {0, 1}));
    CHECK_THROWS_WITH_AS(
        mean_squared_error(zeros<double>({2, 1}), p),
        "mean_squared_error: expected y_true and y_pred of one shape [batch, ..., features], got "
        "[2, 1] and [2, 2]",
        ShapeError);
    CHECK_THROWS_AS(mean_squared_error(zeros<double>({}), constant(zeros<double>({}))), ShapeError);
    CHECK_THROWS_AS(mean_squared_error(zeros<double>({3, 2}), p), ShapeError);
}

TEST_CASE("probabilities are clipped and scaled before the logarithm") {
    const Variable<double> p = parameter(tensor<double>({2, 3}, {0.2, 0.1, 0.1, 0.0, 1.0, 0.0}));
    const Tensor<std::int64_t> labels = tensor<std::int64_t>({2}, {0, 2});
    const Variable<double> loss = sparse_categorical_crossentropy(labels, p);
    CHECK(loss.value().data()[0] == doctest::Approx(std::log(2.0)).epsilon(1e-14));
    CHECK(loss.value().data()[1] == doctest::Approx(std::log((1.0 + 1e-7) / 1e-7)).epsilon(1e-14));
    backward(loss, ones<double>({2}));
    CHECK(p.grad().data()[0] == doctest::Approx(1 / 0.4 - 1 / 0.2));
    CHECK(p.grad().data()[1] == doctest::Approx(1 / 0.4));
    // All three of the second row are clipped.
    for (std::size_t i = 3; i < 6; ++i) CHECK(p.grad().data()[i] == 0.0);
}

TEST_CASE_TEMPLATE("cross-entropy of large logits is exact", T, float, double) {
    const Variable<T> logits = parameter(tensor<T>({2, 2}, {T(1e4), T(-1e4), T(-1e4), T(1e4)}));
    const Variable<T> loss =
        SparseCategoricalCrossentropy{.from_logits = true}(tensor<std::int64_t>({2}, {0, 0}), logits);
    CHECK(loss.item() == T(1e4));
    backward(loss);
    CHECK(logits.grad() == tensor<T>({2, 2}, {0, 0, T(-0.5), T(0.5)}));
}

TEST_CASE("labels may have an axis of size 1 more, must be whole and within the classes") {
    const Variable<double> p = constant(full<double>({2, 3}, 1.0 / 3));
    const SparseCategoricalCrossentropy loss{.reduction = Reduction::none};
    const Variable<double> flat = loss(tensor<std::int64_t>({2}, {0, 2}), p);
    CHECK(flat.shape() == Shape{2});
    CHECK(loss(tensor<std::int64_t>({2, 1}, {0, 2}), p).value() == flat.value());
    CHECK(loss(tensor<double>({2}, {0, 2}), p).value() == flat.value());
    for (const bool from_logits : {false, true}) {
        const SparseCategoricalCrossentropy either{.from_logits = from_logits};
        CHECK_THROWS_WITH_AS(
            either(tensor<std::int64_t>({2}, {0, 3}), p),
            "sparse_categorical_crossentropy: label 3 (element 1 of [2]) lies outside [0, 3), the "
            "classes of y_pred [2, 3]",
            ValueError);
        CHECK_THROWS_AS(either(tensor<std::int64_t>({2}, {-1, 0}), p), ValueError);
        CHECK_THROWS_WITH_AS(
            either(tensor<std::int64_t>({3}, {0, 0, 0}), p),
            "sparse_categorical_crossentropy: y_pred [batch, ..., classes] = [2, 3] needs labels of "
            "shape [2], got [3]",
            ShapeError);
        CHECK_THROWS_AS(either(tensor<std::int64_t>({}, {0}), constant(zeros<double>({}))), ShapeError);
    }
    CHECK_THROWS_WITH_AS(loss(tensor<double>({2}, {0, 1.5}), p),
                         "labels: element 1 of [2] is 1.5, not a whole number", ValueError);
    CHECK_THROWS_AS(loss(tensor<double>({2}, {0, std::nan("")}), p), ValueError);
    CHECK_THROWS_AS(loss(tensor<double>({2}, {0, std::numeric_limits<double>::infinity()}), p), ValueError);
    CHECK_THROWS_AS(to_labels(tensor<float>({1}, {1e10f})), ValueError);
    CHECK(to_labels(tensor<float>({2}, {16777216.0f, -1.0f})) == tensor<std::int64_t>({2}, {16777216, -1}));
}

TEST_CASE("any callable is a loss") {
    const Tensor<double> truth = tensor<double>({2, 1}, {0, 1});
    const Variable<double> p = constant(tensor<double>({2, 1}, {3, -1}));
    const LossWeights<double> weights{.sample_weight = tensor<double>({2}, {1, 2})};
    const Loss<double> of_tensor = [](const Tensor<double>& t, const Variable<double>& v) {
        return abs(v - t);
    };
    CHECK(of_tensor(truth, p).item() == 2.5);
    CHECK(of_tensor(truth, p, weights).item() == 3.5);
    const Loss<double> of_variable = [](const Variable<double>& t, const Variable<double>& v) {
        return abs(v - t);
    };
    CHECK(of_variable(truth, p, weights).item() == 3.5);
    const Loss<double> generic = [](const auto& t, const auto& v) { return abs(v - t); };
    CHECK(generic(truth, p).item() == 2.5);
    const Loss<double> scalar = [](const auto& t, const auto& v) { return sum(abs(v - t)); };
    CHECK(scalar(truth, p).item() == 5.0);
    CHECK_THROWS_AS(scalar(truth, p, weights), ShapeError);
    const Loss<double> weighted = [](const Tensor<double>& t, const Variable<double>& v,
                                     const LossWeights<double>& w) {
        return sum(abs(v - t)) * w.sample_weight->data()[1];
    };
    CHECK(weighted(truth, p, weights).item() == 10.0);
    const Loss<double> summed = MeanSquaredError{.reduction = Reduction::sum};
    CHECK(summed(truth, p).item() == 13.0);
    const Loss<double> copy = summed;
    CHECK(copy(truth, p, weights).item() == 17.0);
}

TEST_CASE("the mask of the predictions is taken as Keras takes it, with and without weights") {
    // yt = [[[1.], [2.], [3.]], [[4.], [5.], [6.]]], yp below with Keras's mask m = [[1, 1, 0], [1, 1, 1]]:
    // keras.losses.MeanSquaredError(reduction=red)(yt, yp, sample_weight=w), in float64
    const Tensor<double> y_true = tensor<double>({2, 3, 1}, {1, 2, 3, 4, 5, 6});
    const Variable<double> y_pred =
        constant(tensor<double>({2, 3, 1}, {1.5, 2.25, 9, 4.5, 7, 5}))
            .with_mask(tensor<bool>({2, 3}, {true, true, false, true, true, true}));
    const LossWeights<double> steps{.sample_weight = tensor<double>({2, 3}, {1, 2, 3, 0.5, 1, 1})};
    const LossWeights<double> samples{.sample_weight = tensor<double>({2, 1}, {2, 0.5})};
    struct Case {
        Reduction reduction;
        double plain, steps, samples;
    };
    for (const Case& c :
         {Case{Reduction::sum_over_batch_size, 1.1125, 1.0999999999999999, 0.65},
          Case{Reduction::mean, 1.1125, 1.0999999999999999, 0.65}, Case{Reduction::sum, 5.5625, 5.5, 3.25},
          Case{Reduction::mean_with_sample_weight, 1.1125, 1.0, 0.5909090909090909}}) {
        const MeanSquaredError loss{.reduction = c.reduction};
        CHECK(loss(y_true, y_pred).item() == doctest::Approx(c.plain).epsilon(1e-14));
        CHECK(loss(y_true, y_pred, steps).item() == doctest::Approx(c.steps).epsilon(1e-14));
        CHECK(loss(y_true, y_pred, samples).item() == doctest::Approx(c.samples).epsilon(1e-14));
    }
    CHECK(MeanSquaredError{.reduction = Reduction::none}(y_true, y_pred, steps).value() ==
          tensor<double>({2, 3}, {0.25, 0.125, 0, 0.125, 4, 1}));
    // Weights that name a mask go before the predictions' own.
    const LossWeights<double> all{.mask = full<bool>({2, 3}, true)};
    CHECK(MeanSquaredError{.reduction = Reduction::sum}(y_true, y_pred, all).item() == 5.5625 + 36);
}

TEST_CASE("what stands in padding changes neither loss nor gradient") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const Mask mask = tensor<bool>({2, 2}, {true, false, true, true});
    const auto gradient = [&](const Loss<double>& loss, const Tensor<double>& y_true, Tensor<double> values,
                              double padding, const LossWeights<double>& weights) {
        for (std::size_t i = 3; i < 6; ++i) values.data()[i] = padding;
        const Variable<double> p = parameter(std::move(values));
        const Variable<double> value = loss(y_true, weights.mask ? p : p.with_mask(mask), weights);
        backward(value);
        return std::pair(value.item(), p.grad());
    };
    const Tensor<double> probabilities =
        tensor<double>({2, 2, 3}, {.5, .25, .25, .1, .1, .8, .2, .3, .5, .6, .2, .2});
    const Tensor<double> labels = tensor<double>({2, 2}, {0, 1, 2, 0});
    const Tensor<double> values = tensor<double>({2, 2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3});
    const Loss<double> of_two = [](const Variable<double>& t, const Variable<double>& p) {
        return mean(abs(t - p), {.axis = -1});
    };
    struct Case {
        Loss<double> loss;
        Tensor<double> y_true;
        std::vector<double> padding;  // of y_true
    };
    const std::vector<Case> cases = {{SparseCategoricalCrossentropy{}, labels, {-1, nan, 7, 0.5}},
                                     {SparseCategoricalCrossentropy{.from_logits = true}, labels, {-1, nan}},
                                     {MeanSquaredError{}, values, {nan, 1e300}},
                                     {of_two, values, {nan, 1e300}}};
    for (const Case& c : cases) {
        for (const LossWeights<double>& weights :
             {LossWeights<double>{}, LossWeights<double>{.mask = mask},
              LossWeights<double>{.sample_weight = tensor<double>({2, 2}, {1, nan, 2, 3})}}) {
            const auto [value, expected] = gradient(c.loss, c.y_true, probabilities, 0.3, weights);
            CHECK(std::isfinite(value));
            CHECK(expected(0, 0, 0) != 0);
            for (std::size_t i = 3; i < 6; ++i) CHECK(expected.data()[i] == 0);
            for (const double padding : c.padding) {
                Tensor<double> y_true = c.y_true;
                const std::size_t row = y_true.size() / 4;
                for (std::size_t i = row; i < 2 * row; ++i) y_true.data()[i] = padding;
                const auto [other, other_gradient] = gradient(c.loss, y_true, probabilities, nan, weights);
                CHECK(other == value);
                CHECK(other_gradient == expected);
            }
        }
    }
}

TEST_CASE("a mask leaves labels of any rank, and losses of one number, as they should be") {
    const Variable<double> logits =
        constant(tensor<double>({1, 2, 2}, {1, 2, 3, 4})).with_mask(tensor<bool>({1, 2}, {true, false}));
    const SparseCategoricalCrossentropy loss{.from_logits = true};
    const double expected = std::log(1 + std::exp(1));
    CHECK(loss(tensor<std::int64_t>({1, 2}, {0, -1}), logits).item() == doctest::Approx(expected));
    CHECK(loss(tensor<std::int64_t>({1, 2, 1}, {0, -1}), logits).item() == doctest::Approx(expected));
    const Loss<double> total = [](const Variable<double>& t, const Variable<double>& p) {
        return sum(t * p);
    };
    CHECK(total(tensor<double>({1, 2, 1}, {2, 5}), logits).item() == 6);  // what is padding counts as 0
}

TEST_CASE("a mask of steps where the losses have none is refused") {
    const Variable<double> p = constant(ones<double>({2, 3, 1})).with_mask(full<bool>({2, 3}, true));
    CHECK_THROWS_WITH_AS(
        MeanSquaredError{}(ones<double>({2, 3}), p),
        "loss: a mask of shape [2, 3] does not fit losses of shape [2]; for one loss per step "
        "y_true and y_pred need a feature axis",
        ShapeError);
}

TEST_CASE("losses that were not chosen or weigh 0 take no part, whatever was predicted there") {
    const double nan = std::numeric_limits<double>::quiet_NaN(),
                 inf = std::numeric_limits<double>::infinity();
    const Tensor<double> truth = tensor<double>({2, 3}, {0, 1, 0, 1, 0, 0});
    const auto labels = tensor<std::int64_t>({2}, {1, 0});
    using Losses = std::function<Variable<double>(const Variable<double>&)>;
    const std::vector<std::pair<const char*, Losses>> all{
        {"mean_squared_error", [&](const auto& p) { return mean_squared_error(truth, p); }},
        {"mean_absolute_error", [&](const auto& p) { return mean_absolute_error(truth, p); }},
        {"mean_absolute_percentage_error",
         [&](const auto& p) { return mean_absolute_percentage_error(truth, p); }},
        {"mean_squared_logarithmic_error",
         [&](const auto& p) { return mean_squared_logarithmic_error(truth, p); }},
        {"huber", [&](const auto& p) { return huber(truth, p, 1.0); }},
        {"log_cosh", [&](const auto& p) { return log_cosh(truth, p); }},
        {"cosine_similarity", [&](const auto& p) { return cosine_similarity(truth, p); }},
        {"kl_divergence", [&](const auto& p) { return kl_divergence(truth, p); }},
        {"binary_crossentropy", [&](const auto& p) { return binary_crossentropy(truth, p, false, 0.0); }},
        {"binary_crossentropy of logits",
         [&](const auto& p) { return binary_crossentropy(truth, p, true, 0.0); }},
        {"categorical_crossentropy",
         [&](const auto& p) { return categorical_crossentropy(truth, p, false, 0.0); }},
        {"categorical_crossentropy of logits",
         [&](const auto& p) { return categorical_crossentropy(truth, p, true, 0.0); }},
        {"sparse_categorical_crossentropy",
         [&](const auto& p) { return sparse_categorical_crossentropy(labels, p, false); }},
        {"sparse_categorical_crossentropy of logits",
         [&](const auto& p) { return sparse_categorical_crossentropy(labels, p, true); }},
        {"ctc",
         [&](const auto& p) {
             return ctc(tensor<std::int64_t>({2, 1}, {2, 1}), reshape(p, {2, 1, 3}));
         }},
    };
    for (const auto& one : all) {
        const std::string name = one.first;
        const Losses& losses = one.second;
        CAPTURE(name);
        for (const double bad : {nan, inf, -inf, 0.0, -1.0, 1e308}) {
            CAPTURE(bad);
            const auto with = [&](double v, bool weighted) {
                const Variable<double> p = parameter(tensor<double>({2, 3}, {0.5, 0.25, 0.125, v, v, v}));
                const Variable<double> each = losses(p);
                const auto loss = weighted
                                      ? reduce_loss<double>(each, Reduction::sum,
                                                            {.sample_weight = tensor<double>({2}, {1, 0})})
                                      : sum(where(tensor<bool>({2}, {true, false}), each, 0));
                backward(loss);
                return std::pair(loss.item(), p.grad());
            };
            for (const bool weighted : {false, true}) {
                CAPTURE(weighted);
                const auto [value, gradient] = with(bad, weighted);
                const auto [other_value, other_gradient] = with(0.5, weighted);
                CHECK(value == other_value);
                for (std::size_t i = 0; i < 3; ++i) {
                    CHECK(gradient(0, i) == other_gradient(0, i));
                    CHECK(gradient(1, i) == 0);
                }
            }
        }
    }
}

TEST_CASE("a weight of 0 leaves a loss out in every reduction, and NaN that counts is not hidden") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const Tensor<double> weights = tensor<double>({3}, {1, 0, 3});
    for (const auto& [reduction, expected] :
         {std::pair{Reduction::sum, 14.0}, std::pair{Reduction::sum_over_batch_size, 14.0 / 3},
          std::pair{Reduction::mean, 14.0 / 3}, std::pair{Reduction::mean_with_sample_weight, 3.5}}) {
        const Variable<double> losses = parameter(tensor<double>({3}, {2, nan, 4}));
        const Variable<double> loss = reduce_loss<double>(losses, reduction, {.sample_weight = weights});
        CHECK(loss.item() == doctest::Approx(expected).epsilon(1e-15));
        backward(loss);
        CHECK(losses.grad()(1) == 0);
    }
    const Variable<double> losses = parameter(tensor<double>({3}, {2, nan, nan}));
    const Variable<double> each = reduce_loss<double>(losses, Reduction::none, {.sample_weight = weights});
    CHECK(each.value()(0) == 2);
    CHECK(each.value()(1) == 0);
    CHECK(std::isnan(each.value()(2)));
    CHECK(std::isnan(reduce_loss<double>(losses, Reduction::sum, {.sample_weight = weights}).item()));
    const LossWeights<double> weighted_by_nan{.sample_weight = tensor<double>({3}, {1, 0, nan})};
    CHECK(std::isnan(
        reduce_loss<double>(parameter(ones<double>({3})), Reduction::sum, weighted_by_nan).item()));
}
