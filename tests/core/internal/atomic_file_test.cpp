#include "seqgrad/core/internal/atomic_file.hpp"

#include <cstring>
#include <string>

#include "support/failing_files.hpp"
#include "support/temporary_folder.hpp"
#include <doctest/doctest.h>
#include <sys/stat.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/crc64.hpp"

using namespace seqgrad;
using test::content_of;
using test::FailingFiles;
using test::TemporaryFolder;

namespace {

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
