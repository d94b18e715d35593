#pragma once

#include <cstdint>
#include <string_view>

namespace seqgrad::detail {

/// The checksum CRC-64/XZ of a text that comes in pieces: the polynomial of ECMA-182, bits reflected, all
/// ones at the start and inverted at the end. Any change within 64 bits in a row changes it.
class Crc64 {
  public:
    void add(std::string_view bytes);
    std::uint64_t value() const { return ~state_; }

  private:
    std::uint64_t state_ = ~std::uint64_t{0};
};

inline std::uint64_t crc64(std::string_view bytes) {
    Crc64 crc;
    crc.add(bytes);
    return crc.value();
}

}  // namespace seqgrad::detail
