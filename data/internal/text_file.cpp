#include "seqgrad/data/internal/text_file.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <sys/types.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad::detail {

FileReader::FileReader(std::string path)
    : path_(std::move(path)), file_(std::fopen(path_.c_str(), "rb"), &std::fclose) {
    if (!file_) refuse(errno);
}

std::size_t FileReader::read(char* to, std::size_t size) {
    const std::size_t n = std::fread(to, 1, size, file_.get());
    if (n < size && std::ferror(file_.get()) != 0) refuse(errno);
    return n;
}

void FileReader::seek(std::uint64_t byte) {
    if (fseeko(file_.get(), static_cast<off_t>(byte), SEEK_SET) != 0) refuse(errno);
}

void FileReader::refuse(int error) const {
    throw IoError(fmt::format("cannot read \"{}\": {}", path_, std::generic_category().message(error)));
}

std::string read_file(const std::string& path) {
    FileReader file(path);
    std::string text;
    char block[1 << 16];
    while (const std::size_t n = file.read(block, sizeof block)) text.append(block, n);
    return text;
}

std::size_t first_character(std::string_view text) {
    if (text.empty()) return 0;
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = byte(0);
    const std::size_t size = lead < 0x80   ? 1
                             : lead < 0xC2 ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 0;
    if (size > text.size()) return 0;
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xC0U) != 0x80U) return 0;
    }
    // Longer than needed, a surrogate, or beyond the last code point.
    if (size > 2) {
        const unsigned second = byte(1);
        if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second >= 0xA0)) return 0;
        if ((lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second >= 0x90)) return 0;
    }
    return size;
}

std::optional<TextPlace> find_invalid_utf8(std::string_view text) {
    TextPlace place;
    while (place.byte < text.size()) {
        const std::size_t size = first_character(text.substr(place.byte));
        if (size == 0) return place;
        if (text[place.byte] == '\n') {
            ++place.line;
            place.column = 1;
        } else {
            ++place.column;
        }
        place.byte += size;
    }
    return {};
}

}  // namespace seqgrad::detail
