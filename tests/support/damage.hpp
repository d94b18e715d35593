#pragma once

#include <cstddef>
#include <string>
#include <string_view>

// Texts that were damaged on their way, for readers of files.

namespace seqgrad::test {

#ifdef SEQGRAD_TEST_SANITIZED
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif

/// check(text) for every truncation of a text and every flipped bit of it; in a build with sanitizers, which
/// is twenty times as slow, for one bit of every byte.
template <class Check>
void for_each_damage(const std::string& good, const Check& check) {
    for (std::size_t size = 0; size < good.size(); ++size) check(std::string_view(good).substr(0, size));
    std::string flipped = good;
    for (std::size_t i = 0; i < good.size(); ++i) {
        for (std::size_t bit = 0; bit < 8; ++bit) {
            if (sanitized && bit != i % 8) continue;
            flipped[i] = static_cast<char>(good[i] ^ (1 << bit));
            check(std::string_view(flipped));
        }
        flipped[i] = good[i];
    }
}

}  // namespace seqgrad::test
