#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "seqgrad/layers/module.hpp"

namespace seqgrad {

/// Base of models of a user's own, which decide in `call`, or with several inputs or outputs in
/// `call_several`, how their layers are connected. A layer may be used several times: its parameters are
/// there once, and get the gradients of all its uses.
///
///     class Similarity : public Model<float> {
///       public:
///         Similarity() : Model("similarity") {}
///       protected:
///         void members(Members<float>& m) override { m.child("words", words_); m.child("encoder", encoder_);
///         } std::vector<Variable<float>> call_several(const std::vector<Variable<float>>& inputs) override {
///             check_inputs(inputs, 2);
///             return {sum(encoder_(words_(inputs[0])) * encoder_(words_(inputs[1])), {.axis = -1})};
///         }
///       private:
///         Embedding<float> words_{{.input_dim = 1000, .output_dim = 32, .mask_zero = true}};
///         LSTM<float> encoder_{{.units = 64}};
///     };
///
/// An output has the mask that its last layer gave it. A model of one input and one output can be handed to a
/// Trainer; all have weights, a summary and a mode as every Module.
template <class T>
class Model : public Module<T> {
  public:
    /// "Model", unless the user's class says its own name.
    std::string type() const override { return "Model"; }

  protected:
    explicit Model(std::string name = {}) : Module<T>(std::move(name)) {}

    /// Throws ValueError unless there are so many inputs.
    void check_inputs(const std::vector<Variable<T>>& inputs, std::size_t count) const;

    bool gives_masks() const override { return true; }
};

extern template class Model<float>;
extern template class Model<double>;

}  // namespace seqgrad
