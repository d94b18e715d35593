#include "seqgrad/optim/adagrad.hpp"

#include <vector>

#include "optim/golden.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE_TEMPLATE("Adagrad follows Keras step by step", T, float, double) {
    Adagrad<T> rule({.learning_rate = 0.1});
    test::replay(rule, "Adagrad");
}

TEST_CASE("Adagrad has Keras's defaults") {
    const AdagradConfig config;
    CHECK(config.learning_rate.at(0) == 0.001);
    CHECK(config.initial_accumulator_value == 0.1);
    CHECK(config.epsilon == 1e-7);
    CHECK_FALSE(config.weight_decay.has_value());
    CHECK(Adagrad<float>().type() == "Adagrad");
}

TEST_CASE("Adagrad's accumulator starts at what it was told, and gathers squares") {
    std::vector<Variable<double>> w{parameter(tensor<double>({1}, {0}))};
    w[0].set_grad(tensor<double>({1}, {3}));
    Adagrad<double> rule({.initial_accumulator_value = 0.25});
    rule.build(w);
    CHECK(rule.state().slots[0].name == "0.accumulator");
    CHECK(rule.state().slots[0].value.data()[0] == 0.25);
    rule.apply(w);
    rule.apply(w);
    CHECK(rule.state().slots[0].value.data()[0] == 18.25);
}

TEST_CASE("Adagrad refuses arguments out of range") {
    CHECK_THROWS_WITH_AS(Adagrad<float>({.initial_accumulator_value = -1.0}),
                         "Adagrad: initial_accumulator_value must be a finite number >= 0, got -1",
                         ValueError);
    CHECK_THROWS_AS(Adagrad<float>({.epsilon = 0.0}), ValueError);
}
