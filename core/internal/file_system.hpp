#pragma once

#include <cstddef>

#include <sys/types.h>

namespace seqgrad::detail {

/// The system calls that files are written with, so that tests can have them fail. Results are the calls'
/// own: negative with errno set where one failed.
struct FileSystem {
    FileSystem() = default;
    virtual ~FileSystem() = default;
    FileSystem(const FileSystem&) = delete;
    FileSystem& operator=(const FileSystem&) = delete;

    /// Creates a file of a new name, which replaces the six X at the end of `name`, and opens it. It is
    /// allowed what the process's umask leaves of `mode`.
    virtual int create_temporary(char* name, mode_t mode);
    virtual int set_owner(int descriptor, uid_t owner, gid_t group);
    virtual int set_mode(int descriptor, mode_t mode);
    virtual ssize_t write(int descriptor, const void* bytes, std::size_t count);
    /// Has the disk begin with what was written, where the system can, so that `flush` has less to wait for.
    virtual void begin_flush(int descriptor);
    /// Has what was written, or a folder's names, put on the disk.
    virtual int flush(int descriptor);
    virtual int close(int descriptor);
    virtual int open_to_read(const char* path);
    virtual int open_folder(const char* path);
    virtual ssize_t read(int descriptor, void* bytes, std::size_t count);
    virtual int rename(const char* from, const char* to);
};

/// What the calling thread's files are written with: the system, but where a ReplaceFileSystem stands.
FileSystem& file_system();

/// Has another FileSystem take the system's place in the calling thread, until the end of the scope.
class ReplaceFileSystem {
  public:
    explicit ReplaceFileSystem(FileSystem& replacement);
    ~ReplaceFileSystem();
    ReplaceFileSystem(const ReplaceFileSystem&) = delete;
    ReplaceFileSystem& operator=(const ReplaceFileSystem&) = delete;

  private:
    FileSystem* before_;
};

}  // namespace seqgrad::detail
