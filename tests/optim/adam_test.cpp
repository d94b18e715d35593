#include "seqgrad/optim/adam.hpp"

#include <limits>
#include <vector>

#include "optim/golden.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE_TEMPLATE("Adam follows Keras step by step, clipped or not", T, float, double) {
    Adam<T> plain({.learning_rate = 0.05});
    test::replay(plain, "Adam");
    Adam<T> global({.learning_rate = 0.05, .global_clipnorm = 0.7});
    test::replay(global, "Adam_global_clipnorm");
    Adam<T> each({.learning_rate = 0.05, .clipnorm = 0.5});
    test::replay(each, "Adam_clipnorm");
    Adam<T> element({.learning_rate = 0.05, .clipvalue = 0.3});
    test::replay(element, "Adam_clipvalue");
}

TEST_CASE_TEMPLATE("Adam with amsgrad follows Keras step by step", T, float, double) {
    Adam<T> rule({.learning_rate = 0.05, .beta_2 = 0.9, .amsgrad = true});
    test::replay(rule, "Adam_amsgrad");
    CHECK(rule.state().slots[2].name == "0.velocity_hat");
}

TEST_CASE("Adam has Keras's defaults") {
    const AdamConfig config;
    CHECK(config.learning_rate.at(0) == 0.001);
    CHECK(config.beta_1 == 0.9);
    CHECK(config.beta_2 == 0.999);
    CHECK(config.epsilon == 1e-7);
    CHECK_FALSE(config.amsgrad);
    CHECK_FALSE(config.weight_decay.has_value());
    CHECK(Adam<float>().type() == "Adam");
}

TEST_CASE("the first update of Adam has the size of the learning rate, whatever the gradient's") {
    std::vector<Variable<double>> w{parameter(tensor<double>({4}, {1, 1, 1, 1}))};
    w[0].set_grad(tensor<double>({4}, {1e6, -1e-2, 5, 0}));
    Adam<double> adam({.learning_rate = 0.25, .epsilon = 1e-15});
    adam.apply(w);
    const double* value = w[0].value().data();
    CHECK(value[0] == doctest::Approx(0.75).epsilon(1e-5));
    CHECK(value[1] == doctest::Approx(1.25).epsilon(1e-5));
    CHECK(value[2] == doctest::Approx(0.75).epsilon(1e-5));
    CHECK(value[3] == 1.0);
}

TEST_CASE("Adam refuses arguments out of range") {
    CHECK_THROWS_WITH_AS(Adam<float>({.beta_1 = 1.0}), "Adam: beta_1 must lie in [0, 1), got 1", ValueError);
    CHECK_THROWS_AS(Adam<float>({.beta_2 = -0.5}), ValueError);
    CHECK_THROWS_AS(Adam<double>({.beta_2 = 1.0 - 1e-9}), ValueError);  // 1 in float32
    CHECK_THROWS_AS(Adam<float>({.beta_2 = std::numeric_limits<double>::quiet_NaN()}), ValueError);
    CHECK_THROWS_WITH_AS(Adam<float>({.epsilon = 0.0}),
                         "Adam: epsilon must be a finite number above 0, got 0", ValueError);
    CHECK_THROWS_AS(Adam<float>({.epsilon = 1e-60}), ValueError);
    CHECK_THROWS_AS(Adam<double>({.epsilon = -1e-7}), ValueError);
    CHECK_THROWS_AS(Adam<float>({.epsilon = std::numeric_limits<double>::infinity()}), ValueError);
}
