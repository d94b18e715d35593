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
