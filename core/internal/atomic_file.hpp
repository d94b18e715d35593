#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace seqgrad::detail {

/// Writes a file that is either complete or not there: to a temporary file in the same folder, which `commit`
/// flushes to the disk and renames. Without `commit` the temporary file is removed and what stood at the path
/// stays. Members throw IoError naming the path and the system's reason.
class AtomicFile {
  public:
    explicit AtomicFile(std::filesystem::path path);
    ~AtomicFile();
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;

    void write(std::string_view bytes);
    void commit();

  private:
    void write_buffer();
    [[noreturn]] void fail(const char* what) const;

    std::filesystem::path path_;
    std::filesystem::path temporary_;
    std::string buffer_;
    int descriptor_ = -1;
};

}  // namespace seqgrad::detail
