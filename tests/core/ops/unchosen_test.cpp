// What is not chosen takes no part: a gradient of exactly 0 stays 0 on its way back, also through elements
// whose value or derivative is infinite or NaN, and no other element's gradient changes.

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "support/pointwise.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/ops/activations.hpp"
#include "seqgrad/core/ops/attention.hpp"
#include "seqgrad/core/ops/dropout.hpp"
#include "seqgrad/core/ops/elementary.hpp"
#include "seqgrad/core/ops/index.hpp"
#include "seqgrad/core/ops/linear.hpp"
#include "seqgrad/core/ops/matmul.hpp"
#include "seqgrad/core/ops/normalization.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/core/ops/shape.hpp"
#include "seqgrad/core/ops/slice.hpp"
#include "seqgrad/core/ops/softmax.hpp"

using namespace seqgrad;
using test::infinite;
using test::not_a_number;
using test::vector;

namespace {

using V = Variable<double>;
using Function = std::function<V(const V&)>;

struct Named {
    std::string name;
    Function apply;
};

/// Functions of each element by itself.
const std::vector<Named> elementwise{
    {"sqrt", [](const V& x) { return sqrt(x); }},
    {"log", [](const V& x) { return log(x); }},
    {"log1p", [](const V& x) { return log1p(x - 1); }},
    {"reciprocal", [](const V& x) { return reciprocal(x); }},
    {"1 / x", [](const V& x) { return 1 / x; }},
    {"x / x", [](const V& x) { return x / x; }},
    {"x / stretched", [](const V& x) { return x / slice(x, {Range{.stop = 1}}); }},
    {"power, fixed", [](const V& x) { return power(x, 0.5); }},
    {"power, negative", [](const V& x) { return power(x, -1.5); }},
    {"power, of Variables", [](const V& x) { return power(x, x - 1); }},
    {"exp", [](const V& x) { return exp(x); }},
    {"exp of 1 / x", [](const V& x) { return exp(1 / x); }},
    {"expm1", [](const V& x) { return expm1(x * 200); }},
    {"square", [](const V& x) { return square(x); }},
    {"abs", [](const V& x) { return abs(log(x)); }},
    {"x * x", [](const V& x) { return x * x; }},
    {"1/x * x", [](const V& x) { return 1 / x * x; }},
    {"negative", [](const V& x) { return -sqrt(x); }},
    {"difference", [](const V& x) { return 1 / x - 1 / x; }},
    {"sin", [](const V& x) { return sin(1 / x); }},
    {"cos", [](const V& x) { return cos(1 / x); }},
    {"clip", [](const V& x) { return clip(log(x), -1, 1); }},
    {"minimum", [](const V& x) { return minimum(sqrt(x), log(x)); }},
    {"maximum", [](const V& x) { return maximum(sqrt(x), log(x)); }},
    {"tanh", [](const V& x) { return tanh(log(x)); }},
    {"sigmoid", [](const V& x) { return sigmoid(log(x)); }},
    {"hard_sigmoid", [](const V& x) { return hard_sigmoid(log(x)); }},
    {"relu", [](const V& x) { return relu(1 / x); }},
    {"leaky_relu", [](const V& x) { return leaky_relu(1 / x); }},
    {"elu", [](const V& x) { return elu(log(x)); }},
    {"selu", [](const V& x) { return selu(1 / x); }},
    {"softplus", [](const V& x) { return softplus(log(x)); }},
    {"gelu", [](const V& x) { return gelu(1 / x); }},
    {"gelu, approximate", [](const V& x) { return gelu(1 / x, true); }},
    {"silu", [](const V& x) { return silu(1 / x); }},
    {"softsign", [](const V& x) { return softsign(log(x)); }},
};

/// Functions of each row of a matrix by itself.
const std::vector<Named> rowwise{
    {"softmax", [](const V& x) { return softmax(x); }},
    {"softmax of log", [](const V& x) { return softmax(log(x)); }},
    {"log_softmax", [](const V& x) { return log_softmax(x); }},
    {"masked_softmax",
     [](const V& x) {
         const Mask counts = tensor<bool>({1, 3}, {true, true, false});
         return masked_softmax(x, &counts);
     }},
    {"logsumexp", [](const V& x) { return logsumexp(x, {.axis = -1, .keepdims = true}); }},
    {"variance", [](const V& x) { return variance(x, {.axis = -1, .keepdims = true}); }},
    {"norm", [](const V& x) { return sqrt(sum(square(x), {.axis = -1, .keepdims = true})); }},
    {"mean", [](const V& x) { return mean(1 / x, {.axis = -1, .keepdims = true}); }},
    {"max", [](const V& x) { return max(1 / x, {.axis = -1, .keepdims = true}); }},
    {"min", [](const V& x) { return min(log(x), {.axis = -1, .keepdims = true}); }},
    {"layer_norm", [](const V& x) { return layer_norm(x, V(), V(), -1, 0.0); }},
    {"softmax_cross_entropy, labels",
     [](const V& x) {
         return softmax_cross_entropy(x, tensor<std::int64_t>({3}, {0, 2, 1}));
     }},
    {"softmax_cross_entropy, targets",
     [](const V& x) {
         return softmax_cross_entropy(x, full<double>({3, 3}, 0.25));
     }},
    {"softmax_cross_entropy, targets that follow x",
     [](const V& x) { return softmax_cross_entropy(x, x * 0.25); }},
    {"vecdot", [](const V& x) { return vecdot(x, 1 / x); }},
    {"linear",
     [](const V& x) {
         return linear(x, constant(tensor<double>({3, 2}, {1, 2, 3, 4, 5, 6})), V());
     }},
    {"matmul",
     [](const V& x) {
         return matmul(x, constant(tensor<double>({3, 2}, {1, 2, 3, 4, 5, 6})));
     }},
};

void check_equal(const Tensor<double>& got, const Tensor<double>& expected) {
    REQUIRE(got.shape() == expected.shape());
    for (std::size_t i = 0; i < got.size(); ++i) {
        CAPTURE(i);
        CHECK(got.data()[i] == doctest::Approx(expected.data()[i]).epsilon(1e-14));
    }
}

/// The gradient of x = {bad, good...} where choose(f(x)) leaves out what the first element made.
void check_left_out(const Named& f, const Function& choose, double bad) {
    CAPTURE(f.name);
    CAPTURE(bad);
    const std::vector<double> good{1.5, 2, 3};
    std::vector<double> all{bad};
    all.insert(all.end(), good.begin(), good.end());
    const V x = parameter(tensor<double>({4}, all));
    backward(sum(choose(f.apply(x))));
    // The same with another number in its place, which takes no part either.
    all[0] = 1.25;
    const V other = parameter(tensor<double>({4}, all));
    backward(sum(choose(f.apply(other))));
    if (f.name != "x / stretched") CHECK(x.grad()(0) == 0);
    for (std::size_t i = 1; i < 4; ++i) {
        CAPTURE(i);
        if (f.name == "x / stretched") continue;  // the others are divided by it
        CHECK(x.grad()(i) == doctest::Approx(other.grad()(i)).epsilon(1e-14));
    }
}

}  // namespace

TEST_CASE("the square root at 0 that where leaves out") {
    const V x = vector({0, 1});
    backward(sum(where(tensor<bool>({2}, {false, true}), sqrt(x), 0)));
    CHECK(x.grad() == tensor<double>({2}, {0, 0.5}));
    const Variable<float> y = parameter(tensor<float>({2}, {0, 1}));
    backward(sum(where(tensor<bool>({2}, {true, false}), 0, sqrt(y))));
    CHECK(y.grad()(0) == 0.0F);
}

TEST_CASE("elements that were not chosen get gradients of 0, whatever their value and derivative") {
    const Mask others = tensor<bool>({4}, {false, true, true, true});
    const std::vector<std::pair<const char*, Function>> choices{
        {"where, first", [&](const V& y) { return where(others, y, 0); }},
        {"where, second",
         [&](const V& y) {
             return where(tensor<bool>({4}, {true, false, false, false}), 7, y);
         }},
        {"where, stretched",
         [&](const V& y) {
             return where(others, y, constant(zeros<double>({2, 4})));
         }},
        {"slice", [](const V& y) { return slice(y, {Range{.start = 1}}); }},
        {"select", [](const V& y) { return select(y, 0, 2); }},
        {"split", [](const V& y) { return split(y, 2)[1]; }},
        {"take",
         [](const V& y) {
             return take(y, tensor<std::int64_t>({4}, {1, 3, 3, 2}));
         }},
        {"take_along_axis",
         [](const V& y) {
             return take_along_axis(y, tensor<std::int64_t>({2}, {3, 1}));
         }},
    };
    for (const auto& choice : choices) {
        const std::string name = choice.first;
        const Function& choose = choice.second;
        CAPTURE(name);
        for (const Named& f : elementwise) {
            for (const double bad : {0.0, -1.0, infinite, -infinite, not_a_number, 1e308, -1e-320})
                check_left_out(f, choose, bad);
        }
    }
}

TEST_CASE("rows that were not chosen get gradients of 0, whatever they hold") {
    const std::vector<double> row{0.5, 1, 2, 0, 0, 0, 2, 1, 0.25};
    for (const Named& f : rowwise) {
        CAPTURE(f.name);
        for (const double bad : {0.0, -1.0, infinite, -infinite, not_a_number, 1e308}) {
            CAPTURE(bad);
            const auto gradient = [&](double v) {
                std::vector<double> values = row;
                std::fill(values.begin() + 3, values.begin() + 6, v);
                values[4] = v / 2;
                const V x = parameter(tensor<double>({3, 3}, values));
                const V y = f.apply(x);
                backward(sum(take(y, tensor<std::int64_t>({2}, {0, 2}))));
                return x.grad();
            };
            const Tensor<double> got = gradient(bad), expected = gradient(1);
            check_equal(got, expected);
            for (std::size_t i = 3; i < 6; ++i) CHECK(got.data()[i] == 0);
        }
    }
}

TEST_CASE("rows along another axis than the last one that were not chosen") {
    for (const Named& f : {Named{"softmax", [](const V& x) { return softmax(x, 0); }},
                           Named{"log_softmax", [](const V& x) { return log_softmax(x, 0); }},
                           Named{"logsumexp", [](const V& x) { return logsumexp(x, {.axis = 0}); }},
                           Named{"variance", [](const V& x) { return variance(x, {.axis = 0}); }},
                           Named{"layer_norm", [](const V& x) { return layer_norm(x, V(), V(), 0); }}}) {
        CAPTURE(f.name);
        const V x = parameter(tensor<double>({2, 2}, {not_a_number, 1, 2, 4}));
        const V y = f.apply(x);
        backward(sum(select(y, -1, 1) * tensor<double>({2}, {1, 3})));
        CHECK(x.grad()(0, 0) == 0);
        CHECK(x.grad()(1, 0) == 0);
        CHECK(std::isfinite(x.grad()(0, 1)));
        CHECK(std::isfinite(x.grad()(1, 1)));
    }
}

TEST_CASE("weights that rows which were not chosen are multiplied by") {
    // The second row of x is left out of the loss.
    for (const double bad : {infinite, not_a_number}) {
        const auto x = constant(tensor<double>({2, 2}, {1, 2, bad, 4}));
        const V kernel = parameter(tensor<double>({2, 2}, {1, 2, 3, 4}));
        const V bias = parameter(tensor<double>({2}, {1, 2}));
        const V gamma = parameter(tensor<double>({2}, {1, 2}));
        const Tensor<std::int64_t> first = tensor<std::int64_t>({1}, {0});
        backward(sum(take(linear(x, kernel, bias), first)));
        CHECK(kernel.grad() == tensor<double>({2, 2}, {1, 1, 2, 2}));
        CHECK(bias.grad() == tensor<double>({2}, {1, 1}));
        backward(sum(take(matmul(x, kernel), first)));
        CHECK(kernel.grad() == tensor<double>({2, 2}, {2, 2, 4, 4}));
        // Columns that were not chosen.
        const auto columns = constant(tensor<double>({2, 2}, {1, bad, 2, 4}));
        const V left = parameter(tensor<double>({1, 2}, {1, 2}));
        backward(sum(take(matmul(left, columns), first, -1)));
        CHECK(left.grad() == tensor<double>({1, 2}, {1, 2}));
        backward(sum(take(layer_norm(x, gamma, bias), first)));
        CHECK(std::isfinite(gamma.grad()(0)));
        CHECK(std::isfinite(gamma.grad()(1)));
    }
}

TEST_CASE("a gradient that is not 0 keeps what it meets, and NaN that comes in is not hidden") {
    const V x = vector({0, 1});
    backward(sqrt(x), tensor<double>({2}, {1e-300, not_a_number}));
    CHECK(x.grad()(0) == infinite);
    CHECK(std::isnan(x.grad()(1)));
    for (const Named& f : elementwise) {
        CAPTURE(f.name);
        if (f.name == "x / stretched") continue;
        const V y = vector({1.25, 2.5});
        backward(f.apply(y), tensor<double>({2}, {not_a_number, 0}));
        const bool flat = f.name == "clip" || f.name == "minimum" || f.name == "hard_sigmoid";
        if (!flat) CHECK(std::isnan(y.grad()(0)));
        CHECK(y.grad()(1) == 0);
    }
    const V row = parameter(tensor<double>({1, 2}, {1, 2}));
    for (const Function& f : {Function([](const V& v) { return softmax(v); }),
                              Function([](const V& v) { return log_softmax(v); }),
                              Function([](const V& v) { return layer_norm(v, V(), V()); })}) {
        V copy = parameter(row.value());
        backward(f(copy), tensor<double>({1, 2}, {0, not_a_number}));
        CHECK(std::isnan(copy.grad()(0, 0)));
    }
}
