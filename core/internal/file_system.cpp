#include "seqgrad/core/internal/file_system.hpp"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace seqgrad::detail {
namespace {

thread_local FileSystem* replacement_of_thread = nullptr;

}  // namespace

int FileSystem::create_temporary(char* name) {
    return mkostemp(name, O_CLOEXEC);
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
