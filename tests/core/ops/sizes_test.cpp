#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/activations.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/attention.hpp"
#include "seqgrad/core/ops/attention_decoder.hpp"
#include "seqgrad/core/ops/dropout.hpp"
#include "seqgrad/core/ops/elementary.hpp"
#include "seqgrad/core/ops/index.hpp"
#include "seqgrad/core/ops/join.hpp"
#include "seqgrad/core/ops/linear.hpp"
#include "seqgrad/core/ops/matmul.hpp"
#include "seqgrad/core/ops/normalization.hpp"
#include "seqgrad/core/ops/recurrent.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/core/ops/shape.hpp"
#include "seqgrad/core/ops/slice.hpp"
#include "seqgrad/core/ops/softmax.hpp"
#include "seqgrad/core/random.hpp"

using namespace seqgrad;

// Sizes at both ends of what a number of that type can be, for every operation.

namespace {

using V = Variable<double>;
using Indices = Tensor<std::int64_t>;

/// What a call that is to throw ShapeError says; "" where it does not.
std::string refusal(const std::function<void()>& call) {
    try {
        call();
    } catch (const ShapeError& e) {
        return e.what();
    }
    return "";
}

V none(const Shape& shape) {
    return constant(zeros<double>(shape));
}

}  // namespace

TEST_CASE("sizes that wrap around are refused in the operation's name") {
    // big^2 is 0 in 64 bits, 4 quarter is, and 2 half is.
    const std::size_t big = std::size_t{1} << 32, quarter = std::size_t{1} << 62, half = std::size_t{1} << 63;
    const std::size_t minus_3 = static_cast<std::size_t>(-3);
    const V one = none({1}), four = none({4});
    const auto check = [](const char* op, const std::function<void()>& call) {
        CAPTURE(op);
        const std::string said = refusal(call);
        CAPTURE(said);
        CHECK(said.starts_with(std::string(op) + ": "));
        CHECK(said.find("too large") + said.find("than memory has addresses") + 1 != std::string::npos);
    };
    const auto along = [](std::ptrdiff_t axis) { return ReduceOptions{.axis = axis}; };

    for (const std::size_t n : {half, quarter, big << 29}) {
        check("repeat", [&] { repeat(one, n, 0); });
        check("repeat", [&] { repeat(four, n, 0); });
        check("repeat", [&] { repeat(none({0, 4}), n, 1); });
        check("one_hot", [&] { one_hot<double>(Indices(Shape{0}), n); });
        check("pad", [&] { pad(one, {{n, 0}}); });
        check("pad", [&] { pad(one, {{0, n}}); });
        check("pad", [&] { pad(one, {{n, half}}); });
    }
    check("tile", [&] { tile(one, {quarter}); });
    check("tile", [&] { tile(four, {quarter}); });
    check("tile", [&] { tile(one, {big, big}); });
    check("pad", [&] { pad(four, {{minus_3, 0}}); });
    check("pad", [&] { pad(four, {{0, minus_3}}); });
    check("pad", [&] { pad(four, {{half, half}}); });
    check("pad", [&] { pad(none({1, 1}), {{big, 0}, {0, big}}); });
    check("broadcast_to", [&] { broadcast_to(one, {big, big}); });
    check("broadcast_to", [&] { broadcast_to(one, {big, big, big}); });
    check("broadcast_to", [&] { broadcast_to(none({0, 1, 1}), {0, quarter, quarter}); });
    check("concatenate", [&] { concatenate({none({half, 0}), none({half, 0})}); });
    check("matmul", [&] { matmul(none({big, 0}), none({0, big})); });
    check("matmul", [&] { matmul(none({big, 1, 0}), none({1, 0, big})); });
    check("vecdot", [&] { vecdot(none({big, 1, 0}), none({1, big, 0})); });
    check("linear", [&] { linear(none({big, 0}), none({0, big})); });
    check("dot_scores", [&] { dot_scores(none({1, big, 0}), none({1, big, 0})); });
    check("additive_scores", [&] { additive_scores(none({1, big, 0}), none({1, big, 0}), none({0})); });
    const V rows = none({big, big, 0});
    check("sum", [&] { sum(rows, along(-1)); });
    check("mean", [&] { mean(rows, along(-1)); });
    check("max", [&] { max(rows, along(-1)); });
    check("min", [&] { min(rows, along(-1)); });
    check("logsumexp", [&] { logsumexp(rows, along(-1)); });
    check("variance", [&] { variance(rows, along(-1)); });
    check("softmax_cross_entropy", [&] { softmax_cross_entropy(rows, rows); });
    check("transpose", [&] { transpose(rows); });
    check("swapaxes", [&] { swapaxes(rows, 0, 2); });
    // Four gates of a quarter of all numbers have no columns.
    const V x = none({1, 1, 1});
    CHECK(refusal([&] {
              lstm(x, none({1, 0}), none({quarter, 0}));
          }).starts_with("lstm: expected recurrent_kernel"));
    check("simple_rnn", [&] { simple_rnn(none({big, big, 0}), none({0, 1}), none({1, 1})); });
    check("simple_rnn", [&] { simple_rnn(none({quarter, 0, 0}), none({0, 8}), none({8, 8})); });
    check("attention_decoder", [&] {
        attention_decoder<double>({.x = none({1, 1, 1}),
                                   .memory = none({1, 1, 1}),
                                   .kernel = none({2, 0}),
                                   .recurrent_kernel = none({quarter, 0})},
                                  {.cell = CellKind::lstm});
    });
}

TEST_CASE("makers of tensors refuse shapes that wrap around") {
    const std::size_t big = std::size_t{1} << 32;
    Generator generator(0);
    const GeneratorState before = generator.state();
    for (const Shape& shape : {Shape{big, big}, Shape{4, std::size_t{1} << 62},
                               Shape{static_cast<std::size_t>(-3)}, Shape{0, big, big}}) {
        CAPTURE(to_string(shape));
        CHECK_THROWS_AS(zeros<float>(shape), ShapeError);
        CHECK_THROWS_AS(ones<double>(shape), ShapeError);
        CHECK_THROWS_AS(full<std::int64_t>(shape, 1), ShapeError);
        CHECK_THROWS_AS(full<bool>(shape, true), ShapeError);
        CHECK_THROWS_AS(tensor<float>(shape, std::span<const float>{}), ShapeError);
        CHECK_THROWS_AS(generator.uniform<float>(shape), ShapeError);
        CHECK_THROWS_AS(generator.normal<float>(shape), ShapeError);
        CHECK_THROWS_AS(generator.truncated_normal<float>(shape), ShapeError);
        CHECK_THROWS_AS(generator.integers(shape, 0, 2), ShapeError);
        CHECK_THROWS_AS(generator.bernoulli<float>(shape, 0.5), ShapeError);
    }
    CHECK(generator.state() == before);
    // An axis before an empty one multiplies nothing.
    CHECK(zeros<float>({big, big, 0}).size() == 0);
}

TEST_CASE("a size of an unsigned type is not taken for a negative one") {
    const V x = none({4});
    const std::size_t minus_1 = static_cast<std::size_t>(-1);
    CHECK_THROWS_AS(reshape(x, {minus_1}), ValueError);
    CHECK_THROWS_AS(reshape(x, Shape{minus_1}), ValueError);
    CHECK_THROWS_AS(reshape(x, minus_1), ValueError);
    CHECK(reshape(x, {2, -1}).shape() == Shape{2, 2});
}
