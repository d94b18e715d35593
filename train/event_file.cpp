#include "seqgrad/train/event_file.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad {
namespace {

/// The bytes of a number, the least significant first.
template <class Unsigned>
std::string little_endian(Unsigned n, std::size_t bytes = sizeof(Unsigned)) {
    std::string out;
    for (std::size_t i = 0; i < bytes; ++i) out += static_cast<char>((n >> (8 * i)) & 0xff);
    return out;
}
std::string big_endian(std::uint32_t n) {
    std::string out = little_endian(n);
    std::reverse(out.begin(), out.end());
    return out;
}

// Protocol buffers: a field is its number and kind, then its value.
std::string varint(std::uint64_t n) {
    std::string out;
    for (; n >= 0x80; n >>= 7) out += static_cast<char>((n & 0x7f) | 0x80);
    return out + static_cast<char>(n);
}
std::string field(std::uint32_t number, std::int64_t value) {
    return varint(number << 3) + varint(static_cast<std::uint64_t>(value));
}
std::string field(std::uint32_t number, double value) {
    return varint(number << 3 | 1) + little_endian(std::bit_cast<std::uint64_t>(value));
}
std::string field(std::uint32_t number, float value) {
    return varint(number << 3 | 5) + little_endian(std::bit_cast<std::uint32_t>(value));
}
std::string field(std::uint32_t number, std::string_view bytes) {
    return varint(number << 3 | 2) + varint(bytes.size()) + std::string(bytes);
}
std::string field(std::uint32_t number, const std::vector<double>& values) {
    std::string packed;
    for (const double v : values) packed += little_endian(std::bit_cast<std::uint64_t>(v));
    return field(number, std::string_view(packed));
}

/// Of polynomials with their bits reversed, as both CRC-32s have them.
constexpr std::array<std::uint32_t, 256> crc_table(std::uint32_t polynomial) {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t c = i;
        for (int k = 0; k < 8; ++k) c = (c >> 1) ^ ((c & 1) != 0 ? polynomial : 0);
        table[i] = c;
    }
    return table;
}

std::uint32_t crc(const std::array<std::uint32_t, 256>& table, std::string_view data) {
    std::uint32_t c = ~0U;
    for (const char byte : data) c = (c >> 8) ^ table[(c ^ static_cast<unsigned char>(byte)) & 0xff];
    return ~c;
}

/// TFRecord's checksum.
std::string masked_crc(std::string_view data) {
    const std::uint32_t c = detail::crc32c(data);
    return little_endian(((c >> 15) | (c << 17)) + 0xa282ead8U);
}

double now() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string host() {
    std::array<char, 256> name{};
    return gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0' ? name.data() : "localhost";
}

}  // namespace

namespace detail {

std::uint32_t crc32c(std::string_view data) {
    static constexpr auto table = crc_table(0x82f63b78U);
    return crc(table, data);
}

std::string grey_png(std::size_t height, std::size_t width, std::span<const unsigned char> pixels) {
    static constexpr auto table = crc_table(0xedb88320U);
    const auto chunk = [&](std::string_view type, std::string_view data) {
        const std::string body = std::string(type) + std::string(data);
        return big_endian(static_cast<std::uint32_t>(data.size())) + body + big_endian(crc(table, body));
    };
    std::string rows;  // each behind the number of its filter, none
    for (std::size_t y = 0; y < height; ++y) {
        rows += '\0';
        for (std::size_t x = 0; x < width; ++x) rows += static_cast<char>(pixels[y * width + x]);
    }
    // zlib: blocks stored as they are, and the checksum Adler-32.
    constexpr std::size_t largest_block = 65535;
    std::string stored("\x78\x01", 2);
    for (std::size_t at = 0; at < rows.size(); at += largest_block) {
        const auto size = static_cast<std::uint16_t>(std::min(largest_block, rows.size() - at));
        stored += static_cast<char>(at + size == rows.size() ? 1 : 0);
        stored += little_endian(size) + little_endian(static_cast<std::uint16_t>(~size));
        stored += rows.substr(at, size);
    }
    std::uint32_t a = 1, b = 0;
    for (const char byte : rows) {
        a = (a + static_cast<unsigned char>(byte)) % 65521;
        b = (b + a) % 65521;
    }
    stored += big_endian(b << 16 | a);
    const std::string header = big_endian(static_cast<std::uint32_t>(width)) +
                               big_endian(static_cast<std::uint32_t>(height)) +
                               std::string("\x08\x00\x00\x00\x00", 5);  // 8 bits, grey
    return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + chunk("IDAT", stored) + chunk("IEND", "");
}

}  // namespace detail

EventFile::EventFile(const std::filesystem::path& folder, std::optional<std::int64_t> first_step) {
    static std::atomic<int> number = 0;
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) throw IoError(fmt::format("cannot make {}: {}", folder.string(), error.message()));
    path_ =
        folder /
        // TensorBoard reads the files of a folder in the order of their names.
        fmt::format("events.out.tfevents.{:.0f}.{}.{}.{:06}", std::floor(now()), host(), getpid(), number++);
    file_.open(path_, std::ios::binary);
    write(field(3, std::string_view("brain.Event:2")));
    constexpr std::int64_t start = 1;  // SessionLog.SessionStatus
    if (first_step) write(field(2, *first_step) + field(7, std::string_view(field(1, start))));
}

void EventFile::write(const std::string& event) {
    const std::string all = field(1, now()) + event;
    const std::string length = little_endian(static_cast<std::uint64_t>(all.size()));
    file_ << length << masked_crc(length) << all << masked_crc(all) << std::flush;
    if (!file_) throw IoError(fmt::format("cannot write {}: {}", path_.string(), std::strerror(errno)));
}

void EventFile::value(std::int64_t step, const std::string& value) {
    write(field(2, step) + field(5, std::string_view(field(1, std::string_view(value)))));
}

void EventFile::scalar(std::string_view tag, double number, std::int64_t step) {
    value(step, field(1, tag) + field(2, static_cast<float>(number)));
}

template <Real T>
void EventFile::histogram(std::string_view tag, std::span<const T> values, std::int64_t step,
                          std::size_t buckets) {
    if (buckets == 0) throw ValueError("histogram: expected at least 1 bucket, got 0");
    double least = std::numeric_limits<double>::infinity(), most = -least, total = 0, squares = 0;
    std::size_t count = 0;
    for (const T v : values) {
        const auto x = static_cast<double>(v);
        if (!std::isfinite(x)) continue;
        ++count;
        least = std::min(least, x);
        most = std::max(most, x);
        total += x;
        squares += x * x;
    }
    if (count == 0) return;
    const double width = most > least ? (most - least) / static_cast<double>(buckets) : 1.0;
    std::vector<double> limits(buckets), counts(buckets, 0.0);
    for (std::size_t i = 0; i < buckets; ++i) limits[i] = least + width * static_cast<double>(i + 1);
    limits.back() = std::max(limits.back(), most);
    for (const T v : values) {
        const auto x = static_cast<double>(v);
        if (!std::isfinite(x)) continue;
        ++counts[std::min(buckets - 1, static_cast<std::size_t>((x - least) / width))];
    }
    const std::string message = field(1, least) + field(2, most) + field(3, static_cast<double>(count)) +
                                field(4, total) + field(5, squares) + field(6, limits) + field(7, counts);
    value(step, field(1, tag) + field(5, std::string_view(message)));
}

template <Real T>
void EventFile::image(std::string_view tag, const Tensor<T>& picture, std::int64_t step,
                      std::size_t magnification) {
    if (picture.dimension() != 2 || picture.size() == 0) {
        throw ShapeError(
            fmt::format("image: expected a picture [height, width], got {}", to_string(picture.shape())));
    }
    if (magnification == 0) throw ValueError("image: expected a magnification of at least 1, got 0");
    const std::size_t height = picture.shape()[0] * magnification, width = picture.shape()[1] * magnification;
    std::vector<unsigned char> pixels(height * width);
    for (std::size_t y = 0; y < height; ++y) {
        for (std::size_t x = 0; x < width; ++x) {
            const auto v = static_cast<double>(picture(y / magnification, x / magnification));
            const double ink = v > 0.0 ? std::min(v, 1.0) : 0.0;
            pixels[y * width + x] = static_cast<unsigned char>(std::lround(255.0 * (1.0 - ink)));
        }
    }
    const std::string message = field(1, static_cast<std::int64_t>(height)) +
                                field(2, static_cast<std::int64_t>(width)) + field(3, std::int64_t{1}) +
                                field(4, std::string_view(detail::grey_png(height, width, pixels)));
    value(step, field(1, tag) + field(4, std::string_view(message)));
}

template void EventFile::histogram(std::string_view, std::span<const float>, std::int64_t, std::size_t);
template void EventFile::histogram(std::string_view, std::span<const double>, std::int64_t, std::size_t);
template void EventFile::image(std::string_view, const Tensor<float>&, std::int64_t, std::size_t);
template void EventFile::image(std::string_view, const Tensor<double>&, std::int64_t, std::size_t);

}  // namespace seqgrad
