#include "seqgrad/core/internal/file_system.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace seqgrad::detail {
namespace {

thread_local FileSystem* replacement_of_thread = nullptr;

/// One that neither this process nor another one is likely to have used for a name: time, process and count,
/// scattered as in splitmix64 (Steele, Lea and Flood, OOPSLA 2014).
std::uint64_t likely_new_number() {
    static std::atomic<std::uint64_t> count = 0;
    const auto time = std::chrono::system_clock::now().time_since_epoch().count();
    std::uint64_t x = static_cast<std::uint64_t>(time) + (static_cast<std::uint64_t>(getpid()) << 32) +
                      ++count * 0x9E3779B97F4A7C15;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
    return x ^ (x >> 31);
}

}  // namespace

int FileSystem::create_temporary(char* name, mode_t mode) {
    // Not mkostemp: its files are only their owner's, and the umask, which says what else a new file is
    // allowed, cannot be asked for without changing it for the whole process.
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    constexpr std::size_t unique = 6;
    constexpr int attempts = 1000;
    char* const end = name + std::strlen(name);
    for (int attempt = 0; attempt < attempts; ++attempt) {
        std::uint64_t number = likely_new_number();
        for (char* letter = end - unique; letter != end; ++letter, number /= letters.size())
            *letter = letters[number % letters.size()];
        const int descriptor = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (descriptor >= 0 || errno != EEXIST) return descriptor;
    }
    return -1;
}
int FileSystem::set_owner(int descriptor, uid_t owner, gid_t group) {
    return fchown(descriptor, owner, group);
}
int FileSystem::set_mode(int descriptor, mode_t mode) {
    return fchmod(descriptor, mode);
}
ssize_t FileSystem::write(int descriptor, const void* bytes, std::size_t count) {
    return ::write(descriptor, bytes, count);
}
void FileSystem::begin_flush([[maybe_unused]] int descriptor) {
#ifdef SYNC_FILE_RANGE_WRITE
    sync_file_range(descriptor, 0, 0, SYNC_FILE_RANGE_WRITE);
#endif
}
int FileSystem::flush(int descriptor) {
    return fsync(descriptor);
}
int FileSystem::close(int descriptor) {
    return ::close(descriptor);
}
int FileSystem::open_to_read(const char* path) {
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    // What is in memory would be read back whatever the disk made of it. The advice may be ignored.
    if (descriptor >= 0) posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
    return descriptor;
}
int FileSystem::open_folder(const char* path) {
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}
ssize_t FileSystem::read(int descriptor, void* bytes, std::size_t count) {
    return ::read(descriptor, bytes, count);
}
int FileSystem::rename(const char* from, const char* to) {
    return std::rename(from, to);
}

FileSystem& file_system() {
    static FileSystem system;
    return replacement_of_thread != nullptr ? *replacement_of_thread : system;
}

ReplaceFileSystem::ReplaceFileSystem(FileSystem& replacement)
    : before_(std::exchange(replacement_of_thread, &replacement)) {}
ReplaceFileSystem::~ReplaceFileSystem() {
    replacement_of_thread = before_;
}

}  // namespace seqgrad::detail
