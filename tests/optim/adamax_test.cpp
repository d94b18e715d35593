#include "seqgrad/optim/adamax.hpp"

#include <vector>

#include "optim/golden.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE_TEMPLATE("Adamax follows Keras step by step", T, float, double) {
    Adamax<T> rule({.learning_rate = 0.05});
    test::replay(rule, "Adamax");
}

TEST_CASE("Adamax has Keras's defaults") {
    const AdamaxConfig config;
    CHECK(config.learning_rate.at(0) == 0.001);
    CHECK(config.beta_1 == 0.9);
    CHECK(config.beta_2 == 0.999);
    CHECK(config.epsilon == 1e-7);
    CHECK_FALSE(config.weight_decay.has_value());
    CHECK(Adamax<float>().type() == "Adamax");
}

TEST_CASE("Adamax remembers the largest gradient, fading") {
    std::vector<Variable<double>> w{parameter(tensor<double>({1}, {0}))};
    w[0].set_grad(tensor<double>({1}, {-8}));
    Adamax<double> rule({.beta_2 = 0.5});
    rule.apply(w);
    CHECK(rule.state().slots[1].name == "0.norm");
    CHECK(rule.state().slots[1].value.data()[0] == 8.0);
    w[0].set_grad(tensor<double>({1}, {1}));
    rule.apply(w);
    CHECK(rule.state().slots[1].value.data()[0] == 4.0);
}

TEST_CASE("Adamax refuses arguments out of range") {
    CHECK_THROWS_WITH_AS(Adamax<float>({.beta_1 = 1.0}), "Adamax: beta_1 must lie in [0, 1), got 1",
                         ValueError);
    CHECK_THROWS_AS(Adamax<float>({.beta_2 = -0.5}), ValueError);
    CHECK_THROWS_AS(Adamax<float>({.epsilon = 0.0}), ValueError);
}
