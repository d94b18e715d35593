#include "seqgrad/core/internal/crc64.hpp"

#include <array>
#include <cstddef>

namespace seqgrad::detail {
namespace {

constexpr std::size_t stride = 8;

/// tables[k][b]: what byte b adds when k more bytes follow it in the same step.
using Tables = std::array<std::array<std::uint64_t, 256>, stride>;

constexpr Tables make_tables() {
    constexpr std::uint64_t polynomial = 0xC96C5795D7870F42;  // bits reflected
    Tables tables{};
    for (std::uint64_t byte = 0; byte < 256; ++byte) {
        std::uint64_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
        tables[0][byte] = crc;
    }
    for (std::size_t k = 1; k < stride; ++k) {
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint64_t before = tables[k - 1][byte];
            tables[k][byte] = (before >> 8) ^ tables[0][before & 0xFF];
        }
    }
    return tables;
}

constexpr Tables tables = make_tables();

constexpr std::uint64_t byte_at(const char* p) {
    return static_cast<unsigned char>(*p);
}

}  // namespace

void Crc64::add(std::string_view bytes) {
    std::uint64_t crc = state_;
    const char* p = bytes.data();
    const char* const end = p + bytes.size();
    for (; static_cast<std::size_t>(end - p) >= stride; p += stride) {
        std::uint64_t next = 0;
        for (std::size_t i = 0; i < stride; ++i) {
            next ^= tables[stride - 1 - i][((crc >> (8 * i)) & 0xFF) ^ byte_at(p + i)];
        }
        crc = next;
    }
    for (; p != end; ++p) crc = (crc >> 8) ^ tables[0][(crc & 0xFF) ^ byte_at(p)];
    state_ = crc;
}

}  // namespace seqgrad::detail
