#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "seqgrad/seqgrad.hpp"

// Files of any format that the library reads or writes.

namespace seqgrad::tools {

enum class Format { json, safetensors, pytorch, keras_weights, keras, onnx };

/// The formats by the names that the command line has for them. "pytorch" is safetensors with the names and
/// the layout of a state_dict.
const std::map<std::string, Format>& formats();

/// The name of a format.
const std::string& name_of(Format format);

/// The format that a file's name says. Throws ValueError for a name that says none.
Format format_of(const std::filesystem::path& path);

/// What a file holds, whatever its format.
struct Contents {
    Format format;
    StoredTensors tensors;
    std::map<std::string, std::string> metadata = {};
    std::map<std::string, std::string> extras = {};
    std::optional<std::string> model = {};  ///< the architecture as JSON
    // Of the JSON format.
    std::optional<std::uint64_t> version = {};
    std::optional<std::string> checksum = {};
    bool training = false;
};

/// Reads and checks all of a file. Throws as the library's readers do, and ValueError for a format that is
/// only written.
Contents read_any(const std::filesystem::path& path, Format format);

/// Checks what `read_any` leaves alone: that a model can be made of its architecture and fits the weights,
/// and that a run can go on from a checkpoint. Throws as `load_model` and `load_checkpoint` do.
void check_parts(const std::filesystem::path& path, const Contents& contents);

/// What a checkpoint holds beside weights: the member `training` of docs/checkpoints.md, in the same encoding
/// for every file. Throws as `load_checkpoint` does.
nlohmann::json training_state(const std::filesystem::path& path, const Contents& contents);

struct Conversion {
    std::filesystem::path in, out;
    Format from, to;
    /// A file of `save_model` that says what the weights belong to, where `in` does not.
    std::optional<std::filesystem::path> model = {};
    PyTorchNames names = {};
    SaveOptions save = {};
};

/// Writes the contents of one file to another, in another format; of a checkpoint only JSON gets more than
/// the weights. Returns what is left out: the names of tensors whose elements are no floating-point numbers,
/// for which only safetensors has a place. Throws as the library's readers and writers do, and ValueError for
/// what cannot be converted.
std::vector<std::string> convert(const Conversion& conversion);

}  // namespace seqgrad::tools
