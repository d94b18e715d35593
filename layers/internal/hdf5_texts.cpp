#include "seqgrad/layers/internal/hdf5_texts.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad::detail {
namespace {

constexpr std::uint64_t largest_chunk = std::uint64_t{1} << 24U;
constexpr std::size_t most_messages = 1U << 16U;

[[noreturn]] void fail(std::string_view what) {
    throw FormatError(fmt::format("an attribute cannot be read: {}", what));
}

/// Bytes that are taken from the front, little-endian.
class Cursor {
  public:
    explicit Cursor(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

    std::size_t left() const noexcept { return bytes_.size(); }
    std::span<const std::uint8_t> take(std::size_t count) {
        if (count > bytes_.size()) fail("its header ends too early");
        const auto taken = bytes_.first(count);
        bytes_ = bytes_.subspan(count);
        return taken;
    }
    /// Takes so many bytes, and what fills the last 8.
    std::span<const std::uint8_t> take_padded(std::size_t count, bool is_padded) {
        constexpr std::size_t unit = 8;
        const auto taken = take(count);
        if (is_padded && count % unit != 0) take(unit - count % unit);
        return taken;
    }
    std::uint64_t number(std::size_t bytes) {
        std::uint64_t n = 0;
        const auto taken = take(bytes);
        for (std::size_t i = 0; i < bytes; ++i) n |= std::uint64_t{taken[i]} << (8 * i);
        return n;
    }

  private:
    std::span<const std::uint8_t> bytes_;
};

/// What precedes the first zero.
std::string until_zero(std::span<const std::uint8_t> bytes) {
    return {bytes.begin(), std::ranges::find(bytes, std::uint8_t{0})};
}

enum MessageType : std::uint64_t { attribute = 0x0C, continuation = 0x10, attribute_info = 0x15 };

struct Attribute {
    std::string name;
    std::span<const std::uint8_t> type, space, data;
};

/// IV.A.2.m.
Attribute read_attribute(std::span<const std::uint8_t> message) {
    Cursor at(message);
    const std::uint64_t version = at.number(1);
    if (version < 1 || version > 3) fail(fmt::format("its message has version {}", version));
    const std::uint64_t flags = at.number(1);
    if (version > 1 && flags != 0) fail("its type is kept elsewhere");
    const std::size_t name_size = at.number(2), type_size = at.number(2), space_size = at.number(2);
    if (version == 3) at.number(1);  // the name's encoding
    const bool is_padded = version == 1;
    Attribute found;
    found.name = until_zero(at.take_padded(name_size, is_padded));
    found.type = at.take_padded(type_size, is_padded);
    found.space = at.take_padded(space_size, is_padded);
    found.data = at.take(at.left());
    return found;
}

/// The number of elements, IV.A.2.b.
std::uint64_t count_of(std::span<const std::uint8_t> space, std::uint64_t most) {
    Cursor at(space);
    const std::uint64_t version = at.number(1), rank = at.number(1);
    at.number(1);  // flags
    constexpr std::uint64_t null_space = 2;
    if (version == 1) {
        at.take(5);
    } else if (version != 2) {
        fail(fmt::format("its shape has version {}", version));
    } else if (at.number(1) == null_space) {
        return 0;
    }
    std::uint64_t count = 1;
    for (std::uint64_t axis = 0; axis < rank; ++axis) {
        const std::uint64_t size = at.number(8);
        if (size != 0 && count > most / size) fail("it has more texts than allowed");
        count *= size;
    }
    return count;
}

}  // namespace

Hdf5Texts::Hdf5Texts(InputFile& file, const LoadLimits& limits)
    : file_(file),
      limits_(limits),
      size_(file.size().value()),
      left_(4 * std::min(size_, limits.max_bytes) + largest_chunk) {
    // II.A: sizes of addresses and lengths, and the address that others count from.
    const Bytes superblock = read(0, 48, 48);
    Cursor at(superblock);
    constexpr std::array<std::uint8_t, 8> signature{0x89, 'H', 'D', 'F', '\r', '\n', 0x1A, '\n'};
    if (!std::ranges::equal(at.take(signature.size()), signature))
        fail("the file does not begin as one of HDF5");
    const std::uint64_t version = at.number(1);
    if (version > 3) fail(fmt::format("the file has version {}", version));
    if (version < 2) at.take(4);
    const std::uint64_t address_size = at.number(1), length_size = at.number(1);
    if (version >= 2) {
        at.take(1);
    } else {
        at.take(version == 0 ? 9 : 13);
    }
    if (address_size != 8 || length_size != 8 || at.number(8) != 0)
        fail("the file has addresses of another kind");
}

void Hdf5Texts::take(std::uint64_t bytes) {
    if (bytes > left_) fail("the attributes take more bytes than the file has");
    left_ -= bytes;
}

Hdf5Texts::Bytes Hdf5Texts::read(std::uint64_t begin, std::uint64_t size, std::uint64_t most) {
    if (size > most) fail(fmt::format("{} bytes are more than expected there", size));
    if (begin > size_ || size > size_ - begin) fail("it lies beyond the end of the file");
    take(size);
    Bytes bytes(static_cast<std::size_t>(size));
    file_.read_at(begin, bytes.data(), bytes.size());
    return bytes;
}

std::optional<std::vector<std::string>> Hdf5Texts::find(std::uint64_t header, std::string_view name) {
    const Bytes begin = read(header, 16, 16);
    constexpr std::array<std::uint8_t, 4> new_signature{'O', 'H', 'D', 'R'};
    const bool is_new = std::ranges::equal(std::span(begin).first(4), new_signature);
    std::uint64_t first = header + 16, first_size = 0, header_flags = 0;
    if (is_new) {
        Cursor at(begin);
        at.take(4);
        if (at.number(1) != 2) fail("its object's header has an unknown version");
        header_flags = at.number(1);
        const std::uint64_t skipped =
            6 + ((header_flags & 0x20U) != 0 ? 16 : 0) + ((header_flags & 0x10U) != 0 ? 4 : 0);
        const std::uint64_t size_bytes = std::uint64_t{1} << (header_flags & 3U);
        const Bytes size = read(header + skipped, size_bytes, 8);
        first = header + skipped + size_bytes;
        first_size = Cursor(size).number(size.size());
    } else {
        Cursor at(begin);
        if (at.number(1) != 1) fail("its object's header has an unknown version");
        at.take(7);
        first_size = at.number(4);
    }
    std::vector<Chunk> chunks{{first, first_size}};
    std::size_t messages = 0;
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        const Bytes bytes = read(chunks[i].begin, chunks[i].size, largest_chunk);
        Cursor at(bytes);
        const std::size_t head = is_new ? 4 + ((header_flags & 4U) != 0 ? 2 : 0) : 8;
        while (at.left() >= head) {
            if (++messages > most_messages) fail("its object's header has more messages than allowed");
            const std::uint64_t type = at.number(is_new ? 1 : 2), size = at.number(2), flags = at.number(1);
            at.take(head - (is_new ? 4 : 5));
            const auto message = at.take(static_cast<std::size_t>(size));
            if (type == continuation) {
                Cursor to(message);
                Chunk next{to.number(8), to.number(8)};
                if (is_new) {  // a signature before the messages, and a checksum behind
                    if (next.size < 8) fail("its object's header goes on in nothing");
                    next = {next.begin + 4, next.size - 8};
                }
                chunks.push_back(next);
            } else if (type == attribute_info && message.size() >= 2) {
                Cursor info(message);
                info.take(1);
                if ((info.number(1) & 1U) != 0) info.take(2);
                constexpr std::uint64_t nowhere = ~std::uint64_t{0};
                if (info.number(8) != nowhere) fail("the object has so many that they are kept in a heap");
            } else if (type == attribute) {
                if ((flags & 2U) != 0) fail("it is shared with other objects");
                const Attribute found = read_attribute(message);
                if (found.name == name) return texts(found.type, found.space, found.data);
            }
        }
    }
    return std::nullopt;
}

std::vector<std::string> Hdf5Texts::texts(std::span<const std::uint8_t> type,
                                          std::span<const std::uint8_t> space,
                                          std::span<const std::uint8_t> data) {
    const std::uint64_t count = count_of(space, limits_.max_keys);
    if (count == 0) return {};
    Cursor at(type);
    constexpr std::uint64_t fixed_text = 3, any_length = 9, text_of_any_length = 1;
    const std::uint64_t kind = at.number(1) & 0xFU, bits = at.number(3), size = at.number(4);
    const bool is_in_heap = kind == any_length && (bits & 0xFU) == text_of_any_length;
    if (!is_in_heap && kind != fixed_text) fail("expected texts");
    if (size == 0 || (is_in_heap && size != 16) || count > data.size() / size)
        fail("it has fewer texts than it says");
    std::vector<std::string> found;
    Cursor elements(data);
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto element = elements.take(static_cast<std::size_t>(size));
        std::string text = is_in_heap ? text_in_heap(element) : until_zero(element);
        constexpr std::uint64_t padded_by_spaces = 2;
        if (!is_in_heap && (bits & 0xFU) == padded_by_spaces) text.erase(text.find_last_not_of(' ') + 1);
        if (text.size() > limits_.max_string_length) fail("a text is longer than allowed");
        found.push_back(std::move(text));
    }
    return found;
}

std::string Hdf5Texts::text_in_heap(std::span<const std::uint8_t> reference) {
    Cursor at(reference);
    const std::uint64_t length = at.number(4), address = at.number(8), index = at.number(4);
    if (length == 0) return "";
    const auto& objects = heap(address);
    const auto found = objects.find(static_cast<std::uint32_t>(index));
    if (found == objects.end() || found->second.size() < length) fail("a text is not where it says");
    take(length);
    const auto* const begin = reinterpret_cast<const std::uint8_t*>(found->second.data());
    return until_zero({begin, static_cast<std::size_t>(length)});
}

/// III.E.
const std::map<std::uint32_t, std::string>& Hdf5Texts::heap(std::uint64_t address) {
    const auto [place, is_new] = heaps_.try_emplace(address);
    if (!is_new) return place->second;
    const Bytes begin = read(address, 16, 16);
    Cursor head(begin);
    constexpr std::array<std::uint8_t, 4> signature{'G', 'C', 'O', 'L'};
    if (!std::ranges::equal(head.take(4), signature) || head.number(1) != 1)
        fail("there is no heap of texts");
    head.take(3);
    const std::uint64_t size = head.number(8);
    if (size < 16) fail("a heap of texts is too small");
    const Bytes bytes = read(address, size, largest_chunk);
    Cursor at(bytes);
    at.take(16);
    constexpr std::size_t object_head = 16;
    while (at.left() >= object_head) {
        const std::uint64_t index = at.number(2);
        at.take(6);
        const std::uint64_t object_size = at.number(8);
        if (index == 0) break;  // free space, to the end
        if (object_size > at.left()) fail("a heap of texts ends too early");
        const auto object = at.take(static_cast<std::size_t>(object_size));
        place->second.try_emplace(static_cast<std::uint32_t>(index), object.begin(), object.end());
        constexpr std::uint64_t unit = 8;
        at.take(
            std::min<std::size_t>(at.left(), static_cast<std::size_t>((unit - object_size % unit) % unit)));
    }
    return place->second;
}

}  // namespace seqgrad::detail
