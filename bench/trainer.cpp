// What a step of training costs besides forward and backward: making the batch, updating the weights,
// metrics, progress, bookkeeping. The two are measured in turn, best of several rounds.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "seqgrad/seqgrad.hpp"

namespace {

using namespace seqgrad;

struct Case {
    const char* name;
    std::size_t batch, steps, vocabulary, embedding, units;
    std::size_t updates;  // of a round
};

constexpr Case cases[] = {
    {"seed", 32, 16, 12, 12, 8, 200},
    {"small", 32, 50, 32, 32, 64, 30},
    {"charlm", 64, 64, 65, 128, 256, 5},
};

double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <class Layer>
void measure(const Case& c, const char* cell) {
    set_random_seed(1);
    Sequential<float> model{Embedding<float>({.input_dim = c.vocabulary, .output_dim = c.embedding}),
                            Layer({.units = c.units, .return_sequences = true}),
                            Dense<float>({.units = c.vocabulary})};
    const Tensor<std::int64_t> drawn =
        Generator(2).integers({100000}, 0, static_cast<std::int64_t>(c.vocabulary));
    RandomWindowBatches<float> source({drawn.begin(), drawn.end()},
                                      {.batch_size = c.batch, .steps = c.steps});
    const SparseCategoricalCrossentropy loss{.from_logits = true};
    Trainer<float> trainer(model, Adam<float>({.learning_rate = 1e-3, .global_clipnorm = 1.0}), loss,
                           {SparseCategoricalAccuracy{}});
    std::ostringstream screen;
    const auto train = [&] {
        trainer.fit(
            source,
            {.steps_per_epoch = c.updates, .seed = 1, .progress = {.stream = &screen, .terminal = true}});
        screen.str("");
    };
    Generator generator(1);
    source.start(generator);
    const Batch<float> batch = *source.next();
    const auto forward_and_backward = [&] {
        for (std::size_t i = 0; i < c.updates; ++i) {
            for (NamedParameter<float>& p : model.parameters()) p.variable.clear_grad();
            backward(loss(batch.samples.y, model(constant(batch.samples.x))));
        }
    };
    constexpr double infinity = std::numeric_limits<double>::infinity();
    double all = infinity, passes = infinity;
    const auto timed = [&](double& best, const auto& run) {
        const double begun = seconds();
        run();
        best = std::min(best, (seconds() - begun) / static_cast<double>(c.updates));
    };
    for (int round = 0; round < 12; ++round) {
        timed(all, train);
        timed(passes, forward_and_backward);
    }
    std::printf("%-7s %-5s step %8.3f ms, forward and backward %8.3f ms, the rest %4.1f %%\n", c.name, cell,
                1e3 * all, 1e3 * passes, 100.0 * (all - passes) / all);
}

}  // namespace

int main() {
    for (const Case& c : cases) {
        measure<SimpleRNN<float>>(c, "rnn");
        measure<LSTM<float>>(c, "lstm");
        measure<GRU<float>>(c, "gru");
    }
}
