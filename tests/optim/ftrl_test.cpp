#include "seqgrad/optim/ftrl.hpp"

#include <vector>

#include "optim/golden.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE_TEMPLATE("Ftrl follows Keras step by step", T, float, double) {
    Ftrl<T> rule({.learning_rate = 0.1, .l1_regularization_strength = 0.01});
    test::replay(rule, "Ftrl");
}

TEST_CASE("Ftrl has Keras's defaults") {
    const FtrlConfig config;
    CHECK(config.learning_rate.at(0) == 0.001);
    CHECK(config.learning_rate_power == -0.5);
    CHECK(config.initial_accumulator_value == 0.1);
    CHECK(config.l1_regularization_strength == 0.0);
    CHECK(config.l2_regularization_strength == 0.0);
    CHECK(config.l2_shrinkage_regularization_strength == 0.0);
    CHECK(config.beta == 0.0);
    CHECK_FALSE(config.weight_decay.has_value());
    CHECK(Ftrl<float>().type() == "Ftrl");
}

TEST_CASE("Ftrl holds parameters of small gradients at 0") {
    std::vector<Variable<double>> w{parameter(tensor<double>({2}, {0, 0}))};
    w[0].set_grad(tensor<double>({2}, {0.5, -8}));
    Ftrl<double> rule(
        {.learning_rate = 1.0, .initial_accumulator_value = 0.0, .l1_regularization_strength = 1.0});
    rule.apply(w);
    // z = g, and -(z + 1) / |g| where |z| > 1
    CHECK(w[0].value() == tensor<double>({2}, {0, 0.875}));
}

TEST_CASE("Ftrl's regularization makes steps shorter") {
    std::vector<Variable<double>> w{parameter(tensor<double>({1}, {1}))};
    w[0].set_grad(tensor<double>({1}, {4}));
    FtrlConfig config{.learning_rate = 0.5, .initial_accumulator_value = 0.0};
    double expected = 0.0;
    // n' = 16, z = 4 - (4 - 0) / 0.5 = -4, curvature 4 / 0.5 = 8
    SUBCASE("none") {
        expected = 4.0 / 8.0;
    }
    SUBCASE("l2") {
        config.l2_regularization_strength = 4.0;
        expected = 4.0 / 16.0;
    }
    SUBCASE("beta") {
        config.beta = 4.0;
        expected = 4.0 / 16.0;
    }
    SUBCASE("shrinkage") {
        config.l2_shrinkage_regularization_strength = 1.0;
        expected = 2.0 / 8.0;
    }
    SUBCASE("another power") {
        config.learning_rate_power = -1.0;  // z = 4 - 16 / 0.5 = -28, curvature 16 / 0.5 = 32
        expected = 28.0 / 32.0;
    }
    Ftrl<double> rule(config);
    rule.apply(w);
    CHECK(w[0].item() == expected);
}

TEST_CASE("Ftrl divides by no rate and no curvature of 0") {
    std::vector<Variable<double>> w{parameter(tensor<double>({2}, {1, -2}))};
    w[0].set_grad(tensor<double>({2}, {0, 0}));
    Ftrl<double> flat({.initial_accumulator_value = 0.0});
    flat.apply(w);
    CHECK(w[0].value() == tensor<double>({2}, {1, -2}));
    w[0].set_grad(tensor<double>({2}, {3, 4}));
    Ftrl<double> still({.learning_rate = 0.0});
    still.apply(w);
    CHECK(w[0].value() == tensor<double>({2}, {1, -2}));
}

TEST_CASE("Ftrl refuses arguments out of range") {
    CHECK_THROWS_WITH_AS(Ftrl<float>({.learning_rate_power = 0.5}),
                         "Ftrl: learning_rate_power must be a finite number <= 0, got 0.5", ValueError);
    CHECK_THROWS_WITH_AS(Ftrl<float>({.l1_regularization_strength = -1.0}),
                         "Ftrl: l1_regularization_strength must be a finite number >= 0, got -1", ValueError);
    CHECK_THROWS_AS(Ftrl<float>({.initial_accumulator_value = -0.1}), ValueError);
    CHECK_THROWS_AS(Ftrl<float>({.l2_regularization_strength = -0.1}), ValueError);
    CHECK_THROWS_AS(Ftrl<float>({.l2_shrinkage_regularization_strength = -0.1}), ValueError);
    CHECK_THROWS_AS(Ftrl<float>({.beta = -0.1}), ValueError);
}
