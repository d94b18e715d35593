#include "seqgrad/core/internal/atomic_file.hpp"

#include <cerrno>
#include <cstring>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include "support/failing_files.hpp"
#include "support/temporary_folder.hpp"
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/crc64.hpp"

namespace {

int umask_calls = 0;

}  // namespace

/// Stands before the system's in this program, and counts who calls it.
extern "C" mode_t umask(mode_t mask) noexcept {
    ++umask_calls;
    return static_cast<mode_t>(syscall(SYS_umask, mask));
}

using namespace seqgrad;
using test::content_of;
using test::FailingFiles;
using test::TemporaryFolder;

namespace {

mode_t mode_of(const std::filesystem::path& path) {
    struct stat status {};
    REQUIRE(stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
}

/// Long enough to be written in several pieces.
std::string long_text(char first) {
    std::string text;
    for (int i = 0; i < 40'000; ++i) text += first + std::to_string(i);
    return text;
}

void save(const std::filesystem::path& path, const std::string& text) {
    detail::AtomicFile file(path);
    for (std::size_t at = 0; at < text.size(); at += 1000)
        file.write(std::string_view(text).substr(at, 1000));
    file.commit();
}

/// Takes and gives a few bytes at a time.
struct SlowFiles : detail::FileSystem {
    ssize_t write(int descriptor, const void* bytes, std::size_t count) override {
        return FileSystem::write(descriptor, bytes, std::min<std::size_t>(count, 777));
    }
    ssize_t read(int descriptor, void* bytes, std::size_t count) override {
        return FileSystem::read(descriptor, bytes, std::min<std::size_t>(count, 333));
    }
};

/// Has every call that can be interrupted by a signal be so once.
struct InterruptedFiles : detail::FileSystem {
    bool interrupted = false;
    bool interrupt() {
        interrupted = !interrupted;
        if (interrupted) errno = EINTR;
        return interrupted;
    }
    ssize_t write(int descriptor, const void* bytes, std::size_t count) override {
        return interrupt() ? -1 : FileSystem::write(descriptor, bytes, count);
    }
    ssize_t read(int descriptor, void* bytes, std::size_t count) override {
        return interrupt() ? -1 : FileSystem::read(descriptor, bytes, count);
    }
    int flush(int descriptor) override { return interrupt() ? -1 : FileSystem::flush(descriptor); }
    int open_to_read(const char* path) override { return interrupt() ? -1 : FileSystem::open_to_read(path); }
    int open_folder(const char* path) override { return interrupt() ? -1 : FileSystem::open_folder(path); }
};

/// Says that it wrote what it did not.
struct LyingFiles : detail::FileSystem {
    enum class Lie { changes_a_bit, leaves_out, takes_nothing };
    explicit LyingFiles(Lie what) : lie(what) {}
    Lie lie;

    ssize_t write(int descriptor, const void* bytes, std::size_t count) override {
        std::string text(static_cast<const char*>(bytes), count);
        if (lie == Lie::takes_nothing) return 0;
        if (lie == Lie::changes_a_bit) text[count / 2] = static_cast<char>(text[count / 2] ^ 4);
        if (lie == Lie::leaves_out) text.pop_back();
        FileSystem::write(descriptor, text.data(), text.size());
        return static_cast<ssize_t>(count);
    }
};

}  // namespace

TEST_CASE("CRC-64/XZ is that of its catalogue, in pieces as in one") {
    CHECK(detail::crc64("") == 0);
    CHECK(detail::crc64("123456789") == 0x995DC9BBDF1939FA);
    const std::string text = long_text('a').substr(0, 100);
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        detail::Crc64 crc;
        crc.add(text.substr(0, cut));
        crc.add(text.substr(cut));
        CHECK(crc.value() == detail::crc64(text));
    }
}

TEST_CASE("CRC-64/XZ is that of its definition, bit by bit, for texts of any size") {
    std::string text;
    std::uint64_t crc = ~std::uint64_t{0};
    for (std::uint64_t n = 1; n <= 700; ++n) {
        text += static_cast<char>(n * n * 0x9E3779B97F4A7C15 >> 56);
        crc ^= static_cast<unsigned char>(text.back());
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xC96C5795D7870F42 : 0);
        CHECK(detail::crc64(text) == ~crc);
    }
}

TEST_CASE("a file is replaced when it is committed, not before") {
    const TemporaryFolder folder;
    const auto path = folder / "file";
    save(path, "old");
    {
        detail::AtomicFile file(path);
        file.write(long_text('n'));
        CHECK(content_of(path) == "old");
        CHECK(folder.files() == 2);
    }
    CHECK(content_of(path) == "old");
    CHECK(folder.files() == 1);
    save(path, long_text('n'));
    const bool replaced = content_of(path) == long_text('n');
    CHECK(replaced);
    CHECK(folder.files() == 1);
}

TEST_CASE(
    "whichever system call fails, the old file or the new one is there, and the error names the reason") {
    const TemporaryFolder folder;
    const auto path = folder / "file";
    const std::string before = long_text('o'), after = long_text('n');
    save(path, before);
    test::check_every_failure(
        folder, path, [&] { save(path, after); },
        [&](bool replaced) {
            const bool as_expected = content_of(path) == (replaced ? after : before);
            CHECK(as_expected);
            save(path, before);
        });
}

TEST_CASE("calls that do a part of the work, or that a signal interrupts, are made again") {
    const TemporaryFolder folder;
    SlowFiles slow;
    InterruptedFiles interrupted;
    for (detail::FileSystem* files :
         {static_cast<detail::FileSystem*>(&slow), static_cast<detail::FileSystem*>(&interrupted)}) {
        const detail::ReplaceFileSystem replaced(*files);
        save(folder / "file", long_text('n'));
        const bool written = content_of(folder / "file") == long_text('n');
        CHECK(written);
        CHECK(folder.files() == 1);
        std::filesystem::remove(folder / "file");
    }
}

TEST_CASE("what is read back otherwise than it was written does not replace the old file") {
    const TemporaryFolder folder;
    const auto path = folder / "file";
    save(path, "old");
    const auto check = [&](LyingFiles::Lie lie, const char* message) {
        LyingFiles files(lie);
        const detail::ReplaceFileSystem replaced(files);
        CHECK_THROWS_WITH_AS(save(path, "12345"), ("cannot write " + path.string() + ": " + message).c_str(),
                             IoError);
        CHECK(content_of(path) == "old");
        CHECK(folder.files() == 1);
    };
    check(LyingFiles::Lie::changes_a_bit, "what is read back is not what was written");
    check(LyingFiles::Lie::leaves_out, "of 5 bytes 4 are read back");
    check(LyingFiles::Lie::takes_nothing, std::strerror(EIO));
}

TEST_CASE("what is no file is not replaced by one") {
    const TemporaryFolder folder;
    REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
    std::filesystem::create_directory(folder / "folder");
    std::filesystem::create_symlink("/dev/null", folder / "device");
    for (const char* name : {"pipe", "folder", "device"}) {
        CHECK_THROWS_WITH_AS(save(folder / name, "text"),
                             ("cannot write " + (folder / name).string() +
                              ": it is no regular file, and would be replaced by one")
                                 .c_str(),
                             IoError);
    }
    CHECK(std::filesystem::is_fifo(folder / "pipe"));
    CHECK(std::filesystem::is_character_file(folder / "device"));
    CHECK(folder.files() == 3);
}

TEST_CASE("a new file is allowed what the umask leaves, which is never touched") {
    const TemporaryFolder folder;
    for (const mode_t mask : {0022U, 0077U, 0002U, 0000U, 0027U}) {
        const mode_t before = umask(mask);
        const int calls = umask_calls;
        save(folder / "file", "text");
        CHECK(umask_calls == calls);
        CHECK(umask(before) == mask);
        CHECK(mode_of(folder / "file") == (0666 & ~mask));
        std::filesystem::remove(folder / "file");
    }
}

TEST_CASE("a file that is saved again keeps its mode, also where that fails") {
    const TemporaryFolder folder;
    const auto path = folder / "file";
    for (const mode_t mode : {0600U, 0640U, 0444U, 0755U, 0666U}) {
        std::filesystem::remove(path);
        save(path, "old");
        REQUIRE(chmod(path.c_str(), mode) == 0);
        save(path, "new");
        CHECK(content_of(path) == "new");
        CHECK(mode_of(path) == mode);
        {
            detail::AtomicFile abandoned(path);
            abandoned.write("newer");
        }
        CHECK(mode_of(path) == mode);
    }
}

TEST_CASE("what is written in place of a private file is never anybody else's to read") {
    struct WatchedFiles : detail::FileSystem {
        std::vector<mode_t> modes;
        int create_temporary(char* name, mode_t mode) override {
            const int descriptor = FileSystem::create_temporary(name, mode);
            modes.push_back(mode_of(name));
            return descriptor;
        }
    } files;
    const TemporaryFolder folder;
    save(folder / "file", "old");
    REQUIRE(chmod((folder / "file").c_str(), 0600) == 0);
    const detail::ReplaceFileSystem replaced(files);
    save(folder / "file", "new");
    CHECK(files.modes == std::vector<mode_t>{0600});
}

TEST_CASE("a file that is saved again keeps its owner and group") {
    const TemporaryFolder folder;
    const auto path = folder / "file";
    save(path, "old");
    if (chown(path.c_str(), 12345, 23456) != 0) return;  // only the administrator can give files away
    REQUIRE(chmod(path.c_str(), 0640) == 0);
    save(path, "new");
    struct stat status {};
    REQUIRE(stat(path.c_str(), &status) == 0);
    CHECK(status.st_uid == 12345);
    CHECK(status.st_gid == 23456);
    CHECK(mode_of(path) == 0640);
}

TEST_CASE("links are followed, and stay") {
    const TemporaryFolder folder;
    std::filesystem::create_directory(folder / "store");
    const auto file = folder / "store/file";
    std::filesystem::create_symlink("store/file", folder / "relative");
    std::filesystem::create_symlink(file, folder / "absolute");
    std::filesystem::create_symlink("../relative", folder / "store/back");
    std::filesystem::create_symlink("store/back", folder / "twice");
    std::filesystem::create_directory_symlink("store", folder / "folder");
    for (const char* const name : {"relative", "absolute", "twice", "folder/file", "store/back"}) {
        CAPTURE(name);
        for (const bool dangling : {false, true}) {
            if (dangling) std::filesystem::remove(file);
            const std::string text = std::string(name) + (dangling ? " anew" : " again");
            const auto before = std::filesystem::is_symlink(folder / name);
            if (!dangling) {
                save(file, "old");
                REQUIRE(chmod(file.c_str(), 0640) == 0);
            }
            save(folder / name, text);
            CHECK(std::filesystem::is_symlink(folder / name) == before);
            CHECK(content_of(file) == text);
            CHECK_FALSE(std::filesystem::is_symlink(file));
            if (!dangling) CHECK(mode_of(file) == 0640);
        }
    }
    // Nothing is left beside them, in whichever folder.
    CHECK(folder.files() == 5);
    CHECK(std::distance(std::filesystem::directory_iterator(folder / "store"), {}) == 2);
    test::check_every_failure(
        folder, folder / "twice", [&] { save(folder / "twice", "new"); },
        [&](bool replaced) {
            CHECK(content_of(file) == (replaced ? "new" : "old"));
            CHECK(std::distance(std::filesystem::directory_iterator(folder / "store"), {}) == 2);
            save(file, "old");
        });
}

TEST_CASE("links that lead nowhere are refused and stay") {
    const TemporaryFolder folder;
    std::filesystem::create_symlink("b", folder / "a");
    std::filesystem::create_symlink("a", folder / "b");
    std::filesystem::create_symlink("missing/file", folder / "c");
    CHECK_THROWS_WITH_AS(
        save(folder / "a", "text"),
        ("cannot write " + (folder / "a").string() + ": " + std::generic_category().message(ELOOP)).c_str(),
        IoError);
    CHECK_THROWS_WITH_AS(save(folder / "c", "text"),
                         ("cannot create a file beside " + (folder / "c").string() + ": " +
                          std::generic_category().message(ENOENT))
                             .c_str(),
                         IoError);
    CHECK(folder.files() == 3);
}

TEST_CASE("a file may have the longest name that the system allows") {
    const TemporaryFolder folder;
    const std::string longest(255, 'n');
    for (const char* content : {"one", "two"}) {
        detail::AtomicFile file(folder / longest);
        file.write(content);
        file.commit();
        CHECK(content_of(folder / longest) == content);
    }
    CHECK(folder.files() == 1);
    CHECK_THROWS_AS(detail::AtomicFile(folder / (longest + "n")), IoError);
    CHECK(folder.files() == 1);
    CHECK(detail::AtomicFile::is_temporary_of(longest, longest.substr(0, 244) + ".tmp-abcdef"));
    CHECK_FALSE(detail::AtomicFile::is_temporary_of(longest, longest.substr(0, 243) + ".tmp-abcdef"));
}

TEST_CASE("temporary files are known by their names") {
    const auto temporary = [](const char* file) {
        return detail::AtomicFile::is_temporary_of("checkpoint-7.json", file);
    };
    CHECK(temporary("checkpoint-7.json.tmp-aB3xYz"));
    CHECK_FALSE(temporary("checkpoint-7.json"));
    CHECK_FALSE(temporary("checkpoint-7.json.my-backups"));
    CHECK_FALSE(temporary("checkpoint-7.json.tmp-aB3xYz.json"));
    CHECK_FALSE(temporary("checkpoint-17.json.tmp-aB3xYz"));
}
