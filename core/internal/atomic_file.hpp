#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <sys/stat.h>

#include "seqgrad/core/internal/crc64.hpp"
#include "seqgrad/core/internal/file_system.hpp"

namespace seqgrad::detail {

/// Writes a file that is either complete or not there: to a temporary file in the same folder, which `commit`
/// flushes to the disk, reads back and renames. Without `commit` the temporary file is removed and what stood
/// at the path stays. A file that is replaced hands on its mode, and its owner and group where the system
/// allows that. A link is followed: the file that it leads to is replaced or made, in its own folder, and the
/// link stays. Members throw IoError naming the path and the system's reason, and the constructor for a path
/// at which there is something else than a file, as a device, and for links that lead nowhere.
class AtomicFile {
  public:
    explicit AtomicFile(std::filesystem::path path);
    ~AtomicFile();
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;

    void write(std::string_view bytes);
    /// Where it throws the old file is there as it was; but where it is the folder that cannot be flushed,
    /// the new file is there, complete, and may not outlive a loss of power.
    void commit();

    /// Whether a file's name is one of the temporary files for `name`, which a process that was killed
    /// leaves.
    static bool is_temporary_of(std::string_view name, std::string_view file);

  private:
    AtomicFile(std::filesystem::path path, FileSystem& system);
    void take_over(const struct stat& replaced);
    void write_now(std::string_view rest);
    void verify() const;
    [[noreturn]] void fail(const char* what) const;

    FileSystem& system_;
    std::filesystem::path path_;  // as it was given
    std::filesystem::path file_;  // without links
    std::optional<struct stat> replaced_;
    std::filesystem::path temporary_;
    std::string buffer_;
    std::uint64_t size_ = 0;
    std::size_t not_begun_ = 0;  // bytes that the disk was not told to begin with
    Crc64 checksum_;
    int descriptor_ = -1;
};

/// Has the names in a folder put on the disk. Throws IoError naming `path`, for which it is done.
void flush_folder(const std::filesystem::path& folder, const std::filesystem::path& path);

}  // namespace seqgrad::detail
