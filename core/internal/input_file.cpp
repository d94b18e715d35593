#include "seqgrad/core/internal/input_file.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad::detail {
namespace {

/// More than this the system would not read at once.
constexpr std::size_t most_at_once = std::size_t{1} << 30;

}  // namespace

InputFile::InputFile(std::filesystem::path path) : path_(std::move(path)) {
    do descriptor_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    while (descriptor_ < 0 && errno == EINTR);
    if (descriptor_ < 0) fail("open");
    struct stat status {};
    int refused = fstat(descriptor_, &status) != 0 ? errno : S_ISDIR(status.st_mode) ? EISDIR : 0;
    if (refused != 0) {
        ::close(std::exchange(descriptor_, -1));
        errno = refused;
        fail("open");
    }
    if (S_ISREG(status.st_mode)) size_ = static_cast<std::uint64_t>(status.st_size);
}

InputFile::~InputFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

void InputFile::fail(const char* what) const {
    throw IoError(
        fmt::format("cannot {} {}: {}", what, path_.string(), std::generic_category().message(errno)));
}

std::size_t InputFile::read(void* bytes, std::size_t count) {
    ssize_t got = 0;
    do got = ::read(descriptor_, bytes, std::min(count, most_at_once));
    while (got < 0 && errno == EINTR);
    if (got < 0) fail("read");
    return static_cast<std::size_t>(got);
}

void InputFile::read_at(std::uint64_t offset, void* bytes, std::size_t count) {
    auto* to = static_cast<char*>(bytes);
    while (count > 0) {
        const ssize_t got = pread(descriptor_, to, std::min(count, most_at_once), static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) continue;
        if (got == 0) errno = EIO;  // the file has become shorter
        if (got <= 0) fail("read");
        to += got;
        offset += static_cast<std::uint64_t>(got);
        count -= static_cast<std::size_t>(got);
    }
}

}  // namespace seqgrad::detail
