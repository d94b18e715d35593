#include "seqgrad/core/internal/atomic_file.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad::detail {
namespace {

constexpr std::size_t buffer_size = std::size_t{1} << 16;

/// What a file made by open(2) would be allowed; mkostemp makes files that only their owner can read.
mode_t default_mode() {
    const mode_t mask = umask(0);
    umask(mask);
    return static_cast<mode_t>(0666) & ~mask;
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
    std::string name = path_.string() + ".XXXXXX";
    descriptor_ = mkostemp(name.data(), O_CLOEXEC);
    if (descriptor_ < 0) fail("cannot create a file beside");
    temporary_ = name;
    if (fchmod(descriptor_, default_mode()) != 0) fail("cannot set the permissions of");
}

AtomicFile::~AtomicFile() {
    if (descriptor_ >= 0) close(descriptor_);
    std::error_code ignored;
    if (!temporary_.empty()) std::filesystem::remove(temporary_, ignored);
}

void AtomicFile::fail(const char* what) const {
    throw IoError(fmt::format("{} {}: {}", what, path_.string(), std::generic_category().message(errno)));
}

void AtomicFile::write(std::string_view bytes) {
    buffer_.append(bytes);
    if (buffer_.size() >= buffer_size) write_buffer();
}

void AtomicFile::write_buffer() {
    std::string_view rest = buffer_;
    while (!rest.empty()) {
        const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
        if (written < 0) {
            if (errno == EINTR) continue;
            fail("cannot write");
        }
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
    buffer_.clear();
}

void AtomicFile::commit() {
    write_buffer();
    if (fsync(descriptor_) != 0) fail("cannot flush to disk");
    if (close(std::exchange(descriptor_, -1)) != 0) fail("cannot close");
    if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot replace");
    temporary_.clear();
    // The new name is on the disk once its folder is.
    const std::filesystem::path folder = path_.has_parent_path() ? path_.parent_path() : ".";
    const int directory = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) fail("cannot open the folder of");
    const bool flushed = fsync(directory) == 0;
    close(directory);
    if (!flushed) fail("cannot flush the folder of");
}

}  // namespace seqgrad::detail
