#include "seqgrad/core/internal/crc64.hpp"

#include <array>
#include <cstddef>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif

namespace seqgrad::detail {
namespace {

constexpr std::uint64_t polynomial = 0xC96C5795D7870F42;  // bits reflected
constexpr std::size_t stride = 8;

/// tables[k][b]: what byte b adds when k more bytes follow it in the same step.
using Tables = std::array<std::array<std::uint64_t, 256>, stride>;

constexpr Tables make_tables() {
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

std::uint64_t add_by_tables(std::uint64_t crc, const char* p, const char* end) {
    for (; static_cast<std::size_t>(end - p) >= stride; p += stride) {
        std::uint64_t next = 0;
        for (std::size_t i = 0; i < stride; ++i) {
            next ^= tables[stride - 1 - i][((crc >> (8 * i)) & 0xFF) ^ byte_at(p + i)];
        }
        crc = next;
    }
    for (; p != end; ++p) crc = (crc >> 8) ^ tables[0][(crc & 0xFF) ^ byte_at(p)];
    return crc;
}

#if defined(__x86_64__) && defined(__GNUC__)

constexpr std::size_t block = 64;

/// x^n modulo the polynomial, bits reflected.
constexpr std::uint64_t power(int n) {
    std::uint64_t p = std::uint64_t{1} << 63;
    for (int i = 0; i < n; ++i) p = (p >> 1) ^ ((p & 1) != 0 ? polynomial : 0);
    return p;
}

/// x times x^n as a polynomial, but for a multiple of the checksum's: both halves are multiplied. (The
/// product of reflected numbers has a factor x too many, so that the powers are one less.)
template <int n>
__attribute__((target("pclmul"))) __m128i fold(__m128i x) {
    const __m128i powers =
        _mm_set_epi64x(static_cast<long long>(power(n - 1)), static_cast<long long>(power(n + 63)));
    return _mm_xor_si128(_mm_clmulepi64_si128(x, powers, 0x00), _mm_clmulepi64_si128(x, powers, 0x11));
}

/// Adds the whole blocks: four lanes of 128 bits go over them, and what is left of them is a message of 16
/// bytes with the same checksum. (Gopal and others, Fast CRC Computation for Generic Polynomials Using
/// PCLMULQDQ, 2009.)
__attribute__((target("pclmul"))) std::uint64_t add_by_products(std::uint64_t crc, const char* p,
                                                                std::size_t blocks) {
    const auto load = [](const char* from) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    };
    __m128i a = _mm_xor_si128(load(p), _mm_cvtsi64_si128(static_cast<long long>(crc)));
    __m128i b = load(p + 16), c = load(p + 32), d = load(p + 48);
    while (--blocks > 0) {
        p += block;
        a = _mm_xor_si128(fold<512>(a), load(p));
        b = _mm_xor_si128(fold<512>(b), load(p + 16));
        c = _mm_xor_si128(fold<512>(c), load(p + 32));
        d = _mm_xor_si128(fold<512>(d), load(p + 48));
    }
    b = _mm_xor_si128(fold<128>(a), b);
    c = _mm_xor_si128(fold<128>(b), c);
    d = _mm_xor_si128(fold<128>(c), d);
    std::array<char, 16> rest;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(rest.data()), d);
    return add_by_tables(0, rest.data(), rest.data() + rest.size());
}

#endif

}  // namespace

void Crc64::add(std::string_view bytes) {
    const char* p = bytes.data();
    const char* const end = p + bytes.size();
#if defined(__x86_64__) && defined(__GNUC__)
    static const bool products = __builtin_cpu_supports("pclmul") != 0;
    if (const std::size_t blocks = bytes.size() / block; products && blocks > 0) {
        state_ = add_by_products(state_, p, blocks);
        p += blocks * block;
    }
#endif
    state_ = add_by_tables(state_, p, end);
}

}  // namespace seqgrad::detail
