#include <cmath>
#include <numbers>
#include <string>

#include "gradients/harness.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/ops/activations.hpp"
#include "seqgrad/core/ops/dropout.hpp"
#include "seqgrad/core/ops/normalization.hpp"
#include "seqgrad/core/ops/softmax.hpp"
#include "seqgrad/core/random.hpp"

using namespace gradients;
using oracle::Arrays;
using oracle::Dual;
using oracle::Real;

namespace {

// Some of the library's constants have float's digits in double too, and so they have here (0.2F, 0.044715F,
// sqrt(1/2)); that this is right is tested against Keras's values elsewhere.

template <class Engine, class Naive>
void activation(const std::string& name, Engine engine, Naive naive,
                const Domain& domain = {.low = -4, .high = 4}) {
    run({name, [=](auto x) { return engine(x[0]); },
         [=](const Arrays& x) { return oracle::map(x[0], naive); }, domain},
        unary_shapes);
}

Dual elu(Dual v, Real alpha) {
    return v < 0 ? alpha * expm1(v) : v;
}

struct AlongAxis {
    oracle::Index shape;
    std::ptrdiff_t axis;
};
const std::vector<AlongAxis> along_axes{{{1}, 0},       {{2}, -1},       {{7}, 0},          {{17}, -1},
                                        {{131}, 0},     {{2, 3}, 0},     {{2, 3}, -1},      {{13, 5}, 0},
                                        {{13, 5}, 1},   {{3, 1, 2}, 0},  {{3, 1, 2}, 1},    {{3, 1, 2}, -1},
                                        {{2, 3, 4}, 1}, {{2, 3, 4}, -1}, {{2, 3, 2, 2}, 1}, {{0, 3}, -1},
                                        {{2, 0, 3}, 0}, {{0}, 0},        {{3, 37}, -1},     {{37, 3}, 0}};

}  // namespace

TEST_CASE("activations") {
    activation(
        "tanh", [](const auto& x) { return seqgrad::tanh(x); }, [](Dual v) { return tanh(v); });
    activation(
        "sigmoid", [](const auto& x) { return seqgrad::sigmoid(x); },
        [](Dual v) { return oracle::sigmoid(v); });
    activation(
        "hard_sigmoid", [](const auto& x) { return seqgrad::hard_sigmoid(x); },
        [](Dual v) { return v < -3  ? Dual(0)
                            : v > 3 ? Dual(1)
                                    : v / 6 + 0.5; },
        {.low = -4, .high = 4, .avoid = {-3, 3}});
    activation(
        "relu", [](const auto& x) { return seqgrad::relu(x); }, [](Dual v) { return v < 0 ? Dual(0) : v; },
        {.avoid = {0}});
    activation(
        "leaky_relu", [](const auto& x) { return seqgrad::leaky_relu(x); },
        [](Dual v) { return v < 0 ? Real{0.2F} * v : v; }, {.avoid = {0}});
    activation(
        "leaky_relu 0.5", [](const auto& x) { return seqgrad::leaky_relu(x, 0.5); },
        [](Dual v) { return v < 0 ? 0.5 * v : v; }, {.avoid = {0}});
    activation(
        "elu", [](const auto& x) { return seqgrad::elu(x); }, [](Dual v) { return elu(v, 1); },
        {.avoid = {0}});
    activation(
        "elu 0.5", [](const auto& x) { return seqgrad::elu(x, 0.5); }, [](Dual v) { return elu(v, 0.5); },
        {.avoid = {0}});
    activation(
        "selu", [](const auto& x) { return seqgrad::selu(x); },
        [](Dual v) {
            return 1.0507009873554804934193349852946L * elu(v, 1.6732632423543772848170429916717L);
        },
        {.avoid = {0}});
    activation(
        "softplus", [](const auto& x) { return seqgrad::softplus(x); }, [](Dual v) { return log1p(exp(v)); });
    activation(
        "gelu", [](const auto& x) { return seqgrad::gelu(x); },
        [](Dual v) { return v / 2 * (1 + erf(v * Real{0.70710678118654752440F})); });
    activation(
        "gelu approximate", [](const auto& x) { return seqgrad::gelu(x, true); },
        [](Dual v) {
            return v / 2 *
                   (1 +
                    tanh(std::sqrt(2 * std::numbers::inv_pi_v<Real>) * (v + Real{0.044715F} * v * v * v)));
        });
    activation(
        "silu", [](const auto& x) { return seqgrad::silu(x); },
        [](Dual v) { return v * oracle::sigmoid(v); });
    activation(
        "softsign", [](const auto& x) { return seqgrad::softsign(x); },
        [](Dual v) { return v / (1 + abs(v)); }, {.avoid = {0}});
}

TEST_CASE("layer normalization") {
    struct Norm {
        oracle::Index shape;
        std::ptrdiff_t axis;
        double epsilon;
    };
    for (const Norm& n : std::vector<Norm>{{{5}, -1, 1e-3},
                                           {{1}, 0, 1e-3},
                                           {{2, 3}, -1, 1e-3},
                                           {{2, 3}, 0, 0.1},
                                           {{3, 3}, 1, 1e-3},
                                           {{2, 3, 4}, -1, 1e-3},
                                           {{2, 3, 4}, 1, 1e-5},
                                           {{5, 1, 2}, 0, 1e-3},
                                           {{0, 3}, -1, 1e-3},
                                           {{2, 37}, -1, 1e-3},
                                           {{2, 2}, -1, 1e-3}}) {
        const std::size_t a = oracle::axis_of(n.axis, n.shape.size());
        const oracle::Index along{n.shape[a]};
        oracle::Index stretched(n.shape.size(), 1);
        stretched[a] = n.shape[a];
        const std::string axis = words(" axis ", n.axis, " epsilon ", n.epsilon);
        const auto naive = [=](const oracle::Array& x, const oracle::Array& gamma,
                               const oracle::Array& beta) {
            return oracle::layer_norm(x, oracle::reshape(gamma, stretched), oracle::reshape(beta, stretched),
                                      {n.axis}, n.epsilon);
        };
        const oracle::Array one = oracle::filled(along, 1);
        const oracle::Array zero = oracle::filled(along, 0);
        run({"layer_norm" + axis,
             [=](auto x) { return seqgrad::layer_norm(x[0], x[1], x[2], n.axis, n.epsilon); },
             [=](const Arrays& x) { return naive(x[0], x[1], x[2]); }},
            {{n.shape, along, along}});
        run({"layer_norm without beta" + axis,
             [=](auto x) { return seqgrad::layer_norm(x[0], x[1], {}, n.axis, n.epsilon); },
             [=](const Arrays& x) { return naive(x[0], x[1], zero); }},
            {{n.shape, along}});
        run({"layer_norm without gamma" + axis,
             [=](auto x) { return seqgrad::layer_norm(x[0], {}, x[1], n.axis, n.epsilon); },
             [=](const Arrays& x) { return naive(x[0], one, x[1]); }},
            {{n.shape, along}});
        run({"layer_norm alone" + axis,
             [=](auto x) { return seqgrad::layer_norm(x[0], {}, {}, n.axis, n.epsilon); },
             [=](const Arrays& x) { return naive(x[0], one, zero); }},
            {{n.shape}});
    }
}

TEST_CASE("dropout") {
    struct Dropout {
        oracle::Index shape;
        oracle::Index choices;
        double rate;
    };
    for (const Dropout& d : std::vector<Dropout>{{{7}, {7}, 0.5},
                                                 {{2, 3}, {2, 3}, 0.25},
                                                 {{2, 3}, {2, 3}, 0},
                                                 {{2, 3, 4}, {2, 1, 4}, 0.5},
                                                 {{5, 3}, {5, 1}, 0.4},
                                                 {{3, 4}, {1, 4}, 0.5},
                                                 {{0, 3}, {0, 3}, 0.5},
                                                 {{1031}, {1031}, 0.9},
                                                 {{1}, {1}, 0.1},
                                                 {{13, 5}, {13, 5}, 0.3}}) {
        const seqgrad::Shape choices(d.choices.begin(), d.choices.end());
        const auto engine = [=](const auto& x) {
            seqgrad::Generator generator(7);
            return seqgrad::dropout(x, d.rate, generator, choices);
        };
        // Which elements are kept is random's business; here it is read off a tensor of ones.
        const seqgrad::Tensor<double> kept =
            engine(seqgrad::constant(seqgrad::ones<double>(seqgrad::Shape(d.shape.begin(), d.shape.end()))))
                .value();
        Op op(
            words("dropout ", d.rate, " ", text(d.choices)), [=](auto x) { return engine(x[0]); },
            [=](const Arrays& x) {
                oracle::Array out = x[0];
                for (std::size_t i = 0; i < out.data.size(); ++i)
                    out.data[i] =
                        kept.data()[i] != 0 ? out.data[i] / (1 - static_cast<Real>(d.rate)) : Dual(0);
                return out;
            });
        op.same_in_float = false;
        run(op, {{d.shape}});
    }
}

TEST_CASE("softmax") {
    for (const AlongAxis& a : along_axes) {
        const std::string axis = words(a.axis);
        run({"softmax axis " + axis, [=](auto x) { return seqgrad::softmax(x[0], a.axis); },
             [=](const Arrays& x) { return oracle::along(x[0], a.axis, oracle::softmax); }},
            {{a.shape}});
        run({"log_softmax axis " + axis, [=](auto x) { return seqgrad::log_softmax(x[0], a.axis); },
             [=](const Arrays& x) { return oracle::along(x[0], a.axis, oracle::log_softmax); }},
            {{a.shape}});
    }
}

TEST_CASE("cross-entropy") {
    struct Labels {
        oracle::Index logits;
        oracle::Integers labels;
    };
    for (const Labels& l : std::vector<Labels>{{{3}, {{}, {1}}},
                                               {{1}, {{}, {0}}},
                                               {{2, 3}, {{2}, {2, 0}}},
                                               {{4, 2}, {{4}, {1, 1, 0, 1}}},
                                               {{2, 3, 5}, {{2, 3}, {4, 0, 2, 2, 1, 3}}},
                                               {{0, 3}, {{0}, {}}},
                                               {{2, 131}, {{2}, {130, 7}}}}) {
        run({"cross-entropy with labels",
             [=, at = indices(l.labels)](auto x) { return seqgrad::softmax_cross_entropy(x[0], at); },
             [=](const Arrays& x) {
                 oracle::Integers at = l.labels;
                 at.shape.push_back(1);
                 const oracle::Array right =
                     oracle::take_along_axis(oracle::along(x[0], -1, oracle::log_softmax), at, -1);
                 return oracle::map(oracle::reshape(right, l.labels.shape), [](Dual v) { return -v; });
             }},
            {{l.logits}});
    }
    run({"cross-entropy with targets",
         [](auto x) { return seqgrad::softmax_cross_entropy(x[0], x[1]); },
         [](const Arrays& x) {
             return oracle::map(oracle::vecdot(oracle::along(x[0], -1, oracle::log_softmax), x[1], -1),
                                [](Dual v) { return -v; });
         },
         {{}, {.low = 0.1, .high = 1}}},
        {{{3}, {3}},
         {{1}, {1}},
         {{2, 3}, {2, 3}},
         {{2, 3, 5}, {2, 3, 5}},
         {{0, 3}, {0, 3}},
         {{2, 131}, {2, 131}}});
}
