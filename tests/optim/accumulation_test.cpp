#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "optim/golden.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/optim/adam.hpp"
#include "seqgrad/optim/sgd.hpp"

using namespace seqgrad;

namespace {

using Parameters = std::vector<Variable<double>>;

void give(Variable<double>& p, double gradient) {
    p.set_grad(full<double>(p.shape(), gradient));
}

Parameters one_parameter() {
    return {parameter(tensor<double>({1}, {0}))};
}

}  // namespace

TEST_CASE_TEMPLATE("Adam that gathers gradients follows Keras step by step", T, float, double) {
    Adam<T> rule({.learning_rate = 0.05, .gradient_accumulation_steps = 3});
    const auto fixture = test::read_fixture(test::golden_path("optimizers/Adam_accumulate.json"));
    std::vector<Variable<T>> variables;
    for (const auto& v : fixture.at("variables")) variables.push_back(parameter(test::to_tensor<T>(v)));
    const std::size_t steps = fixture.at("gradients").size();
    REQUIRE(steps >= 6);
    for (std::size_t step = 0; step < steps; ++step) {
        CAPTURE(step);
        for (std::size_t i = 0; i < variables.size(); ++i)
            variables[i].set_grad(test::to_tensor<T>(fixture.at("gradients")[step].at(i)));
        rule.apply(variables);
        CHECK(rule.iterations() == static_cast<std::int64_t>((step + 1) / 3));
        for (std::size_t i = 0; i < variables.size(); ++i) {
            CHECK(test::golden_error(variables[i].value(),
                                     test::to_tensor<double>(fixture.at("after")[step].at(i))) <= 1.0);
        }
    }
}

TEST_CASE("every so many calls make an update by the mean of their gradients") {
    Parameters w = one_parameter();
    SGD<double> sgd({.learning_rate = 1.0, .gradient_accumulation_steps = 2});
    for (const double gradient : {1.0, 3.0, 10.0, -2.0}) {
        give(w[0], gradient);
        sgd.apply(w);
        if (gradient == 1.0) {
            CHECK(w[0].item() == 0.0);
            CHECK(sgd.iterations() == 0);
            CHECK(sgd.state().slots[0].name == "0.gradient_accumulator");
            CHECK(sgd.state().slots[0].value.data()[0] == 1.0);
        }
        if (gradient == 3.0) {
            CHECK(w[0].item() == -2.0);
            CHECK(sgd.state().slots[0].value.data()[0] == 0.0);
        }
    }
    CHECK(w[0].item() == -6.0);
    CHECK(sgd.iterations() == 2);
}

TEST_CASE("it is the mean of the gradients that is clipped") {
    const auto moved_by = [](const SGDConfig& config) {
        Parameters w{parameter(zeros<double>({2})), parameter(zeros<double>({1}))};
        SGD<double> sgd(config);
        for (const double half : {1.0, 0.0}) {  // means (3, -4) and 12
            w[0].set_grad(tensor<double>({2}, {6 * half, -8 * half}));
            w[1].set_grad(tensor<double>({1}, {24 - 24 * half}));
            sgd.apply(w);
        }
        return std::vector<double>{w[0].value().data()[0], w[0].value().data()[1], w[1].item()};
    };
    SGDConfig config{.learning_rate = 1.0, .gradient_accumulation_steps = 2};
    CHECK(moved_by(config) == std::vector<double>{-3, 4, -12});
    config.clipnorm = 2.5;
    CHECK(moved_by(config) == std::vector<double>{-1.5, 2, -2.5});
    config.clipnorm = {};
    config.global_clipnorm = 6.5;
    CHECK(moved_by(config) == std::vector<double>{-1.5, 2, -6});
    config.global_clipnorm = {};
    config.clipvalue = 3.5;
    CHECK(moved_by(config) == std::vector<double>{-3, 3.5, -3.5});
}

TEST_CASE("parameters decay in updates only, by the rate of the call that makes them") {
    Parameters w{parameter(tensor<double>({1}, {1}))};
    SGD<double> sgd({.learning_rate = [](std::int64_t call) { return call == 1 ? 0.5 : 0.0625; },
                     .weight_decay = 0.5,
                     .gradient_accumulation_steps = 2});
    give(w[0], 0.0);
    sgd.apply(w);
    CHECK(w[0].item() == 1.0);
    sgd.apply(w);
    CHECK(w[0].item() == 0.75);
}

TEST_CASE("the call that makes the update decides who takes part") {
    Parameters w{parameter(zeros<double>({1})), parameter(zeros<double>({1}))};
    SGD<double> sgd({.learning_rate = 1.0, .gradient_accumulation_steps = 2});
    give(w[0], 2.0);
    give(w[1], 2.0);
    sgd.apply(w);
    w[1].clear_grad();
    sgd.apply(w);
    CHECK(w[0].item() == -2.0);
    CHECK(w[1].item() == 0.0);
    CHECK(sgd.state().slots[1].value.data()[0] == 0.0);
    w[0].clear_grad();
    give(w[1], 6.0);
    sgd.apply(w);
    give(w[0], 4.0);
    sgd.apply(w);
    CHECK(w[0].item() == -4.0);
    CHECK(w[1].item() == -6.0);
}

TEST_CASE("means of weights are taken in every call, with updates counted") {
    Parameters w{parameter(tensor<double>({1}, {8}))};
    SGD<double> sgd(
        {.learning_rate = 1.0, .use_ema = true, .ema_momentum = 0.5, .gradient_accumulation_steps = 2});
    give(w[0], 2.0);
    const auto average = [&] {
        REQUIRE(sgd.state().slots[0].name == "0.average");
        return sgd.state().slots[0].value.data()[0];
    };
    sgd.apply(w);
    CHECK(average() == 8.0);
    sgd.apply(w);
    CHECK(average() == 6.0);  // still no update before this one
    sgd.apply(w);
    CHECK(average() == 6.0);
    sgd.apply(w);
    CHECK(w[0].item() == 4.0);
    CHECK(average() == 5.0);
}

TEST_CASE("a gradient that is not finite gathers nothing") {
    Parameters w = one_parameter();
    SGD<double> sgd({.learning_rate = 1.0, .gradient_accumulation_steps = 2});
    give(w[0], 4.0);
    sgd.apply(w);
    for (const double bad : {std::numeric_limits<double>::infinity(), std::nan(""), 1e300}) {
        give(w[0], bad);
        CHECK_THROWS_AS(sgd.apply(w), ValueError);
    }
    give(w[0], 2.0);
    sgd.apply(w);
    CHECK(w[0].item() == -3.0);
}

TEST_CASE("gathered gradients of parameters longer than a piece are right in every element") {
    const std::size_t n = 20001;
    Tensor<double> gradient = zeros<double>({n});
    for (std::size_t i = 0; i < n; ++i) gradient.data()[i] = std::sin(static_cast<double>(i));
    Parameters w{parameter(zeros<double>({n}))};
    SGD<double> sgd({.learning_rate = 1.0, .gradient_accumulation_steps = 2});
    for (int call = 0; call < 4; ++call) {
        w[0].set_grad(call % 2 == 0 ? gradient : Tensor<double>(3.0 * gradient));
        sgd.apply(w);
    }
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < n; ++i)
        if (std::abs(w[0].value().data()[i] + 4.0 * gradient.data()[i]) > 1e-14) ++wrong;
    CHECK(wrong == 0);
}

TEST_CASE("gathering for fewer than two calls is refused") {
    CHECK_THROWS_WITH_AS(SGD<float>({.gradient_accumulation_steps = 1}),
                         "optimizer: gradient_accumulation_steps must be at least 2, got 1", ValueError);
    CHECK_THROWS_AS(SGD<float>({.gradient_accumulation_steps = -3}), ValueError);
}
