#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/optim/sgd.hpp"

using namespace seqgrad;

namespace {

using Parameters = std::vector<Variable<double>>;

/// Parameters of 1 whose gradients are 0, so that only decay moves them.
Parameters at_rest(std::size_t count) {
    Parameters parameters;
    for (std::size_t i = 0; i < count; ++i) {
        parameters.push_back(parameter(ones<double>({i + 1})));
        parameters.back().set_grad(zeros<double>({i + 1}));
    }
    return parameters;
}

const SGDConfig halving{.learning_rate = 1.0, .weight_decay = 0.5};

}  // namespace

TEST_CASE("weight decay takes a share of each parameter before its update") {
    Parameters w{parameter(tensor<double>({2}, {4, -2}))};
    w[0].set_grad(tensor<double>({2}, {1, 0}));
    SGD<double> sgd({.learning_rate = 0.5, .weight_decay = 0.25});
    sgd.apply(w);
    CHECK(w[0].value() == tensor<double>({2}, {3, -1.75}));
}

TEST_CASE("parameters longer than a piece decay and move in every element, once") {
    const std::size_t n = 20001;
    Tensor<double> start(Shape{n});
    Tensor<double> gradient(Shape{n});
    for (std::size_t i = 0; i < n; ++i) {
        start.data()[i] = std::cos(static_cast<double>(i));
        gradient.data()[i] = std::sin(static_cast<double>(i));
    }
    Parameters w{parameter(start)};
    w[0].set_grad(gradient);
    SGD<double> sgd({.learning_rate = 0.5, .momentum = 0.5, .weight_decay = 0.25, .clipvalue = 0.75});
    sgd.apply(w);
    sgd.apply(w);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const double g = std::clamp(gradient.data()[i], -0.75, 0.75);
        const double once = start.data()[i] * 0.875 - 0.5 * g;
        const double twice = once * 0.875 - 0.5 * (0.5 * g) - 0.5 * g;
        if (std::abs(w[0].value().data()[i] - twice) > 1e-15) ++wrong;
    }
    CHECK(wrong == 0);
}

TEST_CASE("parameters are excluded from weight decay by name") {
    Parameters w = at_rest(4);
    const std::vector<std::string> names{"lstm.kernel", "lstm.bias", "norm.gamma", "head.bias"};
    SGDConfig config = halving;
    SUBCASE("by a part of it") {
        config.exclude_from_weight_decay = {"bias", "gamma"};
        SGD<double> sgd(config);
        sgd.build(w, names);
        sgd.apply(w);
        CHECK(w[1].value() == ones<double>({2}));
        CHECK(w[3].value() == ones<double>({4}));
    }
    SUBCASE("by a regular expression") {
        config.exclude_from_weight_decay = {"^lstm\\.b", "ga+mma$"};
        SGD<double> sgd(config);
        sgd.build(w, names);
        sgd.apply(w);
        CHECK(w[1].value() == ones<double>({2}));
        CHECK(w[3].value() == full<double>({4}, 0.5));
    }
    CHECK(w[0].value() == full<double>({1}, 0.5));
    CHECK(w[2].value() == ones<double>({3}));
}

TEST_CASE("parameters are excluded from weight decay by handle") {
    Parameters w = at_rest(3);
    SGD<double> sgd(halving);
    sgd.exclude_from_weight_decay({w[2], w[0]});
    sgd.apply(w);
    CHECK(w[0].value() == ones<double>({1}));
    CHECK(w[1].value() == full<double>({2}, 0.5));
    CHECK(w[2].value() == ones<double>({3}));
    CHECK_THROWS_WITH_AS(
        sgd.exclude_from_weight_decay({w[1]}),
        "SGD: parameters can be excluded from weight decay only before the optimizer is set up", ValueError);
}

TEST_CASE("an exclusion that cannot be followed is refused") {
    Parameters w = at_rest(2);
    SGDConfig config = halving;
    SUBCASE("names of parameters that have none") {
        config.exclude_from_weight_decay = {"bias"};
        SGD<double> sgd(config);
        CHECK_THROWS_WITH_AS(sgd.apply(w),
                             "SGD: exclude_from_weight_decay's patterns go by the parameters' names, and "
                             "these have none; give them to build",
                             ValueError);
        CHECK(w[0].value() == ones<double>({1}));
        CHECK(sgd.iterations() == 0);
        const std::vector<std::string> names{"kernel", "bias"};
        sgd.build(w, names);
        sgd.apply(w);
        CHECK(w[0].value() == full<double>({1}, 0.5));
        CHECK(w[1].value() == ones<double>({2}));
    }
    SUBCASE("a handle of another model") {
        SGD<double> sgd(config);
        sgd.exclude_from_weight_decay({parameter(ones<double>({2}))});
        CHECK_THROWS_WITH_AS(sgd.apply(w),
                             "SGD: a parameter excluded from weight decay is none of the 2 parameters given",
                             ValueError);
    }
    SUBCASE("a pattern that is none") {
        config.exclude_from_weight_decay = {"bias", "(gamma"};
        CHECK_THROWS_AS(SGD<double>{config}, ValueError);
        try {
            SGD<double> sgd(config);
        } catch (const ValueError& error) {
            CHECK(std::string(error.what())
                      .starts_with("optimizer: exclude_from_weight_decay has \"(gamma\", which is not a "
                                   "regular expression: "));
        }
    }
}

TEST_CASE("a restored optimizer excludes what it was told to") {
    Parameters w = at_rest(2);
    const std::vector<std::string> names{"kernel", "bias"};
    SGDConfig config = halving;
    config.momentum = 0.5;
    config.exclude_from_weight_decay = {"bias"};
    SGD<double> saved(config);
    saved.build(w, names);
    SGD<double> restored(config);
    restored.set_state(saved.state());
    restored.apply(w);
    CHECK(w[0].value() == full<double>({1}, 0.5));
    CHECK(w[1].value() == ones<double>({2}));
}

TEST_CASE("weight decay has to be a finite number >= 0") {
    CHECK_THROWS_WITH_AS(SGD<float>({.weight_decay = -0.5}),
                         "optimizer: weight_decay must be a finite number >= 0, got -0.5", ValueError);
    CHECK_THROWS_AS(SGD<float>({.weight_decay = std::numeric_limits<double>::infinity()}), ValueError);
}
