#include <array>
#include <barrier>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/toy_modules.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/grad_mode.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/core/random.hpp"
#include "seqgrad/layers/activation.hpp"
#include "seqgrad/layers/additive_attention.hpp"
#include "seqgrad/layers/attention.hpp"
#include "seqgrad/layers/attention_decoder.hpp"
#include "seqgrad/layers/bahdanau_attention.hpp"
#include "seqgrad/layers/bidirectional.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/dropout.hpp"
#include "seqgrad/layers/embedding.hpp"
#include "seqgrad/layers/flatten.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/input.hpp"
#include "seqgrad/layers/layer_normalization.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/luong_attention.hpp"
#include "seqgrad/layers/masking.hpp"
#include "seqgrad/layers/multi_head_attention.hpp"
#include "seqgrad/layers/repeat_vector.hpp"
#include "seqgrad/layers/rnn.hpp"
#include "seqgrad/layers/search.hpp"
#include "seqgrad/layers/sequential.hpp"
#include "seqgrad/layers/simple_rnn.hpp"
#include "seqgrad/layers/stacked_rnn_cells.hpp"
#include "seqgrad/layers/time_distributed.hpp"

using namespace seqgrad;

// Run by the `tsan` preset, these show every write to what several threads share; in every build, results
// that differ from those of a single thread.

namespace {

using V = Variable<float>;
using Inputs = std::vector<V>;

constexpr std::size_t threads = 4, rounds = 8;

/// Calls work(thread) in every thread at the same time, and throws what one of them threw.
void at_once(const std::function<void(std::size_t)>& work) {
    std::barrier start(static_cast<std::ptrdiff_t>(threads));
    std::array<std::exception_ptr, threads> failures;
    {
        std::vector<std::jthread> all;
        for (std::size_t i = 0; i < threads; ++i) {
            all.emplace_back([&, i] {
                start.arrive_and_wait();
                try {
                    work(i);
                } catch (...) {
                    failures[i] = std::current_exception();
                }
            });
        }
    }
    for (const std::exception_ptr& failure : failures)
        if (failure) std::rethrow_exception(failure);
}

bool same(const Inputs& a, const Inputs& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (a[i].value() != b[i].value() || (a[i].mask() == nullptr) != (b[i].mask() == nullptr))
            return false;
    return true;
}

/// A layer and inputs for it, which every thread makes anew from its generator.
struct Case {
    std::shared_ptr<Module<float>> layer;
    std::function<Inputs(Generator&)> inputs;
};

V random(Generator& generator, const Shape& shape) {
    return constant(generator.normal<float>(shape));
}

/// [2, 5, 3] with a mask that leaves out the end of the second sample.
V masked(Generator& generator) {
    Mask mask = full<bool>({2, 5}, true);
    mask(1, 3) = mask(1, 4) = false;
    return random(generator, {2, 5, 3}).with_mask(std::move(mask));
}

Inputs sequence(Generator& generator) {
    return {random(generator, {2, 5, 3})};
}
Inputs masked_sequence(Generator& generator) {
    return {masked(generator)};
}
Inputs rows(Generator& generator) {
    return {random(generator, {2, 3})};
}
Inputs ids(Generator& generator) {
    return {constant(seqgrad::cast<float>(generator.integers({2, 5}, 0, 7)))};
}
Inputs query_and_memory(Generator& generator) {
    return {masked(generator), masked(generator)};
}

template <class Layer>
std::shared_ptr<Module<float>> made(Layer layer) {
    return std::make_shared<Layer>(std::move(layer));
}

/// Every layer there is, of the recurrent and attention layers each way in which they compute.
std::vector<Case> every_layer() {
    using L = Activation;
    std::vector<Case> all;
    const auto add = [&all](auto layer, std::function<Inputs(Generator&)> inputs) {
        all.push_back({made(std::move(layer)), std::move(inputs)});
    };
    add(ActivationLayer<float>({.activation = L::tanh}), sequence);
    add(Dense<float>({.units = 4, .activation = L::relu}), sequence);
    add(Dropout<float>({.rate = 0.5, .seed = 1}), sequence);
    add(Embedding<float>({.input_dim = 7, .output_dim = 3, .mask_zero = true}), ids);
    add(Flatten<float>(), sequence);
    add(InputLayer<float>({.shape = {5, 3}}), sequence);
    add(LayerNormalization<float>(), sequence);
    add(Masking<float>(), sequence);
    add(RepeatVector<float>({.n = 3}), rows);
    add(TimeDistributed<float>(Dense<float>({.units = 2})), masked_sequence);
    for (const auto& inputs : {sequence, masked_sequence}) {
        add(SimpleRNN<float>({.units = 4}), inputs);
        add(LSTM<float>({.units = 4, .return_sequences = true}), inputs);
        add(GRU<float>({.units = 4}), inputs);
        add(GRU<float>({.units = 4, .reset_after = false}), inputs);
        add(LSTM<float>(
                {.units = 4, .activation = L::relu, .dropout = 0.5, .recurrent_dropout = 0.5, .seed = 1}),
            inputs);
        add(Bidirectional<float>(LSTM<float>({.units = 4, .return_sequences = true})), inputs);
        std::vector<std::shared_ptr<RecurrentCell<float>>> cells{
            std::make_shared<LSTMCell<float>>(LSTMCellConfig{.units = 4}),
            std::make_shared<GRUCell<float>>(GRUCellConfig{.units = 3})};
        add(RNN<float>(std::make_shared<StackedRNNCells<float>>(std::move(cells))), inputs);
    }
    add(Attention<float>(AttentionConfig{.use_scale = true}), query_and_memory);
    add(Attention<float>(AttentionConfig{.score_mode = AttentionScoreMode::concat, .use_causal_mask = true}),
        query_and_memory);
    add(AdditiveAttention<float>(AdditiveAttentionConfig{.dropout = 0.5, .seed = 1}), query_and_memory);
    add(MultiHeadAttention<float>({.num_heads = 2, .key_dim = 2, .return_attention_scores = true}),
        query_and_memory);
    add(BahdanauAttention<float>({.units = 4}), query_and_memory);
    for (const AttentionScore score :
         {AttentionScore::dot, AttentionScore::general, AttentionScore::concat}) {
        for (const AttentionWindow window :
             {AttentionWindow::global, AttentionWindow::local_m, AttentionWindow::local_p})
            add(LuongAttention<float>({.score = score, .window = window, .D = 2}), query_and_memory);
    }
    const auto decoder = [&](auto cell, const AttentionDecoderConfig& config) {
        add(AttentionDecoder<float>(std::make_shared<decltype(cell)>(std::move(cell)), config),
            query_and_memory);
    };
    decoder(GRUCell<float>({.units = 4}), {.return_attention_scores = true, .return_state = true});
    decoder(LSTMCell<float>({.units = 4}),
            {.style = AttentionStyle::luong, .score = AttentionScore::general, .input_feeding = true});
    decoder(SimpleRNNCell<float>({.units = 4, .activation = L::relu}), {});  // step by step
    add(Sequential<float>(Flatten<float>(), ActivationLayer<float>({.activation = L::sigmoid})), sequence);
    add(Sequential<float>(Embedding<float>({.input_dim = 7, .output_dim = 3}), LSTM<float>({.units = 4}),
                          Dropout<float>({.rate = 0.5, .seed = 1}), Dense<float>({.units = 1})),
        ids);
    return all;
}

}  // namespace

TEST_CASE("threads call one built layer at the same time and each gets the results of its own input") {
    const NoGrad no_grad;
    for (const Case& c : every_layer()) {
        CAPTURE(c.layer->type());
        std::array<Inputs, threads> expected;
        for (std::size_t i = 0; i < threads; ++i) {
            Generator generator(static_cast<std::int64_t>(i));
            expected[i] = (*c.layer)(c.inputs(generator));
        }
        std::array<bool, threads> right{};
        at_once([&](std::size_t i) {
            const NoGrad of_thread;
            right[i] = true;
            for (std::size_t round = 0; round < rounds; ++round) {
                Generator generator(static_cast<std::int64_t>(i));
                const Inputs inputs = c.inputs(generator);
                right[i] = right[i] && same((*c.layer)(inputs), expected[i]) &&
                           (inputs.size() > 1 || same({(*c.layer)(inputs[0])}, {expected[i][0]}));
            }
        });
        CHECK(right == std::array<bool, threads>{true, true, true, true});
    }
}

TEST_CASE("threads call a layer that was built and never called") {
    // The first call says the shape of the output, and here every thread's call may be it.
    for (const Case& c : every_layer()) {
        CAPTURE(c.layer->type());
        std::vector<PartialShape> shapes;
        Generator generator(0);
        for (const V& x : c.inputs(generator)) shapes.push_back(any_batch(x.shape()));
        c.layer->build_for(shapes);
        std::array<bool, threads> right{};
        at_once([&](std::size_t i) {
            const NoGrad of_thread;
            Generator own(static_cast<std::int64_t>(i));
            const V y = (*c.layer)(c.inputs(own))[0];
            right[i] = c.layer->output_shape() == any_batch(y.shape());
        });
        CHECK(right == std::array<bool, threads>{true, true, true, true});
    }
}

TEST_CASE("threads build graphs over the parameters of one layer") {
    LSTM<float> layer({.units = 4});
    layer.build({unknown, unknown, 3});
    std::array<float, threads> losses{};
    at_once([&](std::size_t i) {
        Generator generator(static_cast<std::int64_t>(i));
        for (std::size_t round = 0; round < rounds; ++round) losses[i] = sum(layer(masked(generator))).item();
    });
    for (std::size_t i = 0; i < threads; ++i) {
        Generator generator(static_cast<std::int64_t>(i));
        float loss = 0;
        for (std::size_t round = 0; round < rounds; ++round) loss = sum(layer(masked(generator))).item();
        CHECK(losses[i] == loss);
    }
}

TEST_CASE("threads train different models at the same time as each alone") {
    const auto trained = [](std::size_t i) {
        set_random_seed(static_cast<std::int64_t>(i));
        Sequential<float> model(LSTM<float>({.units = 4, .dropout = 0.2}), Dropout<float>({.rate = 0.2}),
                                Dense<float>({.units = 1}));
        model.set_training(true);
        Generator generator(static_cast<std::int64_t>(i));
        std::vector<float> losses;
        for (std::size_t round = 0; round < rounds; ++round) {
            const V loss = sum(model(masked(generator)));
            backward(loss);
            losses.push_back(loss.item());
            for (auto& [name, parameter] : model.parameters()) {
                parameter.assign(Tensor<float>(parameter.value() - 0.01F * parameter.grad()));
                parameter.clear_grad();
            }
        }
        return losses;
    };
    std::array<std::vector<float>, threads> together;
    at_once([&](std::size_t i) { together[i] = trained(i); });
    const GeneratorState before = default_generator().state();
    for (std::size_t i = 0; i < threads; ++i) CHECK(together[i] == trained(i));
    default_generator().set_state(before);
}
