#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "seqgrad/layers/files/load_limits.hpp"

namespace seqgrad::detail {

/// A zip archive that is read. In a build without libzip its constructor throws Error.
class ZipArchive {
  public:
    /// Throws FormatError for a file that is no such archive or holds two files of one name, IoError when it
    /// cannot be read.
    ZipArchive(const std::filesystem::path& path, const LoadLimits& limits);
    ~ZipArchive();
    ZipArchive(const ZipArchive&) = delete;
    ZipArchive& operator=(const ZipArchive&) = delete;

    /// The content of a file in it; none where there is no such file. Throws FormatError where it is damaged
    /// or larger than the limits allow.
    std::optional<std::string> read(const std::string& name) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace seqgrad::detail
