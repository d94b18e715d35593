#include "seqgrad/layers/take_rows.hpp"

#include <tuple>
#include <utility>
#include <vector>

#include "support/difference.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/core/ops/slice.hpp"
#include "seqgrad/core/random.hpp"
#include "seqgrad/layers/bahdanau_attention.hpp"
#include "seqgrad/layers/luong_attention.hpp"

using namespace seqgrad;

namespace elsewhere {

struct State {
    Tensor<std::int64_t> ids;
    std::vector<Variable<double>> states;
};

State take_rows(const State& state, const Tensor<std::int64_t>& rows) {
    return {take_rows(state.ids, rows), take_rows(state.states, rows)};
}

}  // namespace elsewhere

namespace {

const Tensor<std::int64_t> some = tensor<std::int64_t>({4}, {2, 0, 0, 1});

}  // namespace

TEST_CASE("rows of a tensor may be repeated and left out") {
    const Tensor<double> x = tensor<double>({3, 2}, {1, 2, 3, 4, 5, 6});
    CHECK(take_rows(x, some) == tensor<double>({4, 2}, {5, 6, 1, 2, 1, 2, 3, 4}));
    CHECK(take_rows(x, tensor<std::int64_t>({1}, {1})) == tensor<double>({1, 2}, {3, 4}));
    CHECK(take_rows(x, Tensor<std::int64_t>(Shape{0})).shape() == Shape{0, 2});
    CHECK(take_rows(tensor<bool>({3}, {true, false, false}), some) ==
          tensor<bool>({4}, {false, true, true, false}));
    CHECK(take_rows(zeros<float>({3, 0, 2}), some).shape() == Shape{4, 0, 2});
}

TEST_CASE("rows that there are not are refused") {
    const Tensor<double> x = zeros<double>({3, 2});
    CHECK_THROWS_WITH_AS(take_rows(x, tensor<std::int64_t>({2}, {0, 3})), "take_rows: no row 3 among 3",
                         ValueError);
    CHECK_THROWS_WITH_AS(take_rows(x, tensor<std::int64_t>({1}, {-1})), "take_rows: no row -1 among 3",
                         ValueError);
    CHECK_THROWS_AS(take_rows(constant(x), tensor<std::int64_t>({1}, {3})), ValueError);
    CHECK_THROWS_AS(take_rows(zeros<double>({}), some), ShapeError);
}

TEST_CASE("rows of a Variable have their masks and gradients") {
    const Variable<double> x = parameter(tensor<double>({3, 2}, {1, 2, 3, 4, 5, 6}));
    const auto masked = x.with_mask(tensor<bool>({3, 2}, {true, true, false, false, true, false}));
    const auto y = take_rows(masked, some);
    CHECK(y.value() == tensor<double>({4, 2}, {5, 6, 1, 2, 1, 2, 3, 4}));
    REQUIRE(y.mask() != nullptr);
    CHECK(*y.mask() == tensor<bool>({4, 2}, {true, false, true, true, true, true, false, false}));
    CHECK(take_rows(x, some).mask() == nullptr);
    CHECK_FALSE(take_rows(Variable<double>(), some));
    backward(sum(y));
    CHECK(x.grad() == tensor<double>({3, 2}, {2, 2, 1, 1, 1, 1}));
}

TEST_CASE("rows are taken of every part") {
    const Tensor<double> x = tensor<double>({3}, {1, 2, 3});
    const Tensor<double> expected = tensor<double>({4}, {3, 1, 1, 2});
    const auto several = take_rows(std::vector<Variable<double>>{constant(x), constant(x)}, some);
    REQUIRE(several.size() == 2);
    CHECK(several[1].value() == expected);
    const auto [ids, nested] = take_rows(std::pair(Tensor<std::int64_t>(some), std::tuple(x, several)),
                                         tensor<std::int64_t>({2}, {1, 2}));
    CHECK(ids == tensor<std::int64_t>({2}, {0, 0}));
    CHECK(std::get<0>(nested) == tensor<double>({2}, {2, 3}));
    CHECK(std::get<1>(nested)[0].value() == tensor<double>({2}, {1, 1}));
    const std::vector<elsewhere::State> own =
        take_rows(std::vector<elsewhere::State>{{tensor<std::int64_t>({3}, {7, 8, 9}), {constant(x)}}}, some);
    CHECK(own.at(0).ids == tensor<std::int64_t>({4}, {9, 7, 7, 8}));
    CHECK(own.at(0).states.at(0).value() == expected);
}

TEST_CASE("rows of a prepared memory are asked like the memory of these samples") {
    Generator random(1);
    const auto memory = constant(random.normal<double>({3, 4, 2}))
                            .with_mask(tensor<bool>({3, 4}, {true, true, true, true, true, true, false, false,
                                                             true, true, true, false}));
    const auto query = constant(random.normal<double>({3, 2}));
    const auto check = [&](MemoryAttention<double>& layer) {
        layer({query, memory});
        const auto expected = take_rows(layer.attend(query, layer.prepare(memory)).context, some);
        const auto taken = take_rows(layer.prepare(memory), some);
        const auto context = layer.attend(take_rows(query, some), taken).context;
        CHECK(test::largest_difference(context.value(), expected.value()) < 1e-15);
        CHECK(taken.mask != nullptr);
        const auto unmasked = take_rows(layer.prepare(memory.without_mask()), some);
        CHECK(unmasked.mask == nullptr);
    };
    BahdanauAttention<double> bahdanau({.units = 3});
    check(bahdanau);
    LuongAttention<double> local(
        {.score = AttentionScore::general, .units = 3, .window = AttentionWindow::local_p, .D = 2});
    check(local);
}
