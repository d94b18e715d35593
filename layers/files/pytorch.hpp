#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "seqgrad/layers/files/load_limits.hpp"
#include "seqgrad/layers/files/stored_tensors.hpp"
#include "seqgrad/layers/module.hpp"

// Weights exchanged with PyTorch, by way of safetensors files of a module's state_dict (docs/interchange.md).
//
//     layer here                  module there                 tensors there
//     SimpleRNN (tanh, relu)      nn.RNN                       weight_ih_l0, weight_hh_l0, bias_ih_l0,
//     bias_hh_l0 LSTM                        nn.LSTM                      the same GRU with reset_after
//     nn.GRU                       the same Bidirectional (concat)      the three, bidirectional     the same
//     and those that end in _reverse RNN of stacked cells        the three, num_layers        _l0, _l1, ...
//     Dense                       nn.Linear                    weight, bias
//     Embedding                   nn.Embedding                 weight
//     LayerNormalization          nn.LayerNorm                 weight, bias
//
// PyTorch's recurrent modules have two biases that are only ever added up, except for the GRU's: here there
// is their sum, and there the second one is zero.

namespace seqgrad {

/// What PyTorch calls the module of one of our layers.
struct PyTorchName {
    std::string layer;   ///< path of the layer here, or of a model inside the model: "lstm_1", "encoder"
    std::string module;  ///< name of the module there, as the keys of its state_dict begin: "rnn"
};

/// Names for some layers of a model; the others have PyTorch's names for a module of the same build: in a
/// Sequential their number there, from 0, without the InputLayer ("0", "1"), in a model of the user's own the
/// name of the member. A single layer has no name: its keys are "weight" and "bias".
///
/// Recurrent layers that are given one name are the layers of one module with num_layers:
///
///     Sequential<float> model{Embedding<float>({.input_dim = 100, .output_dim = 16}),
///                             LSTM<float>({.units = 32, .return_sequences = true}),
///                             LSTM<float>({.units = 32}), Dense<float>({.units = 2})};
///     load_pytorch(model, "tagger.safetensors",
///                  {{"embedding", "words"}, {"lstm", "rnn"}, {"lstm_1", "rnn"}, {"dense", "out"}});
using PyTorchNames = std::vector<PyTorchName>;

/// The module's parameters as PyTorch's state_dict has them, gates reordered and matrices transposed.
/// Throws ValueError when the module is not built, for a layer or argument that PyTorch does not have (GRU
/// without reset_after, other activations than PyTorch's, go_backwards outside of Bidirectional, other merge
/// modes than concat, LayerNormalization over another axis than the last or with beta alone), and for names
/// that do not fit the model.
template <class T>
StoredTensors to_pytorch(const Module<T>& module, const PyTorchNames& names = {});

/// Gives the module's parameters the elements of a state_dict.
///
/// It must hold the module's tensors and nothing else, but for tensors of integers and the like, as
/// `n_averaged`: what is missing, unexpected, of another shape or would be rounded is listed in one
/// FormatError, in which `source` says where it is from, and no parameter changes. With LoadMode::partial
/// what fits is loaded, and that nothing does is the only error. The report has the names of the state_dict.
/// Throws ValueError as to_pytorch does.
///
/// Names may have the parts that wrappers add: "_orig_mod" of torch.compile, "module" of DataParallel and
/// AveragedModel. A weight under weight_norm ("parametrizations.weight.original0" and "original1", or
/// "weight_g" and "weight_v") is computed from its two parts; other parametrizations are refused by name.
template <class T>
LoadReport from_pytorch(Module<T>& module, const StoredTensors& state_dict, const PyTorchNames& names = {},
                        const std::string& source = "state_dict", LoadMode mode = LoadMode::exact);

/// Writes a file for `model.load_state_dict(safetensors.torch.load_file(path))`. Throws as to_pytorch and
/// write_safetensors do.
template <class T>
void save_pytorch(const Module<T>& module, const std::filesystem::path& path, const PyTorchNames& names = {});

/// Reads a file that `safetensors.torch.save_file(model.state_dict(), path)` or `save_model(model, path)`
/// wrote; tied weights that the latter leaves out are found by the file's metadata. Throws as from_pytorch
/// and read_safetensors do.
template <class T>
LoadReport load_pytorch(Module<T>& module, const std::filesystem::path& path, const PyTorchNames& names = {},
                        const LoadLimits& limits = {}, LoadMode mode = LoadMode::exact);

}  // namespace seqgrad
