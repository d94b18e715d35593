#include "seqgrad/train/learning_rate_finder.hpp"

#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/dropout.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/sequential.hpp"
#include "seqgrad/optim/adam.hpp"
#include "seqgrad/optim/schedules.hpp"
#include "seqgrad/optim/sgd.hpp"

using namespace seqgrad;

namespace {

/// 64 samples of y = 2 x, x uniform in [-1, 1).
Dataset<double> line() {
    Generator generator(3);
    Dataset<double> data{generator.uniform<double>({64, 1}, -1.0, 1.0), zeros<double>({64, 1})};
    for (std::size_t i = 0; i < 64; ++i) data.y.data()[i] = 2.0 * data.x.data()[i];
    return data;
}

/// A source of some batches that cannot be passed over again.
class Once : public BatchSource<double> {
  public:
    explicit Once(std::size_t batches) : left_(batches) {}
    void start(Generator&) override {}
    std::optional<Batch<double>> next() override {
        if (left_ == 0) return std::nullopt;
        --left_;
        return Batch<double>{line()};
    }

  private:
    std::size_t left_;
};

Dense<double> single_weight() {
    return Dense<double>({.units = 1, .use_bias = false, .kernel_initializer = Zeros{}});
}

}  // namespace

TEST_CASE("the rates grow by one factor, and the losses are those of training with them") {
    Dense<double> model = single_weight();
    const Dataset<double> data = line();
    Trainer trainer(model, SGD<double>(), MeanSquaredError{});
    const LearningRateCurve curve = find_learning_rate(
        trainer, data, {.min_rate = 1e-3, .max_rate = 1.0, .steps = 4, .batch_size = 64, .smoothing = 0.5});
    // One batch of all samples: w <- w - rate 2 m (w - 2) with m the mean of x^2, from w = 0.
    double m = 0.0, w = 0.0, mean = 0.0;
    for (const double x : elements(data.x)) m += x * x / 64;
    REQUIRE(curve.rates.size() == 4);
    for (std::size_t k = 0; k < 4; ++k) {
        const double rate = std::pow(10.0, static_cast<double>(k) - 3.0), loss = m * (w - 2) * (w - 2);
        mean = 0.5 * mean + 0.5 * loss;
        CHECK(curve.rates[k] == doctest::Approx(rate).epsilon(1e-12));
        CHECK(curve.losses[k] == doctest::Approx(loss).epsilon(1e-12));
        CHECK(curve.smoothed[k] ==
              doctest::Approx(mean / (1 - std::pow(0.5, static_cast<double>(k + 1)))).epsilon(1e-12));
        w -= rate * 2 * m * (w - 2);
    }
    CHECK(curve.table().find("  smoothed\n     0.001") != std::string::npos);
}

TEST_CASE("the test ends where the loss diverges, and suggests a rate at which it falls") {
    Dense<double> model = single_weight();
    const Dataset<double> data = line();
    Trainer trainer(model, SGD<double>(), MeanSquaredError{});
    const LearningRateCurve curve = find_learning_rate(
        trainer, data, {.min_rate = 1e-5, .max_rate = 1e4, .steps = 200, .batch_size = 16, .seed = 1});
    CHECK(curve.rates.size() < 200);
    // Gradient descent on this loss converges for rates below 1 / m = 3.
    CHECK(curve.suggestion() > 1e-3);
    CHECK(curve.suggestion() < 3.0);
    CHECK_THROWS_WITH_AS(
        LearningRateCurve({.rates = {1, 2, 3}, .losses = {1, 2, 3}, .smoothed = {1, 2, 3}}).suggestion(),
        "learning rate curve: the loss falls at no rate", ValueError);
}

TEST_CASE("model, optimizer and training are afterwards as they were") {
    const auto run = [](bool find, bool trained_before) {
        set_random_seed(5);
        Sequential<double> model;
        model.add(Dense<double>({.units = 3}));
        model.add(Dropout<double>({.rate = 0.5, .seed = 2}));
        model.add(Dense<double>({.units = 1}));
        const Dataset<double> data = line();
        model.build({unknown, 1});
        Trainer trainer(model, Adam<double>({.learning_rate = 0.01}), MeanSquaredError{});
        if (trained_before) trainer.fit(data, {.verbose = 0, .seed = 1});
        if (find) {
            find_learning_rate(trainer, data, {.steps = 20, .seed = 9});
            CHECK(trainer.optimizer().learning_rate() == 0.01);
        }
        return trainer.fit(data, {.epochs = 2, .verbose = 0, .seed = 1})["loss"];
    };
    for (const bool trained_before : {false, true})
        CHECK(run(true, trained_before) == run(false, trained_before));
}

TEST_CASE("the default generator and gradients are afterwards as they were") {
    set_random_seed(5);
    Dense<double> model({.units = 1});
    model.build({unknown, 1});
    Trainer trainer(model, SGD<double>(), MeanSquaredError{});
    Variable<double> kernel = model.parameters()[0].variable, bias = model.parameters()[1].variable;
    backward(sum(3.0 * kernel));
    const GeneratorState before = default_generator().state();
    find_learning_rate(trainer, line(), {.steps = 20});  // the order of samples is drawn in every pass
    CHECK(default_generator().state() == before);
    REQUIRE(kernel.has_grad());
    CHECK(kernel.grad()(0, 0) == 3.0);
    CHECK_FALSE(bias.has_grad());
    // A model that is built by it keeps the weights that it drew, so nothing else draws them again.
    Dense<double> unbuilt({.units = 1}), built({.units = 1});
    Trainer other(unbuilt, SGD<double>(), MeanSquaredError{});
    find_learning_rate(other, line(), {.steps = 20});
    built.build({unknown, 1});
    CHECK(unbuilt.parameters()[0].variable.value() != built.parameters()[0].variable.value());
    default_generator().set_state(before);
    Dense<double> first({.units = 1}), second({.units = 1});
    first.build({unknown, 1});
    second.build({unknown, 1});
    CHECK(unbuilt.parameters()[0].variable.value() == first.parameters()[0].variable.value());
    CHECK(built.parameters()[0].variable.value() == second.parameters()[0].variable.value());
    // Also where it ends with an exception.
    const GeneratorState now = default_generator().state();
    Once too_few(2);
    CHECK_THROWS_AS(find_learning_rate(trainer, too_few, {.steps = 3}), ValueError);
    CHECK(default_generator().state() == now);
}

TEST_CASE("a model that the test builds has drawn nothing before it is trained") {
    const auto model = [] {
        Sequential<double> made;
        made.add(Dropout<double>({.rate = 0.5, .seed = 2}));
        made.add(Dense<double>({.units = 1}));
        return made;
    };
    Sequential<double> found = model(), built = model();
    found.set_training(true);
    built.build({unknown, 1});
    Trainer trainer(found, SGD<double>(), MeanSquaredError{});
    find_learning_rate(trainer, line(), {.steps = 2});
    CHECK(found.training());
    CHECK(found.state().generators == built.state().generators);
    CHECK_FALSE(built.state().generators.empty());
}

TEST_CASE("data that has no batches a second time is refused, and nothing changes") {
    Dense<double> model = single_weight();
    Trainer trainer(model, SGD<double>({.learning_rate = 0.5}), MeanSquaredError{});
    Once enough(3), too_few(2);
    CHECK(find_learning_rate(trainer, enough, {.steps = 3}).losses.size() == 3);
    CHECK_THROWS_WITH_AS(find_learning_rate(trainer, too_few, {.steps = 3}),
                         "find_learning_rate: the data has no batches when it is passed over again",
                         ValueError);
    CHECK(model.parameters()[0].variable.value().data()[0] == 0.0);
    CHECK(trainer.optimizer().learning_rate() == 0.5);
}

TEST_CASE("what cannot be tried is refused") {
    Dense<double> model = single_weight();
    const Dataset<double> data = line();
    Trainer trainer(model, SGD<double>(), MeanSquaredError{});
    const auto with = [&](LearningRateFinderOptions options) { find_learning_rate(trainer, data, options); };
    CHECK_THROWS_WITH_AS(with({.min_rate = 0}),
                         "find_learning_rate: min_rate must be finite and above 0, got 0", ValueError);
    CHECK_THROWS_WITH_AS(with({.min_rate = 2, .max_rate = 1}),
                         "find_learning_rate: max_rate must be finite and above min_rate, got 1", ValueError);
    CHECK_THROWS_WITH_AS(with({.steps = 1}), "find_learning_rate: steps must be at least 2, got 1",
                         ValueError);
    CHECK_THROWS_AS(with({.smoothing = 1}), ValueError);
    CHECK_THROWS_AS(with({.divergence = 1}), ValueError);
    CHECK_THROWS_AS(with({.batch_size = 0}), ValueError);
    Once empty(0);
    CHECK_THROWS_WITH_AS(find_learning_rate(trainer, empty), "find_learning_rate: the data has no batches",
                         ValueError);
    Trainer scheduled(
        model,
        SGD<double>({.learning_rate = ExponentialDecay(
                         {.initial_learning_rate = 0.1, .decay_steps = 10, .decay_rate = 0.5})}),
        MeanSquaredError{});
    CHECK_THROWS_AS(find_learning_rate(scheduled, data), ValueError);
}

TEST_CASE("a loss that is not finite before the rate can matter is an error") {
    Dense<double> model = single_weight();
    Dataset<double> data = line();
    data.y.data()[0] = std::nan("");
    Trainer trainer(model, SGD<double>(), MeanSquaredError{});
    CHECK_THROWS_AS(find_learning_rate(trainer, data, {.batch_size = data.size()}), NonFiniteError);
    CHECK(model.parameters()[0].variable.value().data()[0] == 0.0);
}
