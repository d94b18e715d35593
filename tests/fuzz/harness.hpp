#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

// What the fuzz programs have in common. libFuzzer calls LLVMFuzzerTestOneInput with one text after the
// other; what it throws, and every report of a sanitizer, ends the program with a file to repeat it from.

namespace seqgrad::fuzz {

inline std::string_view text(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

/// Ends the program where a reader breaks its word without an error of memory or arithmetic.
inline void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

/// The text with the checksum that a reader's message says it should have, so that other changes count; empty
/// where the message is of something else.
inline std::string with_checksum(std::string json, std::string_view message) {
    constexpr std::string_view asks = "the checksum of the ", is = " is ", key = "\"checksum\": \"";
    constexpr std::size_t digits = 16;
    const std::size_t asked = message.find(asks), wanted = message.find(is, asked), at = json.find(key);
    if (asked == std::string_view::npos || wanted == std::string_view::npos || at == std::string::npos)
        return {};
    const std::size_t begin = at + key.size(), end = json.find('"', begin);
    if (end == std::string::npos) return {};
    return json.replace(begin, end - begin, message.substr(wanted + is.size(), digits));
}

/// Takes an input's first bytes as decisions.
class Decisions {
  public:
    Decisions(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

    /// A number below `count`; 0 behind the end.
    std::size_t below(std::size_t count) {
        if (size_ == 0) return 0;
        --size_;
        return *data_++ % count;
    }
    bool coin() { return below(2) == 1; }
    /// What is left.
    std::string_view rest() const { return text(data_, size_); }

  private:
    const std::uint8_t* data_;
    std::size_t size_;
};

}  // namespace seqgrad::fuzz
