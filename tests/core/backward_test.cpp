#include "seqgrad/core/backward.hpp"

#include <cmath>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/grad_mode.hpp"
#include "seqgrad/core/op.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/elementary.hpp"

using namespace seqgrad;

namespace {

using V = Variable<double>;
using T = Tensor<double>;
using Pass = Backward<double>;

V scalar(double v) {
    return parameter(full<double>({}, v));
}

/// f(x), recorded as one operation that keeps nothing but x: its backward pass computes f again from x itself
/// and differentiates that.
V recomputed(const V& x, std::function<V(const V&)> f) {
    T value;
    {
        const NoGrad guard;
        value = f(x).value();
    }
    return record("recomputed", std::move(value), {x},
                  [x, f = std::move(f)](Pass& pass) { pass.accumulate(0, grad(f(x), pass.grad(), {x})[0]); });
}

/// A user's checkpointing: f of x and of parameters of its own, which get their gradients inside the pass.
V checkpointed(const V& x, std::function<V(const V&)> f) {
    T value;
    {
        const NoGrad guard;
        value = f(x).value();
    }
    return record("checkpointed", std::move(value), {x}, [x, f = std::move(f)](Pass& pass) {
        const V copy = parameter(x.value());
        backward(f(copy), pass.grad());
        pass.accumulate(0, copy.grad());
    });
}

V squared(const V& x) {
    return x * x;
}

}  // namespace

TEST_CASE("a pass inside a backward function leaves the running pass's gradients alone") {
    // d (x^2 + x) / dx at 3 is 7, whichever of the two parts the pass reaches first.
    for (const bool first : {true, false}) {
        const V x = scalar(3);
        const V y = first ? recomputed(x, squared) + x : x + recomputed(x, squared);
        CHECK(grad(y, {x}, {.retain_graph = true})[0]() == 7);
        CHECK(grad(y, {x}, {.retain_graph = true})[0]() == 7);
        backward(y, {.retain_graph = true});
        backward(y);
        CHECK(x.grad()() == 14);
    }
}

TEST_CASE("passes inside a backward function: several of them, in one another and over shared parts") {
    const V x = scalar(2), w = scalar(5);
    // Two in one graph, of the same x.
    CHECK(grad(recomputed(x, squared) * w + recomputed(x, squared), {x, w})[0]() == 4 * 5 + 4);
    // One in another: x^4.
    const auto fourth = [](const V& v) { return recomputed(recomputed(v, squared), squared); };
    CHECK(grad(recomputed(x, fourth) + x, {x})[0]() == 32 + 1);
    // f reaches u, a result inside the running pass's graph, and x below it by a second way.
    const V u = x * x;
    const V y = recomputed(u, [&](const V& v) { return v * v * x; }) + u * w;  // u^2 x + u w
    const auto g = grad(y, {x, u, w}, {.retain_graph = true});
    // The operation's operand is u alone, so that x inside counts as a constant.
    CHECK(g[0]() == (2 * 4 * 2 + 5) * 4);
    CHECK(g[1]() == 2 * 4 * 2 + 5);
    CHECK(g[2]() == 4);
    CHECK(grad(y, {x, u, w}) == g);
    CHECK_FALSE(x.has_grad());
}

TEST_CASE("checkpointing: parameters inside get their gradients, once, beside those from outside") {
    const V x = scalar(2), w = scalar(3);
    const auto f = [&](const V& v) { return v * w; };
    V y = checkpointed(x, f);
    y = checkpointed(y, f) + w * w;  // x w^2 + w^2
    backward(y);
    CHECK(x.grad()() == 9);
    CHECK(w.grad()() == 2 * 3 * 2 + 2 * 3);
}

TEST_CASE("a pass inside a backward function frees nothing that the running pass needs") {
    const V x = scalar(2);
    const V u = x * x;
    const V v = u * u;
    // The pass inside runs through u's own graph, which the running pass reaches later.
    const V y = record("through", T(v.value()), {v}, [u, x](Pass& pass) {
        CHECK(grad(u, {x})[0]() == 4);
        pass.accumulate(0, pass.grad());
    });
    CHECK(grad(y, {x}, {.retain_graph = true})[0]() == 32);
    backward(y);
    CHECK(x.grad()() == 32);
    CHECK_THROWS_AS(backward(v), ValueError);
}

TEST_CASE("a pass inside through what the running pass has freed already is refused") {
    const V x = scalar(2);
    V later;
    const V y = record("below", T(x.value()), {x}, [&](Pass& pass) {
        CHECK_THROWS_WITH_AS(
            grad(later, {x}),
            "backward: the graph below multiply was freed by an earlier backward pass, or by "
            "the one that is running; give that one {.retain_graph = true}",
            ValueError);
        pass.accumulate(0, pass.grad());
    });
    later = x * x;
    CHECK(grad(y + later, {x})[0]() == 1 + 4);
}

TEST_CASE("a backward function that differentiates its own result is refused, not an endless recursion") {
    const V x = scalar(2);
    V y;
    y = record("itself", T(x.value()), {x},
               [&](Pass& pass) { pass.accumulate(0, grad(y * x, {x}, {.retain_graph = true})[0]); });
    CHECK_THROWS_WITH_AS(backward(y, {.retain_graph = true}),
                         "backward: the backward function of itself asks for a backward pass through itself",
                         ValueError);
    CHECK_FALSE(x.has_grad());
    CHECK(grad(x * 3, {x})[0]() == 3);
}

TEST_CASE("what a pass inside throws leaves both passes' marks in order") {
    const V x = scalar(2), w = scalar(3);
    const V throws = record("throws", T(x.value()), {x},
                            [](Pass&) -> void { throw std::runtime_error("on its way back"); });
    const auto y = [&](bool caught) {
        return record(
                   "tries", T(x.value() + w.value()), {x, w},
                   [&, caught](Pass& pass) {
                       pass.accumulate(1, pass.grad());
                       const V inner = x * w + throws;
                       if (caught) {
                           CHECK_THROWS_AS(grad(inner, {x, w}, {.retain_graph = true}), std::runtime_error);
                       } else {
                           grad(inner, {x, w}, {.retain_graph = true});
                       }
                       pass.accumulate(0, pass.grad());
                   }) +
               x * w;
    };
    for (int i = 0; i < 2; ++i) {
        CHECK_THROWS_AS(backward(y(false)), std::runtime_error);
        CHECK_FALSE(x.has_grad());
        const auto g = grad(y(true), {x, w});
        CHECK(g[0]() == 1 + 3);
        CHECK(g[1]() == 1 + 2);
    }
}

TEST_CASE("a pass inside over an operation of several results that the running pass has half gathered") {
    const V x = scalar(2);
    const auto both = record_several<double>("double_and_square",
                                             {constant(T(2 * x.value())), constant(T(x.value() * x.value()))},
                                             {x}, [x = save(x)](Pass& pass) {
                                                 if (const T* g = pass.grad(0)) pass.accumulate(0, T(2 * *g));
                                                 if (const T* g = pass.grad(1))
                                                     pass.accumulate(0, T(2 * x.value() * *g));
                                             });
    // both[1]'s gradient has come when the pass inside asks for that of both[0].
    const V inside = record("inside", T(both[0].value()), {both[0]}, [&](Pass& pass) {
        CHECK(grad(both[0], {x}, {.retain_graph = true})[0]() == 2);
        CHECK(grad(both[1], {x}, {.retain_graph = true})[0]() == 4);
        pass.accumulate(0, pass.grad());
    });
    const V y = inside * 3 + both[1] * 5;
    CHECK(grad(y, {x})[0]() == 2 * 3 + 4 * 5);
}

TEST_CASE("a pass inside asks for what the running pass reaches and it does not") {
    const V x = scalar(2), w = scalar(3);
    const V y = record("asks", T(x.value()), {x}, [&](Pass& pass) {
        const auto g = grad(x * x, {x, w});
        CHECK(g[0]() == 4);
        CHECK(g[1]() == 0);
        pass.accumulate(0, g[0]);
    });
    // The running pass was not asked for w, and must not keep its gradient for the pass inside.
    CHECK(grad(y + w, {x}, {.retain_graph = true})[0]() == 4);
    CHECK(grad(y + w * w, {x, w})[1]() == 6);
}

TEST_CASE("passes with passes inside, in several threads over graphs of their own") {
    std::vector<double> results(4);
    std::vector<std::thread> threads;
    for (std::size_t k = 0; k < results.size(); ++k) {
        threads.emplace_back([&results, k] {
            for (int i = 0; i < 50; ++i) {
                const V x = scalar(static_cast<double>(k));
                results[k] = grad(recomputed(x, squared) + x, {x})[0]();
            }
        });
    }
    for (std::thread& t : threads) t.join();
    for (std::size_t k = 0; k < results.size(); ++k) CHECK(results[k] == 2 * static_cast<double>(k) + 1);
}

TEST_CASE("who asks for a second derivative is told that there are none") {
    const V x = scalar(2);
    CHECK_THROWS_WITH_AS(grad(x * x, {x}, {.create_graph = true}),
                         "grad: create_graph is not supported: gradients are constants, there are no second "
                         "derivatives; write the gradient out as operations to differentiate it",
                         ValueError);
    CHECK_THROWS_AS(backward(x * x, {.create_graph = true}), ValueError);
    const T first = grad(x * x * x, {x})[0];
    CHECK_THROWS_WITH_AS(
        grad(square(constant(first)), {x}),
        "grad: the loss depends on no Variable that requires a gradient (made by parameter(), "
        "outside of NoGrad); gradients are constants, there are no second derivatives",
        ValueError);
    CHECK_THROWS_WITH_AS(
        grad(x * x, {constant(first)}),
        "grad: one of the variables requires no gradient (made by constant() or detach(), or "
        "from a gradient: there are no second derivatives)",
        ValueError);
    CHECK_THROWS_WITH_AS(
        backward(x * x, x * 2),
        "backward: the gradient that is given requires a gradient itself, and would get none: "
        "there are no second derivatives; give its detach()",
        ValueError);
    CHECK_FALSE(x.has_grad());
    backward(x * x, (x * 2).detach());
    CHECK(x.grad()() == 16);
}
