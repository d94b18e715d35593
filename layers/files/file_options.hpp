#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

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

/// What a file must hold to be loaded.
enum class LoadMode {
    exact,    ///< the model's parameters and no others, or nothing is loaded
    partial,  ///< at least one of the model's parameters; what fits is loaded and the rest is reported
};

/// How a file is loaded.
struct LoadOptions {
    LoadLimits limits = {};
    /// Counts the bytes of the file.
    FileProgress progress = {};
    LoadMode mode = LoadMode::exact;
};

/// What loading weights did. Parameters have the names of the model, tensors those of the file.
struct LoadReport {
    /// A parameter that has a tensor in the file with which it does not fit.
    struct Mismatch {
        std::string name;
        std::string why;  ///< "expected shape [3, 4], got [3, 5]"
    };

    std::vector<std::string> loaded = {};   ///< parameters that have the file's elements now
    std::vector<std::string> missing = {};  ///< parameters without a tensor; they are as they were
    std::vector<Mismatch> mismatched = {};  ///< parameters whose tensor does not fit; they are as they were
    std::vector<std::string> unexpected = {};  ///< tensors that are no parameter's
    /// Tensors of integers, bools and others that no parameter can have, as `n_averaged` of PyTorch's
    /// averaged models. They are left out in either mode.
    std::vector<std::string> ignored = {};

    /// Whether every parameter was loaded, and every tensor but the ignored ones used.
    bool complete() const noexcept { return missing.empty() && mismatched.empty() && unexpected.empty(); }
};

/// A line for the number of loaded parameters, and one for everything else in the report.
std::string to_string(const LoadReport& report);

}  // namespace seqgrad
