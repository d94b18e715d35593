#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "optim/golden.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/optim/adam.hpp"
#include "seqgrad/optim/sgd.hpp"

using namespace seqgrad;

namespace {

using Parameters = std::vector<Variable<double>>;

Parameters one_and_one() {
    Parameters w{parameter(tensor<double>({1}, {8})), parameter(tensor<double>({1}, {0.1}))};
    w[0].set_grad(tensor<double>({1}, {1}));
    w[1].set_grad(tensor<double>({1}, {0}));
    return w;
}

double average_of(const Optimizer<double>& optimizer, std::size_t parameter) {
    const auto state = optimizer.state();
    REQUIRE(state.slots[parameter].name == std::to_string(parameter) + ".average");
    return state.slots[parameter].value.data()[0];
}

}  // namespace

TEST_CASE_TEMPLATE("Adam with a mean of its weights follows Keras step by step", T, float, double) {
    Adam<T> rule({.learning_rate = 0.05, .use_ema = true, .ema_momentum = 0.8, .ema_overwrite_frequency = 4});
    test::replay(rule, "Adam_ema");
}

TEST_CASE("means start at the parameters after the first update and follow them") {
    Parameters w = one_and_one();
    SGD<double> sgd({.learning_rate = 1.0, .use_ema = true, .ema_momentum = 0.5});
    sgd.apply(w);  // 7
    CHECK(average_of(sgd, 0) == 7.0);
    sgd.apply(w);  // 6
    CHECK(average_of(sgd, 0) == 6.5);
    sgd.apply(w);  // 5
    CHECK(average_of(sgd, 0) == 5.75);
    CHECK(w[0].item() == 5.0);
}

TEST_CASE("means take the parameters' places at the end, and only when asked to") {
    Parameters w = one_and_one();
    SUBCASE("with means") {
        SGD<double> sgd({.learning_rate = 1.0, .use_ema = true, .ema_momentum = 0.5});
        sgd.finalize_variable_values(w);
        CHECK(w[0].item() == 8.0);
        sgd.apply(w);
        sgd.apply(w);
        sgd.finalize_variable_values(w);
        CHECK(w[0].item() == 6.5);
        Parameters one{w[0]};
        CHECK_THROWS_AS(sgd.finalize_variable_values(one), ShapeError);
    }
    SUBCASE("without") {
        SGD<double> sgd({.learning_rate = 1.0});
        sgd.apply(w);
        sgd.finalize_variable_values(w);
        CHECK(w[0].item() == 7.0);
    }
}

TEST_CASE("means replace the parameters after every so many updates") {
    Parameters w = one_and_one();
    SGD<double> sgd(
        {.learning_rate = 1.0, .use_ema = true, .ema_momentum = 0.5, .ema_overwrite_frequency = 2});
    sgd.apply(w);
    CHECK(w[0].item() == 7.0);
    sgd.apply(w);
    CHECK(w[0].item() == 6.5);
    sgd.apply(w);
    CHECK(w[0].item() == 5.5);
    CHECK(average_of(sgd, 0) == 6.0);
}

TEST_CASE("parameters without a gradient have means too, frozen ones stay as they are") {
    Parameters w = one_and_one();
    // 0.3 * 0.1 + 0.7 * 0.1 rounds to another number than 0.1.
    SGD<double> sgd(
        {.learning_rate = 1.0, .use_ema = true, .ema_momentum = 0.3, .ema_overwrite_frequency = 1});
    SUBCASE("frozen") {
        w[1].set_requires_grad(false);
        for (int step = 0; step < 5; ++step) sgd.apply(w);
        CHECK(w[1].item() == 0.1);
        CHECK(average_of(sgd, 1) == 0.1);
    }
    SUBCASE("no gradient") {
        sgd.apply(w);
        w[1].clear_grad();
        w[1].mutable_data()[0] = 2.0;
        sgd.apply(w);
        CHECK(w[1].item() == doctest::Approx(0.3 * 0.1 + 0.7 * 2.0).epsilon(1e-12));
    }
}

TEST_CASE("means of parameters longer than a piece are right in every element") {
    const std::size_t n = 20001;
    Tensor<double> gradient(Shape{n});
    for (std::size_t i = 0; i < n; ++i) gradient.data()[i] = std::sin(static_cast<double>(i));
    Parameters w{parameter(zeros<double>({n}))};
    w[0].set_grad(gradient);
    SGD<double> sgd(
        {.learning_rate = 1.0, .use_ema = true, .ema_momentum = 0.5, .ema_overwrite_frequency = 2});
    sgd.apply(w);
    sgd.apply(w);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < n; ++i)
        if (w[0].value().data()[i] != -1.5 * gradient.data()[i]) ++wrong;
    CHECK(wrong == 0);
}

TEST_CASE("arguments of the mean out of range are refused") {
    CHECK_THROWS_WITH_AS(SGD<float>({.use_ema = true, .ema_momentum = 1.5}),
                         "optimizer: ema_momentum must lie in [0, 1], got 1.5", ValueError);
    CHECK_THROWS_AS(SGD<float>({.use_ema = true, .ema_momentum = std::numeric_limits<double>::quiet_NaN()}),
                    ValueError);
    CHECK_THROWS_WITH_AS(SGD<float>({.use_ema = true, .ema_overwrite_frequency = 0}),
                         "optimizer: ema_overwrite_frequency must be at least 1, got 0", ValueError);
}
