#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/core/internal/input_file.hpp"
#include "seqgrad/layers/files/load_limits.hpp"

namespace seqgrad::detail {

/// Reads the texts that groups of an HDF5 file have as attributes, straight from its bytes: what the library
/// makes of damaged attributes depends on its version, and is not always an error.
///
/// Attributes must stand in the object's header, as they do unless there are many, and be texts of a fixed or
/// of any length, one or a list. Source: HDF5 File Format Specification, version 3.0, sections III.E (global
/// heap) and IV.A (object headers). Functions throw FormatError without the file's name.
class Hdf5Texts {
  public:
    /// The file must outlive it.
    Hdf5Texts(InputFile& file, const LoadLimits& limits);

    /// The attribute of that name of the object whose header stands at an address; nothing where it has none.
    std::optional<std::vector<std::string>> find(std::uint64_t header, std::string_view name);

  private:
    using Bytes = std::vector<std::uint8_t>;
    struct Chunk {
        std::uint64_t begin, size;
    };

    Bytes read(std::uint64_t begin, std::uint64_t size, std::uint64_t most);
    std::vector<std::string> texts(std::span<const std::uint8_t> type, std::span<const std::uint8_t> space,
                                   std::span<const std::uint8_t> data);
    std::string text_in_heap(std::span<const std::uint8_t> reference);
    const std::map<std::uint32_t, std::string>& heap(std::uint64_t address);
    void take(std::uint64_t bytes);

    InputFile& file_;
    const LoadLimits& limits_;
    std::uint64_t size_;
    /// Bytes that may still be read, so that a small file cannot make much of itself.
    std::uint64_t left_;
    std::map<std::uint64_t, std::map<std::uint32_t, std::string>> heaps_;
};

}  // namespace seqgrad::detail
