// One training step (forward and backward, gradients of all weights and of the memory) of a GRU decoder that
// attends in every step, in float. compare.py runs the same in PyTorch beside it.
#include "seqgrad/layers/attention_decoder.hpp"

#include <string>
#include <vector>

#include "counters.hpp"
#include "threads.hpp"

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/random.hpp"
#include "seqgrad/layers/gru.hpp"

namespace {

using namespace seqgrad;

struct Case {
    const char* name;
    std::size_t batch, memory, time, features, units, memory_features, attention;
};

constexpr Case cases[] = {{"small", 64, 30, 10, 32, 64, 128, 64}, {"large", 64, 40, 40, 256, 256, 512, 256}};

struct Kind {
    const char* name;
    AttentionStyle style;
    AttentionScore score;
    bool feeding;
};

constexpr Kind kinds[] = {
    {"bahdanau", AttentionStyle::bahdanau, AttentionScore::bahdanau, false},
    {"luong_general", AttentionStyle::luong, AttentionScore::general, false},
    {"luong_general_feeding", AttentionStyle::luong, AttentionScore::general, true},
};

void training_step(benchmark::State& state, const Case& c, const Kind& kind, std::size_t threads) {
    set_num_threads(threads);
    AttentionDecoder<float> decoder(GRUCell<float>({.units = c.units}), {.style = kind.style,
                                                                         .score = kind.score,
                                                                         .attention_units = c.attention,
                                                                         .input_feeding = kind.feeding});
    Generator random(1);
    const Variable<float> x = constant(random.normal<float>({c.batch, c.time, c.features}));
    Variable<float> memory = parameter(random.normal<float>({c.batch, c.memory, c.memory_features}));
    const Tensor<float> gradient = random.normal<float>({c.batch, c.time, c.units});
    decoder.run(x, memory);
    for (auto _ : state) {
        backward(decoder.run(x, memory).sequence, gradient);
        for (auto& p : decoder.parameters()) p.variable.clear_grad();
        memory.clear_grad();
    }
}

[[maybe_unused]] const bool registered = [] {
    for (const Case& c : cases) {
        for (const Kind& kind : kinds) {
            for (const std::size_t threads : bench::thread_counts()) {
                bench::add(std::string(c.name) + "/" + kind.name + "/threads:" + std::to_string(threads),
                           [=](benchmark::State& state) { training_step(state, c, kind, threads); })
                    ->Unit(benchmark::kMillisecond);
            }
        }
    }
    return true;
}();

}  // namespace
