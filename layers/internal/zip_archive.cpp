#include "seqgrad/layers/internal/zip_archive.hpp"

#include <cstddef>
#include <cstdint>

#include <fmt/format.h>
#include <zip.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad::detail {
namespace {

/// Deflate makes data at most so many times smaller.
constexpr std::uint64_t largest_compression = 1032;

struct CloseArchive {
    void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct CloseFile {
    void operator()(zip_file_t* file) const { zip_fclose(file); }
};

}  // namespace

struct ZipArchive::State {
    std::unique_ptr<zip_t, CloseArchive> archive;
    std::string path;
    LoadLimits limits;

    [[noreturn]] void fail(const std::string& what) const {
        throw FormatError(fmt::format("{}: {}", path, what));
    }
};

ZipArchive::ZipArchive(const std::filesystem::path& path, const LoadLimits& limits)
    : state_(std::make_unique<State>()) {
    state_->path = path.string();
    state_->limits = limits;
    int code = 0;
    state_->archive.reset(zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
    if (state_->archive) return;
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    if (code == ZIP_ER_NOENT || code == ZIP_ER_OPEN || code == ZIP_ER_READ || code == ZIP_ER_SEEK)
        throw IoError(fmt::format("{}: cannot be read: {}", state_->path, reason));
    if (code == ZIP_ER_EXISTS) state_->fail("holds two files of one name");
    state_->fail(fmt::format("is no zip archive, or damaged ({})", reason));
}

ZipArchive::~ZipArchive() = default;

std::optional<std::string> ZipArchive::read(const std::string& name) const {
    zip_t* const archive = state_->archive.get();
    const zip_int64_t entries = zip_get_num_entries(archive, 0);
    if (static_cast<std::uint64_t>(entries) > state_->limits.max_keys)
        state_->fail("holds more files than allowed");
    const zip_int64_t found = zip_name_locate(archive, name.c_str(), ZIP_FL_ENC_RAW);
    if (found < 0) return std::nullopt;
    const auto index = static_cast<zip_uint64_t>(found);
    zip_stat_t stat;
    constexpr zip_uint64_t needed =
        ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    if (zip_stat_index(archive, index, 0, &stat) != 0 || (stat.valid & needed) != needed)
        state_->fail(fmt::format("{}: its size is not known", name));
    if (stat.encryption_method != ZIP_EM_NONE) state_->fail(fmt::format("{}: is encrypted", name));
    if (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE)
        state_->fail(fmt::format("{}: is compressed by something other than deflate", name));
    if (stat.size > state_->limits.max_bytes) {
        state_->fail(
            fmt::format("{}: has {} bytes, allowed are {}", name, stat.size, state_->limits.max_bytes));
    }
    if (stat.size / largest_compression > stat.comp_size)
        state_->fail(fmt::format("{}: {} bytes cannot come from {}", name, stat.size, stat.comp_size));
    const std::unique_ptr<zip_file_t, CloseFile> file(zip_fopen_index(archive, index, 0));
    if (!file) state_->fail(fmt::format("{}: {}", name, zip_strerror(archive)));
    std::string content(static_cast<std::size_t>(stat.size), '\0');
    std::size_t got = 0;
    while (got < content.size()) {
        const zip_int64_t n = zip_fread(file.get(), content.data() + got, content.size() - got);
        if (n <= 0) state_->fail(fmt::format("{}: is damaged ({})", name, zip_file_strerror(file.get())));
        got += static_cast<std::size_t>(n);
    }
    // The checksum is compared where the end is read.
    char more = 0;
    if (zip_fread(file.get(), &more, 1) != 0)
        state_->fail(fmt::format("{}: is damaged ({})", name, zip_file_strerror(file.get())));
    return content;
}

}  // namespace seqgrad::detail
