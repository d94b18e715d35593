#include "seqgrad/train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "support/toy_modules.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/grad_mode.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/elementary.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/data/batch_source.hpp"
#include "seqgrad/layers/activation.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/embedding.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/masking.hpp"
#include "seqgrad/layers/model.hpp"
#include "seqgrad/layers/sequential.hpp"
#include "seqgrad/optim/adam.hpp"
#include "seqgrad/optim/sgd.hpp"

using namespace seqgrad;
using seqgrad::test::Affine;

namespace {

/// n samples of y = 2 x + 1, x [n, 1] evenly in [-1, 1].
template <class T>
Dataset<T> line(std::size_t n) {
    Dataset<T> d{zeros<T>({n, 1}), zeros<T>({n, 1})};
    for (std::size_t i = 0; i < n; ++i) {
        d.x.data()[i] = n == 1 ? T{0} : T(-1) + T(2) * static_cast<T>(i) / static_cast<T>(n - 1);
        d.y.data()[i] = T(2) * d.x.data()[i] + T(1);
    }
    return d;
}

/// y = x scale + shift that remembers how it was called.
class Recorder : public Module<double> {
  public:
    std::string type() const override { return "Recorder"; }

    struct Call {
        std::vector<double> x;
        bool training;
        bool recording;
    };
    std::vector<Call> calls;
    Affine<double> inner;  // builds its parameters in its first call

  protected:
    void members(Members<double>& m) override { m.child("inner", inner); }
    Variable<double> call(const Variable<double>& x) override {
        calls.push_back(
            {{x.value().begin(), x.value().end()}, training() && inner.training(), grad_enabled()});
        return inner(x);
    }
};

/// What a function throws, as "<type>: <message>".
template <class F>
std::string thrown_by(F f) {
    try {
        f();
    } catch (const ShapeError& e) {
        return std::string("ShapeError: ") + e.what();
    } catch (const ValueError& e) {
        return std::string("ValueError: ") + e.what();
    }
    return "nothing";
}

}  // namespace

TEST_CASE_TEMPLATE("a line is fitted to below 1e-6", T, float, double) {
    const Dataset<T> data = line<T>(50);
    Affine<T> model;
    SUBCASE("by SGD") {
        Trainer trainer(model, SGD<T>({.learning_rate = 0.1, .momentum = 0.9}), MeanSquaredError{});
        const History history = trainer.fit(data, {.epochs = 60, .batch_size = 16, .verbose = 0, .seed = 1});
        CHECK(history["loss"].size() == 60);
        CHECK(history["loss"].front() > 0.1);
        CHECK(history["loss"].back() < 1e-6);
        CHECK(trainer.evaluate(data)["loss"] < 1e-6);
    }
    SUBCASE("by Adam, with a loss of the user's") {
        Trainer trainer(model, Adam<T>({.learning_rate = 0.1, .global_clipnorm = 1.0}),
                        [](const Variable<T>& y, const Variable<T>& p) { return square(y - p); });
        CHECK(trainer.fit(data, {.epochs = 200, .verbose = 0, .seed = 1})["loss"].back() < 1e-6);
    }
    CHECK(model.scale.item() == doctest::Approx(2.0).epsilon(1e-2));
    CHECK(model.shift.item() == doctest::Approx(1.0).epsilon(1e-2));
}

TEST_CASE("the same seed gives the same history and weights bit for bit") {
    const Dataset<float> data = line<float>(37);
    struct Run {
        History history;
        float scale;
    };
    const auto run = [&](FitOptions<float> options) {
        Affine<float> model;
        Trainer trainer(model, Adam<float>({.learning_rate = 0.05}), MeanSquaredError{});
        options.epochs = 5;
        options.batch_size = 8;
        options.verbose = 0;
        options.validation_data = line<float>(5);
        History history = trainer.fit(data, options);
        return Run{std::move(history), model.scale.item()};
    };
    const auto same = [](const Run& a, const Run& b) {
        return a.history["loss"] == b.history["loss"] && a.history["val_loss"] == b.history["val_loss"] &&
               a.scale == b.scale;
    };
    const Run first = run({.seed = 7});
    CHECK(same(first, run({.seed = 7})));
    CHECK_FALSE(same(first, run({.seed = 8})));
    Generator generator(7);
    CHECK(same(first, run({.generator = &generator})));
    CHECK(generator.state().counter == 5);  // one order per epoch
    CHECK_FALSE(same(first, run({.generator = &generator})));
    set_random_seed(7);
    CHECK(same(first, run({})));
    CHECK_FALSE(same(first, run({})));
}

TEST_CASE("every epoch takes every sample once, in batches of the size asked for") {
    const Dataset<double> data = line<double>(7);
    const std::vector<double> all(data.x.begin(), data.x.end());
    const auto epochs_of = [&](bool shuffle) {
        Recorder model;
        Trainer trainer(model, SGD<double>(), MeanSquaredError{});
        trainer.fit(data, {.epochs = 2, .batch_size = 3, .shuffle = shuffle, .verbose = 0, .seed = 3});
        REQUIRE(model.calls.size() == 6);
        std::vector<std::vector<double>> epochs(2);
        for (std::size_t i = 0; i < 6; ++i) {
            CHECK(model.calls[i].x.size() == (i % 3 == 2 ? 1 : 3));
            epochs[i / 3].insert(epochs[i / 3].end(), model.calls[i].x.begin(), model.calls[i].x.end());
        }
        return epochs;
    };
    for (const auto& epoch : epochs_of(false)) CHECK(epoch == all);
    auto shuffled = epochs_of(true);
    CHECK(shuffled[0] != all);
    CHECK(shuffled[0] != shuffled[1]);
    for (auto& epoch : shuffled) {
        std::ranges::sort(epoch);
        CHECK(epoch == all);
    }
}

TEST_CASE("the loss of an epoch is the mean over its samples, whatever the batches") {
    const Dataset<double> data = line<double>(7);
    Affine<double> model;
    Trainer trainer(model, SGD<double>({.learning_rate = 0.0}), MeanSquaredError{});
    const double expected = trainer.evaluate(data, 7)["loss"];
    for (const std::size_t batch_size : {std::size_t{1}, std::size_t{3}, std::size_t{7}, std::size_t{100}}) {
        CHECK(trainer.evaluate(data, batch_size)["loss"] == doctest::Approx(expected).epsilon(1e-14));
        const History history =
            trainer.fit(data, {.batch_size = batch_size, .validation_data = data, .verbose = 0});
        CHECK(history["loss"][0] == doctest::Approx(expected).epsilon(1e-14));
        CHECK(history["val_loss"][0] == doctest::Approx(expected).epsilon(1e-14));
    }
}

TEST_CASE("validation changes neither weights nor what is drawn, and runs in inference mode") {
    const Dataset<double> data = line<double>(10);
    const auto run = [&](bool validate, Recorder& model) {
        Trainer trainer(model, Adam<double>(), MeanSquaredError{});
        FitOptions<double> options{.epochs = 2, .batch_size = 5, .verbose = 0, .seed = 1};
        if (validate) {
            options.validation_data = line<double>(4);
            options.validation_batch_size = 2;
        }
        return trainer.fit(data, options);
    };
    Recorder with;
    Recorder without;
    const History validated = run(true, with);
    CHECK(validated["loss"] == run(false, without)["loss"]);
    CHECK(with.inner.scale.value() == without.inner.scale.value());
    CHECK(with.inner.shift.value() == without.inner.shift.value());
    REQUIRE(with.calls.size() == 8);
    for (std::size_t i = 0; i < 8; ++i) {
        const bool training = i % 4 < 2;
        CHECK(with.calls[i].training == training);
        CHECK(with.calls[i].recording == training);
        CHECK(with.calls[i].x.size() == (training ? 5 : 2));
    }
    Trainer trainer(with, Adam<double>(), MeanSquaredError{});
    CHECK(validated["val_loss"].back() == trainer.evaluate(line<double>(4), 2)["loss"]);
}

TEST_CASE("the model is left in the mode in which it was") {
    const Dataset<double> data = line<double>(4);
    Dataset<double> bad = data;
    bad.y.data()[2] = std::nan("");
    for (const bool training : {false, true}) {
        Recorder model;
        model.set_training(training);
        Trainer trainer(model, SGD<double>(), MeanSquaredError{});
        trainer.fit(data, {.verbose = 0});
        CHECK(model.training() == training);
        CHECK_THROWS_AS(trainer.fit(bad, {.verbose = 0}), ValueError);
        CHECK(model.training() == training);
        trainer.evaluate(data);
        trainer.predict(data.x);
        trainer.train_on_batch(data.x, data.y);
        CHECK(model.training() == training);
        CHECK(model.inner.training() == training);
        CHECK(grad_enabled());
    }
}

TEST_CASE("a loss that is not finite is refused before it reaches a weight") {
    Dataset<double> data = line<double>(6);
    data.y.data()[3] = -std::nan("");
    Affine<double> model;
    Trainer trainer(model, Adam<double>(), MeanSquaredError{});
    CHECK(thrown_by(
              [&] { trainer.fit(data, {.epochs = 3, .batch_size = 1, .shuffle = false, .verbose = 0}); }) ==
          "ValueError: fit: epoch 1, step 4: the loss is nan: the targets are not finite: element [0, 0] of "
          "shape [1, 1] is nan; model and optimizer are as they were before this step");
    CHECK(trainer.optimizer().iterations() == 3);
    Affine<double> expected;
    Trainer until(expected, Adam<double>(), MeanSquaredError{});
    until.fit(data.slice(0, 3), {.batch_size = 1, .shuffle = false, .verbose = 0});
    CHECK(model.scale.value() == expected.scale.value());
    CHECK(model.shift.value() == expected.shift.value());
    data.y.data()[3] = 1e200;
    CHECK(thrown_by([&] { trainer.train_on_batch(data.x, data.y); }).find("the loss is inf") !=
          std::string::npos);
}

TEST_CASE("a gradient that is not finite is refused before it reaches a weight") {
    // The root's value at 0 is finite, its slope is not.
    Dataset<double> data = line<double>(4);
    data.y.data()[0] = 7.0;  // where the untrained model is right already
    Affine<double> model;
    Trainer trainer(model, SGD<double>(),
                    [](const auto& y, const auto& p) { return sum(sqrt(square(y - p))); });
    trainer.train_on_batch(data.x, data.y);
    const Tensor<double> scale = model.scale.value();
    const Dataset<double> exact{data.x, trainer.predict(data.x)};
    const std::string message =
        thrown_by([&] { trainer.fit(exact, {.epochs = 2, .batch_size = 2, .verbose = 0}); });
    CHECK(message.find(
              "ValueError: fit: epoch 1, step 1: SGD: the gradient of parameter 0 \"scale\" is not finite") ==
          0);
    CHECK(model.scale.value() == scale);
    CHECK(trainer.optimizer().iterations() == 1);
}

TEST_CASE("bad input is refused before anything is done") {
    const Dataset<double> data = line<double>(4);
    Recorder model;
    Trainer trainer(model, SGD<double>(), MeanSquaredError{});
    const auto fit = [&](const Dataset<double>& d, FitOptions<double> options) {
        options.verbose = 0;
        return thrown_by([&] { trainer.fit(d, options); });
    };
    const Dataset<double> empty{zeros<double>({0, 1}), zeros<double>({0, 1})};
    const Dataset<double> uneven{zeros<double>({3, 1}), zeros<double>({4, 1})};
    CHECK(fit(empty, {}) == "ValueError: fit: the data set is empty");
    CHECK(fit(data, {.batch_size = 0}) == "ValueError: fit: the batch size must be at least 1, got 0");
    CHECK(fit(data, {.epochs = -1}) == "ValueError: fit: epochs must be at least 0, got -1");
    CHECK(fit(data, {.validation_data = empty}) == "ValueError: fit, validation_data: the data set is empty");
    CHECK(fit(data, {.validation_data = data, .validation_batch_size = 0}) ==
          "ValueError: fit, validation_data: the batch size must be at least 1, got 0");
    Generator generator;
    CHECK(fit(data, {.seed = 1, .generator = &generator}) ==
          "ValueError: fit: give either a seed or a generator");
    CHECK(fit(uneven, {}).find("ShapeError: dataset: ") == 0);
    CHECK(fit(data, {.validation_data = uneven}).find("ShapeError: dataset: ") == 0);
    CHECK(thrown_by([&] { trainer.fit(data, {.verbose = 4}); }) ==
          "ValueError: progress: verbose must be 0, 1 or 2, got 4");
    CHECK(thrown_by([&] { trainer.evaluate(empty); }) == "ValueError: evaluate: the data set is empty");
    CHECK(thrown_by([&] { trainer.evaluate(data, 0); }) ==
          "ValueError: evaluate: the batch size must be at least 1, got 0");
    CHECK(thrown_by([&] { trainer.evaluate(uneven); }).find("ShapeError: dataset: ") == 0);
    CHECK(thrown_by([&] { trainer.predict(empty.x); }) == "ValueError: predict: the data set is empty");
    CHECK(thrown_by([&] { trainer.predict(zeros<double>({})); }) ==
          "ShapeError: predict: expected inputs [N, ...], got []");
    CHECK(model.calls.empty());
    CHECK(trainer.optimizer().iterations() == 0);
    CHECK(fit(data, {.epochs = 0}) == "nothing");
    CHECK(model.calls.empty());
}

TEST_CASE("a loss of several numbers is refused") {
    const Dataset<double> data = line<double>(4);
    Affine<double> model;
    Trainer trainer(model, SGD<double>(), MeanSquaredError{.reduction = Reduction::none});
    CHECK(thrown_by([&] { trainer.fit(data, {.verbose = 0}); }).find("ShapeError") == 0);
    CHECK(trainer.optimizer().iterations() == 0);
}

TEST_CASE("an optimizer stays with the model it was built for") {
    Affine<double> model;
    CHECK(thrown_by([&] {
              Trainer<double>(model, std::unique_ptr<Optimizer<double>>(), MeanSquaredError{});
          }) == "ValueError: trainer: there is no optimizer");
    Trainer<double> trainer(model, std::unique_ptr<Optimizer<double>>(std::make_unique<Adam<double>>()),
                            MeanSquaredError{});
    const Dataset<double> data = line<double>(4);
    trainer.fit(data, {.verbose = 0});
    trainer.fit(data, {.verbose = 0});
    CHECK(trainer.optimizer().iterations() == 2);
    CHECK(trainer.optimizer().state().slots[0].name == "scale.momentum");
    CHECK(&trainer.model() == &model);
}

TEST_CASE("train_on_batch notices that a model has other parameters than in the call before") {
    const Tensor<double> x = ones<double>({2, 1});
    Sequential<double> model{Dense<double>({.units = 1})};
    Trainer trainer(model, SGD<double>(), MeanSquaredError{});
    trainer.train_on_batch(x, x);
    SUBCASE("more") {
        model.add(Dense<double>({.units = 1}));
        const std::string thrown = thrown_by([&] { trainer.train_on_batch(x, x); });
        CHECK(thrown.find("ShapeError: SGD: was set up for 2 parameters, got 4;") == 0);
    }
    SUBCASE("as many others") {
        model = Sequential<double>{
            Dense<double>({.units = 1, .kernel_initializer = Ones{}, .kernel_regularizer = L2{1.0}})};
        CHECK(trainer.train_on_batch(x, x) == 1.0);
        CHECK(trainer.train_on_batch(x, x) < 1.0);
    }
}

TEST_CASE("train_on_batch returns the loss before its update and takes weights") {
    Affine<double> model;
    Trainer trainer(model, SGD<double>({.learning_rate = 0.25}), MeanSquaredError{});
    const Tensor<double> x = tensor<double>({2, 1}, {1, 3});
    const Tensor<double> y = tensor<double>({2, 1}, {3, 0});
    // The second sample counts nothing: loss (1 - 3)^2 / 2, gradient of scale and shift (1 - 3) 2 / 2.
    CHECK(trainer.train_on_batch(x, y, {.sample_weight = tensor<double>({2}, {1, 0})}) == 2.0);
    CHECK(model.scale.item() == 1.5);
    CHECK(model.shift.item() == 0.5);
}

TEST_CASE("predict computes batch by batch what one call computes") {
    Recorder model;
    Trainer trainer(model, SGD<double>(), MeanSquaredError{});
    Tensor<double> x(Shape{7, 2, 3});
    for (std::size_t i = 0; i < x.size(); ++i) x.data()[i] = 0.25 * static_cast<double>(i);
    const Tensor<double> whole = trainer.predict(x, 100);
    CHECK(whole == x);
    model.inner.shift.assign(tensor<double>({3}, {1, 2, 3}));
    const Tensor<double> shifted = model(constant(x)).value();
    model.calls.clear();
    CHECK(trainer.predict(x, 3) == shifted);
    REQUIRE(model.calls.size() == 3);
    CHECK(model.calls[2].x.size() == 6);
    CHECK_FALSE(model.calls[0].training);
    CHECK_FALSE(model.calls[0].recording);
}

TEST_CASE("predict refuses a model that does not give one row per sample") {
    struct Total : Module<double> {
        std::string type() const override { return "Total"; }
        Variable<double> call(const Variable<double>& x) override {
            return sum(x, {.axis = 0, .keepdims = true});
        }
    } model;
    Trainer trainer(model, SGD<double>(), MeanSquaredError{});
    CHECK(thrown_by([&] {
              trainer.predict(zeros<double>({4, 2}), 3);
          }) == "ShapeError: predict: Total made [1, 2] of a batch of 3, not one row per sample");
}

TEST_CASE("fit shows its progress and takes its times from the clock given") {
    std::ostringstream out;
    double time = 0.0;
    const Dataset<double> data = line<double>(8);
    Affine<double> model;
    Trainer trainer(model, SGD<double>({.learning_rate = 0.0}), MeanSquaredError{});
    const History history = trainer.fit(
        data,
        {.epochs = 2, .batch_size = 4, .validation_data = data, .progress = {.stream = &out, .clock = [&] {
                                                                                 return time += 0.5;
                                                                             }}});
    std::istringstream lines(out.str());
    std::string text;
    for (const std::string epoch : {"1", "2"}) {
        std::getline(lines, text);
        CHECK(text.find("Epoch " + epoch + "/2 - ") == 0);
        CHECK(text.find(" - loss: 1.4286 - val_loss: 1.4286") != std::string::npos);
    }
    CHECK_FALSE(std::getline(lines, text));
    for (const Epoch& epoch : history.epochs()) CHECK(epoch.seconds > 0.0);
    CHECK(history.epochs()[0].seconds == history.epochs()[1].seconds);
    CHECK(history.epochs()[1].epoch == 2);
}

TEST_CASE("regularizers, constraints and a masked loss train as in Keras") {
    // model = keras.Sequential([keras.Input((3, 2)), Masking(),
    //     GRU(2, return_sequences=True, kernel_initializer=Constant(.25),
    //     recurrent_initializer=Constant(-.125),
    //         kernel_regularizer=L2(.125), recurrent_regularizer=L1(.03125), bias_regularizer=L1(.0625),
    //         kernel_constraint=MaxNorm(.375), recurrent_constraint=UnitNorm(axis=1)),
    //     Dense(1, kernel_initializer=Constant(.5), kernel_regularizer=L1L2(.125, .25),
    //         kernel_constraint=NonNeg(), bias_constraint=MinMaxNorm(.125, .25, .5))])
    // model.compile(SGD(.5), MeanSquaredError()), in float64
    // [model.train_on_batch(x, y) for _ in range(3)], model.evaluate(x, y), model.weights
    Sequential<double> model{
        Masking<double>(),
        GRU<double>({.units = 2,
                     .kernel_initializer = Constant{0.25},
                     .recurrent_initializer = Constant{-0.125},
                     .kernel_regularizer = L2{.l2 = 0.125},
                     .recurrent_regularizer = L1{.l1 = 0.03125},
                     .bias_regularizer = L1{.l1 = 0.0625},
                     .kernel_constraint = MaxNorm{.max_value = 0.375},
                     .recurrent_constraint = UnitNorm{.axis = 1},
                     .return_sequences = true}),
        Dense<double>({.units = 1,
                       .kernel_initializer = Constant{0.5},
                       .kernel_regularizer = L1L2{.l1 = 0.125, .l2 = 0.25},
                       .kernel_constraint = NonNeg{},
                       .bias_constraint = MinMaxNorm{.min_value = 0.125, .max_value = 0.25, .rate = 0.5}})};
    const Dataset<double> data{
        tensor<double>({2, 3, 2}, {1, -1, 0.5, 2, 0, 0, 0.25, 0.5, -1, 1, 2, 0.5}),
        tensor<double>({2, 3, 1}, {-1, -2, std::nan(""), -1, 0.5, -2})};  // Keras had 3 where we have NaN
    Trainer trainer(model, SGD<double>({.learning_rate = 0.5}), MeanSquaredError{});
    for (const double loss : {2.8135061080116475, 1.2757286411353366, 1.308353194222964})
        CHECK(trainer.train_on_batch(data.x, data.y) == doctest::Approx(loss).epsilon(1e-12));
    CHECK(trainer.evaluate(data)["loss"] == doctest::Approx(1.2753372255242013).epsilon(1e-12));

    const std::vector<std::vector<double>> weights = {
        {0.19555358773249568, 0.19555358773249568, 0.1683288521025413, 0.1683288521025413,
         -0.06156364342455286, -0.06156364342455286, 0.2103488479395338, 0.2103488479395338,
         0.1668788410584604, 0.1668788410584604, 0.08352941197404501, 0.08352941197404501},
        {-0.4031718655164563, -0.4031718655164563, -0.4058897588708134, -0.4058897588708134,
         -0.41557892917394323, -0.41557892917394323, -0.4031718655164563, -0.4031718655164563,
         -0.4058897588708134, -0.4058897588708134, -0.41557892917394323, -0.41557892917394323},
        {-0.009437815382022485, -0.009437815382022485, 0.0009605495069221065, 0.0009605495069221065,
         -0.3143221291202867, -0.3143221291202867, -0.009437815382022485, -0.009437815382022485,
         0.0009605495069221065, 0.0009605495069221065, -0.14919428319017525, -0.14919428319017525},
        {0.10662829470760571, 0.10662829470760571},
        {-0.6552870912556981}};
    const auto parameters = model.parameters();
    REQUIRE(parameters.size() == weights.size());
    for (std::size_t p = 0; p < weights.size(); ++p) {
        CAPTURE(parameters[p].name);
        REQUIRE(parameters[p].variable.size() == weights[p].size());
        for (std::size_t i = 0; i < weights[p].size(); ++i)
            CHECK(parameters[p].variable.value().data()[i] == doctest::Approx(weights[p][i]).epsilon(1e-10));
    }
}

TEST_CASE("fit and evaluate report the penalty once, whatever the batches") {
    const Dataset<double> data = line<double>(7);
    Sequential<double> model{Dense<double>({.units = 1,
                                            .kernel_initializer = Zeros{},
                                            .bias_initializer = Constant{2},
                                            .bias_regularizer = L2{.l2 = 0.25}})};
    Trainer trainer(model, SGD<double>({.learning_rate = 0}), MeanSquaredError{});
    const double with_penalty = trainer.evaluate(data, 7)["loss"];
    CHECK(with_penalty == doctest::Approx(trainer.evaluate(data, 2)["loss"]).epsilon(1e-14));
    const History history = trainer.fit(data, {.batch_size = 3, .validation_data = data, .verbose = 0});
    CHECK(history["loss"][0] == doctest::Approx(with_penalty).epsilon(1e-14));
    CHECK(history["val_loss"][0] == doctest::Approx(with_penalty).epsilon(1e-14));
    Sequential<double> plain{
        Dense<double>({.units = 1, .kernel_initializer = Zeros{}, .bias_initializer = Constant{2}})};
    Trainer other(plain, SGD<double>({.learning_rate = 0}), MeanSquaredError{});
    CHECK(with_penalty == doctest::Approx(other.evaluate(data)["loss"] + 1).epsilon(1e-14));
}

TEST_CASE("padding of inputs and targets changes neither history nor weights") {
    const auto train = [](double padding) {
        Dataset<double> data{Generator(1).normal<double>({6, 4, 2}), Generator(2).normal<double>({6, 4, 1})};
        for (std::size_t b = 0; b < 6; ++b) {
            for (std::size_t t = 4 - b % 3; t < 4; ++t) {
                data.x(b, t, 0) = data.x(b, t, 1) = -9;
                data.y(b, t, 0) = padding;
            }
        }
        Sequential<double> model{Masking<double>({.mask_value = -9}),
                                 LSTM<double>({.units = 3,
                                               .kernel_initializer = GlorotUniform{.seed = 1},
                                               .recurrent_initializer = Orthogonal{.seed = 2},
                                               .return_sequences = true}),
                                 Dense<double>({.units = 1, .kernel_initializer = GlorotUniform{.seed = 3}})};
        Trainer trainer(model, Adam<double>({.learning_rate = 0.1}), MeanSquaredError{});
        const History history = trainer.fit(data, {.epochs = 3, .batch_size = 4, .verbose = 0, .seed = 1});
        std::vector<double> all = history["loss"];
        for (const auto& p : model.parameters())
            all.insert(all.end(), p.variable.value().begin(), p.variable.value().end());
        return all;
    };
    const std::vector<double> zeros = train(0);
    CHECK(std::ranges::all_of(zeros, [](double v) { return std::isfinite(v); }));
    CHECK(train(std::nan("")) == zeros);
    CHECK(train(1e300) == zeros);
}

namespace {

/// A layer that divides its inputs by a number of its own.
class Divide : public Module<double> {
  public:
    explicit Divide(double by) : by_(by) {}
    std::string type() const override { return "Divide"; }
    PartialShape compute_output_shape(const PartialShape& input_shape) const override { return input_shape; }

  protected:
    Variable<double> call(const Variable<double>& x) override { return x / constant(full<double>({}, by_)); }

  private:
    double by_;
};

/// What a run of one step with these samples throws.
std::string failure_of(Module<double>& model, const Dataset<double>& data) {
    Trainer trainer(model, SGD<double>({.learning_rate = 0.1}), MeanSquaredError{});
    return thrown_by([&] { trainer.fit(data, {.batch_size = 8, .shuffle = false, .verbose = 0}); });
}

/// [n, T, 1] of numbers that differ.
Dataset<double> sequences(std::size_t n, std::size_t steps) {
    Generator generator(2);
    return {generator.uniform<double>({n, steps, 1}, -1.0, 1.0), generator.uniform<double>({n, 2})};
}

}  // namespace

TEST_CASE("what is not finite is named: input, first layer, target or loss") {
    Dataset<double> data = sequences(3, 4);
    const auto has = [](const std::string& message, const std::string& part) {
        CAPTURE(message);
        CHECK(message.find(part) != std::string::npos);
        CHECK(message.find("ValueError: fit: epoch 1, step 1: ") == 0);
    };
    Sequential<double> model;
    model.add(LSTM<double>({.units = 2, .return_sequences = true, .name = "first"}));
    model.add(Divide(0.0));
    model.add(LSTM<double>({.units = 2}));
    has(failure_of(model, data),
        "the loss is nan: the first layer whose output is not finite is layer \"divide\" (Divide): element "
        "[0, 0, "
        "0] "
        "of shape [3, 4, 2] is ");
    {
        const DetectAnomaly anomaly;
        const std::string message = failure_of(model, data);
        has(message, "divide computed a value that is not finite");
    }
    Sequential<double> sound;
    sound.add(LSTM<double>({.units = 2}));
    Dataset<double> bad = data;
    bad.x(1, 2, 0) = -std::numeric_limits<double>::infinity();
    bad.x(2, 2, 0) = std::nan("");
    has(failure_of(sound, bad), "the inputs are not finite: element [1, 2, 0] of shape [3, 4, 1] is -inf");
    bad = data;
    bad.y(2, 1) = std::nan("");
    has(failure_of(sound, bad), "the targets are not finite: element [2, 1] of shape [3, 2] is nan");
    bad.y(2, 1) = 1e300;
    has(failure_of(sound, bad),
        "the loss is inf: the outputs of all layers are finite, the loss of them is not");
}

TEST_CASE("a step that fails leaves what the model remembers as it was") {
    Sequential<double> model;
    model.add(GRU<double>({.units = 2, .dropout = 0.5, .seed = 4, .stateful = true}));
    Trainer trainer(model, SGD<double>({.learning_rate = 0.1}), MeanSquaredError{}, {RootMeanSquaredError{}});
    Dataset<double> data = sequences(3, 4);
    trainer.train_on_batch(data.x, data.y);
    const ModuleState<double> before = model.state();
    REQUIRE(before.generators.size() == 1);
    REQUIRE(before.states.size() == 1);
    Dataset<double> bad = data;
    SUBCASE("by a target") {
        bad.y(1, 1) = std::nan("");
    }
    SUBCASE("by an input") {
        bad.x(1, 1, 0) = std::nan("");
    }
    SUBCASE("by a shape") {
        bad.y = zeros<double>({3, 7});
    }
    CHECK_THROWS_AS(trainer.train_on_batch(bad.x, bad.y), Error);
    const ModuleState<double> after = model.state();
    CHECK(after.generators == before.generators);
    CHECK(after.states == before.states);
}

TEST_CASE("metrics are those of all samples of the epoch, of training and of validation") {
    const Dataset<double> data = line<double>(10), validation = line<double>(7);
    Affine<double> model;
    Trainer trainer(model, SGD<double>({.learning_rate = 0.0}), MeanSquaredError{},
                    {MeanAbsoluteError{}, RootMeanSquaredError{}});
    const History history =
        trainer.fit(data, {.epochs = 2, .batch_size = 4, .validation_data = validation, .verbose = 0});
    CHECK(history.names() ==
          std::vector<std::string>{"loss", "mean_absolute_error", "root_mean_squared_error", "val_loss",
                                   "val_mean_absolute_error", "val_root_mean_squared_error"});
    const auto mean = [&](const Dataset<double>& d, int power) {
        double total = 0.0;
        for (std::size_t i = 0; i < d.size(); ++i)
            total += std::pow(std::abs(d.y.data()[i] - d.x.data()[i]), power);
        return total / static_cast<double>(d.size());
    };
    for (int epoch = 0; epoch < 2; ++epoch) {
        const Logs& logs = history.epochs()[static_cast<std::size_t>(epoch)].logs;
        CHECK(logs["mean_absolute_error"] == doctest::Approx(mean(data, 1)).epsilon(1e-14));
        CHECK(logs["root_mean_squared_error"] == doctest::Approx(std::sqrt(mean(data, 2))).epsilon(1e-14));
        CHECK(logs["val_mean_absolute_error"] == doctest::Approx(mean(validation, 1)).epsilon(1e-14));
    }
    CHECK(trainer.evaluate(validation, 3)["root_mean_squared_error"] ==
          doctest::Approx(std::sqrt(mean(validation, 2))).epsilon(1e-14));
    CHECK_THROWS_WITH_AS(Trainer<double>(model, SGD<double>(), MeanSquaredError{},
                                         {RootMeanSquaredError{}, RootMeanSquaredError{}}),
                         "trainer: two numbers would be called \"root_mean_squared_error\"", ValueError);
}

TEST_CASE("sample and class weights change the loss as said") {
    Dataset<double> data{tensor<double>({4, 1}, {1, 2, 3, 4}), tensor<double>({4, 1}, {0, 1, 1, 2})};
    Affine<double> model;  // predicts x at first
    const auto loss_of = [&](const Dataset<double>& d, const std::map<std::int64_t, double>& class_weight) {
        Trainer trainer(model, SGD<double>({.learning_rate = 0.0}), MeanSquaredError{});
        return trainer.fit(d, {.class_weight = class_weight, .verbose = 0})["loss"][0];
    };
    // The errors are 1, 1, 4, 4.
    CHECK(loss_of(data, {}) == doctest::Approx(10.0 / 4));
    CHECK(loss_of(data, {{1, 3.0}, {2, 0.5}}) == doctest::Approx((1 + 3.0 * (1 + 4) + 0.5 * 4) / 4));
    Dataset<double> one_hot{full<double>({4, 3}, 0.5),
                            tensor<double>({4, 3}, {1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1})};
    const double all = loss_of(one_hot, {});
    CHECK(loss_of(one_hot, {{0, 2.0}, {1, 2.0}, {2, 2.0}}) == doctest::Approx(2.0 * all));
    CHECK(loss_of(one_hot, {{0, 0.0}, {1, 0.0}, {2, 0.0}}) == 0.0);
    data.sample_weight = tensor<double>({4}, {2, 0, 1, 1});
    CHECK(loss_of(data, {}) == doctest::Approx((2 + 4 + 4) / 4.0));
    Trainer trainer(model, SGD<double>({.learning_rate = 0.0}), MeanSquaredError{}, {MeanAbsoluteError{}});
    const Logs logs = trainer.evaluate(data, 3);
    CHECK(logs["loss"] == doctest::Approx(((2 + 4) / 3.0 * 3 + 4) / 4.0));
    CHECK(logs["mean_absolute_error"] == doctest::Approx((1 + 1 + 2 + 2) / 4.0));  // as in Keras without them
    CHECK(thrown_by([&] {
              loss_of(data, {{1, 2.0}});
          }) == "ValueError: fit: give either a class_weight or data with sample weights");
    data.sample_weight.reset();
    CHECK(thrown_by([&] {
              loss_of(data, {{1, -2.0}});
          }) == "ValueError: fit: class_weight must be finite and at least 0, got -2 for class 1");
}

TEST_CASE("class_weight weighs the label of every step") {
    // The predictions are the inputs, which say nothing: a loss of ln V for each label.
    const auto loss_of = [](const Tensor<double>& x, const Tensor<double>& y, const auto& loss) {
        Affine<double> model;
        Trainer trainer(model, SGD<double>({.learning_rate = 0.0}), loss);
        return trainer.fit({x, y},
                           {.class_weight = {{0, 1.0}, {1, 10.0}, {2, 100.0}}, .verbose = 0})["loss"][0];
    };
    const SparseCategoricalCrossentropy sparse{.from_logits = true};
    const CategoricalCrossentropy categorical{.from_logits = true};
    const BinaryCrossentropy binary{.from_logits = true};
    const Tensor<double> x = zeros<double>({2, 4, 3});
    Tensor<double> labels = tensor<double>({2, 4}, {0, 0, 2, 1, 0, 1, 1, 0});
    const double expected = 16.75 * std::log(3.0);  // 4 labels 0, 3 labels 1 and one label 2 of 8
    CHECK(loss_of(x, labels, sparse) == doctest::Approx(expected).epsilon(1e-14));
    Tensor<double> one_hot = zeros<double>({2, 4, 3});
    for (std::size_t i = 0; i < 8; ++i)
        one_hot.data()[3 * i + static_cast<std::size_t>(labels.data()[i])] = 1.0;
    CHECK(loss_of(x, one_hot, categorical) == doctest::Approx(expected).epsilon(1e-14));
    labels.reshape({2, 4, 1});
    CHECK(loss_of(x, labels, sparse) == doctest::Approx(expected).epsilon(1e-14));
    // As many steps as classes: labels, since the predictions have an axis more.
    CHECK(loss_of(zeros<double>({2, 2, 2}), tensor<double>({2, 2}, {0, 1, 1, 1}), sparse) ==
          doctest::Approx((1 + 3 * 10) / 4.0 * std::log(2.0)).epsilon(1e-14));
    // Yes or no at every step.
    CHECK(loss_of(zeros<double>({2, 4, 1}), tensor<double>({2, 4, 1}, {0, 0, 1, 1, 0, 1, 1, 0}), binary) ==
          doctest::Approx((4 + 4 * 10) / 8.0 * std::log(2.0)).epsilon(1e-14));
    // A label for each sample, whatever the predictions' rank.
    CHECK(loss_of(zeros<double>({2, 3}), tensor<double>({2}, {2, 0}), sparse) ==
          doctest::Approx((100 + 1) / 2.0 * std::log(3.0)).epsilon(1e-14));
    // Yes or no for several things at once is no class.
    const std::string ambiguous = thrown_by([&] {
        loss_of(zeros<double>({2, 4}), tensor<double>({2, 4}, {0, 1, 1, 0, 1, 0, 0, 1}), binary);
    });
    CHECK(
        ambiguous.starts_with("ValueError: fit: epoch 1, step 1: class_weight: targets and predictions are "
                              "both [2, 4], so that each row of 4 targets would have to say one class, but "
                              "row 0 is no one-hot row and no probabilities: it sums to 2; "));
    CHECK(
        thrown_by([&] {
            loss_of(zeros<double>({2, 5, 3}), tensor<double>({2, 4}, {0, 0, 2, 1, 0, 1, 1, 0}), sparse);
        })
            .find("class_weight: targets [2, 4] do not say one class for every sample or step of predictions "
                  "[2, 5, 3]; expected labels [batch]") != std::string::npos);
}

TEST_CASE("class_weight does not look at padding") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const Tensor<double> x = tensor<double>({1, 3, 2}, {1, 1, 1, 1, -9, -9});
    const auto loss_of = [&](const Tensor<double>& y, const auto& loss) {
        Sequential<double> model;
        model.add(Masking<double>({.mask_value = -9.0}));
        model.add(Dense<double>({.units = 2, .kernel_initializer = Zeros{}}));
        Trainer trainer(model, SGD<double>({.learning_rate = 0.0}), loss);
        return trainer.fit({x, y}, {.class_weight = {{0, 2.0}, {1, 4.0}}, .verbose = 0})["loss"][0];
    };
    const double expected = 3.0 * std::log(2.0);
    CHECK(loss_of(tensor<double>({1, 3}, {0, 1, nan}), SparseCategoricalCrossentropy{.from_logits = true}) ==
          doctest::Approx(expected).epsilon(1e-14));
    CHECK(loss_of(tensor<double>({1, 3, 2}, {1, 0, 0, 1, 7, nan}),
                  CategoricalCrossentropy{.from_logits = true}) == doctest::Approx(expected).epsilon(1e-14));
}

TEST_CASE("steps_per_epoch cuts passes over the data into epochs") {
    const Dataset<double> data = line<double>(10);
    Recorder model;
    Trainer trainer(model, SGD<double>({.learning_rate = 0.0}), MeanSquaredError{});
    const History history = trainer.fit(
        data, {.epochs = 3, .batch_size = 4, .shuffle = false, .steps_per_epoch = 2, .verbose = 0});
    REQUIRE(model.calls.size() == 6);
    const std::vector<double> all(data.x.begin(), data.x.end());
    for (std::size_t k = 0; k < 6; ++k) {
        const std::size_t begin = 4 * (k % 3), end = std::min<std::size_t>(10, begin + 4);
        CHECK(model.calls[k].x == std::vector<double>(all.begin() + static_cast<std::ptrdiff_t>(begin),
                                                      all.begin() + static_cast<std::ptrdiff_t>(end)));
    }
    CHECK(history.epochs().size() == 3);
    CHECK(thrown_by([&] { trainer.fit(data, {.steps_per_epoch = 0, .verbose = 0}); }) ==
          "ValueError: fit: steps_per_epoch must be at least 1, got 0");
}

TEST_CASE("a stateful model reads a stream from batch to batch, and validation does not disturb it") {
    std::vector<std::int64_t> ids(100);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int64_t>(i * i % 5);
    const auto train = [&](bool validate) {
        Sequential<double> model;
        model.add(Embedding<double>({.input_dim = 5, .output_dim = 2}));
        model.add(GRU<double>({.units = 3, .return_sequences = true, .stateful = true}));
        model.add(Dense<double>({.units = 5}));
        Trainer trainer(model, SGD<double>({.learning_rate = 0.3}),
                        SparseCategoricalCrossentropy{.from_logits = true}, {SparseCategoricalAccuracy{}});
        StreamBatches<double> source(TextStream<double>(ids, {.batch_size = 2, .steps = 5}));
        StreamBatches<double> other(TextStream<double>(ids, {.batch_size = 3, .steps = 4}));
        const History history = trainer.fit(
            source, {.epochs = 3, .validation_source = validate ? &other : nullptr, .verbose = 0});
        return history["loss"];
    };
    set_random_seed(1);
    const std::vector<double> with = train(true);
    set_random_seed(1);
    CHECK(with == train(false));
    CHECK(with.back() < with.front());
}

TEST_CASE("predict carries the states of a stateful model on, evaluate does not") {
    Sequential<double> model;
    model.add(GRU<double>({.units = 2, .stateful = true}));
    Trainer trainer(model, SGD<double>(), MeanSquaredError{});
    const Dataset<double> data = sequences(3, 4);
    const Tensor<double> first = trainer.predict(data.x);
    const Tensor<double> second = trainer.predict(data.x);
    CHECK(first != second);
    const Logs fresh = trainer.evaluate(data);
    CHECK(fresh == trainer.evaluate(data));
    model.reset_state();
    CHECK(trainer.predict(data.x) == first);
    trainer.evaluate(sequences(2, 4));
    CHECK(trainer.predict(data.x) == second);
}

TEST_CASE("sources without batches, and with too few of them, are refused") {
    class Nothing : public BatchSource<double> {
      public:
        void start(Generator&) override {}
        std::optional<Batch<double>> next() override { return std::nullopt; }
    };
    Affine<double> model;
    Trainer trainer(model, SGD<double>(), MeanSquaredError{});
    Nothing nothing;
    CHECK(thrown_by([&] { trainer.fit(nothing, {.verbose = 0}); }) ==
          "ValueError: fit: the data has no batches");
    CHECK(thrown_by([&] { trainer.fit(nothing, {.steps_per_epoch = 2, .verbose = 0}); }) ==
          "ValueError: fit: the data has no batches");
    CHECK(thrown_by([&] { trainer.evaluate(nothing); }) == "ValueError: evaluate: the source has no batches");
    const Dataset<double> data = line<double>(10);
    DatasetBatches<double> batches(data, 4);
    CHECK(thrown_by([&] { trainer.evaluate(batches, 4); }) ==
          "ValueError: evaluate: 4 steps asked for, the source has 3 batches");
    CHECK(thrown_by([&] {
              trainer.fit(batches, {.validation_split = 0.5, .verbose = 0});
          }).find("a validation_split needs a Dataset") != std::string::npos);
    CHECK(thrown_by([&] {
              trainer.fit(data, {.validation_data = data, .validation_source = &batches, .verbose = 0});
          }) == "ValueError: fit: give either validation_data or a validation_source");
}

TEST_CASE("a loss or metric that is a function gets y and predictions of one rank") {
    // Keras's losses expand y [B] to the predictions' [B, 1], or drop the last axis of either; broadcasting
    // would make [B, B] of them.
    const Tensor<double> flat = tensor<double>({3}, {1, 2, 3}), column = tensor<double>({3, 1}, {1, 2, 3});
    Affine<double> model;
    const auto error = [](const Variable<double>& y, const Variable<double>& p) { return abs(y - p); };
    Trainer trainer(model, SGD<double>({.learning_rate = 0.0}), error,
                    {Metric<double>("error", error),
                     Metric<double>("tensors", [](const Tensor<double>& y, const Tensor<double>& p) {
                         return Tensor<double>(xt::abs(y - p));
                     })});
    const Logs expected = trainer.evaluate({.x = column, .y = column});
    const Logs logs = trainer.evaluate({.x = column, .y = flat});
    CHECK(logs == expected);
    CHECK(trainer.evaluate({.x = flat, .y = column}) == expected);
    CHECK(trainer.train_on_batch(column, flat) == expected["loss"]);
    Tensor<double> weights = tensor<double>({3}, {1, 0, 2});
    CHECK(trainer.evaluate({.x = column, .y = flat, .sample_weight = weights}) ==
          trainer.evaluate({.x = column, .y = column, .sample_weight = weights}));
}

TEST_CASE("train_on_batch refuses x and y of different lengths, whatever the loss makes of them") {
    Affine<double> model;
    Trainer trainer(model, SGD<double>(),
                    [](const Variable<double>& y, const Variable<double>& p) { return square(y - p); });
    const Tensor<double> x = ones<double>({3, 1}), y = ones<double>({1, 1});
    CHECK(thrown_by([&] { trainer.train_on_batch(x, y); }).find("ShapeError: dataset: ") == 0);
    CHECK(thrown_by([&] {
              trainer.train_on_batch(zeros<double>({0, 1}), zeros<double>({0, 1}));
          }) == "ValueError: train_on_batch: the batch has no samples");
    CHECK(trainer.optimizer().iterations() == 0);
}

TEST_CASE("a regularizer and a constraint count again once their parameter is thawed") {
    Sequential<double> model;
    model.add(Dense<double>({.units = 1,
                             .kernel_initializer = Ones{},
                             .kernel_regularizer = L2{1.0},
                             .kernel_constraint = NonNeg{}}));
    model.add(Dense<double>({.units = 1, .kernel_initializer = Ones{}}));
    model.build({unknown, 1});
    Variable<double> kernel = model.parameters()[0].variable;
    kernel.set_requires_grad(false);
    Trainer trainer(model, SGD<double>({.learning_rate = 0.0}), MeanSquaredError{});
    const Tensor<double> x = ones<double>({1, 1});
    CHECK(trainer.train_on_batch(x, x) == 0.0);
    kernel.set_requires_grad(true);
    CHECK(trainer.train_on_batch(x, x) == 1.0);
    kernel.assign(full<double>({1, 1}, -1.0));
    trainer.train_on_batch(x, x);
    CHECK(kernel.value()(0, 0) == 0.0);
}

TEST_CASE("class_weight rounds a label halfway between two as Keras does, to the even one") {
    // np.round([0.5, 1.5, 2.5]) is [0, 2, 2]
    Affine<double> model;
    model(constant(ones<double>({1, 1})));
    const Dataset<double> data{ones<double>({3, 1}), tensor<double>({3}, {0.5, 1.5, 2.5})};
    const std::map<std::int64_t, double> weights{{0, 0.0}, {2, 0.0}};
    Trainer trainer(model, SGD<double>({.learning_rate = 0.0}), MeanSquaredError{});
    const History history = trainer.fit(data, {.class_weight = weights, .verbose = 0});
    CHECK(history["loss"][0] == 0.0);
}

TEST_CASE("a model without parameters to train is named") {
    class Forgetful : public Model<double> {
      protected:
        Variable<double> call(const Variable<double>& x) override { return body_(x); }

      private:
        Dense<double> body_{{.units = 1}};
    };
    const Dataset<double> data = line<double>(4);
    const auto message = [&](Module<double>& model) {
        Trainer trainer(model, SGD<double>(), MeanSquaredError{});
        const std::string thrown = thrown_by([&] { trainer.train_on_batch(data); });
        CHECK(thrown_by([&] { trainer.fit(data, {.verbose = 0}); }) ==
              "ValueError: fit: epoch 1, step 1: " + thrown.substr(12));
        return thrown;
    };
    Sequential<double> nothing{ActivationLayer<double>({.activation = Activation::tanh})};
    nothing.set_name("empty");
    CHECK(message(nothing) == "ValueError: trainer: Sequential \"empty\" has no parameters to train");
    Forgetful forgetful;
    CHECK(message(forgetful) ==
          "ValueError: trainer: Model has no parameters to train; its output depends on parameters that it "
          "does not name: name the layers that it holds in `members`");
    Sequential<double> frozen{Dense<double>({.units = 1})};
    frozen.build({unknown, 1});
    for (auto& p : frozen.parameters()) p.variable.set_requires_grad(false);
    CHECK(message(frozen) == "ValueError: trainer: all 2 parameters of Sequential are frozen");
}

TEST_CASE("fit tells of parameters that the loss depends on and the model does not name") {
    class Half : public Model<double> {
      protected:
        void members(Members<double>& m) override { m.child("head", head_); }
        Variable<double> call(const Variable<double>& x) override { return head_(body_(x)); }

      private:
        Dense<double> body_{{.units = 3}}, head_{{.units = 1}};
    };
    Half model;
    Trainer trainer(model, SGD<double>(), MeanSquaredError{});
    std::vector<std::string> reports;
    const FitOptions<double> options{
        .epochs = 2, .verbose = 0, .report = [&](const std::string& text) { reports.push_back(text); }};
    trainer.fit(line<double>(4), options);
    CHECK(reports == std::vector<std::string>{
                         "fit: the loss depends on 2 parameters that are none of those of Model and stay as "
                         "they are, of shapes [1, 3], [3]; name the layers that it holds in `members`"});
}

TEST_CASE("validation that cannot be is refused before anything is trained") {
    const Dataset<double> data = line<double>(4);
    Recorder model;
    Trainer trainer(model, SGD<double>(), MeanSquaredError{});
    DatasetBatches<double> batches(data, 2), validation(data, 2, false);
    PrefetchedBatches<double> ahead(batches), further(static_cast<BatchSource<double>&>(ahead));
    const auto fit = [&](auto& source, FitOptions<double> options) {
        options.verbose = 0;
        return thrown_by([&] { trainer.fit(source, options); });
    };
    const std::string same =
        "ValueError: fit: with steps_per_epoch an epoch ends in the middle of a pass, which validation over "
        "the "
        "same source would end; give a source of its own for validation";
    CHECK(fit(batches, {.validation_source = &batches, .steps_per_epoch = 1}) == same);
    CHECK(fit(ahead, {.validation_source = &batches, .steps_per_epoch = 1}) == same);
    CHECK(fit(batches, {.validation_source = &ahead, .steps_per_epoch = 1}) == same);
    CHECK(fit(further, {.validation_source = &ahead, .steps_per_epoch = 1}) == same);
    CHECK(fit(batches, {.validation_source = &validation, .validation_steps = 0}) ==
          "ValueError: fit: validation_steps must be at least 1, got 0");
    CHECK(fit(batches, {.validation_source = &validation, .validation_steps = 3}) ==
          "ValueError: fit: 3 validation_steps asked for, the validation data has 2 batches");
    CHECK(thrown_by([&] { trainer.evaluate(validation, 0); }) ==
          "ValueError: evaluate: steps must be at least 1, got 0");
    CHECK(fit(data, {.validation_split = 0.99}) ==
          "ValueError: fit: a validation_split of 0.99 leaves 0 of 4 samples to train on and 4 to validate");
    CHECK(fit(data, {.validation_split = 1e-17}) ==
          "ValueError: fit: a validation_split of 1e-17 leaves 4 of 4 samples to train on and 0 to validate");
    CHECK(model.calls.empty());
}

TEST_CASE("predict that fails in a later batch leaves the states as they were") {
    Sequential<double> model;
    model.add(GRU<double>({.units = 2, .stateful = true}));
    Trainer trainer(model, SGD<double>(), MeanSquaredError{});
    trainer.predict(sequences(2, 4).x, 2);
    const ModuleState<double> before = model.state();
    CHECK_THROWS_AS(trainer.predict(sequences(5, 4).x, 2), ValueError);
    CHECK(model.state().states == before.states);
}

TEST_CASE("a step of fit that fails takes the reset of states before it back") {
    class Once : public BatchSource<double> {
      public:
        explicit Once(Dataset<double> data) : data_(std::move(data)) {}
        void start(Generator&) override { taken_ = false; }
        std::optional<Batch<double>> next() override {
            if (std::exchange(taken_, true)) return std::nullopt;
            return Batch<double>{data_, true};
        }

      private:
        Dataset<double> data_;
        bool taken_ = false;
    };
    Sequential<double> model;
    model.add(GRU<double>({.units = 2, .stateful = true}));
    Trainer trainer(model, SGD<double>(), MeanSquaredError{});
    Dataset<double> data = sequences(3, 4);
    trainer.predict(data.x);
    const ModuleState<double> before = model.state();
    SUBCASE("by a target") {
        data.y(1, 1) = std::nan("");
    }
    SUBCASE("by a shape") {
        data.y = zeros<double>({3, 7});
    }
    Once source(data);
    CHECK_THROWS_AS(trainer.fit(source, {.verbose = 0}), Error);
    CHECK(model.state().states == before.states);
}

TEST_CASE("sample weights that are not finite are named") {
    Affine<double> model;
    Trainer trainer(model, SGD<double>(), MeanSquaredError{});
    Dataset<double> data = line<double>(3);
    data.sample_weight = tensor<double>({3}, {1.0, std::nan(""), 1.0});
    const std::string expected = "the sample weights are not finite: element [1] of shape [3] is nan";
    CHECK(thrown_by([&] { trainer.train_on_batch(data); }).find(expected) != std::string::npos);
    CHECK(thrown_by([&] {
              trainer.train_on_batch(data.x, data.y, {.sample_weight = data.sample_weight});
          }).find(expected) != std::string::npos);
    CHECK(thrown_by([&] { trainer.fit(data, {.shuffle = false, .verbose = 0}); }).find(expected) !=
          std::string::npos);
}

TEST_CASE("a model with call_several alone is trained, and heads without a loss are named") {
    class Heads : public Model<double> {
      public:
        explicit Heads(bool two) : two_(two) {}

      protected:
        void members(Members<double>& m) override {
            m.child("body", body_);
            m.child("value", value_);
            m.child("other", other_);
        }
        std::vector<Variable<double>> call_several(const std::vector<Variable<double>>& inputs) override {
            check_inputs(inputs, 1);
            const Variable<double> h = body_(inputs[0]);
            if (!two_) return {value_(h)};
            return {value_(h), other_(h)};
        }

      private:
        bool two_;
        Dense<double> body_{{.units = 4}}, value_{{.units = 1}}, other_{{.units = 2}};
    };
    set_random_seed(1);
    const Dataset<double> data = line<double>(20);
    for (const bool two : {true, false}) {
        Heads model(two);
        std::vector<std::string> reports;
        Trainer trainer(model, Adam<double>({.learning_rate = 0.05}), MeanSquaredError{});
        const FitOptions<double> options{
            .epochs = 150, .verbose = 0, .seed = 1, .report = [&](const std::string& message) {
                reports.push_back(message);
            }};
        CHECK(trainer.fit(data, options)["loss"].back() < 1e-3);
        CHECK(trainer.evaluate(data)["loss"] < 1e-3);
        CHECK(trainer.predict(data.x).shape() == Shape{20, 1});
        if (two) {
            CHECK(reports ==
                  std::vector<std::string>{
                      "fit: the loss does not depend on 2 of the parameters of Model, which stay as "
                      "they are: other.kernel, other.bias; of a model with several outputs the first "
                      "one is trained"});
        } else {
            CHECK(reports.empty());  // what is not built is no parameter
        }
    }
}

TEST_CASE("ids and labels are given as integers all the way") {
    // Which of two words comes first.
    const Tensor<std::int64_t> ids = tensor<std::int64_t>({4, 2}, {1, 2, 2, 1, 1, 1, 2, 2});
    const Tensor<std::int64_t> labels = tensor<std::int64_t>({4}, {0, 1, 0, 1});
    const auto made = [] {
        set_random_seed(1);
        Sequential<float> model;
        model.add(Embedding<float>({.input_dim = 3, .output_dim = 4}));
        model.add(LSTM<float>({.units = 4}));
        model.add(Dense<float>({.units = 2}));
        return model;
    };
    Sequential<float> model = made(), same = made();
    const SparseCategoricalCrossentropy loss{.from_logits = true};
    Trainer trainer(model, Adam<float>({.learning_rate = 0.05f}), loss, {SparseCategoricalAccuracy{}});
    Trainer stored(same, Adam<float>({.learning_rate = 0.05f}), loss, {SparseCategoricalAccuracy{}});
    const FitOptions<float> options{.epochs = 40, .verbose = 0, .seed = 1};
    set_random_seed(2);
    const History history = trainer.fit({.x = ids, .y = labels}, options);
    set_random_seed(2);
    const Tensor<float> x = from_integers<float>(ids), y = from_integers<float>(labels);
    CHECK(history["loss"] == stored.fit({.x = x, .y = y}, options)["loss"]);
    CHECK(trainer.evaluate({.x = ids, .y = labels})["sparse_categorical_accuracy"] == 1.0);
    CHECK(trainer.predict(ids) == stored.predict(x));
    CHECK(trainer.train_on_batch(ids, labels) == stored.train_on_batch(x, y));
    CHECK(trainer.train_on_batch(x, labels) == stored.train_on_batch(x, y));
    CHECK(trainer.train_on_batch(ids, y) == stored.train_on_batch(x, y));
    // None is rounded to its neighbour.
    const Tensor<std::int64_t> large = tensor<std::int64_t>({1, 1}, {16777217});
    const std::string refused =
        "ValueError: from_integers: 16777217 lies outside [-16777216, 16777216], the integers "
        "that float holds exactly; use double, or smaller numbers";
    CHECK(thrown_by([&] { return Dataset<float>{.x = large, .y = labels}.size(); }) == refused);
    CHECK(thrown_by([&] { return Dataset<float>{.x = x, .y = large}.size(); }) == refused);
    CHECK(thrown_by([&] { return Dataset<float>{.x = x, .y = y, .more_inputs = {large}}.size(); }) ==
          refused);
    Dataset<float> data{.x = x, .y = y};
    CHECK(thrown_by([&] { data.y = large; }) == refused);
    CHECK(data.y == y);
    data.y = labels;
    CHECK(data.y == y);
    CHECK(thrown_by([&] { trainer.predict(large); }) == refused);
    CHECK(thrown_by([&] { trainer.train_on_batch(large, labels); }) == refused);
    CHECK(Dataset<double>{.x = large, .y = large}.x(0, 0) == 16777217.0);
}

TEST_CASE("a model of several inputs is trained, evaluated and asked like any other") {
    // y = scale x + other, of which the scale is learnt.
    class Sum : public Module<double> {
      public:
        std::string type() const override { return "Sum"; }

      protected:
        void members(Members<double>& m) override { m.parameter("scale", scale_); }
        void build_several(const std::vector<PartialShape>&) override {
            scale_ = parameter(zeros<double>({1}));
        }
        std::vector<Variable<double>> call_several(const std::vector<Variable<double>>& inputs) override {
            if (inputs.size() != 2) throw ValueError("Sum: takes two inputs");
            return {scale_ * inputs[0] + inputs[1], inputs[0]};
        }

      private:
        Variable<double> scale_;
    };
    Dataset<double> data = line<double>(20);
    data.more_inputs = {ones<double>({20, 1})};
    Sum model;
    Trainer trainer(model, Adam<double>({.learning_rate = 0.1}), MeanSquaredError{});
    const History history =
        trainer.fit(data, {.epochs = 100, .validation_split = 0.2, .verbose = 0, .seed = 1});
    CHECK(history["val_loss"].back() < 1e-4);
    CHECK(trainer.evaluate(data, 7)["loss"] < 1e-4);
    const Tensor<double> y = trainer.predict({data.x, data.more_inputs[0]}, 6);
    for (std::size_t i = 0; i < 20; ++i) CHECK(std::abs(y(i, 0) - data.y(i, 0)) < 0.02);
    CHECK(trainer.train_on_batch(data) < 1e-4);
    CHECK_THROWS_WITH_AS(trainer.predict({data.x, ones<double>({3, 1})}),
                         "predict: expected inputs [N, ...], got [3, 1] beside [20, 1]", ShapeError);
    data.more_inputs[0] = ones<double>({19, 1});
    CHECK_THROWS_WITH_AS(trainer.fit(data, {.verbose = 0}),
                         "dataset: expected further inputs [20, ...], got [19, 1]", ShapeError);
}

TEST_CASE("a source is not validated over in the middle of its pass") {
    const Dataset<float> data{ones<float>({4, 3}), ones<float>({4, 1})};
    Sequential<float> model{Dense<float>({.units = 1})};
    Trainer<float> trainer(model, SGD<float>(), MeanSquaredError{});
    DatasetBatches<float> batches(data, 2);
    const History history = trainer.fit(batches, {.epochs = 2, .validation_source = &batches, .verbose = 0});
    CHECK(history.epochs().size() == 2);
    CHECK_THROWS_WITH_AS(
        trainer.fit(batches, {.validation_source = &batches, .steps_per_epoch = 1, .verbose = 0}),
        doctest::Contains("give a source of its own for validation"), ValueError);
}
