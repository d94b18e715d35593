#include "seqgrad/train/losses/regression.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <type_traits>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/train/losses/loss.hpp"

using namespace seqgrad;

namespace {

/// d loss / d y_pred for targets y and predictions p, one sample of one feature.
template <class T, class F>
T slope(const F& loss, T y, T p) {
    const Variable<T> y_pred = parameter(tensor<T>({1, 1}, {p}));
    backward(loss(tensor<T>({1, 1}, {y}), y_pred), ones<T>({1}));
    return *y_pred.grad().data();
}

template <class T, class F>
T loss_of(const F& loss, T y, T p) {
    return *loss(tensor<T>({1, 1}, {y}), constant(tensor<T>({1, 1}, {p}))).value().data();
}

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("the gradient of absolute errors at 0 is 0, as Keras's") {
    CHECK(slope(mean_absolute_error<double>, 2.0, 2.0) == 0);
    CHECK(slope(mean_absolute_error<double>, 2.0, 1.5) == -1);
    CHECK(slope(mean_absolute_percentage_error<double>, 2.0, 2.0) == 0);
    CHECK(slope(mean_absolute_percentage_error<double>, 2.0, 3.0) == 50);
}

TEST_CASE("percentages of targets near 0 are of 1e-7") {
    CHECK(loss_of(mean_absolute_percentage_error<double>, 0.0, 1e-7) == doctest::Approx(100));
    CHECK(loss_of(mean_absolute_percentage_error<double>, -1e-9, 0.0) == doctest::Approx(1));
    CHECK(slope(mean_absolute_percentage_error<double>, 0.0, 1.0) == doctest::Approx(1e9));
    CHECK(loss_of(mean_absolute_percentage_error<double>, -2.0, -1.0) == 50);
}

TEST_CASE("logarithmic errors count what is below 1e-7 as 1e-7") {
    CHECK(loss_of(mean_squared_logarithmic_error<double>, std::exp(1) - 1, std::exp(3) - 1) ==
          doctest::Approx(4));
    CHECK(loss_of(mean_squared_logarithmic_error<double>, -5.0, -0.5) == 0);
    CHECK(slope(mean_squared_logarithmic_error<double>, 1.0, -0.5) == 0);
    CHECK(slope(mean_squared_logarithmic_error<double>, 1.0, 0.99e-7) == 0);
    CHECK(slope(mean_squared_logarithmic_error<double>, 1.0, 1e-7) ==
          doctest::Approx(-2 * std::log(2.0)).epsilon(1e-6));
}

TEST_CASE("huber is squared up to delta and linear beyond") {
    const auto half = [](const auto& y, const auto& p) { return huber(y, p, 0.5); };
    CHECK(loss_of(half, 1.0, 1.25) == 0.03125);
    CHECK(loss_of(half, 1.0, 0.5) == 0.125);
    CHECK(loss_of(half, 1.0, 3.0) == 0.875);
    CHECK(slope(half, 1.0, 1.25) == 0.25);
    CHECK(slope(half, 1.0, 0.5) == -0.5);
    CHECK(slope(half, 1.0, -9.0) == -0.5);
    for (const double delta : {0.0, -1.0, not_a_number}) {
        CHECK_THROWS_AS(huber(ones<double>({1, 1}), constant(ones<double>({1, 1})), delta), ValueError);
    }
    CHECK_THROWS_WITH_AS(Huber{.delta = -1}(ones<double>({1, 1}), constant(ones<double>({1, 1}))),
                         "huber: delta must be positive, got -1", ValueError);
}

TEST_CASE_TEMPLATE("log_cosh keeps its digits for small errors and does not overflow for large", T, float,
                   double) {
    const auto value = [](T p) { return loss_of(log_cosh<T>, T{0}, p); };
    const T small = T(1e-6);
    // In double Keras's ln 2 is a float too.
    CHECK(value(T{0}) == doctest::Approx(std::is_same_v<T, float> ? 0 : -1.9046543e-9).epsilon(1e-6));
    CHECK((value(small) - value(T{0})) / (small * small) == doctest::Approx(0.5).epsilon(1e-3));
    CHECK(value(T(-1000)) == doctest::Approx(1000 - std::log(2.0)));
    CHECK(value(T(1)) == doctest::Approx(std::log(std::cosh(1.0))));
    CHECK(value(T(0.99)) == doctest::Approx(std::log(std::cosh(0.99))));
    CHECK(slope(log_cosh<T>, T{0}, T(-1000)) == -1);
    CHECK(slope(log_cosh<T>, T{0}, T{0}) == 0);
}

TEST_CASE("cosine_similarity is -1 for the same direction and 0 for a row of zeros") {
    const Tensor<double> y = tensor<double>({4, 2}, {0, 1, 1, 1, 1, 0, 3, 4});
    const Variable<double> p = parameter(tensor<double>({4, 2}, {1, 0, 2, 2, -5, 0, 0, 0}));
    const Variable<double> loss = cosine_similarity(y, p);
    CHECK(loss.value()(0) == 0);
    CHECK(loss.value()(1) == doctest::Approx(-1));
    CHECK(loss.value()(2) == doctest::Approx(1));
    CHECK(loss.value()(3) == 0);
    backward(loss, tensor<double>({4}, {1, 10, 100, 1}));
    CHECK(p.grad()(0, 0) == doctest::Approx(0));
    CHECK(p.grad()(0, 1) == doctest::Approx(-1));
    CHECK(std::abs(p.grad()(1, 0)) < 1e-12);  // the angle cannot become smaller
    // A row of zeros is divided by 1e-7.
    CHECK(p.grad()(3, 0) == doctest::Approx(-0.6e7));
    CHECK(p.grad()(3, 1) == doctest::Approx(-0.8e7));
    CHECK(cosine_similarity(zeros<double>({1, 2}), constant(ones<double>({1, 2}))).item() == 0);
}

TEST_CASE("every loss of numbers averages rows, leaves padding out and refuses shapes that differ") {
    const auto check = [](const auto& loss) {
        const std::string name = loss.name;
        CAPTURE(name);
        const Tensor<double> y =
            tensor<double>({2, 2, 3}, {1, 2, 3, not_a_number, not_a_number, not_a_number, 4, 5, 6, 3, 2, 1});
        const Variable<double> p = parameter(
            tensor<double>({2, 2, 3}, {2, 4, 1, not_a_number, not_a_number, not_a_number, 4, 4, 4, 5, 5, 2}));
        auto each = loss;
        each.reduction = Reduction::none;
        const LossWeights<double> weights{.sample_weight = tensor<double>({2}, {1, 3}),
                                          .mask = tensor<bool>({2, 2}, {true, false, true, true})};
        const Tensor<double> losses = each(y, p, {.mask = weights.mask}).value();
        CHECK(losses.shape() == Shape{2, 2});
        CHECK(losses(0, 1) == 0);
        const Variable<double> value = loss(y, p, weights);
        CHECK(value.item() == doctest::Approx((losses(0, 0) + 3 * losses(1, 0) + 3 * losses(1, 1)) / 3));
        backward(value);
        for (std::size_t i = 0; i < 3; ++i) {
            CHECK(p.grad()(0, 1, i) == 0);
            CHECK(std::isfinite(p.grad()(0, 0, i)));
        }
        CHECK(each(tensor<double>({2}, {1, 2}), constant(tensor<double>({2, 1}, {2, 4}))).shape() ==
              Shape{2});
        const std::string message =
            name + ": expected y_true and y_pred of one shape [batch, ..., features], got [2, 1] and [2, 2]";
        CHECK_THROWS_WITH_AS(loss(ones<double>({2, 1}), constant(ones<double>({2, 2}))), message.c_str(),
                             ShapeError);
        CHECK(Loss<double>(loss)(ones<double>({0, 2}), constant(ones<double>({0, 2}))).item() == 0);
    };
    check(MeanSquaredError{});
    check(MeanAbsoluteError{});
    check(MeanAbsolutePercentageError{});
    check(MeanSquaredLogarithmicError{});
    check(Huber{.delta = 1.5});
    check(LogCosh{});
    check(CosineSimilarity{});
}
