#include "seqgrad/optim/adamw.hpp"

#include <limits>
#include <vector>

#include "optim/golden.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE_TEMPLATE("AdamW follows Keras step by step", T, float, double) {
    AdamW<T> rule({.learning_rate = 0.05, .weight_decay = 0.1});
    test::replay(rule, "AdamW");
}

TEST_CASE("AdamW has Keras's defaults") {
    const AdamWConfig config;
    CHECK(config.learning_rate.at(0) == 0.001);
    CHECK(config.weight_decay == 0.004);
    CHECK(config.beta_1 == 0.9);
    CHECK(config.beta_2 == 0.999);
    CHECK(config.epsilon == 1e-7);
    CHECK_FALSE(config.amsgrad);
    CHECK(AdamW<float>().type() == "AdamW");
}

TEST_CASE("AdamW shrinks parameters whose gradient is 0 by the learning rate times the decay") {
    std::vector<Variable<double>> w{parameter(tensor<double>({2}, {1, -8}))};
    w[0].set_grad(tensor<double>({2}, {0, 0}));
    AdamW<double> rule({.learning_rate = 0.5, .weight_decay = 0.25});
    rule.apply(w);
    CHECK(w[0].value() == tensor<double>({2}, {0.875, -7}));
}

TEST_CASE("AdamW refuses arguments out of range") {
    CHECK_THROWS_WITH_AS(AdamW<float>({.weight_decay = -0.1}),
                         "optimizer: weight_decay must be a finite number >= 0, got -0.1", ValueError);
    CHECK_THROWS_AS(AdamW<float>({.weight_decay = std::numeric_limits<double>::quiet_NaN()}), ValueError);
    CHECK_THROWS_WITH_AS(AdamW<float>({.beta_2 = 1.0}), "AdamW: beta_2 must lie in [0, 1), got 1",
                         ValueError);
    CHECK_THROWS_AS(AdamW<float>({.epsilon = 0.0}), ValueError);
}
