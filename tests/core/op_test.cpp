#include "seqgrad/core/op.hpp"

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"

using namespace seqgrad;

namespace {

using V = Variable<double>;
using T = Tensor<double>;
using Pass = Backward<double>;

}  // namespace

TEST_CASE("buffers of one Variable in two places are written in any order") {
    /// 2 a + 3 b with its gradients written by kernels. Both buffers are asked for before anything is
    /// written.
    enum class Order {
        first_then_second,
        second_then_first,
        accumulated_first,
        accumulated_second,
        first_only
    };
    const auto two_and_three = [](const V& a, const V& b, Order order) {
        return record("two_and_three", T(2 * a.value() + 3 * b.value()), {a, b}, [order](Pass& pass) {
            const GradientBuffer<double> to_a = pass.buffer(0), to_b = pass.buffer(1);
            const auto write = [&](const GradientBuffer<double>& to, double factor) {
                const double beta = to.beta();
                for (std::size_t i = 0; i < to.tensor.size(); ++i) {
                    const double before = beta == 0 ? 0 : beta * to.tensor.data()[i];
                    to.tensor.data()[i] = before + factor * pass.grad().data()[i];
                }
            };
            if (order == Order::accumulated_first) pass.accumulate(0, T(2 * pass.grad()));
            if (order == Order::second_then_first) write(to_b, 3);
            if (order != Order::accumulated_first) write(to_a, 2);
            if (order == Order::accumulated_second) {
                pass.accumulate(1, T(3 * pass.grad()));
            } else if (order != Order::second_then_first && order != Order::first_only) {
                write(to_b, 3);
            }
        });
    };
    const T seed = tensor<double>({2}, {1, 10});
    for (const Order order : {Order::first_then_second, Order::second_then_first, Order::accumulated_first,
                              Order::accumulated_second}) {
        const V x = parameter(tensor<double>({2}, {1, 2})), y = parameter(tensor<double>({2}, {1, 2}));
        backward(two_and_three(x, x, order) + x, seed);
        CHECK(x.grad() == tensor<double>({2}, {6, 60}));
        backward(x + two_and_three(x, y, order), seed);
        CHECK(x.grad() == tensor<double>({2}, {9, 90}));
        CHECK(y.grad() == tensor<double>({2}, {3, 30}));
    }
    // A buffer that nothing was written to brings nothing.
    const V x = parameter(tensor<double>({2}, {1, 2})), y = parameter(tensor<double>({2}, {1, 2}));
    backward(two_and_three(x, y, Order::first_only), seed);
    CHECK(x.grad() == tensor<double>({2}, {2, 20}));
    CHECK_FALSE(y.has_grad());
    // A pass inside, between asking and writing, has buffers of its own.
    const V z = record("inside", T(x.value()), {x}, [&](Pass& pass) {
        const GradientBuffer<double> to = pass.buffer(0);
        CHECK(grad(two_and_three(x, x, Order::second_then_first), seed, {x})[0] ==
              tensor<double>({2}, {5, 50}));
        CHECK(to.first_write());
        CHECK_FALSE(to.first_write());
        to.tensor = pass.grad();
    });
    CHECK(grad(z, seed, {x})[0] == seed);
}
