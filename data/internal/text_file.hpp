#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace seqgrad::detail {

/// What a UTF-8 file may begin with; no part of its text.
inline constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// Everything in a file, byte by byte. Throws IoError naming the path and the system's reason.
std::string read_file(const std::string& path);

/// Bytes of the UTF-8 character that the text begins with; 0 where that is none, or the text is empty.
std::size_t first_character(std::string_view text);

/// A place in a text.
struct TextPlace {
    std::size_t byte = 0;    ///< offset, from 0
    std::size_t line = 1;    ///< from 1; a line feed ends one
    std::size_t column = 1;  ///< characters, from 1
};

/// Where a text stops being UTF-8; nothing when all of it is.
std::optional<TextPlace> find_invalid_utf8(std::string_view text);

}  // namespace seqgrad::detail
