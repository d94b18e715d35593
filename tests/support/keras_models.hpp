#pragma once

#include <memory>
#include <string>
#include <vector>

#include "seqgrad/layers/additive_attention.hpp"
#include "seqgrad/layers/attention.hpp"
#include "seqgrad/layers/bidirectional.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/model.hpp"
#include "seqgrad/layers/multi_head_attention.hpp"

// The models of tests/interop/keras_peer.py.

namespace seqgrad::test {

/// The names of those that are a Sequential.
inline const std::vector<std::string> keras_chains{"simple_rnn", "lstm",  "gru",    "bidirectional",
                                                   "cells",      "words", "nested", "arguments"};

/// The one of functions; its members are named otherwise than there.
class KerasAttention : public Model<float> {
  protected:
    void members(Members<float>& m) override {
        m.child("states", gru_);
        m.child("heads", heads_);
        m.child("concat", attention_);
        m.child("sum", additive_);
        m.child("inner", inner_);
        m.child("outer", outer_);
    }
    Variable<float> call(const Variable<float>& x) override {
        const Variable<float> h = gru_(x);
        Variable<float> y = heads_({h, x})[0];
        y = attention_({y, h})[0];
        return outer_(inner_(additive_({y, h})[0]));
    }

  private:
    GRU<float> gru_{{.units = 3, .return_sequences = true}};
    MultiHeadAttention<float> heads_{{.num_heads = 2, .key_dim = 3, .value_dim = 2}};
    Attention<float> attention_{{.use_scale = true, .score_mode = AttentionScoreMode::concat}};
    AdditiveAttention<float> additive_;
    Dense<float> inner_{{.units = 4, .activation = Activation::relu}};
    Dense<float> outer_{{.units = 2}};
};

/// The one of a class of its own, with a list of layers.
class KerasTagger : public Model<float> {
  protected:
    void members(Members<float>& m) override {
        m.child("encoder", encoder_);
        m.child("heads", 0, inner_);
        m.child("heads", 1, outer_);
    }
    Variable<float> call(const Variable<float>& x) override { return outer_(inner_(encoder_(x))); }

  private:
    Bidirectional<float> encoder_{LSTM<float>({.units = 3, .return_sequences = true})};
    Dense<float> inner_{{.units = 4, .activation = Activation::tanh}};
    Dense<float> outer_{{.units = 2}};
};

}  // namespace seqgrad::test
