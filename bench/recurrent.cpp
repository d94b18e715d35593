// One training step (forward and backward, all outputs, gradients of the weights) of one recurrent layer in
// float.
#include "seqgrad/core/ops/recurrent.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "seqgrad/core/backward.hpp"

namespace {

using namespace seqgrad;

struct Case {
    const char* name;
    std::size_t batch, steps, features, units;
};

constexpr Case cases[] = {
    {"seed", 32, 16, 12, 8},      {"small", 32, 50, 32, 64},  {"one", 1, 100, 64, 128},
    {"charlm", 64, 64, 128, 256}, {"long", 16, 512, 64, 128}, {"large", 64, 128, 512, 512},
};

Tensor<float> draw(const Shape& shape, double scale) {
    static std::mt19937 random(1);
    std::normal_distribution<float> normal(0, static_cast<float>(scale));
    Tensor<float> out(shape);
    for (float& v : elements(out)) v = normal(random);
    return out;
}

/// The operands of a layer with `groups` gates; a step is a forward and a backward pass.
class Layer {
  public:
    Layer(const Case& c, std::size_t groups)
        : x_(constant(draw({c.batch, c.steps, c.features}, 1))),
          gradient_(draw({c.batch, c.steps, c.units}, 1)) {
        const std::size_t columns = groups * c.units;
        const double scale = 1 / std::sqrt(static_cast<double>(c.units));
        weights_ = {parameter(draw({c.features, columns}, scale)), parameter(draw({c.units, columns}, scale)),
                    parameter(draw(groups == 3 ? Shape{2, columns} : Shape{columns}, scale))};
    }

    template <class Apply>
    void training_step(const Apply& apply) {
        const auto result = apply(x_, weights_[0], weights_[1], weights_[2]);
        backward(result.sequence, gradient_);
        for (auto& w : weights_) w.clear_grad();
    }

  private:
    Variable<float> x_;
    Tensor<float> gradient_;
    std::vector<Variable<float>> weights_;
};

/// Padding at the end, with lengths spread evenly over 1 ... T in no order.
Mask evenly_padded(std::size_t batch, std::size_t steps) {
    std::vector<std::size_t> lengths(batch);
    for (std::size_t b = 0; b < batch; ++b) lengths[b] = 1 + b * (steps - 1) / (batch - 1);
    std::shuffle(lengths.begin(), lengths.end(), std::mt19937(1));
    Mask mask({batch, steps}, false);
    for (std::size_t b = 0; b < batch; ++b) std::fill_n(&mask(b, 0), lengths[b], true);
    return mask;
}

auto apply_simple_rnn(const RecurrentOptions& options) {
    return [options](auto&... in) { return simple_rnn<float>(in..., {}, options); };
}
auto apply_lstm(const RecurrentOptions& options) {
    return [options](auto&... in) { return lstm<float>(in..., {}, {}, options); };
}
auto apply_gru(const RecurrentOptions& options) {
    return [options](auto&... in) { return gru<float>(in..., {}, options); };
}

/// Steps one way and another in turn: their shortest times' ratio is the counter.
template <class One, class Other>
void compare(benchmark::State& state, const Case& c, std::size_t groups, const One& one, const Other& other) {
    Layer layer(c, groups);
    double shortest[2] = {HUGE_VAL, HUGE_VAL};
    // Processor time: passes run on one thread, and what else the machine does would end up in the ratio.
    const auto timed = [&](const auto& apply, double& best) {
        const std::clock_t start = std::clock();
        layer.training_step(apply);
        best = std::min(best, static_cast<double>(std::clock() - start));
    };
    for (auto _ : state) {
        timed(one, shortest[0]);
        timed(other, shortest[1]);
    }
    state.counters["ratio"] = shortest[0] / shortest[1];
}

void add(const std::string& name, std::function<void(benchmark::State&)> run) {
    benchmark::RegisterBenchmark(name.c_str(), std::move(run))->Unit(benchmark::kMillisecond);
}

/// A layer of every case, of variable length and with gates computed again: `apply` gives it by its options.
template <class Apply>
void add_layer(const char* name, std::size_t groups, const Apply& apply) {
    for (const Case& c : cases) {
        add(std::string(c.name) + "/" + name, [=](benchmark::State& state) {
            Layer layer(c, groups);
            const auto step = apply(RecurrentOptions{});
            for (auto _ : state) layer.training_step(step);
        });
    }
    for (const Case& c : {cases[3], Case{"T256", 64, 256, 128, 256}}) {
        add(std::string(c.name) + "/" + name + "/padded/full", [=](benchmark::State& state) {
            const Mask mask = evenly_padded(c.batch, c.steps);
            compare(state, c, groups, apply({.mask = &mask}), apply({}));
        });
        add(std::string(c.name) + "/" + name + "/recomputed/stored", [=](benchmark::State& state) {
            compare(state, c, groups, apply({.recompute = true}), apply({}));
        });
    }
}

const int registered = [] {
    add_layer("SimpleRNN", 1, apply_simple_rnn);
    add_layer("LSTM", 4, apply_lstm);
    add_layer("GRU", 3, apply_gru);
    return 0;
}();

}  // namespace
