#include "seqgrad/core/internal/atomic_file.hpp"

#include <cerrno>
#include <climits>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/stat.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad::detail {
namespace {

constexpr std::size_t buffer_size = std::size_t{1} << 16;
/// Bytes that the disk is given at a time, while what follows is still being made.
constexpr std::size_t piece_size = std::size_t{1} << 20;
constexpr std::string_view infix = ".tmp-";
constexpr std::string_view unique_part = "XXXXXX";

constexpr mode_t mode_of_new_file = 0666;  // of which the umask leaves a part
constexpr mode_t permissions = 0777;
/// So many links may lead from one to the next, as for the system itself.
constexpr int most_links = 40;

/// What a temporary file's name begins with: the file's own, cut where the whole would be too long.
std::string beginning_for(std::string_view name) {
    return std::string(name.substr(0, NAME_MAX - infix.size() - unique_part.size())) + std::string(infix);
}

[[noreturn]] void fail_at(const char* what, const std::filesystem::path& path) {
    throw IoError(fmt::format("{} {}: {}", what, path.string(), std::generic_category().message(errno)));
}

/// Makes a system call again while a signal interrupts it.
template <class Call>
auto uninterrupted(const Call& call) {
    auto result = call();
    while (result < 0 && errno == EINTR) result = call();
    return result;
}

/// A file or folder that is open for reading.
class Opened {
  public:
    Opened(FileSystem& system, int descriptor) : system_(system), descriptor_(descriptor) {}
    ~Opened() {
        const int reason = errno;
        if (descriptor_ >= 0) system_.close(descriptor_);
        errno = reason;
    }
    Opened(const Opened&) = delete;
    Opened& operator=(const Opened&) = delete;
    int descriptor() const { return descriptor_; }

  private:
    FileSystem& system_;
    int descriptor_;
};

/// The file that a path leads to, which need not be there.
std::filesystem::path without_links(const std::filesystem::path& path) {
    std::filesystem::path file = path;
    for (int links = 0;; ++links) {
        std::error_code error;
        const std::filesystem::path target = std::filesystem::read_symlink(file, error);
        if (error) return file;
        if (links == most_links) {
            errno = ELOOP;
            fail_at("cannot write", path);
        }
        file = file.parent_path() / target;  // the target alone where it is an absolute path
    }
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : AtomicFile(std::move(path), file_system()) {
    // From here on the destructor removes the file.
    if (replaced_) take_over(*replaced_);
}

AtomicFile::AtomicFile(std::filesystem::path path, FileSystem& system)
    : system_(system), path_(std::move(path)) {
    struct stat there {};
    if (stat(path_.c_str(), &there) == 0) {
        if (!S_ISREG(there.st_mode)) {
            throw IoError(fmt::format("cannot write {}: it is no regular file, and would be replaced by one",
                                      path_.string()));
        }
        replaced_ = there;
    } else if (errno == ENAMETOOLONG) {
        fail("cannot create");  // before the whole file is written, under a shorter name
    }
    file_ = without_links(path_);
    std::string name =
        (file_.parent_path() / (beginning_for(file_.filename().string()) + std::string(unique_part)))
            .string();
    // Until it has its owner, group and mode it is nobody else's to read.
    const mode_t mode = replaced_ ? S_IRUSR | S_IWUSR : mode_of_new_file;
    descriptor_ = uninterrupted([&] { return system_.create_temporary(name.data(), mode); });
    if (descriptor_ < 0) fail("cannot create a file beside");
    temporary_ = name;
}

/// Gives the new file what belongs to the one that it will replace.
void AtomicFile::take_over(const struct stat& replaced) {
    struct stat made {};
    const bool known = fstat(descriptor_, &made) == 0;
    if (!known || made.st_uid != replaced.st_uid || made.st_gid != replaced.st_gid) {
        // Only the system's administrator can give files away, and others can choose among their groups.
        if (system_.set_owner(descriptor_, replaced.st_uid, replaced.st_gid) != 0)
            static_cast<void>(system_.set_owner(descriptor_, made.st_uid, replaced.st_gid));
    }
    if (system_.set_mode(descriptor_, replaced.st_mode & permissions) != 0) {
        fail("cannot set the permissions of");
    }
}

AtomicFile::~AtomicFile() {
    if (descriptor_ >= 0) system_.close(descriptor_);
    std::error_code ignored;
    if (!temporary_.empty()) std::filesystem::remove(temporary_, ignored);
}

bool AtomicFile::is_temporary_of(std::string_view name, std::string_view file) {
    const std::string beginning = beginning_for(name);
    return file.size() == beginning.size() + unique_part.size() && file.starts_with(beginning);
}

void AtomicFile::fail(const char* what) const {
    fail_at(what, path_);
}

void AtomicFile::write(std::string_view bytes) {
    size_ += bytes.size();
    checksum_.add(bytes);
    if (buffer_.size() + bytes.size() < buffer_size) {
        buffer_.append(bytes);
        return;
    }
    write_now(buffer_);
    buffer_.clear();
    write_now(bytes);
}

void AtomicFile::write_now(std::string_view rest) {
    while (!rest.empty()) {
        const ssize_t written =
            uninterrupted([&] { return system_.write(descriptor_, rest.data(), rest.size()); });
        if (written == 0) errno = EIO;  // it would be tried for ever
        if (written <= 0) fail("cannot write");
        rest.remove_prefix(static_cast<std::size_t>(written));
        not_begun_ += static_cast<std::size_t>(written);
        if (not_begun_ >= piece_size) {
            system_.begin_flush(descriptor_);
            not_begun_ = 0;
        }
    }
}

void AtomicFile::verify() const {
    const Opened file(system_, uninterrupted([&] { return system_.open_to_read(temporary_.c_str()); }));
    if (file.descriptor() < 0) fail("cannot read back");
    std::vector<char> bytes(buffer_size);
    std::uint64_t size = 0;
    Crc64 checksum;
    for (;;) {
        const ssize_t got =
            uninterrupted([&] { return system_.read(file.descriptor(), bytes.data(), bytes.size()); });
        if (got < 0) fail("cannot read back");
        if (got == 0) break;
        checksum.add({bytes.data(), static_cast<std::size_t>(got)});
        size += static_cast<std::uint64_t>(got);
    }
    if (size != size_) {
        throw IoError(
            fmt::format("cannot write {}: of {} bytes {} are read back", path_.string(), size_, size));
    }
    if (checksum.value() != checksum_.value()) {
        throw IoError(
            fmt::format("cannot write {}: what is read back is not what was written", path_.string()));
    }
}

void AtomicFile::commit() {
    write_now(buffer_);
    if (uninterrupted([&] { return system_.flush(descriptor_); }) != 0) fail("cannot flush to disk");
    if (system_.close(std::exchange(descriptor_, -1)) != 0) fail("cannot close");
    verify();
    if (system_.rename(temporary_.c_str(), file_.c_str()) != 0) fail("cannot replace");
    temporary_.clear();
    // The new name is on the disk once its folder is.
    flush_folder(file_.parent_path(), path_);
}

void flush_folder(const std::filesystem::path& folder, const std::filesystem::path& path) {
    FileSystem& system = file_system();
    const char* const name = folder.empty() ? "." : folder.c_str();
    const Opened opened(system, uninterrupted([&] { return system.open_folder(name); }));
    if (opened.descriptor() < 0) fail_at("cannot open the folder of", path);
    if (uninterrupted([&] { return system.flush(opened.descriptor()); }) != 0) {
        fail_at("cannot flush the folder of", path);
    }
}

}  // namespace seqgrad::detail
