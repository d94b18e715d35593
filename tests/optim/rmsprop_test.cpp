#include "seqgrad/optim/rmsprop.hpp"

#include <cmath>
#include <vector>

#include "optim/golden.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE_TEMPLATE("RMSprop follows Keras step by step, centered and with momentum or not", T, float,
                   double) {
    RMSprop<T> plain({.learning_rate = 0.01});
    test::replay(plain, "RMSprop");
    RMSprop<T> both({.learning_rate = 0.01, .rho = 0.8, .momentum = 0.5, .centered = true});
    test::replay(both, "RMSprop_centered_momentum");
}

TEST_CASE("RMSprop has Keras's defaults") {
    const RMSpropConfig config;
    CHECK(config.learning_rate.at(0) == 0.001);
    CHECK(config.rho == 0.9);
    CHECK(config.momentum == 0.0);
    CHECK(config.epsilon == 1e-7);
    CHECK_FALSE(config.centered);
    CHECK_FALSE(config.weight_decay.has_value());
    CHECK(RMSprop<float>().type() == "RMSprop");
}

TEST_CASE("RMSprop remembers what its arguments need") {
    std::vector<Variable<double>> w{parameter(tensor<double>({1}, {1}))};
    w[0].set_grad(tensor<double>({1}, {2}));
    const auto slots = [&](const RMSpropConfig& config) {
        RMSprop<double> rule(config);
        rule.apply(w);
        std::vector<std::string> names;
        for (const auto& slot : rule.state().slots) names.push_back(slot.name);
        return names;
    };
    using Names = std::vector<std::string>;
    CHECK(slots({}) == Names{"0.velocity"});
    CHECK(slots({.momentum = 0.5}) == Names{"0.velocity", "0.momentum"});
    CHECK(slots({.centered = true}) == Names{"0.velocity", "0.average_gradient"});
    CHECK(slots({.momentum = 0.5, .centered = true}) ==
          Names{"0.velocity", "0.momentum", "0.average_gradient"});
}

TEST_CASE("a centered RMSprop in float stays finite under a gradient that never changes") {
    std::vector<Variable<float>> w{parameter(tensor<float>({3}, {0, 0, 0}))};
    w[0].set_grad(tensor<float>({3}, {10.3f, -777.7f, 0.0f}));
    RMSprop<float> rule({.learning_rate = 1e-3, .centered = true});
    for (int step = 0; step < 500; ++step) {
        rule.apply(w);
        for (std::size_t i = 0; i < 3; ++i) REQUIRE(std::isfinite(w[0].value().data()[i]));
    }
}

TEST_CASE("RMSprop refuses arguments out of range") {
    CHECK_THROWS_WITH_AS(RMSprop<float>({.rho = 1.0}), "RMSprop: rho must lie in [0, 1), got 1", ValueError);
    CHECK_THROWS_WITH_AS(RMSprop<float>({.momentum = -0.1}), "RMSprop: momentum must lie in [0, 1], got -0.1",
                         ValueError);
    CHECK_THROWS_WITH_AS(RMSprop<float>({.epsilon = 0.0}),
                         "RMSprop: epsilon must be a finite number above 0, got 0", ValueError);
    CHECK_THROWS_AS(RMSprop<float>({.epsilon = 1e-60}), ValueError);
}
