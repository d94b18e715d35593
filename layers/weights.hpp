#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "seqgrad/layers/files/file_options.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad {

/// Writes a module's parameters to a file of the JSON format (docs/format.md), every number so that it is
/// read back exactly, with a checksum of all.
///
/// The file is complete or not there: it replaces an older one only after it was written and flushed.
/// Throws ValueError when the module is not built or a parameter holds a number that is not finite (all are
/// listed) unless the options allow it, IoError when the file cannot be written.
template <class T>
void save_weights(const Module<T>& module, const std::filesystem::path& path,
                  const SaveOptions& options = {});

/// Reads a module's parameters from a file of the JSON format: one that `save_weights`, `save_model` or
/// `save_checkpoint` wrote, now or in an earlier version.
///
/// The file must hold the module's parameters and no others: what is missing, unexpected or of another shape
/// is listed in one FormatError, and no parameter changes. With LoadMode::partial what fits is loaded, and
/// only a file of which nothing fits is an error; the report says what was loaded and what was not. float32
/// weights may be read into a double module (exactly); float64 weights are not rounded to float. Throws
/// ValueError when the module is not built, IoError when the file cannot be read, FormatError with the place
/// when it is not such a file, is damaged or goes beyond the limits.
template <class T>
LoadReport load_weights(Module<T>& module, const std::filesystem::path& path,
                        const LoadOptions& options = {});

/// The text that `save_weights` writes. Throws ValueError as `save_weights` does.
template <class T>
std::string weights_to_json(const Module<T>& module, const SaveOptions& options = {});

/// Reads a module's parameters from a text of `weights_to_json`, or of a file that `load_weights` reads;
/// `source` says in messages where it is from. Throws as `load_weights` does.
template <class T>
LoadReport weights_from_json(Module<T>& module, std::string_view json, const std::string& source = "weights",
                             const LoadOptions& options = {});

}  // namespace seqgrad
