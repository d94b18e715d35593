#pragma once

#include <cstddef>
#include <cstdint>

namespace seqgrad {

/// What readers of files allow before they throw FormatError: a hostile file is to cost little.
///
/// The defaults are far above what the library writes for the largest models that fit a machine.
struct LoadLimits {
    std::size_t max_depth = 100;                           ///< objects and arrays inside each other
    std::size_t max_keys = 1'000'000;                      ///< keys of all objects of the file together
    std::size_t max_string_length = std::size_t{1} << 20;  ///< bytes of a name or text; not of tensors' data
    std::uint64_t max_bytes = std::uint64_t{1} << 36;      ///< of the whole file: 64 GiB
    /// Of tensors that building a model of the file takes, with what initializers need: 8 GiB.
    std::uint64_t max_model_bytes = std::uint64_t{1} << 33;
};

}  // namespace seqgrad
