#include "seqgrad/train/losses/crossentropy.hpp"

#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/train/losses/loss.hpp"

using namespace seqgrad;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class T>
struct Result {
    Tensor<T> losses, gradient;
};

/// The losses, and the gradient of their sum.
template <class T, class F>
Result<T> result(const F& loss, const Tensor<T>& y_true, Tensor<T> y_pred) {
    const Variable<T> p = parameter(std::move(y_pred));
    const Variable<T> losses = loss(y_true, p);
    backward(losses, ones<T>(losses.shape()));
    return {losses.value(), p.grad()};
}

}  // namespace

TEST_CASE_TEMPLATE("probabilities beyond 1e-7 and 1 - 1e-7 are clipped, and have gradient 0", T, float,
                   double) {
    const auto binary = [](const auto& t, const auto& p) { return binary_crossentropy(t, p); };
    const Tensor<T> ends = tensor<T>({4, 1}, {0, 1, 0, 1});
    const Tensor<T> targets = tensor<T>({4, 1}, {1, 0, 0, 1});
    const Result<T> b = result<T>(binary, targets, ends);
    CHECK(b.losses(0) == doctest::Approx(-std::log(1e-7)).epsilon(1e-6));
    CHECK(b.losses(1) == doctest::Approx(-std::log(1.0 - static_cast<double>(T(1.0 - 1e-7)))).epsilon(1e-6));
    CHECK(b.losses(2) == doctest::Approx(1e-7).epsilon(0.2));
    CHECK(b.gradient == zeros<T>({4, 1}));

    const auto categorical = [](const auto& t, const auto& p) { return categorical_crossentropy(t, p); };
    const Result<T> c = result<T>(categorical, tensor<T>({1, 2}, {1, 0}), tensor<T>({1, 2}, {0, 1}));
    CHECK(c.losses(0) == doctest::Approx(-std::log(1e-7)).epsilon(1e-6));
    CHECK(c.gradient == zeros<T>({1, 2}));

    const Result<T> k =
        result<T>(kl_divergence<T>, tensor<T>({1, 3}, {0.5, 0.5, 0}), tensor<T>({1, 3}, {0, 1, T(1.5)}));
    CHECK(k.losses(0) ==
          doctest::Approx(0.5 * std::log(0.5e7) + 0.5 * std::log(0.5) + 1e-7 * std::log(1e-7)).epsilon(1e-6));
    CHECK(k.gradient(0, 0) == 0);
    CHECK(k.gradient(0, 1) == T(-0.5));
    CHECK(k.gradient(0, 2) == 0);
}

TEST_CASE_TEMPLATE("binary cross-entropy of large logits is exact", T, float, double) {
    const auto loss = [](const auto& t, const auto& x) { return binary_crossentropy(t, x, true); };
    const Result<T> r =
        result<T>(loss, tensor<T>({5, 1}, {1, 0, 1, 0, 1}), tensor<T>({5, 1}, {-1000, 1000, 1000, -1000, 0}));
    CHECK(r.losses(0) == 1000);
    CHECK(r.losses(1) == 1000);
    CHECK(r.losses(2) == 0);
    CHECK(r.losses(3) == 0);
    CHECK(r.losses(4) == doctest::Approx(std::log(2.0)));
    CHECK(r.gradient == tensor<T>({5, 1}, {-1, 1, 0, 0, T(-0.5)}));
}

TEST_CASE("categorical cross-entropy scales predictions to a sum of 1") {
    const auto loss = [](const auto& t, const auto& p) { return categorical_crossentropy(t, p); };
    const Result<double> r =
        result<double>(loss, tensor<double>({1, 2}, {0.25, 0.75}), tensor<double>({1, 2}, {1, 3}));
    CHECK(r.losses(0) == doctest::Approx(-0.25 * std::log(0.25) - 0.75 * std::log(0.75)));
    CHECK(r.gradient(0, 0) == doctest::Approx(0));  // least where q = t
    CHECK(r.gradient(0, 1) == doctest::Approx(0));
}

TEST_CASE("label smoothing moves targets towards equal shares") {
    const Tensor<double> t = tensor<double>({1, 4}, {0, 1, 0, 0});
    const Variable<double> x = constant(tensor<double>({1, 4}, {0.3, -0.2, 1, 2}));
    const Tensor<double> moved = tensor<double>({1, 4}, {0.05, 0.85, 0.05, 0.05});
    for (const bool from_logits : {true, false}) {
        const Variable<double> p = from_logits ? x : constant(tensor<double>({1, 4}, {0.1, 0.2, 0.3, 0.4}));
        CHECK(categorical_crossentropy(t, p, from_logits, 0.2).item() ==
              doctest::Approx(categorical_crossentropy(moved, p, from_logits).item()));
        CHECK(binary_crossentropy(t, p, from_logits, 0.2).item() ==
              doctest::Approx(
                  binary_crossentropy(tensor<double>({1, 4}, {0.1, 0.9, 0.1, 0.1}), p, from_logits).item()));
    }
    for (const double smoothing : {-0.1, 1.1, not_a_number}) {
        CHECK_THROWS_AS(categorical_crossentropy(t, x, true, smoothing), ValueError);
        CHECK_THROWS_AS(binary_crossentropy(t, x, true, smoothing), ValueError);
    }
    CHECK_THROWS_WITH_AS(BinaryCrossentropy{.label_smoothing = 2}(t, x),
                         "binary_crossentropy: label_smoothing must be in [0, 1], got 2", ValueError);
}

TEST_CASE("shapes that differ are refused") {
    const Variable<double> p = constant(full<double>({2, 3}, 1.0 / 3));
    CHECK_THROWS_WITH_AS(CategoricalCrossentropy{}(zeros<double>({2}), p),
                         "categorical_crossentropy: expected y_true and y_pred of one shape [batch, ..., "
                         "classes], got [2] and [2, 3]; for labels there is SparseCategoricalCrossentropy",
                         ShapeError);
    CHECK_THROWS_AS(CategoricalCrossentropy{.from_logits = true}(zeros<double>({3, 3}), p), ShapeError);
    CHECK_THROWS_AS(BinaryCrossentropy{}(zeros<double>({2}), p), ShapeError);
    CHECK_THROWS_AS(BinaryCrossentropy{.from_logits = true}(zeros<double>({3, 2}), p), ShapeError);
    CHECK_THROWS_AS(KLDivergence{}(zeros<double>({2, 2}), p), ShapeError);
    CHECK_THROWS_AS(categorical_crossentropy(zeros<double>({}), constant(zeros<double>({}))), ShapeError);
}

TEST_CASE("a class that is ignored counts as little as padding") {
    // y = [[0, -1], [2, 1]], p with Keras's mask m = [[1, 1], [1, 0]] where `masked`:
    // keras.losses.SparseCategoricalCrossentropy(ignore_class=-1)(y, p)
    const Tensor<double> labels = tensor<double>({2, 2}, {0, -1, 2, 1});
    const Tensor<double> probabilities =
        tensor<double>({2, 2, 3}, {.5, .25, .25, not_a_number, .1, .8, .25, .25, .5, .25, .5, .25});
    for (const bool from_logits : {false, true}) {
        SparseCategoricalCrossentropy loss{.from_logits = from_logits, .ignore_class = -1};
        const double each = from_logits ? std::log(std::exp(0.5) + 2 * std::exp(0.25)) - 0.5 : std::log(2.0);
        const Variable<double> p = parameter(probabilities);
        const Variable<double> value = loss(labels, p);
        CHECK(value.item() == doctest::Approx(each));  // a mean over three
        backward(value);
        for (std::size_t i = 0; i < 3; ++i) CHECK(p.grad()(0, 1, i) == 0);
        CHECK(p.grad()(1, 1, 0) != 0);
        CHECK(loss(labels, p.with_mask(tensor<bool>({2, 2}, {true, true, true, false}))).item() ==
              doctest::Approx(each));
        CHECK(loss(labels, p, {.mask = tensor<bool>({2}, {false, true})}).item() == doctest::Approx(each));
        loss.reduction = Reduction::sum;
        CHECK(loss(labels, p).item() == doctest::Approx(3 * each));
        CHECK(loss(tensor<std::int64_t>({2, 2, 1}, {0, -1, 2, 1}), p).item() == doctest::Approx(3 * each));
        CHECK(loss(tensor<double>({2, 2}, {-1, -1, -1, -1}), p).item() == 0);
        CHECK_THROWS_AS(loss(tensor<double>({2, 2}, {-2, -1, 0, 0}), p), ValueError);
        CHECK_THROWS_AS(loss(labels, p, {.mask = full<bool>({3}, true)}), ShapeError);
    }
}

TEST_CASE("what stands in padding changes nothing") {
    const Mask mask = tensor<bool>({1, 2}, {true, false});
    const auto check = [&](const auto& loss) {
        CAPTURE(loss.name);
        const Variable<double> p =
            parameter(tensor<double>({1, 2, 2}, {.25, .75, not_a_number, not_a_number}));
        const Variable<double> value =
            loss(tensor<double>({1, 2, 2}, {.5, .5, not_a_number, not_a_number}), p.with_mask(mask));
        const double alone =
            loss(tensor<double>({1, 1, 2}, {.5, .5}), constant(tensor<double>({1, 1, 2}, {.25, .75}))).item();
        CHECK(value.item() == alone);
        backward(value);
        CHECK(p.grad()(0, 0, 0) != 0);
        CHECK(p.grad()(0, 1, 0) == 0);
        CHECK(p.grad()(0, 1, 1) == 0);
    };
    check(BinaryCrossentropy{});
    check(BinaryCrossentropy{.from_logits = true, .label_smoothing = 0.1});
    check(CategoricalCrossentropy{.label_smoothing = 0.1});
    check(CategoricalCrossentropy{.from_logits = true});
    check(KLDivergence{});
}
