#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "seqgrad/layers/module.hpp"

namespace seqgrad {

/// Arguments of to_onnx.
struct OnnxConfig {
    /// The shapes of the inputs, `unknown` for sizes that may change from call to call: {{unknown, unknown,
    /// 3}} for sequences of any length of 3 features. Not needed for a model that begins with an InputLayer.
    std::vector<PartialShape> input_shapes = {};
};

/// A model as ONNX (docs/interchange.md): what it computes when it is not training, and its weights, for
/// programs that run models, as onnxruntime.
///
/// What can be written: Sequential models, one inside another too, of SimpleRNN, LSTM, GRU, RNN over their
/// cells and stacks of them, Bidirectional, Dense, Embedding, LayerNormalization, Activation, Dropout,
/// Flatten, RepeatVector, TimeDistributed and InputLayer; and each of these, Attention, AdditiveAttention and
/// MultiHeadAttention as a single layer. Recurrent layers are the operators RNN, LSTM and GRU.
///
/// The file's inputs are "input", in attention "query", "value" and, where there are three shapes, "key"; the
/// outputs are "output" and, with return_attention_scores, "scores". Elements are float, or double for a
/// Module<double>. The ids of an Embedding at the head of a model are int64. Operator set 17, IR version 8.
///
/// Throws ValueError when the module is not built, for a layer that is none of these, for masks, which ONNX
/// does not have (Masking, mask_zero), for states that are kept between calls (stateful), for an activation
/// that ONNX's recurrent operators do not have, for a size that must be known and is not, and for a model of
/// more than 2 GB; ShapeError when the input does not fit. Source: github.com/onnx/onnx, onnx.proto and
/// docs/Operators.md.
template <class T>
std::string to_onnx(const Module<T>& module, const OnnxConfig& config = {});

/// Writes it to a file, which is complete or not there. Throws as to_onnx does, and IoError when it cannot be
/// written.
template <class T>
void save_onnx(const Module<T>& module, const std::filesystem::path& path, const OnnxConfig& config = {});

}  // namespace seqgrad
