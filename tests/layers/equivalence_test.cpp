// What must hold between recurrent layers whatever the weights: each law on random shapes, masks and
// arguments, at least 200 times, for values and for gradients.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "support/difference.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/index.hpp"
#include "seqgrad/core/ops/join.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/core/ops/shape.hpp"
#include "seqgrad/core/ops/slice.hpp"
#include "seqgrad/core/random.hpp"
#include "seqgrad/layers/bidirectional.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/simple_rnn.hpp"

using namespace seqgrad;
using test::largest_difference;

namespace {

using Variables = std::vector<Variable<double>>;

/// Cases of each law for each layer.
constexpr std::int64_t cases = 200;
/// Two ways to add up the same few hundred terms of order 1 in double.
constexpr double rounding = 1e-12;

/// Everything a case draws comes from its number.
class Draw {
  public:
    explicit Draw(std::int64_t seed) : generator_(seed) {}

    std::size_t between(std::int64_t low, std::int64_t high) {
        return static_cast<std::size_t>(generator_.integers({}, low, high + 1)());
    }
    bool coin() { return between(0, 1) == 1; }
    Tensor<double> normal(const Shape& shape, double scale = 1.0) {
        return generator_.normal<double>(shape, 0.0, scale);
    }
    Tensor<std::int64_t> permutation(std::size_t n) { return generator_.permutation(n); }

    /// Steps that count: a first part of each sample, a last part, any, or none of some samples.
    Mask mask(std::size_t B, std::size_t T) {
        Mask out(Shape{B, T});
        const std::size_t kind = between(0, 3);
        for (std::size_t b = 0; b < B; ++b) {
            const std::size_t length = between(0, static_cast<std::int64_t>(T));
            for (std::size_t t = 0; t < T; ++t) {
                out(b, t) = kind == 0   ? t < length
                            : kind == 1 ? t >= T - length
                            : kind == 2 ? coin()
                                        : b % 2 == 0 || t < length;
            }
        }
        return out;
    }

  private:
    Generator generator_;
};

struct Sizes {
    std::size_t B, T, D, U;

    explicit Sizes(Draw& draw)
        : B(draw.between(1, 5)), T(draw.between(1, 8)), D(draw.between(1, 5)), U(draw.between(1, 9)) {}
};

template <class Layer>
typename Layer::Config any_config(Draw& draw, std::size_t units) {
    typename Layer::Config config{.units = units};
    config.use_bias = draw.coin();
    config.return_sequences = draw.coin();
    config.go_backwards = draw.coin();
    config.zero_output_for_mask = draw.coin();
    config.recompute = draw.coin();
    if constexpr (requires { config.reset_after; }) config.reset_after = draw.coin();
    return config;
}

/// A layer with random weights, biases included.
template <class Layer>
Layer make_layer(Draw& draw, const typename Layer::Config& config, std::size_t D) {
    Layer layer(config);
    layer.build({unknown, unknown, static_cast<std::ptrdiff_t>(D)});
    for (auto& [name, variable] : layer.parameters()) variable.assign(draw.normal(variable.shape(), 0.6));
    return layer;
}

Variables any_states(Draw& draw, const RNN<double>& layer, std::size_t B) {
    Variables states;
    if (draw.coin()) return states;
    for (const std::size_t size : layer.cell().state_size())
        states.push_back(parameter(draw.normal({B, size})));
    return states;
}

Variables parameters_of(const Module<double>& module) {
    Variables out;
    for (const auto& [name, variable] : module.parameters()) out.push_back(variable);
    return out;
}

/// A layer of another configuration with the weights of `layer`.
template <class Layer>
Layer with_weights_of(const Layer& layer, const typename Layer::Config& config) {
    Layer out(config);
    out.build({unknown, unknown, layer.cell().input_size()});
    const Variables source = parameters_of(layer);
    Variables target = parameters_of(out);
    for (std::size_t i = 0; i < target.size(); ++i) target[i].assign(source[i].value());
    return out;
}

/// Output and final states as one list.
Variables flat(const RecurrentOutput<double>& out) {
    Variables all{out.output};
    all.insert(all.end(), out.states.begin(), out.states.end());
    return all;
}

/// A scalar in which every output has another weight.
Variable<double> weighted(const Variables& outputs, const std::vector<Tensor<double>>& weights) {
    Variable<double> loss = constant(zeros<double>({}));
    for (std::size_t i = 0; i < outputs.size(); ++i) loss = loss + sum(outputs[i] * weights[i]);
    return loss;
}

std::vector<Tensor<double>> weights_for(Draw& draw, const Variables& outputs) {
    std::vector<Tensor<double>> weights;
    for (const Variable<double>& output : outputs) weights.push_back(draw.normal(output.shape()));
    return weights;
}

/// The gradients by several variables; the graph stays for more of them.
std::vector<Tensor<double>> gradients(const Variable<double>& loss, const Variables& wanted) {
    return grad<double>(loss, wanted, {.retain_graph = true});
}

/// Compares two ways to compute the same outputs, and the gradients of both by the same variables.
void check_same(Draw& draw, const Variables& a, const Variables& b, const Variables& wanted) {
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
        CAPTURE(i);
        CHECK(largest_difference(a[i].value(), b[i].value()) <= rounding);
    }
    const auto weights = weights_for(draw, a);
    const auto grad_a = gradients(weighted(a, weights), wanted);
    const auto grad_b = gradients(weighted(b, weights), wanted);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        CAPTURE(i);
        CHECK(largest_difference(grad_a[i], grad_b[i]) <= 20 * rounding);
    }
}

Mask take_rows(const Mask& mask, const Tensor<std::int64_t>& rows) {
    Mask out(mask.shape());
    for (std::size_t b = 0; b < mask.shape()[0]; ++b)
        for (std::size_t t = 0; t < mask.shape()[1]; ++t)
            out(b, t) = mask(static_cast<std::size_t>(rows(b)), t);
    return out;
}

Mask flip_steps(const Mask& mask) {
    Mask out(mask.shape());
    const std::size_t T = mask.shape()[1];
    for (std::size_t b = 0; b < mask.shape()[0]; ++b)
        for (std::size_t t = 0; t < T; ++t) out(b, t) = mask(b, T - 1 - t);
    return out;
}

/// The same cell run step by step.
RNN<double> stepwise(RNN<double>& layer, const RNNConfig& config) {
    return RNN<double>(std::shared_ptr<RecurrentCell<double>>(std::shared_ptr<void>(), &layer.cell()),
                       config);
}

}  // namespace

TEST_CASE_TEMPLATE("one operation per sequence is the cell step by step", Layer, SimpleRNN<double>,
                   LSTM<double>, GRU<double>) {
    for (std::int64_t seed = 0; seed < 2 * cases; ++seed) {
        CAPTURE(seed);
        Draw draw(seed);
        const Sizes s(draw);
        auto config = any_config<Layer>(draw, s.U);
        if (draw.coin()) config.bptt_steps = draw.between(1, 4);
        Layer layer = make_layer<Layer>(draw, config, s.D);
        RNN<double> oracle = stepwise(layer, layer.RNN<double>::config());
        Variable<double> x = parameter(draw.normal({s.B, s.T, s.D}));
        const Variables states = any_states(draw, layer, s.B);
        Variables wanted = parameters_of(layer);
        wanted.push_back(x);
        wanted.insert(wanted.end(), states.begin(), states.end());
        if (draw.coin()) x = x.with_mask(draw.mask(s.B, s.T));
        check_same(draw, flat(layer.run(x, states)), flat(oracle.run(x, states)), wanted);
    }
}

TEST_CASE_TEMPLATE("the order of samples does not matter, and a sample alone is the sample in a batch", Layer,
                   SimpleRNN<double>, LSTM<double>, GRU<double>) {
    for (std::int64_t seed = 0; seed < cases; ++seed) {
        CAPTURE(seed);
        Draw draw(seed);
        const Sizes s(draw);
        Layer layer = make_layer<Layer>(draw, any_config<Layer>(draw, s.U), s.D);
        const Variable<double> x = parameter(draw.normal({s.B, s.T, s.D}));
        const Variables states = any_states(draw, layer, s.B);
        const bool masked = draw.coin();
        const Mask mask = masked ? draw.mask(s.B, s.T) : ones<bool>({s.B, s.T});
        const Variables whole = flat(layer.run(masked ? x.with_mask(mask) : x, states));
        Variables wanted = parameters_of(layer);
        wanted.push_back(x);
        wanted.insert(wanted.end(), states.begin(), states.end());

        const auto order = draw.permutation(s.B);
        const auto permuted = [&](const Variables& v) {
            Variables out;
            for (const Variable<double>& each : v) out.push_back(take(each, order, 0));
            return out;
        };
        Variable<double> x_permuted = take(x, order, 0);
        if (masked) x_permuted = x_permuted.with_mask(take_rows(mask, order));
        check_same(draw, permuted(whole), flat(layer.run(x_permuted, permuted(states))), wanted);

        const auto b = static_cast<std::ptrdiff_t>(draw.between(0, static_cast<std::int64_t>(s.B) - 1));
        const auto alone = [&](const Variables& v) {
            Variables out;
            for (const Variable<double>& each : v)
                out.push_back(slice(each, {Range{.start = b, .stop = b + 1}}));
            return out;
        };
        Variable<double> x_alone = alone({x})[0];
        if (masked) {
            Mask row(Shape{1, s.T});
            for (std::size_t t = 0; t < s.T; ++t) row(0, t) = mask(static_cast<std::size_t>(b), t);
            x_alone = x_alone.with_mask(row);
        }
        check_same(draw, alone(whole), flat(layer.run(x_alone, alone(states))), wanted);
    }
}

TEST_CASE_TEMPLATE("what stands in padding changes neither outputs nor gradients", Layer, SimpleRNN<double>,
                   LSTM<double>, GRU<double>) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    for (std::int64_t seed = 0; seed < 2 * cases; ++seed) {
        CAPTURE(seed);
        Draw draw(seed);
        const Sizes s(draw);
        Layer layer = make_layer<Layer>(draw, any_config<Layer>(draw, s.U), s.D);
        RNN<double> composed = stepwise(layer, layer.RNN<double>::config());
        RNN<double>& tested = draw.coin() ? static_cast<RNN<double>&>(layer) : composed;
        const Mask mask = draw.mask(s.B, s.T);
        const Tensor<double> clean = draw.normal({s.B, s.T, s.D});
        Tensor<double> dirty = clean;
        for (std::size_t row = 0; row < s.B * s.T; ++row) {
            if (mask.data()[row]) continue;
            for (std::size_t d = 0; d < s.D; ++d) dirty.data()[row * s.D + d] = draw.coin() ? nan : 1e300;
        }
        const Variables states = any_states(draw, layer, s.B);
        Variables wanted = parameters_of(layer);
        wanted.insert(wanted.end(), states.begin(), states.end());
        const Variable<double> x = parameter(clean), y = parameter(dirty);
        const Variables from_x = flat(tested.run(x.with_mask(mask), states));
        const Variables from_y = flat(tested.run(y.with_mask(mask), states));
        const auto weights = weights_for(draw, from_x);
        Variables of_x = wanted, of_y = wanted;
        of_x.push_back(x);
        of_y.push_back(y);
        for (std::size_t i = 0; i < from_x.size(); ++i) CHECK(from_x[i].value() == from_y[i].value());
        const auto grad_x = gradients(weighted(from_x, weights), of_x);
        const auto grad_y = gradients(weighted(from_y, weights), of_y);
        for (std::size_t i = 0; i < of_x.size(); ++i) CHECK(grad_x[i] == grad_y[i]);
        for (std::size_t i = 0; i < dirty.size(); ++i)
            if (!mask.data()[i / s.D]) CHECK(grad_y.back().data()[i] == 0.0);
    }
}

TEST_CASE_TEMPLATE("a stateful layer over chunks is the layer over the whole sequence", Layer,
                   SimpleRNN<double>, LSTM<double>, GRU<double>) {
    for (std::int64_t seed = 0; seed < cases; ++seed) {
        CAPTURE(seed);
        Draw draw(seed);
        const Sizes s(draw);
        auto config = any_config<Layer>(draw, s.U);
        config.return_sequences = true;
        config.go_backwards = false;
        Layer whole = make_layer<Layer>(draw, config, s.D);
        config.stateful = true;
        Layer chunked = with_weights_of(whole, config);

        const Variable<double> x = constant(draw.normal({s.B, s.T, s.D}));
        for (int pass = 0; pass < 2; ++pass) {
            Variables outputs;
            RecurrentOutput<double> out;
            for (std::size_t first = 0; first < s.T;) {
                const std::size_t last = first + draw.between(1, static_cast<std::int64_t>(s.T - first));
                const Range steps{.start = static_cast<std::ptrdiff_t>(first),
                                  .stop = static_cast<std::ptrdiff_t>(last)};
                out = chunked.run(slice(x, {all, steps}));
                outputs.push_back(out.output);
                first = last;
            }
            const RecurrentOutput<double> expected = whole.run(x);
            CHECK(largest_difference(concatenate(outputs, 1).value(), expected.output.value()) <= rounding);
            for (std::size_t i = 0; i < expected.states.size(); ++i) {
                CHECK(largest_difference(out.states[i].value(), expected.states[i].value()) <= rounding);
                CHECK(chunked.states()[i] == out.states[i].value());
            }
            chunked.reset_state();
        }
    }
}

TEST_CASE_TEMPLATE("going backwards is going forwards through the sequence turned round", Layer,
                   SimpleRNN<double>, LSTM<double>, GRU<double>) {
    for (std::int64_t seed = 0; seed < cases; ++seed) {
        CAPTURE(seed);
        Draw draw(seed);
        const Sizes s(draw);
        auto config = any_config<Layer>(draw, s.U);
        config.go_backwards = true;
        Layer backwards = make_layer<Layer>(draw, config, s.D);
        config.go_backwards = false;
        Layer forwards = with_weights_of(backwards, config);
        const Variables from = parameters_of(backwards), to = parameters_of(forwards);

        const Variable<double> x = parameter(draw.normal({s.B, s.T, s.D}));
        const Variables states = any_states(draw, backwards, s.B);
        const bool masked = draw.coin();
        const Mask mask = draw.mask(s.B, s.T);
        const Variables a = flat(backwards.run(masked ? x.with_mask(mask) : x, states));
        const Variable<double> flipped = flip(x, {1});
        const Variables b =
            flat(forwards.run(masked ? flipped.with_mask(flip_steps(mask)) : flipped, states));
        Variables shared = states;
        shared.push_back(x);
        check_same(draw, a, b, shared);
        const auto weights = weights_for(draw, a);
        const auto of_a = gradients(weighted(a, weights), from);
        const auto of_b = gradients(weighted(b, weights), to);
        for (std::size_t i = 0; i < of_a.size(); ++i)
            CHECK(largest_difference(of_a[i], of_b[i]) <= 20 * rounding);
    }
}

TEST_CASE_TEMPLATE("turning time round swaps the directions of a Bidirectional layer", Layer,
                   SimpleRNN<double>, LSTM<double>, GRU<double>) {
    for (std::int64_t seed = 0; seed < cases; ++seed) {
        CAPTURE(seed);
        Draw draw(seed);
        const Sizes s(draw);
        auto config = any_config<Layer>(draw, s.U);
        config.go_backwards = false;
        const auto mode = static_cast<MergeMode>(draw.between(0, 3));
        Bidirectional<double> layer(Layer(config), {.merge_mode = mode});
        Bidirectional<double> swapped(Layer(config), {.merge_mode = mode});
        for (Bidirectional<double>* each : {&layer, &swapped})
            each->build({unknown, unknown, static_cast<std::ptrdiff_t>(s.D)});
        const Variables own = parameters_of(layer), other = parameters_of(swapped);
        const std::size_t half = own.size() / 2;
        for (std::size_t i = 0; i < own.size(); ++i) {
            Variable<double>(own[i]).assign(draw.normal(own[i].shape(), 0.6));
            Variable<double>(other[(i + half) % own.size()]).assign(own[i].value());
        }
        const Variable<double> x = parameter(draw.normal({s.B, s.T, s.D}));
        const bool masked = draw.coin();
        const Mask mask = draw.mask(s.B, s.T);
        Variable<double> a = layer(masked ? x.with_mask(mask) : x).without_mask();
        const Variable<double> flipped = flip(x, {1});
        Variable<double> b = swapped(masked ? flipped.with_mask(flip_steps(mask)) : flipped).without_mask();
        if (mode == MergeMode::concat) {
            const auto halves = split(b, 2, -1);
            b = concatenate({halves[1], halves[0]}, -1);
        }
        if (config.return_sequences) b = flip(b, {1});
        check_same(draw, {a}, {b}, {x});
        const auto weights = weights_for(draw, {a});
        const auto of_a = gradients(weighted({a}, weights), own);
        const auto of_b = gradients(weighted({b}, weights), other);
        for (std::size_t i = 0; i < own.size(); ++i)
            CHECK(largest_difference(of_a[i], of_b[(i + half) % own.size()]) <= 20 * rounding);
    }
}

TEST_CASE_TEMPLATE("the order of hidden units does not matter", Layer, SimpleRNN<double>, LSTM<double>,
                   GRU<double>) {
    for (std::int64_t seed = 0; seed < cases; ++seed) {
        CAPTURE(seed);
        Draw draw(seed);
        const Sizes s(draw);
        const auto config = any_config<Layer>(draw, s.U);
        Layer layer = make_layer<Layer>(draw, config, s.D);
        Layer reordered(config);
        reordered.build({unknown, unknown, static_cast<std::ptrdiff_t>(s.D)});
        const auto order = draw.permutation(s.U);
        // The columns of every gate, and the rows of the recurrent kernel.
        const std::size_t gates = layer.kernel().shape()[1] / s.U;
        Tensor<std::int64_t> columns(Shape{gates * s.U});
        for (std::size_t i = 0; i < columns.size(); ++i)
            columns(i) = static_cast<std::int64_t>(i / s.U * s.U) + order(i % s.U);
        const auto permuted = [&](const std::string& name, const Variable<double>& w) {
            const Variable<double> by_column = take(w, columns, -1);
            return name == "recurrent_kernel" ? take(by_column, order, 0) : by_column;
        };
        const auto named = layer.parameters();
        const Variables to = parameters_of(reordered);
        for (std::size_t i = 0; i < to.size(); ++i)
            Variable<double>(to[i]).assign(permuted(named[i].name, named[i].variable).value());

        Variable<double> x = parameter(draw.normal({s.B, s.T, s.D}));
        const Variables states = any_states(draw, layer, s.B);
        const auto take_units = [&](const Variables& v) {
            Variables out;
            for (const Variable<double>& each : v) out.push_back(take(each, order, -1));
            return out;
        };
        Variables wanted = states;
        wanted.push_back(x);
        if (draw.coin()) x = x.with_mask(draw.mask(s.B, s.T));
        const Variables a = take_units(flat(layer.run(x, states)));
        const Variables b = flat(reordered.run(x, take_units(states)));
        check_same(draw, a, b, wanted);
        const auto weights = weights_for(draw, a);
        const auto of_a = gradients(weighted(a, weights), parameters_of(layer));
        const auto of_b = gradients(weighted(b, weights), to);
        for (std::size_t i = 0; i < to.size(); ++i) {
            const Tensor<double> expected = permuted(named[i].name, constant(of_a[i])).value();
            CHECK(largest_difference(expected, of_b[i]) <= 20 * rounding);
        }
    }
}

TEST_CASE_TEMPLATE("truncated back-propagation is detaching the state every k steps", Layer,
                   SimpleRNN<double>, LSTM<double>, GRU<double>) {
    for (std::int64_t seed = 0; seed < cases; ++seed) {
        CAPTURE(seed);
        Draw draw(seed);
        const Sizes s(draw);
        auto config = any_config<Layer>(draw, s.U);
        config.return_sequences = true;
        config.go_backwards = false;
        Layer layer = make_layer<Layer>(draw, config, s.D);
        config.bptt_steps = draw.between(1, static_cast<std::int64_t>(s.T));
        Layer truncated = with_weights_of(layer, config);
        const Variables own = parameters_of(layer), other = parameters_of(truncated);

        const Variable<double> x = parameter(draw.normal({s.B, s.T, s.D}));
        const Variables states = any_states(draw, layer, s.B);
        Variables outputs;
        Variables state = states;
        for (std::size_t first = 0; first < s.T; first += config.bptt_steps) {
            const Range steps{.start = static_cast<std::ptrdiff_t>(first),
                              .stop = static_cast<std::ptrdiff_t>(first + config.bptt_steps)};
            RecurrentOutput<double> out = layer.run(slice(x, {all, steps}), state);
            outputs.push_back(out.output);
            state = std::move(out.states);
            if (first + config.bptt_steps < s.T)
                for (Variable<double>& each : state) each = each.detach();
        }
        Variables detached{concatenate(outputs, 1)};
        detached.insert(detached.end(), state.begin(), state.end());
        const Variables at_once = flat(truncated.run(x, states));
        Variables wanted = states;
        wanted.push_back(x);
        check_same(draw, at_once, detached, wanted);
        const auto weights = weights_for(draw, at_once);
        const auto of_truncated = gradients(weighted(at_once, weights), other);
        const auto of_detached = gradients(weighted(detached, weights), own);
        for (std::size_t i = 0; i < own.size(); ++i)
            CHECK(largest_difference(of_truncated[i], of_detached[i]) <= 20 * rounding);
    }
}
