#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace seqgrad::detail {

/// What a UTF-8 file may begin with; no part of its text.
inline constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// A file that is read piece by piece. Everything throws IoError naming the path and the system's reason.
class FileReader {
  public:
    explicit FileReader(std::string path);

    /// Reads the next `size` bytes to `to` and returns how many there were: fewer at the file's end alone.
    std::size_t read(char* to, std::size_t size);

    /// Goes on at this byte, from 0. Pipes refuse it.
    void seek(std::uint64_t byte);

  private:
    [[noreturn]] void refuse(int error) const;

    std::string path_;
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

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
