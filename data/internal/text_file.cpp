#include "seqgrad/data/internal/text_file.hpp"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad::detail {

std::string read_file(const std::string& path) {
    const auto refuse = [&path](int error) {
        throw IoError(fmt::format("cannot read \"{}\": {}", path, std::generic_category().message(error)));
    };
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
    if (!file) refuse(errno);
    std::string text;
    char block[1 << 16];
    while (const std::size_t n = std::fread(block, 1, sizeof block, file.get())) text.append(block, n);
    if (std::ferror(file.get()) != 0) refuse(errno);
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
