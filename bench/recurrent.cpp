// One training step (forward and backward, all outputs, gradients of the weights) of one recurrent layer in
// float.
#include "seqgrad/core/ops/recurrent.hpp"

#include <cmath>
#include <random>

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

template <class Apply>
void training_step(benchmark::State& state, const Case& c, std::size_t groups, const Apply& apply) {
    const std::size_t columns = groups * c.units;
    const double scale = 1 / std::sqrt(static_cast<double>(c.units));
    const auto x = constant(draw({c.batch, c.steps, c.features}, 1));
    std::vector<Variable<float>> weights{
        parameter(draw({c.features, columns}, scale)), parameter(draw({c.units, columns}, scale)),
        parameter(draw(groups == 3 ? Shape{2, columns} : Shape{columns}, scale))};
    const Tensor<float> gradient = draw({c.batch, c.steps, c.units}, 1);
    for (auto _ : state) {
        const auto result = apply(x, weights[0], weights[1], weights[2]);
        backward(result.sequence, gradient);
        for (auto& w : weights) w.clear_grad();
    }
}

const int registered = [] {
    for (const Case& c : cases) {
        const auto add = [&](const char* cell, std::size_t groups, auto apply) {
            benchmark::RegisterBenchmark(
                (std::string(c.name) + "/" + cell).c_str(),
                [=](benchmark::State& state) { training_step(state, c, groups, apply); })
                ->Unit(benchmark::kMillisecond);
        };
        add("SimpleRNN", 1, [](auto&... in) { return simple_rnn<float>(in...); });
        add("LSTM", 4, [](auto&... in) { return lstm<float>(in...); });
        add("GRU", 3, [](auto&... in) { return gru<float>(in...); });
    }
    return 0;
}();

}  // namespace
