#include "seqgrad/core/variable.hpp"

#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/grad_mode.hpp"
#include "seqgrad/core/op.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"

using namespace seqgrad;

namespace {

Variable<double> scalar(double v) {
    return parameter(full<double>({}, v));
}

/// (a, b) -> (a + b, a * b), as one operation with two results.
std::vector<Variable<double>> sum_and_product(const Variable<double>& a, const Variable<double>& b) {
    const Tensor<double> sum = a.value() + b.value();
    const Tensor<double> product = a.value() * b.value();
    return record_several<double>("sum_and_product", {constant(sum), constant(product)}, {a, b},
                                  [a = save(a), b = save(b)](Backward<double>& pass) {
                                      if (const auto* g = pass.grad(0)) {
                                          pass.accumulate(0, *g);
                                          pass.accumulate(1, *g);
                                      }
                                      if (const auto* g = pass.grad(1)) {
                                          pass.accumulate(0, Tensor<double>(*g * b.value()));
                                          pass.accumulate(1, Tensor<double>(*g * a.value()));
                                      }
                                  });
}

}  // namespace

TEST_CASE("backward accumulates into parameters until cleared") {
    Variable<double> x = scalar(3);
    backward(x * x);
    CHECK(x.grad()(0) == 6);
    backward(x * x * x);
    CHECK(x.grad()(0) == 6 + 27);
    x.clear_grad();
    CHECK_FALSE(x.has_grad());
    CHECK_THROWS_AS(x.grad(), ValueError);
}

TEST_CASE("a gradient given as a Variable is read and stays as it is") {
    const auto x = parameter(tensor<double>({2}, {1, 2})), y = parameter(tensor<double>({2}, {3, 4}));
    const auto gradient = constant(tensor<double>({2}, {5, 7}));
    backward(x, gradient);
    backward(x + y, gradient);
    backward(negative(negative(x)), gradient, {.retain_graph = true});
    CHECK(x.grad() == tensor<double>({2}, {15, 21}));
    CHECK(y.grad() == gradient.value());
    CHECK(gradient.value() == tensor<double>({2}, {5, 7}));
    CHECK_FALSE(gradient.has_grad());
    CHECK_THROWS_AS(backward(x, constant(tensor<double>({1}, {1}))), ShapeError);
}

TEST_CASE("a Variable used several times gets the sum of its gradients") {
    const Variable<double> x = scalar(2);
    const Variable<double> y = x * x;
    backward(y + y * x - x / y);
    CHECK(x.grad()(0) == doctest::Approx(2 * 2 + 3 * 4 + 1.0 / 4).epsilon(1e-15));
}

TEST_CASE("operators take numbers and tensors on either side") {
    const Variable<double> x = parameter(tensor<double>({2}, {1, 2}));
    Tensor<double> t = tensor<double>({2}, {10, 20});
    const Tensor<double> fixed = t;
    CHECK((2 * x + 1).value() == tensor<double>({2}, {3, 5}));
    CHECK((t - x).value() == tensor<double>({2}, {9, 18}));
    CHECK((x - fixed).value() == tensor<double>({2}, {-9, -18}));
    CHECK((t * 2.0 / x).value() == tensor<double>({2}, {20, 20}));
    CHECK((-x).value() == tensor<double>({2}, {-1, -2}));
    CHECK((1 - x).requires_grad());
}

TEST_CASE("broadcast operands get gradients of their own shape") {
    const Variable<double> a = parameter(ones<double>({2, 1, 3}));
    const Variable<double> b = parameter(full<double>({4, 1}, 2));
    const Variable<double> s = scalar(5);
    backward(a * b * s, ones<double>({2, 4, 3}));
    CHECK(a.grad() == full<double>({2, 1, 3}, 40));
    CHECK(b.grad() == full<double>({4, 1}, 30));
    CHECK(s.grad() == full<double>({}, 48));
}

TEST_CASE("empty and long axes broadcast") {
    const Variable<double> none = parameter(zeros<double>({0, 3}));
    const Variable<double> row = parameter(ones<double>({3}));
    const Variable<double> y = none + row;
    CHECK(y.shape() == Shape{0, 3});
    backward(y, zeros<double>({0, 3}));
    CHECK(row.grad() == zeros<double>({3}));
    const Variable<double> column = parameter(ones<double>({3, 1}));
    const Variable<double> wide = parameter(ones<double>({1, 1000}));
    backward(column * wide, ones<double>({3, 1000}));
    CHECK(column.grad() == full<double>({3, 1}, 1000));
    CHECK(wide.grad() == full<double>({1, 1000}, 3));
}

TEST_CASE("backward refuses what has no gradient, and says why") {
    const Variable<double> x = parameter(ones<double>({3}));
    CHECK_THROWS_WITH_AS(
        backward(x * 2),
        "backward: the loss must have one element, got shape [3]; reduce it (sum, mean) or give its gradient",
        ShapeError);
    CHECK_THROWS_AS(backward(x * 2, ones<double>({2})), ShapeError);
    CHECK_THROWS_AS(backward(constant(full<double>({}, 1))), ValueError);
    CHECK_THROWS_AS(backward(Variable<double>()), ValueError);
    CHECK_FALSE(x.has_grad());
}

TEST_CASE("the graph is freed by a pass unless it is retained") {
    const Variable<double> x = scalar(3);
    const Variable<double> y = x * x;
    const Variable<double> loss = y * 2;
    backward(loss, {.retain_graph = true});
    backward(loss);
    CHECK(x.grad()(0) == 24);
    CHECK_THROWS_AS(backward(loss), ValueError);
    CHECK_THROWS_AS(backward(y + x), ValueError);  // shares the part below y
    CHECK(x.grad()(0) == 24);
    CHECK(loss.item() == 18);
}

TEST_CASE("NoGrad and detach cut the graph") {
    const Variable<double> x = scalar(3);
    {
        NoGrad guard;
        CHECK_FALSE(grad_enabled());
        const Variable<double> y = x * x;
        CHECK_FALSE(y.requires_grad());
        CHECK(y.is_leaf());
        { NoGrad nested; }
        CHECK_FALSE(grad_enabled());
    }
    CHECK(grad_enabled());
    backward((x * x).detach() * x);
    CHECK(x.grad()(0) == 9);
}

TEST_CASE("grad returns gradients without storing them") {
    const Variable<double> a = scalar(2);
    const Variable<double> b = scalar(5);
    const Variable<double> unused = parameter(ones<double>({2}));
    const Variable<double> c = a * b;
    const auto g = grad(c * c, {a, c, unused, c}, {.retain_graph = true});
    CHECK(g[0](0) == 2 * 10 * 5);
    CHECK(g[1](0) == 20);
    CHECK(g[2] == zeros<double>({2}));
    CHECK(g[3](0) == 20);
    CHECK_FALSE(a.has_grad());
    CHECK_FALSE(c.has_grad());
    CHECK_THROWS_AS(grad(c * c, {constant(ones<double>({1}))}), ValueError);
    const auto self = grad(c, {c}, {.retain_graph = true});
    CHECK(self[0](0) == 1);
    CHECK(grad(c, full<double>({}, 10), {a})[0](0) == 50);
}

TEST_CASE("retain_grad keeps the gradient of an intermediate result") {
    const Variable<double> x = scalar(2);
    Variable<double> y = x * x;
    y.retain_grad();
    backward(y * y);
    CHECK(y.grad()(0) == 8);
    CHECK(x.grad()(0) == 32);
    CHECK_THROWS_AS(constant(ones<double>({1})).retain_grad(), ValueError);
}

TEST_CASE("a frozen parameter gets no gradient") {
    Variable<double> x = scalar(2);
    const Variable<double> w = scalar(3);
    x.set_requires_grad(false);
    backward(x * w);
    CHECK_FALSE(x.has_grad());
    CHECK(w.grad()(0) == 2);
    x.set_requires_grad(true);
    backward(x * w);
    CHECK(x.grad()(0) == 3);
    CHECK_THROWS_AS((x * w).set_requires_grad(false), ValueError);
    CHECK_THROWS_AS(constant(ones<double>({1})).set_requires_grad(true), ValueError);
}

TEST_CASE("changing a saved value is noticed") {
    Variable<double> x = scalar(2);
    const Variable<double> w = scalar(3);
    const Variable<double> y = x * w;
    x.mutable_data()[0] = 5;
    CHECK_THROWS_AS(backward(y), ValueError);
    CHECK_FALSE(x.has_grad());
    CHECK_FALSE(w.has_grad());
    const Variable<double> sum = x + w;  // needs no saved value
    x.assign(full<double>({}, 7));
    backward(sum);
    CHECK(x.grad()(0) == 1);
    CHECK_THROWS_AS(x.assign(ones<double>({2})), ShapeError);
    CHECK(x.item() == 7);
    Variable<double> result = x * w;
    CHECK_THROWS_AS(result.mutable_data(), ValueError);
    CHECK_THROWS_AS(x.set_grad(ones<double>({2})), ShapeError);
}

TEST_CASE("an empty handle throws") {
    const Variable<float> none;
    CHECK_FALSE(static_cast<bool>(none));
    CHECK_THROWS_AS(none.value(), ValueError);
    CHECK_THROWS_AS(none.requires_grad(), ValueError);
    CHECK_THROWS_AS(none.detach(), ValueError);
    CHECK_THROWS_AS(add(none, constant(ones<float>({1}))), ValueError);
    CHECK_THROWS_AS(constant(ones<float>({2})).item(), ShapeError);
}

TEST_CASE("an operation with several results gathers the gradients of those that are used") {
    const Variable<double> a = scalar(2);
    const Variable<double> b = scalar(5);
    auto both = sum_and_product(a, b);
    backward(both[0] * both[1], {.retain_graph = true});
    CHECK(a.grad()(0) == 10 + 7 * 5);
    CHECK(b.grad()(0) == 10 + 7 * 2);
    backward(both[1], {.retain_graph = true});
    CHECK(a.grad()(0) == 45 + 5);
    const auto g = grad(both[0] * 3, {a, b}, {.retain_graph = true});
    CHECK(g[0](0) == 3);
    backward(both[1]);
    CHECK_THROWS_AS(backward(both[0]), ValueError);
}

TEST_CASE("chains of 100,000 operations are built, run backward and destroyed on a small stack") {
    const Variable<float> x = parameter(full<float>({}, 1.0F));
    for (const bool run : {true, false}) {
        Variable<float> y = x;
        for (int i = 0; i < 100'000; ++i) y = y + x;
        if (run) {
            backward(y);
            CHECK(x.grad()(0) == 100'001);
        }
    }
}

TEST_CASE("a graph may be built by several threads") {
    const Variable<double> x = scalar(3);
    Variable<double> a;
    std::thread([&] {
        a = x * x;
        for (int i = 0; i < 50; ++i) a = a * 1.0;
    }).join();
    Variable<double> b;
    std::thread([&] { b = a * x; }).join();
    backward(b + a);
    CHECK(x.grad()(0) == 27 + 6);
}

TEST_CASE("anomaly mode names the first operation that is not finite") {
    const Variable<double> x = parameter(tensor<double>({2}, {1, 0}));
    const Variable<double> zero = constant(zeros<double>({2}));
    CHECK_FALSE(std::isfinite((x / zero).value()(0)));
    const DetectAnomaly guard;
    CHECK_THROWS_WITH_AS(x / zero,
                         "anomaly: divide computed a value that is not finite: element 0 of shape [2] is "
                         "inf; every operand is finite",
                         ValueError);
    const Variable<double> bad = constant(full<double>({2}, std::numeric_limits<double>::quiet_NaN()));
    CHECK_THROWS_WITH_AS(x + bad,
                         "anomaly: add computed a value that is not finite: element 0 of shape [2] is nan; "
                         "operand 1 of shape [2] "
                         "was not finite already (element 0 is nan)",
                         ValueError);
    const Variable<double> tiny = parameter(full<double>({}, 1e-308));
    const Variable<double> ratio = 1e-10 / tiny * 1e-2;  // finite, its gradient is not
    CHECK_THROWS_WITH_AS(backward(ratio),
                         "anomaly: the gradient that divide propagates to its operand 1 of shape [] is not "
                         "finite: element 0 is -inf",
                         ValueError);
    CHECK_FALSE(tiny.has_grad());
}

TEST_CASE("a mask goes with the handle") {
    const Variable<double> x = parameter(ones<double>({2, 3, 4}));
    CHECK(x.mask() == nullptr);
    const Variable<double> masked =
        x.with_mask(tensor<bool>({2, 3}, {true, true, false, true, false, false}));
    CHECK(x.mask() == nullptr);
    REQUIRE(masked.mask() != nullptr);
    CHECK(masked.same_as(x));
    CHECK(masked.requires_grad());
    CHECK_FALSE((*masked.mask())(1, 1));
    const Variable<double> copy = masked;
    CHECK(copy.mask() == masked.mask());
    CHECK(masked.detach().mask() == masked.mask());
    CHECK((masked * 1.0).mask() == nullptr);
    CHECK(masked.without_mask().mask() == nullptr);
    const Variable<double> other = constant(zeros<double>({2, 3}));
    CHECK(other.with_mask_of(masked).mask() == masked.mask());
    CHECK(other.with_mask_of(masked).with_mask_of(x).mask() == nullptr);
    CHECK_THROWS_WITH_AS(x.with_mask(ones<bool>({2, 4})),
                         "with_mask: a mask of shape [2, 4] does not fit a value of shape [2, 3, 4]",
                         ShapeError);
    CHECK_THROWS_AS(constant(ones<double>({2})).with_mask_of(masked), ShapeError);
}
