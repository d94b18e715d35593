#include "seqgrad/optim/clipping.hpp"

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/optim/sgd.hpp"

using namespace seqgrad;

namespace {

/// By how much a step of size 1 moves parameters of these gradients.
std::vector<Tensor<double>> clipped(const SGDConfig& config, const std::vector<Tensor<double>>& gradients) {
    std::vector<Variable<double>> parameters;
    for (const Tensor<double>& g : gradients) {
        parameters.push_back(parameter(zeros<double>(g.shape())));
        parameters.back().set_grad(g);
    }
    SGD<double>(config).apply(parameters);
    std::vector<Tensor<double>> steps;
    for (const auto& p : parameters) steps.push_back(-p.value());
    return steps;
}

const Tensor<double> three_four = tensor<double>({2}, {3, -4});
const Tensor<double> twelve = tensor<double>({1, 1}, {12});

}  // namespace

TEST_CASE("sums of squares are exact sums over tensors of any length") {
    for (const std::size_t n : std::vector<std::size_t>{0, 1, 15, 16, 17, 100}) {
        Tensor<float> t(Shape{n});
        double expected = 0.0;
        for (std::size_t i = 0; i < n; ++i) {
            t.data()[i] = static_cast<float>(i) - 3.0f;
            expected += static_cast<double>(t.data()[i]) * t.data()[i];
        }
        CAPTURE(n);
        CHECK(sum_of_squares(t) == expected);
    }
    CHECK(sum_of_squares(tensor<float>({2}, {1e30f, 0.0f})) == doctest::Approx(1e60));
}

TEST_CASE("a sum of squares is finite exactly where every element is") {
    for (const double bad :
         {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
          std::numeric_limits<double>::quiet_NaN()}) {
        for (const std::size_t at : std::vector<std::size_t>{0, 7, 16, 36}) {
            Tensor<double> t = ones<double>({37});
            t.data()[at] = bad;
            CHECK_FALSE(std::isfinite(sum_of_squares(t)));
        }
    }
}

TEST_CASE("the global norm is that of all gradients together") {
    std::vector<Variable<double>> parameters{parameter(zeros<double>({2})), parameter(zeros<double>({1, 1})),
                                             parameter(zeros<double>({5})), constant(zeros<double>({5}))};
    CHECK(global_norm<double>(parameters) == 0.0);
    parameters[0].set_grad(three_four);
    CHECK(global_norm<double>(parameters) == 5.0);
    parameters[1].set_grad(twelve);
    CHECK(global_norm<double>(parameters) == 13.0);
}

TEST_CASE("clipnorm shortens each gradient that is too long") {
    const auto steps = clipped({.learning_rate = 1.0, .clipnorm = 10.0}, {three_four, twelve});
    CHECK(steps[0] == three_four);
    CHECK(steps[1].data()[0] == doctest::Approx(10.0).epsilon(1e-15));
}

TEST_CASE("global_clipnorm shortens all gradients by one factor, or none") {
    const auto steps = clipped({.learning_rate = 1.0, .global_clipnorm = 6.5}, {three_four, twelve});
    CHECK(steps[0] == tensor<double>({2}, {1.5, -2}));
    CHECK(steps[1] == tensor<double>({1, 1}, {6}));
    CHECK(clipped({.learning_rate = 1.0, .global_clipnorm = 13.0}, {three_four, twelve})[0] == three_four);
}

TEST_CASE("clipvalue limits each element") {
    const auto steps = clipped({.learning_rate = 1.0, .clipvalue = 3.5}, {three_four, twelve});
    CHECK(steps[0] == tensor<double>({2}, {3, -3.5}));
    CHECK(steps[1] == tensor<double>({1, 1}, {3.5}));
}

TEST_CASE("gradients of zero are left at zero by every way of clipping") {
    const Tensor<double> zero = zeros<double>({3});
    for (const SGDConfig& config : {SGDConfig{.learning_rate = 1.0, .clipnorm = 1.0},
                                    SGDConfig{.learning_rate = 1.0, .global_clipnorm = 1.0},
                                    SGDConfig{.learning_rate = 1.0, .clipvalue = 1.0}}) {
        CHECK(clipped(config, {zero})[0] == zero);
    }
}

TEST_CASE("one way of clipping is allowed, with a limit above 0") {
    CHECK_THROWS_WITH_AS(
        SGD<float>({.clipnorm = 1.0, .clipvalue = 0.5}),
        "optimizer: give one of clipnorm, clipvalue and global_clipnorm at most, got clipnorm = 1, "
        "clipvalue = 0.5",
        ValueError);
    CHECK_THROWS_AS(SGD<float>({.clipnorm = 1.0, .global_clipnorm = 1.0}), ValueError);
    CHECK_THROWS_AS(SGD<float>({.clipvalue = 1.0, .global_clipnorm = 1.0}), ValueError);
    CHECK_THROWS_WITH_AS(SGD<float>({.global_clipnorm = 0.0}),
                         "optimizer: global_clipnorm must be a finite number above 0, got 0", ValueError);
    CHECK_THROWS_AS(SGD<float>({.clipnorm = -1.0}), ValueError);
    CHECK_THROWS_AS(SGD<float>({.clipvalue = std::numeric_limits<double>::infinity()}), ValueError);
    CHECK_THROWS_AS(SGD<float>({.clipvalue = std::numeric_limits<double>::quiet_NaN()}), ValueError);
}

TEST_CASE("clip_by_global_norm changes gradients as an optimizer with global_clipnorm reads them") {
    std::vector<Variable<double>> list{parameter(zeros<double>({2})), parameter(zeros<double>({3})),
                                       parameter(zeros<double>({1, 1}))};
    list[0].set_grad(three_four);
    list[2].set_grad(twelve);  // the norm of all is 13
    CHECK(clip_by_global_norm(list, 20.0) == 13);
    CHECK(list[0].grad() == three_four);
    CHECK(clip_by_global_norm(list, 6.5) == 13);
    CHECK(list[0].grad() == three_four / 2.0);
    CHECK_FALSE(list[1].has_grad());
    CHECK(list[2].grad() == twelve / 2.0);
    const auto steps = clipped({.learning_rate = 1.0, .global_clipnorm = 6.5}, {three_four, twelve});
    CHECK(steps[0] == list[0].grad());
    CHECK(steps[1] == list[2].grad());
}

TEST_CASE("clip_by_global_norm refuses what it cannot clip, and changes nothing") {
    std::vector<Variable<float>> list{parameter(zeros<float>({2})), parameter(zeros<float>({1}))};
    list[0].set_grad(tensor<float>({2}, {3, 4}));
    list[1].set_grad(tensor<float>({1}, {std::numeric_limits<float>::quiet_NaN()}));
    CHECK_THROWS_WITH_AS(clip_by_global_norm(list, 1.0),
                         "clip_by_global_norm: the norm of the gradients is nan; a gradient is not finite",
                         NonFiniteError);
    for (const double bad :
         {0.0, -1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
        CHECK_THROWS_AS(clip_by_global_norm(list, bad), ValueError);
    std::vector<Variable<float>> twice{list[0], list[0]};
    CHECK_THROWS_WITH_AS(clip_by_global_norm(twice, 1.0),
                         "clip_by_global_norm: parameters 0 and 1 are the same one", ValueError);
    CHECK(list[0].grad() == tensor<float>({2}, {3, 4}));
}
