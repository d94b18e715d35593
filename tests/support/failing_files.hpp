#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <system_error>

#include "support/temporary_folder.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/file_system.hpp"

namespace seqgrad::test {

/// The system's files, of which one call fails: the one of that number, counted from 0.
class FailingFiles : public detail::FileSystem {
  public:
    static constexpr std::size_t never = static_cast<std::size_t>(-1);
    explicit FailingFiles(std::size_t failing = never, int reason = EIO)
        : failing_(failing), reason_(reason) {}

    std::size_t calls() const { return calls_; }
    bool failed() const { return calls_ > failing_; }
    /// The call that failed: "fsync".
    const std::string& failed_call() const { return failed_call_; }

    int create_temporary(char* name, mode_t mode) override {
        if (fails("open a new file")) return -1;
        return written_ = FileSystem::create_temporary(name, mode);
    }
    int set_mode(int descriptor, mode_t mode) override {
        return fails("fchmod") ? -1 : FileSystem::set_mode(descriptor, mode);
    }
    ssize_t write(int descriptor, const void* bytes, std::size_t count) override {
        if (!fails("write")) return FileSystem::write(descriptor, bytes, count);
        // The disk takes a part before it is full.
        FileSystem::write(descriptor, bytes, count / 2);
        errno = reason_;
        return -1;
    }
    int flush(int descriptor) override { return fails("fsync") ? -1 : FileSystem::flush(descriptor); }
    int close(int descriptor) override {
        const bool written = descriptor == written_;
        if (written) written_ = -1;
        FileSystem::close(descriptor);
        return fails(written ? "close" : "close after reading") ? -1 : 0;
    }
    int open_to_read(const char* path) override {
        return fails("open") ? -1 : FileSystem::open_to_read(path);
    }
    int open_folder(const char* path) override {
        return fails("open folder") ? -1 : FileSystem::open_folder(path);
    }
    ssize_t read(int descriptor, void* bytes, std::size_t count) override {
        return fails("read") ? -1 : FileSystem::read(descriptor, bytes, count);
    }
    int rename(const char* from, const char* to) override {
        return fails("rename") ? -1 : FileSystem::rename(from, to);
    }

  protected:
    /// What happens in place of the call that fails.
    virtual void fail() { errno = reason_; }

  private:
    bool fails(const char* call) {
        if (calls_++ != failing_) return false;
        failed_call_ = call;
        fail();
        return true;
    }

    std::size_t failing_;
    int reason_;
    std::size_t calls_ = 0;
    int written_ = -1;
    std::string failed_call_;
};

/// Calls `save`, which is to write `path` once, with every one of its system calls failing in turn, and
/// `check(replaced)` after each, which is to put the old file back. Checks that every failure but that of
/// closing what was only read is an IoError which names the path and the reason, and that nothing is left in
/// the folder beside what stood there.
template <class Save, class Check>
void check_every_failure(const TemporaryFolder& folder, const std::filesystem::path& path, const Save& save,
                         const Check& check) {
    const std::size_t files = folder.files();
    FailingFiles counting;
    {
        const detail::ReplaceFileSystem replaced(counting);
        save();
    }
    REQUIRE(counting.calls() > 10);
    REQUIRE(folder.files() == files);
    check(true);
    bool renamed = false;
    for (std::size_t n = 0; n < counting.calls(); ++n) {
        for (const int reason : {ENOSPC, EIO}) {
            CAPTURE(n);
            FailingFiles failing(n, reason);
            std::string message;
            {
                const detail::ReplaceFileSystem replaced(failing);
                try {
                    save();
                } catch (const IoError& e) {
                    message = e.what();
                }
            }
            REQUIRE(failing.failed());
            CAPTURE(failing.failed_call());
            renamed = renamed || failing.failed_call() == "open folder";
            const bool harmless = failing.failed_call() == "close after reading";
            if (harmless) {
                CHECK(message.empty());
            } else {
                CHECK(message.find(path.string()) != std::string::npos);
                CHECK(message.ends_with(": " + std::generic_category().message(reason)));
            }
            CHECK(folder.files() == files);
            check(renamed || harmless);
        }
    }
    CHECK(renamed);
}

}  // namespace seqgrad::test
