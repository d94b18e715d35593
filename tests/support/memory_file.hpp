#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

#include <sys/mman.h>
#include <unistd.h>

namespace seqgrad::test {

/// A file in memory, for readers that take a path and are tried with more contents than a disk should see.
class MemoryFile {
  public:
    explicit MemoryFile(std::string_view contents = {})
        : descriptor_(memfd_create("test", 0)), path_("/proc/self/fd/" + std::to_string(descriptor_)) {
        if (descriptor_ < 0) throw std::runtime_error("no file in memory");
        write(contents);
    }
    ~MemoryFile() { close(descriptor_); }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;

    const std::filesystem::path& path() const { return path_; }

    /// Replaces the contents.
    void write(std::string_view contents) {
        const bool written =
            ftruncate(descriptor_, 0) == 0 &&
            pwrite(descriptor_, contents.data(), contents.size(), 0) == static_cast<ssize_t>(contents.size());
        if (!written) throw std::runtime_error("the file in memory cannot be written");
    }

  private:
    int descriptor_;
    std::filesystem::path path_;
};

}  // namespace seqgrad::test
