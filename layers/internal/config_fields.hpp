#pragma once

#include <array>
#include <concepts>
#include <type_traits>

#include "seqgrad/layers/activation.hpp"
#include "seqgrad/layers/additive_attention.hpp"
#include "seqgrad/layers/attention.hpp"
#include "seqgrad/layers/attention_decoder.hpp"
#include "seqgrad/layers/bahdanau_attention.hpp"
#include "seqgrad/layers/bidirectional.hpp"
#include "seqgrad/layers/constraints.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/dropout.hpp"
#include "seqgrad/layers/embedding.hpp"
#include "seqgrad/layers/flatten.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/initializers.hpp"
#include "seqgrad/layers/input.hpp"
#include "seqgrad/layers/internal/attention_names.hpp"
#include "seqgrad/layers/layer_normalization.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/luong_attention.hpp"
#include "seqgrad/layers/masking.hpp"
#include "seqgrad/layers/multi_head_attention.hpp"
#include "seqgrad/layers/regularizers.hpp"
#include "seqgrad/layers/repeat_vector.hpp"
#include "seqgrad/layers/rnn.hpp"
#include "seqgrad/layers/simple_rnn.hpp"
#include "seqgrad/layers/time_distributed.hpp"

// What arguments each layer, initializer, regularizer and constraint has: fields(visitor, config) calls
// visitor(name, value) for each, in Keras's order. Reading and writing go over the same list. The name of a
// layer is not among them. Beside plain values the visitor takes
//   visitor.shape(name, shape)          sizes, of which some may be unknown;
//   visitor.axes(name, axes)            numbers of axes;
//   visitor.choice(name, value, names)  an enumeration, with the names of its values in order (null: none).

namespace seqgrad::detail {

/// C itself or const C.
template <class Given, class C>
concept ConfigOf = std::same_as<std::remove_const_t<Given>, C>;

template <class V>
void fields(V& v, ConfigOf<ActivationLayerConfig> auto& c) {
    v("activation", c.activation);
}

template <class V>
void fields(V& v, ConfigOf<AdditiveAttentionConfig> auto& c) {
    v("use_scale", c.use_scale);
    v("dropout", c.dropout);
    v("seed", c.seed);
    v("return_attention_scores", c.return_attention_scores);
    v("use_causal_mask", c.use_causal_mask);
}

template <class V>
void fields(V& v, ConfigOf<AttentionConfig> auto& c) {
    constexpr std::array<const char*, 2> modes{"dot", "concat"};
    v("use_scale", c.use_scale);
    v.choice("score_mode", c.score_mode, modes);
    v("dropout", c.dropout);
    v("seed", c.seed);
    v("return_attention_scores", c.return_attention_scores);
    v("use_causal_mask", c.use_causal_mask);
}

template <class V>
void fields(V& v, ConfigOf<BahdanauAttentionConfig> auto& c) {
    v("units", c.units);
    v("kernel_initializer", c.kernel_initializer);
    v("bias_initializer", c.bias_initializer);
    v("v_initializer", c.v_initializer);
    v("kernel_regularizer", c.kernel_regularizer);
    v("bias_regularizer", c.bias_regularizer);
    v("v_regularizer", c.v_regularizer);
    v("kernel_constraint", c.kernel_constraint);
    v("bias_constraint", c.bias_constraint);
    v("v_constraint", c.v_constraint);
}

template <class V>
void fields(V& v, ConfigOf<DenseConfig> auto& c) {
    v("units", c.units);
    v("activation", c.activation);
    v("use_bias", c.use_bias);
    v("kernel_initializer", c.kernel_initializer);
    v("bias_initializer", c.bias_initializer);
    v("kernel_regularizer", c.kernel_regularizer);
    v("bias_regularizer", c.bias_regularizer);
    v("kernel_constraint", c.kernel_constraint);
    v("bias_constraint", c.bias_constraint);
}

template <class V>
void fields(V& v, ConfigOf<DropoutConfig> auto& c) {
    v("rate", c.rate);
    v.shape("noise_shape", c.noise_shape);
    v("seed", c.seed);
}

template <class V>
void fields(V& v, ConfigOf<EmbeddingConfig> auto& c) {
    v("input_dim", c.input_dim);
    v("output_dim", c.output_dim);
    v("embeddings_initializer", c.embeddings_initializer);
    v("embeddings_regularizer", c.embeddings_regularizer);
    v("embeddings_constraint", c.embeddings_constraint);
    v("mask_zero", c.mask_zero);
}

template <class V>
void fields(V&, ConfigOf<FlattenConfig> auto&) {}

template <class V>
void fields(V& v, ConfigOf<InputLayerConfig> auto& c) {
    v.shape("shape", c.shape);
    v("batch_size", c.batch_size);
}

template <class V>
void fields(V& v, ConfigOf<LayerNormalizationConfig> auto& c) {
    v("axis", c.axis);
    v("epsilon", c.epsilon);
    v("center", c.center);
    v("scale", c.scale);
    v("beta_initializer", c.beta_initializer);
    v("gamma_initializer", c.gamma_initializer);
    v("beta_regularizer", c.beta_regularizer);
    v("gamma_regularizer", c.gamma_regularizer);
    v("beta_constraint", c.beta_constraint);
    v("gamma_constraint", c.gamma_constraint);
}

template <class V>
void fields(V& v, ConfigOf<LuongAttentionConfig> auto& c) {
    v.choice("score", c.score, attention_scores);
    v("units", c.units);
    v.choice("window", c.window, attention_windows);
    v("D", c.D);
    v("step", c.step);
    v("kernel_initializer", c.kernel_initializer);
    v("v_initializer", c.v_initializer);
    v("kernel_regularizer", c.kernel_regularizer);
    v("v_regularizer", c.v_regularizer);
    v("kernel_constraint", c.kernel_constraint);
    v("v_constraint", c.v_constraint);
}

template <class V>
void fields(V& v, ConfigOf<AttentionDecoderConfig> auto& c) {
    constexpr std::array<const char*, 2> styles{"bahdanau", "luong"};
    v.choice("style", c.style, styles);
    v.choice("score", c.score, attention_scores);
    v("attention_units", c.attention_units);
    v.choice("window", c.window, attention_windows);
    v("D", c.D);
    v("input_feeding", c.input_feeding);
    v("return_attention_scores", c.return_attention_scores);
    v("return_state", c.return_state);
    v("kernel_initializer", c.kernel_initializer);
}

template <class V>
void fields(V& v, ConfigOf<MaskingConfig> auto& c) {
    v("mask_value", c.mask_value);
}

template <class V>
void fields(V& v, ConfigOf<MultiHeadAttentionConfig> auto& c) {
    v("num_heads", c.num_heads);
    v("key_dim", c.key_dim);
    v("value_dim", c.value_dim);
    v("dropout", c.dropout);
    v("use_bias", c.use_bias);
    v.shape("output_shape", c.output_shape);
    v("kernel_initializer", c.kernel_initializer);
    v("bias_initializer", c.bias_initializer);
    v("kernel_regularizer", c.kernel_regularizer);
    v("bias_regularizer", c.bias_regularizer);
    v("kernel_constraint", c.kernel_constraint);
    v("bias_constraint", c.bias_constraint);
    v("seed", c.seed);
    v("return_attention_scores", c.return_attention_scores);
    v("use_causal_mask", c.use_causal_mask);
}

template <class V>
void fields(V& v, ConfigOf<RepeatVectorConfig> auto& c) {
    v("n", c.n);
}

template <class V>
void fields(V&, ConfigOf<TimeDistributedConfig> auto&) {}

/// The arguments of SimpleRNN, LSTM and GRU that their cells have, too.
template <class V, class C>
void cell_fields(V& v, C& c) {
    v("units", c.units);
    v("activation", c.activation);
    if constexpr (requires { c.recurrent_activation; }) v("recurrent_activation", c.recurrent_activation);
    v("use_bias", c.use_bias);
    v("kernel_initializer", c.kernel_initializer);
    v("recurrent_initializer", c.recurrent_initializer);
    v("bias_initializer", c.bias_initializer);
    if constexpr (requires { c.unit_forget_bias; }) v("unit_forget_bias", c.unit_forget_bias);
    v("kernel_regularizer", c.kernel_regularizer);
    v("recurrent_regularizer", c.recurrent_regularizer);
    v("bias_regularizer", c.bias_regularizer);
    v("kernel_constraint", c.kernel_constraint);
    v("recurrent_constraint", c.recurrent_constraint);
    v("bias_constraint", c.bias_constraint);
    v("dropout", c.dropout);
    v("recurrent_dropout", c.recurrent_dropout);
    if constexpr (requires { c.reset_after; }) v("reset_after", c.reset_after);
    v("seed", c.seed);
}

/// Those that they have as layers.
template <class V, class C>
void sequence_fields(V& v, C& c) {
    v("return_sequences", c.return_sequences);
    v("return_state", c.return_state);
    v("go_backwards", c.go_backwards);
    v("stateful", c.stateful);
    v("unroll", c.unroll);
    v("zero_output_for_mask", c.zero_output_for_mask);
    v("bptt_steps", c.bptt_steps);
    if constexpr (requires { c.recompute; }) v("recompute", c.recompute);
}

template <class V>
void fields(V& v, ConfigOf<SimpleRNNCellConfig> auto& c) {
    cell_fields(v, c);
}

template <class V>
void fields(V& v, ConfigOf<LSTMCellConfig> auto& c) {
    cell_fields(v, c);
}

template <class V>
void fields(V& v, ConfigOf<GRUCellConfig> auto& c) {
    cell_fields(v, c);
}

template <class V>
void fields(V& v, ConfigOf<SimpleRNNConfig> auto& c) {
    cell_fields(v, c);
    sequence_fields(v, c);
}

template <class V>
void fields(V& v, ConfigOf<LSTMConfig> auto& c) {
    cell_fields(v, c);
    sequence_fields(v, c);
}

template <class V>
void fields(V& v, ConfigOf<GRUConfig> auto& c) {
    cell_fields(v, c);
    sequence_fields(v, c);
}

template <class V>
void fields(V& v, ConfigOf<RNNConfig> auto& c) {
    sequence_fields(v, c);
}

template <class V>
void fields(V& v, ConfigOf<BidirectionalConfig> auto& c) {
    constexpr std::array<const char*, 5> names{"concat", "sum", "mul", "ave", nullptr};
    v.choice("merge_mode", c.merge_mode, names);
}

// Initializers

template <class V>
void fields(V&, ConfigOf<Zeros> auto&) {}

template <class V>
void fields(V&, ConfigOf<Ones> auto&) {}

template <class V>
void fields(V& v, ConfigOf<Constant> auto& c) {
    v("value", c.value);
}

template <class V>
void fields(V& v, ConfigOf<RandomUniform> auto& c) {
    v("minval", c.minval);
    v("maxval", c.maxval);
    v("seed", c.seed);
}

template <class C>
concept NormalRule = ConfigOf<C, RandomNormal> || ConfigOf<C, TruncatedNormal>;

template <class V>
void fields(V& v, NormalRule auto& c) {
    v("mean", c.mean);
    v("stddev", c.stddev);
    v("seed", c.seed);
}

template <class V>
void fields(V& v, ConfigOf<VarianceScaling> auto& c) {
    constexpr std::array<const char*, 3> modes{"fan_in", "fan_out", "fan_avg"};
    constexpr std::array<const char*, 3> distributions{"truncated_normal", "untruncated_normal", "uniform"};
    v("scale", c.scale);
    v.choice("mode", c.mode, modes);
    v.choice("distribution", c.distribution, distributions);
    v("seed", c.seed);
    v.axes("input_axes", c.input_axes);
    v.axes("output_axes", c.output_axes);
}

template <class C>
concept FanRule = ConfigOf<C, GlorotUniform> || ConfigOf<C, GlorotNormal> || ConfigOf<C, HeUniform> ||
    ConfigOf<C, HeNormal> || ConfigOf<C, LecunUniform> || ConfigOf<C, LecunNormal>;

template <class V>
void fields(V& v, FanRule auto& c) {
    v("seed", c.seed);
    v.axes("input_axes", c.input_axes);
    v.axes("output_axes", c.output_axes);
}

template <class V>
void fields(V& v, ConfigOf<Orthogonal> auto& c) {
    v("gain", c.gain);
    v("seed", c.seed);
}

template <class V>
void fields(V& v, ConfigOf<Identity> auto& c) {
    v("gain", c.gain);
}

// Regularizers

template <class V>
void fields(V& v, ConfigOf<L1> auto& c) {
    v("l1", c.l1);
}

template <class V>
void fields(V& v, ConfigOf<L2> auto& c) {
    v("l2", c.l2);
}

template <class V>
void fields(V& v, ConfigOf<L1L2> auto& c) {
    v("l1", c.l1);
    v("l2", c.l2);
}

template <class V>
void fields(V& v, ConfigOf<OrthogonalRegularizer> auto& c) {
    constexpr std::array<const char*, 2> modes{"rows", "columns"};
    v("factor", c.factor);
    v.choice("mode", c.mode, modes);
}

// Constraints

template <class V>
void fields(V& v, ConfigOf<MaxNorm> auto& c) {
    v("max_value", c.max_value);
    v("axis", c.axis);
}

template <class V>
void fields(V&, ConfigOf<NonNeg> auto&) {}

template <class V>
void fields(V& v, ConfigOf<UnitNorm> auto& c) {
    v("axis", c.axis);
}

template <class V>
void fields(V& v, ConfigOf<MinMaxNorm> auto& c) {
    v("min_value", c.min_value);
    v("max_value", c.max_value);
    v("rate", c.rate);
    v("axis", c.axis);
}

}  // namespace seqgrad::detail
