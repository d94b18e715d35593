#include "seqgrad/optim/lion.hpp"

#include <vector>

#include "optim/golden.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE_TEMPLATE("Lion follows Keras step by step", T, float, double) {
    Lion<T> rule({.learning_rate = 0.01, .weight_decay = 0.01});
    test::replay(rule, "Lion");
}

TEST_CASE("Lion has Keras's defaults") {
    const LionConfig config;
    CHECK(config.learning_rate.at(0) == 0.001);
    CHECK(config.beta_1 == 0.9);
    CHECK(config.beta_2 == 0.99);
    CHECK_FALSE(config.weight_decay.has_value());
    CHECK(Lion<float>().type() == "Lion");
}

TEST_CASE("every step of Lion has the size of the learning rate, or 0") {
    std::vector<Variable<double>> w{parameter(tensor<double>({3}, {0, 0, 0}))};
    w[0].set_grad(tensor<double>({3}, {1e-3, -1e6, 0}));
    Lion<double> rule({.learning_rate = 0.25});
    rule.apply(w);
    CHECK(w[0].value() == tensor<double>({3}, {-0.25, 0.25, 0}));
}

TEST_CASE("Lion refuses arguments out of range") {
    CHECK_THROWS_WITH_AS(
        Lion<float>({.beta_1 = 0.0}),
        "Lion: beta_1 must be above 0; without momentum in its steps the rule is sign descent", ValueError);
    CHECK_THROWS_WITH_AS(Lion<float>({.beta_2 = 1.5}), "Lion: beta_2 must lie in [0, 1], got 1.5",
                         ValueError);
    CHECK_THROWS_AS(Lion<float>({.beta_1 = 1.5}), ValueError);
}
