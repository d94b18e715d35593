#include "seqgrad/core/ops/dropout.hpp"

#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE_TEMPLATE("dropout keeps where the generator's uniform number is at least the rate", T, float,
                   double) {
    const Shape shape{40, 25};
    const double rate = 0.3;
    Generator generator(7), same(7);
    Tensor<T> values(shape);
    for (std::size_t i = 0; i < values.size(); ++i) values.data()[i] = T(i + 1);
    const Variable<T> x = parameter(values);
    const Variable<T> y = dropout(x, rate, generator);
    backward(y, full<T>(shape, 2));
    const Tensor<T> u = same.uniform<T>(shape);
    const T scale = T(1 / (1 - rate));
    std::size_t kept = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const bool keep = u.data()[i] >= T(rate);
        kept += keep ? 1 : 0;
        CHECK(y.value().data()[i] == (keep ? values.data()[i] * scale : T(0)));
        CHECK(x.grad().data()[i] == (keep ? 2 * scale : T(0)));
    }
    CHECK(kept > 650);
    CHECK(kept < 750);
    CHECK(generator.state() == same.state());
    const Variable<T> next = dropout(x, rate, generator);
    CHECK(next.value() != y.value());
}

TEST_CASE("noise_shape makes one choice for a whole axis") {
    Generator generator(3), same(3);
    const Variable<double> x = parameter(ones<double>({2, 3, 8}));
    const Variable<double> y = dropout(x, 0.5, generator, {2, 1, 8});
    const Tensor<double> u = same.uniform<double>({2, 1, 8});
    backward(y, ones<double>({2, 3, 8}));
    for (std::size_t b = 0; b < 2; ++b) {
        for (std::size_t t = 0; t < 3; ++t) {
            for (std::size_t d = 0; d < 8; ++d) {
                CHECK(y.value()(b, t, d) == (u(b, 0, d) >= 0.5 ? 2 : 0));
                CHECK(x.grad()(b, t, d) == y.value()(b, t, d));
            }
        }
    }
    CHECK_THROWS_WITH_AS(dropout(x, 0.5, generator, {4, 2, 3, 8}),
                         "dropout: noise_shape [4, 2, 3, 8] does not broadcast to x's shape [2, 3, 8]",
                         ShapeError);
    CHECK_THROWS_AS(dropout(x, 0.5, generator, {5}), ShapeError);
}

TEST_CASE("dropout: bounds of the rate, dropped infinities, empty tensors") {
    Generator generator(1);
    const Variable<double> x = parameter(full<double>({100}, 3));
    CHECK(dropout(x, 0, generator).value() == x.value());
    const GeneratorState before = generator.state();
    CHECK_THROWS_WITH_AS(dropout(x, 1, generator), "dropout: rate must lie in [0, 1), got 1", ValueError);
    CHECK_THROWS_AS(dropout(x, -0.1, generator), ValueError);
    CHECK_THROWS_AS(dropout(x, std::numeric_limits<double>::quiet_NaN(), generator), ValueError);
    CHECK_THROWS_AS(dropout(x, 0.5, generator, {7}), ShapeError);
    CHECK(generator.state() == before);
    // What is dropped is 0 whatever it was.
    const Variable<double> infinities =
        constant(full<double>({100}, std::numeric_limits<double>::infinity()));
    const Variable<double> y = dropout(infinities, 0.5, generator);
    for (const double v : elements(y.value())) CHECK((v == 0 || std::isinf(v)));
    CHECK(dropout(constant(zeros<double>({0, 3})), 0.5, generator).shape() == Shape{0, 3});
    CHECK(dropout(constant(full<double>({}, 3)), 0.5, generator).shape() == Shape{});
}
