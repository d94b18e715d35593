#pragma once

#include <filesystem>

#include "seqgrad/layers/files/file_options.hpp"
#include "seqgrad/layers/sequential.hpp"

namespace seqgrad {

/// Writes a model's architecture, the shape of its input and its weights to one file of the JSON format
/// (docs/format.md), from which `load_weights` reads the weights as well.
///
/// Throws ValueError as `to_json` and `save_weights` do, IoError when the file cannot be written, and leaves
/// an older file as it was then.
template <class T>
void save_model(const Sequential<T>& model, const std::filesystem::path& path,
                const SaveOptions& options = {});

/// The model that `save_model` wrote, built and with its weights. A large file is read twice, so that the
/// weights are in memory once.
///
/// Throws as `model_from_json` and `load_weights` do, and FormatError for a file without a model and for a
/// model that takes much more memory than the weights that the file has for it.
template <class T>
Sequential<T> load_model(const std::filesystem::path& path, const LoadOptions& options = {});

}  // namespace seqgrad
