#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "seqgrad/layers/module.hpp"

namespace seqgrad {

/// Writes a module's parameters to a JSON file (docs/weights.md), every number so that it is read back
/// exactly.
///
/// The file is complete or not there: it replaces an older one only after it was written and flushed.
/// Throws ValueError when the module is not built or a parameter holds a number that is not finite (all are
/// listed), IoError when the file cannot be written.
template <class T>
void save_weights(const Module<T>& module, const std::filesystem::path& path);

/// Reads a module's parameters from a JSON file that `save_weights` wrote.
///
/// The file must hold the module's parameters and nothing else: what is missing, unexpected, of another shape
/// or not finite is listed in one FormatError, and no parameter changes. float32 weights may be read into a
/// double module (exactly); float64 weights are not rounded to float. Throws ValueError when the module is
/// not built, IoError when the file cannot be read, FormatError with the place when it is not such a file.
template <class T>
void load_weights(Module<T>& module, const std::filesystem::path& path);

/// The text that `save_weights` writes, for a file that holds more than weights. Throws ValueError as
/// `save_weights` does.
template <class T>
std::string weights_to_json(const Module<T>& module);

/// Reads a module's parameters from a text of `weights_to_json`, or of a file that `save_weights` wrote;
/// `source` says in messages where it is from. Throws as `load_weights` does.
template <class T>
void weights_from_json(Module<T>& module, std::string_view json, const std::string& source = "weights");

}  // namespace seqgrad
