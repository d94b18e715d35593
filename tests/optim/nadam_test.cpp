#include "seqgrad/optim/nadam.hpp"

#include <vector>

#include "optim/golden.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE_TEMPLATE("Nadam follows Keras step by step", T, float, double) {
    Nadam<T> rule({.learning_rate = 0.05});
    test::replay(rule, "Nadam");
}

TEST_CASE("Nadam has Keras's defaults") {
    const NadamConfig config;
    CHECK(config.learning_rate.at(0) == 0.001);
    CHECK(config.beta_1 == 0.9);
    CHECK(config.beta_2 == 0.999);
    CHECK(config.epsilon == 1e-7);
    CHECK_FALSE(config.weight_decay.has_value());
    CHECK(Nadam<float>().type() == "Nadam");
}

TEST_CASE("a restored Nadam goes on bit for bit, and back to an earlier state") {
    std::vector<Variable<double>> w{parameter(tensor<double>({1}, {0}))};
    w[0].set_grad(tensor<double>({1}, {1}));
    Nadam<double> whole({.learning_rate = 0.1});
    for (int step = 0; step < 7; ++step) whole.apply(w);
    const auto state = whole.state();
    std::vector<Variable<double>> copy{parameter(w[0].value())};
    const double start = w[0].item();
    copy[0].set_grad(w[0].grad());
    for (int step = 0; step < 5; ++step) whole.apply(w);
    Nadam<double> restored({.learning_rate = 0.1});
    restored.set_state(state);
    for (int step = 0; step < 5; ++step) restored.apply(copy);
    CHECK(copy[0].value() == w[0].value());
    whole.set_state(state);
    w[0].mutable_data()[0] = start;
    for (int step = 0; step < 5; ++step) whole.apply(w);
    CHECK(copy[0].value() == w[0].value());
}

TEST_CASE("Nadam starts after any number of updates") {
    std::vector<Variable<double>> w{parameter(tensor<double>({1}, {0}))};
    w[0].set_grad(tensor<double>({1}, {1}));
    Nadam<double> rule({.learning_rate = 0.125});
    rule.apply(w);
    auto state = rule.state();
    state.iterations = 4'000'000'000'000;
    state.slots[0].value = ones<double>({1});
    state.slots[1].value = ones<double>({1});
    rule.set_state(state);
    w[0].mutable_data()[0] = 0.0;
    rule.apply(w);
    // Nothing is left of the corrections for the start, and of beta_1 1.9 parts.
    CHECK(w[0].item() == doctest::Approx(-0.125).epsilon(1e-6));
}

TEST_CASE("Nadam refuses arguments out of range") {
    CHECK_THROWS_WITH_AS(Nadam<float>({.beta_1 = 1.0}), "Nadam: beta_1 must lie in [0, 1), got 1",
                         ValueError);
    CHECK_THROWS_AS(Nadam<float>({.beta_2 = 1.5}), ValueError);
    CHECK_THROWS_AS(Nadam<float>({.epsilon = 0.0}), ValueError);
}
