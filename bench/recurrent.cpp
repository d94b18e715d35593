// One recurrent layer: a forward pass alone, and a training step (forward and backward, all outputs,
// gradients of the weights); and what padding and computing gates again cost, in float.
#include "seqgrad/core/ops/recurrent.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "cases.hpp"
#include "counters.hpp"
#include "threads.hpp"

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/grad_mode.hpp"

namespace {

using namespace seqgrad;
using namespace seqgrad::bench;

/// The operands of a layer with `groups` gates; a step is a forward and a backward pass.
template <class T>
class Layer {
  public:
    Layer(const Case& c, std::size_t groups)
        : x_(constant(draw<T>({c.batch, c.steps, c.features}))),
          gradient_(constant(draw<T>({c.batch, c.steps, c.units}))) {
        const std::size_t columns = groups * c.units;
        const double scale = 1 / std::sqrt(static_cast<double>(c.units));
        weights_ = {parameter(draw<T>({c.features, columns}, scale)),
                    parameter(draw<T>({c.units, columns}, scale)),
                    parameter(draw<T>(groups == 3 ? Shape{2, columns} : Shape{columns}, scale))};
    }

    template <class Apply>
    void forward(const Apply& apply) {
        const NoGrad no_grad;
        const auto result = apply(x_, weights_[0], weights_[1], weights_[2]);
        benchmark::DoNotOptimize(result.sequence.value().data());
    }

    template <class Apply>
    void training_step(const Apply& apply) {
        const auto result = apply(x_, weights_[0], weights_[1], weights_[2]);
        backward(result.sequence, gradient_);
        for (auto& w : weights_) w.clear_grad();
    }

  private:
    Variable<T> x_;
    Variable<T> gradient_;
    std::vector<Variable<T>> weights_;
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
    return [options]<class T>(const Variable<T>& x, auto&... weights) {
        return simple_rnn<T>(x, weights..., {}, options);
    };
}
auto apply_lstm(const RecurrentOptions& options) {
    return [options]<class T>(const Variable<T>& x, auto&... weights) {
        return lstm<T>(x, weights..., {}, {}, options);
    };
}
auto apply_gru(const RecurrentOptions& options) {
    return [options]<class T>(const Variable<T>& x, auto&... weights) {
        return gru<T>(x, weights..., {}, options);
    };
}

/// Steps one way and another in turn: their shortest times' ratio is the counter.
template <class One, class Other>
void compare(benchmark::State& state, const Case& c, std::size_t groups, const One& one, const Other& other) {
    set_num_threads(1);
    Layer<float> layer(c, groups);
    double shortest[2] = {HUGE_VAL, HUGE_VAL};
    // Processor time: passes run on one thread here, and what else the machine does would end up in the
    // ratio.
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

/// Both passes of a layer in every case: `step` is a layer without options.
template <class T, class Apply>
void add_cases(const Cell& cell, const Apply& step) {
    for (const Case& c : cases) {
        for (const bool training : {false, true}) {
            for (const std::size_t threads : thread_counts()) {
                const std::string name = std::string(c.name) + "/" + cell.name +
                                         (training ? "/train/" : "/forward/") + type_name<T> +
                                         "/threads:" + std::to_string(threads);
                add(name, [=](benchmark::State& state) {
                    set_num_threads(threads);
                    Layer<T> layer(c, cell.gates);
                    if (training) {
                        for (auto _ : state) layer.training_step(step);
                    } else {
                        for (auto _ : state) layer.forward(step);
                    }
                    count_flops<T>(state,
                                   training ? training_flops(c, cell.gates) : forward_flops(c, cell.gates),
                                   threads);
                })->Unit(benchmark::kMillisecond);
            }
        }
    }
}

/// A layer of every case, of variable length and with gates computed again: `apply` gives it by its options.
template <class Apply>
void add_layer(const Cell& cell, const Apply& apply) {
    add_cases<float>(cell, apply(RecurrentOptions{}));
    add_cases<double>(cell, apply(RecurrentOptions{}));
    for (const Case& c : {Case{"charlm", 64, 64, 128, 256}, Case{"T256", 64, 256, 128, 256}}) {
        const std::string name = std::string(c.name) + "/" + cell.name;
        add(name + "/padded/full", [=](benchmark::State& state) {
            const Mask mask = evenly_padded(c.batch, c.steps);
            compare(state, c, cell.gates, apply({.mask = &mask}), apply({}));
        })->Unit(benchmark::kMillisecond);
        add(name + "/recomputed/stored", [=](benchmark::State& state) {
            compare(state, c, cell.gates, apply({.recompute = true}), apply({}));
        })->Unit(benchmark::kMillisecond);
    }
}

const int registered = [] {
    add_layer(cells[0], apply_simple_rnn);
    add_layer(cells[1], apply_lstm);
    add_layer(cells[2], apply_gru);
    return 0;
}();

}  // namespace
