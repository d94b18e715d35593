#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "seqgrad/layers/files/file_options.hpp"
#include "seqgrad/layers/files/stored_tensors.hpp"

// The JSON format of docs/format.md, without a model to load it into.

namespace seqgrad {

/// What a file of the JSON format holds.
struct JsonFile {
    std::uint64_t version = 0;  ///< of the format
    /// "seqgrad-weights" and "seqgrad-checkpoint" in version 1, "seqgrad" from then on.
    std::string format = {};
    std::optional<std::string> checksum = {};  ///< none where the file does not state one
    std::map<std::string, std::string> metadata = {};
    std::map<std::string, std::string> extras = {};  ///< JSON values of the program's own, as texts
    std::optional<std::string> model = {};           ///< the architecture, a text for `model_from_json`
    bool training = false;  ///< whether it is a checkpoint, which `load_checkpoint` reads
    /// The weights. Those of a checkpoint of version 1 are not told from the other tensors of its state, and
    /// are not here.
    StoredTensors tensors = {};
};

/// Reads and checks a file of the JSON format of any version. Throws FormatError with the place where it is
/// not one, is damaged or goes beyond the limits, IoError when it cannot be read.
JsonFile read_json(const std::filesystem::path& path, const LoadOptions& options = {});

/// The JSON value that a file has under a name in SaveOptions::extras, as a text. Throws FormatError naming
/// those that there are if it has none of this name, and otherwise as `read_json` does.
std::string load_extra(const std::filesystem::path& path, std::string_view name,
                       const LoadOptions& options = {});

/// Writes tensors as a file of weights, which `load_weights` reads into a model with parameters of these
/// names and shapes. Throws as `save_weights` does.
void write_json(const StoredTensors& tensors, const std::filesystem::path& path,
                const SaveOptions& options = {});

}  // namespace seqgrad
