#include "seqgrad/optim/sgd.hpp"

#include <vector>

#include "optim/golden.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE_TEMPLATE("SGD follows Keras step by step", T, float, double) {
    SGD<T> plain({.learning_rate = 0.1});
    test::replay(plain, "SGD");
    SGD<T> momentum({.learning_rate = 0.1, .momentum = 0.9});
    test::replay(momentum, "SGD_momentum");
    SGD<T> nesterov({.learning_rate = 0.1, .momentum = 0.9, .nesterov = true});
    test::replay(nesterov, "SGD_nesterov");
    SGD<T> decaying({.learning_rate = 0.1, .weight_decay = 0.05});
    test::replay(decaying, "SGD_weight_decay");
}

TEST_CASE("SGD has Keras's defaults") {
    const SGDConfig config;
    CHECK(config.learning_rate.at(0) == 0.01);
    CHECK(config.momentum == 0.0);
    CHECK_FALSE(config.nesterov);
    CHECK(SGD<float>().learning_rate() == 0.01);
    CHECK(SGD<float>().type() == "SGD");
}

TEST_CASE("SGD remembers something only with momentum") {
    std::vector<Variable<double>> w{parameter(tensor<double>({2}, {1, 2}))};
    w[0].set_grad(tensor<double>({2}, {1, -1}));
    SGD<double> plain({.learning_rate = 0.5});
    plain.apply(w);
    CHECK(w[0].value() == tensor<double>({2}, {0.5, 2.5}));
    CHECK(plain.state().slots.empty());
    SGD<double> momentum({.learning_rate = 0.5, .momentum = 0.5});
    momentum.apply(w);
    momentum.apply(w);
    const auto state = momentum.state();
    REQUIRE(state.slots.size() == 1);
    CHECK(state.slots[0].name == "0.momentum");
    CHECK(state.slots[0].value == tensor<double>({2}, {-0.75, 0.75}));
    CHECK(w[0].value() == tensor<double>({2}, {-0.75, 3.75}));
}

TEST_CASE("SGD refuses arguments out of range") {
    CHECK_THROWS_WITH_AS(SGD<float>({.momentum = 1.5}), "SGD: momentum must lie in [0, 1], got 1.5",
                         ValueError);
    CHECK_THROWS_AS(SGD<float>({.momentum = -0.1}), ValueError);
}
