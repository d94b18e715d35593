// A whole step of training a character model: embedding, recurrent layer, dense layer, loss, backward pass,
// clipping, Adam.
#include <string>
#include <vector>

#include "counters.hpp"
#include "threads.hpp"

#include "seqgrad/seqgrad.hpp"

namespace {

using namespace seqgrad;

constexpr std::size_t batch = 64, steps = 64, vocabulary = 65, embedding = 128, units = 256;

template <class T, class Layer>
void training_step(benchmark::State& state, std::size_t threads) {
    set_num_threads(threads);
    set_random_seed(1);
    Sequential<T> model{Embedding<T>({.input_dim = vocabulary, .output_dim = embedding}),
                        Layer({.units = units, .return_sequences = true}), Dense<T>({.units = vocabulary})};
    Adam<T> optimizer({.global_clipnorm = 1.0});
    const SparseCategoricalCrossentropy loss{.from_logits = true};
    Generator random(2);
    const Variable<T> x = constant(seqgrad::cast<T>(random.integers({batch, steps}, 0, vocabulary)));
    const Tensor<std::int64_t> labels = random.integers({batch, steps}, 0, vocabulary);
    model.build(any_batch(x.shape()));
    std::vector<Variable<T>> parameters;
    for (const NamedParameter<T>& p : model.parameters()) parameters.push_back(p.variable);
    for (auto _ : state) {
        for (Variable<T>& p : parameters) p.clear_grad();
        backward(loss(labels, model(x)));
        optimizer.apply(parameters);
    }
}

template <class T>
void register_all() {
    const auto add = [](const char* cell, const auto& run) {
        for (const std::size_t threads : bench::thread_counts()) {
            bench::add(std::string(cell) + "/" + bench::type_name<T> + "/threads:" + std::to_string(threads),
                       [=](benchmark::State& state) { run(state, threads); })
                ->Unit(benchmark::kMillisecond);
        }
    };
    add("SimpleRNN", training_step<T, SimpleRNN<T>>);
    add("LSTM", training_step<T, LSTM<T>>);
    add("GRU", training_step<T, GRU<T>>);
}

const int registered = [] {
    register_all<float>();
    register_all<double>();
    return 0;
}();

}  // namespace
