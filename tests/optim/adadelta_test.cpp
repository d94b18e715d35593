#include "seqgrad/optim/adadelta.hpp"

#include <cmath>
#include <vector>

#include "optim/golden.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE_TEMPLATE("Adadelta follows Keras step by step", T, float, double) {
    Adadelta<T> rule({.learning_rate = 1.0});
    test::replay(rule, "Adadelta");
}

TEST_CASE("Adadelta has Keras's defaults") {
    const AdadeltaConfig config;
    CHECK(config.learning_rate.at(0) == 0.001);
    CHECK(config.rho == 0.95);
    CHECK(config.epsilon == 1e-7);
    CHECK_FALSE(config.weight_decay.has_value());
    CHECK(Adadelta<float>().type() == "Adadelta");
}

TEST_CASE("the first step of Adadelta has a size that does not depend on the gradient's") {
    const auto first_step = [](double gradient) {
        std::vector<Variable<double>> w{parameter(tensor<double>({1}, {0}))};
        w[0].set_grad(tensor<double>({1}, {gradient}));
        Adadelta<double> rule({.learning_rate = 1.0, .rho = 0.75});
        rule.apply(w);
        return w[0].item();
    };
    // sqrt(epsilon) g / sqrt(0.25 g^2)
    CHECK(first_step(100.0) == doctest::Approx(-2.0 * std::sqrt(1e-7)).epsilon(1e-6));
    CHECK(first_step(-7e3) == doctest::Approx(2.0 * std::sqrt(1e-7)).epsilon(1e-6));
}

TEST_CASE("Adadelta refuses arguments out of range") {
    CHECK_THROWS_WITH_AS(Adadelta<float>({.rho = 1.0}), "Adadelta: rho must lie in [0, 1), got 1",
                         ValueError);
    CHECK_THROWS_AS(Adadelta<float>({.epsilon = 0.0}), ValueError);
}
