#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "seqgrad/layers/files/load_limits.hpp"

namespace seqgrad {

/// How the JSON format writes the elements of tensors.
enum class Encoding {
    decimal,  ///< an array of the shortest decimals that are read back exactly, which a person can read
    base64,   ///< a string of their little-endian bytes: less than half the size, and faster
};

/// Is told how far reading or writing a file has come, about once a megabyte and at the end: bytes done, and
/// bytes in all (0 where that is not known, as with a pipe). What it throws ends the work as any other error
/// does: nothing was loaded, and the old file stays.
using FileProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// How a file is saved.
struct SaveOptions {
    Encoding encoding = Encoding::decimal;
    /// Whether elements that are infinite or NaN are written; otherwise they are an error.
    bool allow_non_finite = false;
    /// Texts of the program's own that go along, by names of its own.
    std::map<std::string, std::string> metadata = {};
    /// JSON values that go along, each as a text, by names of the program's own: what prepares a model's
    /// input, as {{"scaler", to_json(scaler)}}. `load_extra` reads them. Saving throws ValueError for a text
    /// that is not JSON.
    std::map<std::string, std::string> extras = {};
    /// Counts the bytes of the tensors' elements.
    FileProgress progress = {};
};

/// How a file is loaded.
struct LoadOptions {
    LoadLimits limits = {};
    /// Counts the bytes of the file.
    FileProgress progress = {};
};

}  // namespace seqgrad
