#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "seqgrad/layers/files/load_limits.hpp"
#include "seqgrad/layers/files/stored_tensors.hpp"

// The format "safetensors" (https://github.com/huggingface/safetensors), which Python's library of that name
// reads and writes for PyTorch, NumPy, JAX and others.

namespace seqgrad {

/// Reads the tensors of a safetensors file, in the order of its header. F32 and F64 come as they are, F16 and
/// BF16 as float32, exactly; tensors of the format's other types (bools, integers, complex numbers and
/// numbers of 8 bits or less) are among the `others`. What the metadata says is another tensor's, as
/// safetensors.torch.save_model writes of tied weights, is an alias.
///
/// A path that ends in ".safetensors.index.json" is the index of weights in several files, which lie beside
/// it; an index that names something else, or a tensor that is not in its file or in two, is refused.
///
/// Everything is checked against the file's size before memory is taken for it. Throws FormatError with the
/// place where the file is not as the format says: a header that is no JSON, too large or padded by anything
/// but spaces; names that stand there twice; other keys and dtypes; offsets that are not those of the shape,
/// leave gaps, overlap or go beyond the end. Throws IoError where the file cannot be read.
StoredTensors read_safetensors(const std::filesystem::path& path, const LoadLimits& limits = {});

/// The texts under "__metadata__" in a safetensors file; none where there is no such entry. Throws as
/// `read_safetensors` does.
std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path,
                                                             const LoadLimits& limits = {});

/// Writes tensors to a safetensors file that `read_safetensors` and Python's library read; elements that are
/// not finite as well, bit for bit. `metadata` goes under "__metadata__".
///
/// The file is complete or not there, as with `save_weights`. Throws ValueError for a tensor of the name
/// "__metadata__", for the name of an index, for one of the others that is not as its type and shape say, and
/// for texts that are not UTF-8, IoError when the file cannot be written.
void write_safetensors(const StoredTensors& tensors, const std::filesystem::path& path,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace seqgrad
