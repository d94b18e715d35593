#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace seqgrad::detail {

/// A message in the wire format of protocol buffers, written field by field: only what ONNX files need, so
/// that they take no library and no generated code. Source: protobuf.dev, "Encoding".
class ProtobufMessage {
  public:
    /// A number, also of an enumeration.
    void number(unsigned field, std::int64_t value) {
        tag(field, Wire::varint);
        varint(static_cast<std::uint64_t>(value));
    }
    void real(unsigned field, float value) {
        tag(field, Wire::fixed32);
        const auto bits = std::bit_cast<std::uint32_t>(value);
        for (unsigned byte = 0; byte < 4; ++byte) bytes_ += static_cast<char>(bits >> (8 * byte) & 0xffU);
    }
    void text(unsigned field, std::string_view value) {
        tag(field, Wire::length);
        varint(value.size());
        bytes_ += value;
    }
    void message(unsigned field, const ProtobufMessage& value) { text(field, value.bytes_); }

    const std::string& bytes() const noexcept { return bytes_; }

  private:
    enum class Wire : unsigned { varint = 0, length = 2, fixed32 = 5 };

    void tag(unsigned field, Wire wire) { varint(std::uint64_t{field} << 3U | static_cast<unsigned>(wire)); }
    void varint(std::uint64_t value) {
        for (; value >= 0x80; value >>= 7U) bytes_ += static_cast<char>((value & 0x7fU) | 0x80U);
        bytes_ += static_cast<char>(value);
    }

    std::string bytes_;
};

}  // namespace seqgrad::detail
