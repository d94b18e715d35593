#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace seqgrad::detail {

/// A file that is read. Members throw IoError naming the path and the system's reason.
class InputFile {
  public:
    explicit InputFile(std::filesystem::path path);
    ~InputFile();
    InputFile(const InputFile&) = delete;
    InputFile& operator=(const InputFile&) = delete;

    const std::filesystem::path& path() const { return path_; }
    /// Its bytes; nothing for what is not a file on a disk, as a pipe.
    std::optional<std::uint64_t> size() const { return size_; }

    /// Reads what comes next, at most `count` bytes, and says how many there were: 0 at the end.
    std::size_t read(void* bytes, std::size_t count);
    /// Reads all of `count` bytes from a place on.
    void read_at(std::uint64_t offset, void* bytes, std::size_t count);

  private:
    [[noreturn]] void fail(const char* what) const;

    std::filesystem::path path_;
    std::optional<std::uint64_t> size_;
    int descriptor_ = -1;
};

}  // namespace seqgrad::detail
