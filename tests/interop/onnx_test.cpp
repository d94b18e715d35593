#include "seqgrad/layers/files/onnx.hpp"

#include <cstdlib>
#include <filesystem>

#include "interop/peer.hpp"
#include "support/interop_cases.hpp"
#include <doctest/doctest.h>

#include "seqgrad/layers/activation.hpp"
#include "seqgrad/layers/additive_attention.hpp"
#include "seqgrad/layers/attention.hpp"
#include "seqgrad/layers/dropout.hpp"
#include "seqgrad/layers/flatten.hpp"
#include "seqgrad/layers/input.hpp"
#include "seqgrad/layers/multi_head_attention.hpp"
#include "seqgrad/layers/repeat_vector.hpp"
#include "seqgrad/layers/stacked_rnn_cells.hpp"
#include "seqgrad/layers/time_distributed.hpp"

using namespace seqgrad;
using namespace seqgrad::test;

namespace {

/// Writes models and what they compute.
class Models {
  public:
    explicit Models(const TemporaryFolder& folder) : folder_(folder) {}

    /// A layer, or a model, of one input.
    template <class Layer>
    void add(const std::string& name, Layer layer, const PartialShape& input = {unknown, unknown, 3},
             std::size_t ids = 0, bool draws = true) {
        PartialShape sizes = input;
        for (std::size_t axis = 1; axis < sizes.size(); ++axis)
            if (sizes[axis] == unknown) sizes[axis] = 5;
        layer.build(sizes);
        if (draws) draw_weights(layer, random_);
        const Tensor<float> x = draw_input({.name = name, .model = {}, .input = sizes, .ids = ids}, random_);
        save_onnx<float>(layer, folder_ / (name + ".onnx"), {.input_shapes = {input}});
        StoredTensors io;
        io.add("input", to_stored(x));
        io.add("output", to_stored(layer(constant(x)).value()));
        write_safetensors(io, folder_ / (name + ".io.safetensors"));
    }

    /// Attention of query [B, 4, 3] and value, and perhaps key, [B, 5, 3].
    template <class Layer>
    void add_attention(const std::string& name, Layer layer, bool has_key) {
        std::vector<PartialShape> shapes{{unknown, 4, 3}, {unknown, 5, 3}};
        if (has_key) shapes.push_back(shapes[1]);
        layer.build_for(shapes);
        draw_weights(layer, random_);
        save_onnx<float>(layer, folder_ / (name + ".onnx"), {.input_shapes = shapes});
        const char* const names[] = {"query", "value", "key"};
        StoredTensors io;
        std::vector<Variable<float>> inputs;
        for (std::size_t i = 0; i < shapes.size(); ++i) {
            inputs.push_back(constant(draw_input({.name = name, .model = {}, .input = shapes[i]}, random_)));
            io.add(names[i], to_stored(inputs.back().value()));
        }
        const auto outputs = layer(inputs);
        io.add("output", to_stored(outputs[0].value()));
        if (outputs.size() > 1) io.add("scores", to_stored(outputs[1].value()));
        write_safetensors(io, folder_ / (name + ".io.safetensors"));
    }

  private:
    const TemporaryFolder& folder_;
    Generator random_{1};
};

using Model = Sequential<float>;

}  // namespace

TEST_CASE("onnxruntime computes the same as the models that were exported") {
    const TemporaryFolder folder;
    Models models(folder);
    for (const bool sequences : {false, true}) {
        const std::string end = sequences ? "_sequences" : "";
        for (const bool backwards : {false, true}) {
            const std::string suffix = (backwards ? "_backwards" : "") + end;
            models.add(
                "simple_rnn" + suffix,
                SimpleRNN<float>({.units = 4, .return_sequences = sequences, .go_backwards = backwards}));
            models.add("lstm" + suffix,
                       LSTM<float>({.units = 4, .return_sequences = sequences, .go_backwards = backwards}));
            models.add("gru" + suffix,
                       GRU<float>({.units = 4, .return_sequences = sequences, .go_backwards = backwards}));
            models.add("stack" + suffix,
                       RNN<float>(StackedRNNCells<float>(LSTMCell<float>({.units = 4}),
                                                         GRUCell<float>({.units = 3})),
                                  {.return_sequences = sequences, .go_backwards = backwards}));
        }
        models.add("gru_reset_before" + end,
                   GRU<float>({.units = 4, .reset_after = false, .return_sequences = sequences}));
        models.add("bidirectional_rnn" + end,
                   Bidirectional<float>(SimpleRNN<float>({.units = 4, .return_sequences = sequences})));
        models.add("bidirectional_lstm" + end,
                   Bidirectional<float>(LSTM<float>({.units = 4, .return_sequences = sequences})));
        models.add(
            "bidirectional_gru" + end,
            Bidirectional<float>(GRU<float>({.units = 4, .use_bias = false, .return_sequences = sequences})));
        models.add("bidirectional_gru_lstm" + end,
                   Bidirectional<float>(
                       GRU<float>({.units = 4, .return_sequences = sequences}),
                       LSTM<float>({.units = 3, .return_sequences = sequences, .go_backwards = true})));
        for (const MergeMode mode : {MergeMode::sum, MergeMode::mul, MergeMode::ave}) {
            models.add("bidirectional_" + std::string(to_string(mode)) + end,
                       Bidirectional<float>(LSTM<float>({.units = 4, .return_sequences = sequences}),
                                            {.merge_mode = mode}));
        }
    }
    for (const char* name :
         {"elu", "hard_sigmoid", "leaky_relu", "linear", "relu", "sigmoid", "softplus", "softsign"}) {
        models.add(std::string("lstm_") + name,
                   LSTM<float>({.units = 4, .activation = name, .recurrent_activation = "hard_sigmoid"}));
    }
    for (const char* name :
         {"elu", "exponential", "gelu", "hard_sigmoid", "leaky_relu", "linear", "log_softmax", "relu", "selu",
          "sigmoid", "silu", "softmax", "softplus", "softsign", "tanh"}) {
        models.add(std::string("dense_") + name, Dense<float>({.units = 4, .activation = name}));
    }
    models.add("layer_normalization", LayerNormalization<float>());
    models.add("layer_normalization_axis_1", LayerNormalization<float>({.axis = 1, .scale = false}),
               {unknown, 4, 3});
    models.add("layer_normalization_without_beta", LayerNormalization<float>({.center = false}));
    models.add("embedding", Model{Embedding<float>({.input_dim = 7, .output_dim = 4})}, {unknown, unknown},
               7);
    models.add("time_distributed_gru", TimeDistributed<float>(GRU<float>({.units = 4})),
               {unknown, unknown, 4, 3});
    models.add("time_distributed_dense", TimeDistributed<float>(Dense<float>({.units = 4})));
    models.add("flatten", Model{Flatten<float>(), Dense<float>({.units = 2})}, {unknown, 4, 3});
    models.add("encoder_decoder",
               Model{LSTM<float>({.units = 4}), RepeatVector<float>({.n = 3}),
                     LSTM<float>({.units = 4, .return_sequences = true}), Dense<float>({.units = 2})});
    models.add("tagger",
               Model{Embedding<float>({.input_dim = 7, .output_dim = 4}), Dropout<float>({.rate = 0.5}),
                     Model{Bidirectional<float>(LSTM<float>({.units = 3, .return_sequences = true})),
                           LayerNormalization<float>()},
                     ActivationLayer<float>({.activation = "tanh"}),
                     Dense<float>({.units = 2, .activation = "softmax"})},
               {unknown, unknown}, 7);
    // SEQGRAD_WRITE_GOLDEN=FOLDER puts this one there for tests/golden/files/onnx.
    models.add("golden", onnx_golden_model(), {unknown, unknown}, 7, /*draws=*/false);
    if (const char* const golden = std::getenv("SEQGRAD_WRITE_GOLDEN"))
        save_onnx(onnx_golden_model(), std::filesystem::path(golden) / "golden.onnx");
    for (const bool has_key : {false, true}) {
        const std::string end = has_key ? "_with_key" : "";
        models.add_attention("attention" + end,
                             Attention<float>({.use_scale = true, .return_attention_scores = has_key}),
                             has_key);
        models.add_attention("attention_concat" + end,
                             Attention<float>({.use_scale = true, .score_mode = AttentionScoreMode::concat}),
                             has_key);
        models.add_attention("additive_attention" + end,
                             AdditiveAttention<float>({.use_causal_mask = has_key}), has_key);
        models.add_attention("multi_head_attention" + end,
                             MultiHeadAttention<float>({.num_heads = 2,
                                                        .key_dim = 3,
                                                        .value_dim = 4,
                                                        .return_attention_scores = has_key,
                                                        .use_causal_mask = has_key}),
                             has_key);
    }
    models.add_attention(
        "multi_head_attention_output_shape",
        MultiHeadAttention<float>(
            {.num_heads = 2, .key_dim = 3, .use_bias = false, .output_shape = PartialShape{2, 3}}),
        false);

    run_peer("onnx_peer.py", "check", folder);
    const auto found = differences(folder / "onnx.json");
    CHECK(found.size() == (folder.files() - 1) / 2);
    for (const auto& model : found) {
        CAPTURE(model.first);
        CHECK(model.second <= interop_tolerance);
        report("seqgrad to ONNX", model.first, model.second);
    }
}
