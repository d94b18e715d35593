#include <cmath>
#include <string>

#include "gradients/harness.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/ops/activations.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/elementary.hpp"

using namespace gradients;
using oracle::Arrays;
using oracle::Dual;
using oracle::map;
using oracle::zip;

namespace {

/// Three operands that broadcast; the condition of `where` has the first shape.
const std::vector<Shapes> where_shapes{
    {{}, {}},   {{5}, {5}},          {{5}, {}},        {{}, {5}},    {{2, 3}, {3}},    {{2, 1}, {1, 3}},
    {{0}, {1}}, {{4, 1, 3}, {2, 1}}, {{2, 3}, {2, 3}}, {{17}, {17}}, {{1031}, {1031}}, {{1}, {1031}}};

}  // namespace

TEST_CASE("arithmetic") {
    run({"add", [](auto x) { return x[0] + x[1]; },
         [](const Arrays& x) { return zip(x[0], x[1], [](Dual a, Dual b) { return a + b; }); }},
        binary_shapes);
    run({"subtract", [](auto x) { return x[0] - x[1]; },
         [](const Arrays& x) { return zip(x[0], x[1], [](Dual a, Dual b) { return a - b; }); }},
        binary_shapes);
    run({"multiply", [](auto x) { return x[0] * x[1]; },
         [](const Arrays& x) { return zip(x[0], x[1], [](Dual a, Dual b) { return a * b; }); }},
        binary_shapes);
    run({"divide",
         [](auto x) { return x[0] / x[1]; },
         [](const Arrays& x) { return zip(x[0], x[1], [](Dual a, Dual b) { return a / b; }); },
         {{}, {.avoid = {0}, .margin = 0.5}}},
        binary_shapes);
    run({"negative", [](auto x) { return -x[0]; },
         [](const Arrays& x) { return map(x[0], [](Dual v) { return -v; }); }},
        unary_shapes);
    run({"numbers beside an operand", [](auto x) { return (2 * x[0] + 1) / 3 - 0.5; },
         [](const Arrays& x) { return map(x[0], [](Dual v) { return (2 * v + 1) / 3 - 0.5; }); }},
        unary_shapes);
}

TEST_CASE("elementary functions of one operand") {
    run({"exp", [](auto x) { return exp(x[0]); },
         [](const Arrays& x) { return map(x[0], [](Dual v) { return exp(v); }); }},
        unary_shapes);
    run({"expm1", [](auto x) { return expm1(x[0]); },
         [](const Arrays& x) { return map(x[0], [](Dual v) { return expm1(v); }); }},
        unary_shapes);
    run({"log", [](auto x) { return log(x[0]); },
         [](const Arrays& x) { return map(x[0], [](Dual v) { return log(v); }); }, positive},
        unary_shapes);
    run({"log1p", [](auto x) { return log1p(x[0]); },
         [](const Arrays& x) { return map(x[0], [](Dual v) { return log1p(v); }); },
         Domain{.low = -0.7, .high = 2}},
        unary_shapes);
    run({"sqrt", [](auto x) { return sqrt(x[0]); },
         [](const Arrays& x) { return map(x[0], [](Dual v) { return sqrt(v); }); }, positive},
        unary_shapes);
    run({"square", [](auto x) { return square(x[0]); },
         [](const Arrays& x) { return map(x[0], [](Dual v) { return v * v; }); }},
        unary_shapes);
    run({"abs", [](auto x) { return abs(x[0]); },
         [](const Arrays& x) { return map(x[0], [](Dual v) { return abs(v); }); }, Domain{.avoid = {0}}},
        unary_shapes);
    run({"reciprocal", [](auto x) { return reciprocal(x[0]); },
         [](const Arrays& x) { return map(x[0], [](Dual v) { return 1 / v; }); },
         Domain{.avoid = {0}, .margin = 0.4}},
        unary_shapes);
    run({"sin", [](auto x) { return sin(x[0]); },
         [](const Arrays& x) { return map(x[0], [](Dual v) { return sin(v); }); }},
        unary_shapes);
    run({"cos", [](auto x) { return cos(x[0]); },
         [](const Arrays& x) { return map(x[0], [](Dual v) { return cos(v); }); }},
        unary_shapes);
    run({"clip", [](auto x) { return clip(x[0], -0.5, 1); },
         [](const Arrays& x) {
             return map(x[0], [](Dual v) { return v < -0.5 ? Dual(-0.5) : v > 1 ? Dual(1) : v; });
         },
         Domain{.avoid = {-0.5, 1}}},
        unary_shapes);
    for (const double exponent : {3.0, 2.0, 1.0, 0.5, -1.0, -1.5}) {
        run({words("power ", exponent),
             [=](auto x) {
                 using T = typename decltype(x)::value_type::value_type;
                 return power(x[0], static_cast<T>(exponent));
             },
             [=](const Arrays& x) { return map(x[0], [=](Dual v) { return oracle::power(v, exponent); }); },
             positive},
            unary_shapes);
    }
    run({"2 to a power", [](auto x) { return power(2, x[0]); },
         [](const Arrays& x) { return map(x[0], [](Dual v) { return oracle::power(2, v); }); }},
        unary_shapes);
}

TEST_CASE("elementary functions of two operands") {
    run({"power", [](auto x) { return power(x[0], x[1]); },
         [](const Arrays& x) { return zip(x[0], x[1], [](Dual a, Dual b) { return oracle::power(a, b); }); },
         positive},
        binary_shapes);
    run({"minimum", [](auto x) { return minimum(x[0], x[1]); },
         [](const Arrays& x) { return zip(x[0], x[1], [](Dual a, Dual b) { return b < a ? b : a; }); },
         Domain{.distinct = true}},
        binary_shapes);
    run({"maximum", [](auto x) { return maximum(x[0], x[1]); },
         [](const Arrays& x) { return zip(x[0], x[1], [](Dual a, Dual b) { return b > a ? b : a; }); },
         Domain{.distinct = true}},
        binary_shapes);
}

TEST_CASE("where") {
    // Every third element is chosen from the second operand.
    for (const Shapes& shapes : where_shapes) {
        const oracle::Index whole = oracle::broadcast(shapes[0], shapes[1]);
        for (const oracle::Index& shape : shapes[0] == whole ? Shapes{whole} : Shapes{shapes[0], whole}) {
            oracle::Array condition = oracle::filled(shape, 1);
            seqgrad::Tensor<bool> chosen(seqgrad::Shape(shape.begin(), shape.end()), true);
            for (std::size_t i = 1; i < condition.data.size(); i += 3) {
                condition.data[i] = 0;
                chosen.data()[i] = false;
            }
            run({words("where ", text(shape)), [=](auto x) { return where(chosen, x[0], x[1]); },
                 [=](const Arrays& x) { return oracle::where(condition, x[0], x[1]); }},
                {shapes});
        }
    }
}

TEST_CASE("functions of elements that were not chosen") {
    // Negative elements lie outside of most of these functions' domains.
    const Domain outside{.low = -2, .high = 3, .avoid = {0, 1}, .margin = 0.2};
    const auto positive_of = [](auto x) { return seqgrad::Tensor<bool>(x.value() > 0); };
    const auto chosen = [](const Arrays& x, auto f) {
        return map(x[0], [=](Dual v) { return v > 0 ? f(v) : Dual(0); });
    };
    run({"where sqrt", [=](auto x) { return where(positive_of(x[0]), sqrt(x[0]), 0); },
         [=](const Arrays& x) { return chosen(x, [](Dual v) { return sqrt(v); }); }, outside},
        unary_shapes);
    run({"where log", [=](auto x) { return where(positive_of(x[0]), log(x[0]), 0); },
         [=](const Arrays& x) { return chosen(x, [](Dual v) { return log(v); }); }, outside},
        unary_shapes);
    run({"where tanh log", [=](auto x) { return where(positive_of(x[0]), tanh(log(x[0])), 0); },
         [=](const Arrays& x) { return chosen(x, [](Dual v) { return tanh(log(v)); }); }, outside},
        unary_shapes);
    run({"where log1p", [=](auto x) { return where(positive_of(x[0]), log1p(x[0] - 1), 0); },
         [=](const Arrays& x) { return chosen(x, [](Dual v) { return log(v); }); }, outside},
        unary_shapes);
    run({"where power", [=](auto x) { return where(positive_of(x[0]), power(x[0], 1.5F), 0); },
         [=](const Arrays& x) { return chosen(x, [](Dual v) { return oracle::power(v, 1.5); }); }, outside},
        unary_shapes);
    run({"where x^x", [=](auto x) { return where(positive_of(x[0]), power(x[0], x[0]), 0); },
         [=](const Arrays& x) { return chosen(x, [](Dual v) { return oracle::power(v, v); }); }, outside},
        unary_shapes);
    // 1 / 0, x / 0 and e^(1/0) at every negative element.
    const auto flat = [](auto x) { return maximum(x, 0); };
    run({"where reciprocal", [=](auto x) { return where(positive_of(x[0]), reciprocal(flat(x[0])), 0); },
         [=](const Arrays& x) { return chosen(x, [](Dual v) { return 1 / v; }); }, outside},
        unary_shapes);
    run({"where divide", [=](auto x) { return where(positive_of(x[0]), (x[0] + 1) / flat(x[0]), 0); },
         [=](const Arrays& x) { return chosen(x, [](Dual v) { return (v + 1) / v; }); }, outside},
        unary_shapes);
    run({"where exp", [=](auto x) { return where(positive_of(x[0]), exp(-2 / flat(x[0])) * x[0], 0); },
         [=](const Arrays& x) { return chosen(x, [](Dual v) { return exp(-2 / v) * v; }); }, outside},
        unary_shapes);
}
