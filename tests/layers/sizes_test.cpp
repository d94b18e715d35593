#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/reduce.hpp"
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
#include "seqgrad/layers/simple_rnn.hpp"
#include "seqgrad/layers/time_distributed.hpp"

using namespace seqgrad;

namespace {

std::string refusal(const std::function<void()>& call) {
    try {
        call();
    } catch (const ValueError& e) {
        return e.what();
    } catch (const ShapeError& e) {
        return e.what();
    }
    return "";
}

}  // namespace

TEST_CASE("layers refuse arguments that no axis can have") {
    const auto check = [](const std::string& start, const std::function<void()>& make) {
        CAPTURE(start);
        const std::string said = refusal(make);
        CAPTURE(said);
        CHECK(said.starts_with(start + " must be at most "));
    };
    for (const std::size_t n :
         {std::size_t{1} << 62, static_cast<std::size_t>(-1), static_cast<std::size_t>(-3)}) {
        check("RepeatVector: n", [n] { RepeatVector<float>({.n = n}); });
        check("Dense \"out\": units", [n] { Dense<float>({.units = n, .name = "out"}); });
        check("Embedding: input_dim", [n] { Embedding<float>({.input_dim = n, .output_dim = 1}); });
        check("Embedding: output_dim", [n] { Embedding<float>({.input_dim = 1, .output_dim = n}); });
        check("SimpleRNN: units", [n] { SimpleRNN<float>({.units = n}); });
        check("LSTM: units", [n] { LSTM<float>({.units = n}); });
        check("GRU: units", [n] { GRU<float>({.units = n}); });
        check("LSTMCell: units", [n] { LSTMCell<float>({.units = n}); });
        check("BahdanauAttention: units", [n] { BahdanauAttention<float>({.units = n}); });
        check("LuongAttention: units", [n] { LuongAttention<float>({.units = n}); });
        check("MultiHeadAttention: num_heads",
              [n] { MultiHeadAttention<float>({.num_heads = n, .key_dim = 1}); });
        check("MultiHeadAttention: key_dim",
              [n] { MultiHeadAttention<float>({.num_heads = 1, .key_dim = n}); });
        check("MultiHeadAttention: value_dim",
              [n] { MultiHeadAttention<float>({.num_heads = 1, .key_dim = 1, .value_dim = n}); });
        check("InputLayer: batch_size", [n] { InputLayer<float>({.shape = {1}, .batch_size = n}); });
        check("BahdanauAttention: units", [n] {
            AttentionDecoder<float>(GRUCell<float>({.units = 1}),
                                    AttentionDecoderConfig{.attention_units = n});
        });
    }
}

TEST_CASE("layers whose weights would have more elements than there are addresses are not built") {
    const std::size_t big = std::size_t{1} << 32, most = std::size_t{1} << 59;
    const auto check = [](Module<float>&& layer, const PartialShape& shape) {
        CAPTURE(layer.type());
        const std::string said = refusal([&] { layer.build_for({shape, shape, shape}); });
        CAPTURE(said);
        CHECK(said.ends_with("holds more elements than memory has addresses"));
        CHECK_FALSE(layer.built());
    };
    check(Dense<float>({.units = big}), {unknown, std::ptrdiff_t{1} << 32});
    check(Embedding<float>({.input_dim = big, .output_dim = big}), {unknown});
    check(LSTM<float>({.units = most}), {unknown, unknown, 1});
    check(GRU<float>({.units = most}), {unknown, unknown, 1});
    check(MultiHeadAttention<float>({.num_heads = big, .key_dim = big}), {unknown, unknown, 1});
}

TEST_CASE("layers refuse inputs whose results would have more elements than there are addresses") {
    const std::size_t big = std::size_t{1} << 32;
    RepeatVector<float> repeat({.n = std::size_t{1} << 59});
    const auto x = constant(zeros<float>({1, 2}));
    CHECK(refusal([&] { repeat(x); }) ==
          "broadcast_to: shape [1, 576460752303423488, 2] holds more elements than memory has addresses");
    TimeDistributed<float> steps(Dense<float>({.units = 1}));
    const auto empty = constant(zeros<float>({big, big, 0}));
    CHECK(refusal([&] { steps(empty); }) ==
          "TimeDistributed: the sizes 4294967296 and 4294967296 are too large to be multiplied");
}

namespace {

using Inputs = std::vector<Variable<double>>;

/// A new layer, called in training mode with inputs of every set of sizes B, T, S and D that are 0 together,
/// and the way back. Only with an S of 0 may it refuse, as there is no attention over nothing.
void check_empty(const std::function<std::shared_ptr<Module<double>>()>& make,
                 const std::function<Inputs(const std::vector<std::size_t>&)>& inputs) {
    for (std::size_t empty = 0; empty < 16; ++empty) {
        std::vector<std::size_t> n{2, 3, 4, 5};
        for (std::size_t i = 0; i < n.size(); ++i)
            if ((empty >> i & 1) != 0) n[i] = 0;
        const std::shared_ptr<Module<double>> layer = make();
        CAPTURE(layer->type());
        CAPTURE(empty);
        layer->set_training(true);
        const Inputs given = inputs(n);
        const bool attends_to_nothing = given.size() > 1 && n[2] == 0;
        try {
            Variable<double> loss;
            for (const Variable<double>& y : (*layer)(given)) {
                CHECK(y.shape()[0] == n[0]);
                CHECK(std::ranges::all_of(elements(y.value()), [](double v) { return std::isfinite(v); }));
                loss = loss ? loss + sum(y) : sum(y);
            }
            CHECK_FALSE(attends_to_nothing);
            if (!loss.requires_grad()) continue;  // without a step the output is not made of x
            backward(loss);
            for (const NamedParameter<double>& p : layer->parameters()) {
                CAPTURE(p.name);
                if (!p.variable.has_grad()) continue;  // that of another way to compute, as without features
                CHECK(p.variable.grad().shape() == p.variable.shape());
                CHECK(std::ranges::all_of(elements(p.variable.grad()),
                                          [](double v) { return std::isfinite(v); }));
            }
            for (const Variable<double>& x : given) {
                if (x.has_grad()) CHECK(x.grad().shape() == x.shape());
            }
        } catch (const ShapeError& e) {
            CAPTURE(e.what());
            CHECK(attends_to_nothing);
        }
    }
}

Variable<double> ones_of(const Shape& shape) {
    return parameter(ones<double>(shape));
}

template <class Layer, class Config>
std::function<std::shared_ptr<Module<double>>()> maker(const Config& config) {
    return [config] { return std::make_shared<Layer>(config); };
}

}  // namespace

TEST_CASE("layers compute inputs without samples, steps or features") {
    const auto rows = [](const std::vector<std::size_t>& n) { return Inputs{ones_of({n[0], n[3]})}; };
    const auto sequence = [](const std::vector<std::size_t>& n) {
        return Inputs{ones_of({n[0], n[1], n[3]})};
    };
    const auto masked = [](const std::vector<std::size_t>& n) {
        Mask mask = full<bool>({n[0], n[1]}, true);
        if (mask.size() != 0) mask.data()[mask.size() - 1] = false;
        return Inputs{ones_of({n[0], n[1], n[3]}).with_mask(std::move(mask))};
    };
    const auto query_and_memory = [](const std::vector<std::size_t>& n) {
        return Inputs{ones_of({n[0], n[1], n[3]}), ones_of({n[0], n[2], n[3]})};
    };
    check_empty(maker<RepeatVector<double>>(RepeatVectorConfig{.n = 2}), rows);
    check_empty(maker<Dropout<double>>(DropoutConfig{.rate = 0.5, .seed = 1}), sequence);
    check_empty(maker<Dense<double>>(DenseConfig{.units = 2}), sequence);
    check_empty(maker<Flatten<double>>(FlattenConfig{}), sequence);
    check_empty(maker<LayerNormalization<double>>(LayerNormalizationConfig{}), sequence);
    check_empty(maker<Masking<double>>(MaskingConfig{}), sequence);
    check_empty([] { return std::make_shared<TimeDistributed<double>>(Dense<double>({.units = 2})); },
                masked);
    for (const auto& inputs : {std::function<Inputs(const std::vector<std::size_t>&)>(sequence),
                               std::function<Inputs(const std::vector<std::size_t>&)>(masked)}) {
        for (const bool sequences : {false, true}) {
            for (const double dropped : {0.0, 0.5}) {
                check_empty(
                    maker<SimpleRNN<double>>(SimpleRNNConfig{
                        .units = 2, .recurrent_dropout = dropped, .seed = 1, .return_sequences = sequences}),
                    inputs);
                check_empty(maker<LSTM<double>>(LSTMConfig{.units = 2,
                                                           .dropout = dropped,
                                                           .recurrent_dropout = dropped,
                                                           .seed = 1,
                                                           .return_sequences = sequences}),
                            inputs);
                for (const bool reset_after : {false, true}) {
                    check_empty(maker<GRU<double>>(GRUConfig{.units = 2,
                                                             .recurrent_dropout = dropped,
                                                             .reset_after = reset_after,
                                                             .seed = 1,
                                                             .return_sequences = sequences}),
                                inputs);
                }
            }
            check_empty(
                [sequences] {
                    return std::make_shared<Bidirectional<double>>(
                        LSTM<double>({.units = 2, .return_sequences = sequences}));
                },
                inputs);
        }
    }
    check_empty(maker<Attention<double>>(AttentionConfig{.use_scale = true, .dropout = 0.5, .seed = 1}),
                query_and_memory);
    check_empty(maker<Attention<double>>(
                    AttentionConfig{.score_mode = AttentionScoreMode::concat, .use_causal_mask = true}),
                query_and_memory);
    check_empty(maker<AdditiveAttention<double>>(AdditiveAttentionConfig{}), query_and_memory);
    check_empty(maker<MultiHeadAttention<double>>(
                    MultiHeadAttentionConfig{.num_heads = 2, .key_dim = 2, .output_shape = PartialShape{3}}),
                query_and_memory);
    check_empty(maker<BahdanauAttention<double>>(BahdanauAttentionConfig{.units = 2}), query_and_memory);
    for (const AttentionScore score :
         {AttentionScore::dot, AttentionScore::general, AttentionScore::concat}) {
        for (const AttentionWindow window :
             {AttentionWindow::global, AttentionWindow::local_m, AttentionWindow::local_p}) {
            check_empty(maker<LuongAttention<double>>(
                            LuongAttentionConfig{.score = score, .units = 2, .window = window, .D = 1}),
                        query_and_memory);
        }
    }
    for (const Activation activation : {Activation::tanh, Activation::relu}) {
        check_empty(
            [activation] {
                return std::make_shared<AttentionDecoder<double>>(
                    GRUCell<double>({.units = 2, .activation = activation}));
            },
            query_and_memory);
    }
}
