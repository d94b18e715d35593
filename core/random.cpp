#include "seqgrad/core/random.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numbers>
#include <random>
#include <type_traits>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad {

namespace {

using Block = std::array<std::uint32_t, 4>;

constexpr std::size_t words_per_block = 4;

constexpr std::uint32_t low_word(std::uint64_t x) {
    return static_cast<std::uint32_t>(x);
}
constexpr std::uint32_t high_word(std::uint64_t x) {
    return static_cast<std::uint32_t>(x >> 32);
}

/// A Philox 4x32-10 stream: block i enciphers the counter (first + i, high) under the key.
struct Philox {
    std::uint64_t key;
    std::uint64_t first;
    std::uint64_t high;

    Block block(std::uint64_t i) const {
        Block c{low_word(first + i), high_word(first + i), low_word(high), high_word(high)};
        std::uint32_t key0 = low_word(key);
        std::uint32_t key1 = high_word(key);
        for (int round = 0; round < 10; ++round) {
            const std::uint64_t a = std::uint64_t{0xD2511F53} * c[0];
            const std::uint64_t b = std::uint64_t{0xCD9E8D57} * c[2];
            c = {high_word(b) ^ c[1] ^ key0, low_word(b), high_word(a) ^ c[3] ^ key1, low_word(a)};
            key0 += 0x9E3779B9;
            key1 += 0xBB67AE85;
        }
        return c;
    }
};

/// The stream that TensorFlow's stateless operations read for a pair of seeds: its key and the upper half of
/// its counter come out of one block that enciphers the pair.
Philox stateless_stream(const GeneratorState& state) {
    const Philox scramble{.key = 0x02461e293ec8f720,
                          .first = static_cast<std::uint64_t>(state.seed),
                          .high = static_cast<std::uint64_t>(state.counter)};
    const Block m = scramble.block(0);
    return {.key = m[0] | std::uint64_t{m[1]} << 32, .first = 0, .high = m[2] | std::uint64_t{m[3]} << 32};
}

/// Calls use(words, first, n) for one batch after another: `words` holds the words of the `n` outputs from
/// index `first` on, `words_per_output` (1 or 2) each.
template <class Use>
void for_each_batch(const Philox& stream, std::size_t outputs, std::size_t words_per_output, Use use) {
    std::array<std::uint32_t, 256> words;
    const std::size_t batch = words.size() / words_per_output;
    std::uint64_t next = 0;
    for (std::size_t first = 0; first < outputs; first += batch) {
        const std::size_t n = std::min(batch, outputs - first);
        for (std::size_t w = 0; w < n * words_per_output; w += words_per_block) {
            const Block block = stream.block(next++);
            std::copy(block.begin(), block.end(), words.begin() + static_cast<std::ptrdiff_t>(w));
        }
        use(words.data(), first, n);
    }
}

template <Real T>
constexpr std::size_t words_per_real = sizeof(T) / sizeof(std::uint32_t);

/// Random bits as the fraction of a number in [1, 2), minus 1.
template <Real T>
T unit_uniform(const std::uint32_t* words) {
    if constexpr (std::is_same_v<T, float>) {
        return std::bit_cast<float>(0x3f800000u | (words[0] & 0x7fffffu)) - 1.0f;
    } else {
        const std::uint64_t bits = std::uint64_t{words[0] & 0xfffffu} << 32 | words[1];
        return std::bit_cast<double>(0x3ff0000000000000u | bits) - 1.0;
    }
}

/// Box and Muller's transform: two independent normal numbers from the words of two uniform ones.
template <Real T>
std::array<T, 2> unit_normals(const std::uint32_t* words) {
    constexpr T smallest = T(1.0e-7);  // keeps the logarithm finite
    const T u = std::max(unit_uniform<T>(words), smallest);
    // The angle is a double product rounded to T once: a float product is off by an ulp, which near a zero of
    // the sine is many ulps of the result.
    const T angle = static_cast<T>(2.0 * std::numbers::pi * unit_uniform<T>(words + words_per_real<T>));
    const T radius = std::sqrt(T(-2) * std::log(u));
    return {std::sin(angle) * radius, std::cos(angle) * radius};
}

template <Real T>
void fill_uniform(const Philox& stream, Tensor<T>& out, T minval, T maxval) {
    const T range = maxval - minval;
    for_each_batch(stream, out.size(), words_per_real<T>,
                   [&](const std::uint32_t* words, std::size_t first, std::size_t n) {
                       T* y = out.data() + first;
                       for (std::size_t i = 0; i < n; ++i) {
                           y[i] = unit_uniform<T>(words + i * words_per_real<T>) * range + minval;
                       }
                   });
}

template <Real T>
void fill_normal(const Philox& stream, Tensor<T>& out, T mean, T stddev) {
    for_each_batch(stream, out.size(), words_per_real<T>,
                   [&](const std::uint32_t* words, std::size_t first, std::size_t n) {
                       T* y = out.data() + first;
                       for (std::size_t i = 0; i < n; i += 2) {
                           const std::array<T, 2> pair = unit_normals<T>(words + i * words_per_real<T>);
                           y[i] = pair[0] * stddev + mean;
                           if (i + 1 < n) y[i + 1] = pair[1] * stddev + mean;
                       }
                   });
}

/// Outputs come in groups, as many as one block holds numbers of type T; each group reads a stretch of the
/// stream of its own, so that a rejected number does not shift all that follow it.
template <Real T>
void fill_truncated_normal(const Philox& stream, Tensor<T>& out, T mean, T stddev) {
    constexpr std::size_t group = words_per_block / words_per_real<T>;
    constexpr std::size_t words_reserved_per_output = 256;
    constexpr std::size_t blocks_per_group = group * words_reserved_per_output / words_per_block;
    constexpr std::size_t words_per_pair = 2 * words_per_real<T>;

    std::uint64_t block = 0;
    for (std::size_t first = 0; first < out.size(); first += group, block += blocks_per_group) {
        T* y = out.data() + first;
        const std::size_t n = std::min(group, out.size() - first);
        std::size_t found = 0;
        for (std::uint64_t next = block; found < n; ++next) {
            const Block words = stream.block(next);
            for (std::size_t w = 0; w < words_per_block; w += words_per_pair) {
                for (const T x : unit_normals<T>(words.data() + w)) {
                    if (std::abs(x) < T(2) && found < n) y[found++] = x * stddev + mean;
                }
            }
        }
    }
}

template <class T>
Tensor<T> uninitialised(const Shape& shape) {
    element_count(shape);  // refuses a shape whose size overflows
    return Tensor<T>(shape);
}

template <Real T>
void check_normal(const char* function, double mean, double stddev) {
    if (!std::isfinite(static_cast<T>(mean)) || !std::isfinite(static_cast<T>(stddev)) || stddev < 0.0) {
        throw ValueError(
            fmt::format("{}: mean and stddev must be finite and stddev >= 0, got mean={}, stddev={}",
                        function, mean, stddev));
    }
}

/// Hands std::mt19937 the state that Python's random.seed(value) prepares ("init_by_array" of Matsumoto and
/// Nishimura's reference implementation). A seed sequence is the standard's way to set the engine's state.
class PythonSeed {
  public:
    using result_type = std::uint32_t;

    explicit PythonSeed(std::int64_t value) {
        const auto bits = static_cast<std::uint64_t>(value);
        const std::uint64_t magnitude = value < 0 ? std::uint64_t{0} - bits : bits;
        key_ = {low_word(magnitude), high_word(magnitude)};
        key_size_ = key_[1] != 0 ? 2 : 1;
    }

    template <class Iterator>
    void generate(Iterator begin, Iterator end) const {
        constexpr std::size_t n = std::mt19937::state_size;
        std::array<std::uint32_t, n> s;
        s[0] = 19650218;
        for (std::size_t i = 1; i < n; ++i) {
            s[i] = 1812433253u * (s[i - 1] ^ s[i - 1] >> 30) + static_cast<std::uint32_t>(i);
        }
        std::size_t i = 1;
        const auto step = [&] {
            if (++i == n) {
                s[0] = s[n - 1];
                i = 1;
            }
        };
        for (std::size_t k = 0; k < n; ++k, step()) {
            const std::size_t j = k % key_size_;
            s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1664525u) + key_[j] + static_cast<std::uint32_t>(j);
        }
        for (std::size_t k = 1; k < n; ++k, step()) {
            s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1566083941u) - static_cast<std::uint32_t>(i);
        }
        s[0] = 0x80000000u;
        std::copy_n(s.begin(), std::min(n, static_cast<std::size_t>(end - begin)), begin);
    }

  private:
    std::array<std::uint32_t, 2> key_;
    std::size_t key_size_;
};

/// Python's random.Random(seed).randint(0, 2**31 - 1).
std::uint32_t python_first_randint31(std::int64_t seed) {
    PythonSeed sequence(seed);
    std::mt19937 engine(sequence);
    std::uint32_t r = 0;
    do {
        r = static_cast<std::uint32_t>(engine());
    } while (r >= 0x80000000u);
    return r;
}

constexpr std::int64_t floor_mod(std::int64_t x, std::int64_t modulus) {
    const std::int64_t r = x % modulus;
    return r < 0 ? r + modulus : r;
}

}  // namespace

Generator::Generator(std::int64_t seed) : state_{.seed = floor_mod(seed, 2147483646), .counter = 0} {}

template <Real T>
Tensor<T> Generator::uniform(const Shape& shape, double minval, double maxval) {
    const T low = static_cast<T>(minval);
    const T high = static_cast<T>(maxval);
    if (!(minval <= maxval) || !std::isfinite(high - low)) {
        throw ValueError(
            fmt::format("uniform: needs minval <= maxval with a finite difference, got minval={}, maxval={}",
                        minval, maxval));
    }
    Tensor<T> out = uninitialised<T>(shape);
    fill_uniform(stateless_stream(state_), out, low, high);
    ++state_.counter;
    return out;
}

template <Real T>
Tensor<T> Generator::normal(const Shape& shape, double mean, double stddev) {
    check_normal<T>("normal", mean, stddev);
    Tensor<T> out = uninitialised<T>(shape);
    fill_normal(stateless_stream(state_), out, static_cast<T>(mean), static_cast<T>(stddev));
    ++state_.counter;
    return out;
}

template <Real T>
Tensor<T> Generator::truncated_normal(const Shape& shape, double mean, double stddev) {
    check_normal<T>("truncated_normal", mean, stddev);
    Tensor<T> out = uninitialised<T>(shape);
    fill_truncated_normal(stateless_stream(state_), out, static_cast<T>(mean), static_cast<T>(stddev));
    ++state_.counter;
    return out;
}

Tensor<std::int64_t> Generator::integers(const Shape& shape, std::int64_t low, std::int64_t high) {
    if (low >= high)
        throw ValueError(fmt::format("integers: needs low < high, got low={}, high={}", low, high));
    // Unsigned arithmetic wraps, so that neither a range nor a sum beyond 2^63 overflows.
    const std::uint64_t base = static_cast<std::uint64_t>(low);
    const std::uint64_t range = static_cast<std::uint64_t>(high) - base;
    Tensor<std::int64_t> out = uninitialised<std::int64_t>(shape);
    const Philox stream = stateless_stream(state_);
    if (high_word(range) == 0) {
        const std::uint32_t range32 = low_word(range);
        for_each_batch(stream, out.size(), 1,
                       [&](const std::uint32_t* words, std::size_t first, std::size_t n) {
                           std::int64_t* y = out.data() + first;
                           for (std::size_t i = 0; i < n; ++i)
                               y[i] = static_cast<std::int64_t>(base + words[i] % range32);
                       });
    } else {
        for_each_batch(
            stream, out.size(), 2, [&](const std::uint32_t* words, std::size_t first, std::size_t n) {
                std::int64_t* y = out.data() + first;
                for (std::size_t i = 0; i < n; ++i) {
                    const std::uint64_t word = words[2 * i] | std::uint64_t{words[2 * i + 1]} << 32;
                    y[i] = static_cast<std::int64_t>(base + word % range);
                }
            });
    }
    ++state_.counter;
    return out;
}

Tensor<std::int64_t> Generator::permutation(std::size_t n) {
    // The order of the uniform floats is that of their 23 random bits. Below these stands the index, which
    // breaks ties.
    constexpr int index_bits = 64 - 23;
    constexpr std::uint64_t index_mask = (std::uint64_t{1} << index_bits) - 1;
    if (n > index_mask) throw ValueError(fmt::format("permutation: n must be below 2^41, got {}", n));
    Tensor<std::int64_t> out(Shape{n});
    std::vector<std::uint64_t> keys(n);
    for_each_batch(stateless_stream(state_), n, 1,
                   [&](const std::uint32_t* words, std::size_t first, std::size_t count) {
                       for (std::size_t i = 0; i < count; ++i) {
                           keys[first + i] = std::uint64_t{words[i] & 0x7fffffu} << index_bits | (first + i);
                       }
                   });
    std::sort(keys.begin(), keys.end());
    std::transform(keys.begin(), keys.end(), out.data(),
                   [](std::uint64_t key) { return static_cast<std::int64_t>(key & index_mask); });
    ++state_.counter;
    return out;
}

template <Real T>
Tensor<T> Generator::bernoulli(const Shape& shape, double p) {
    if (!(p >= 0.0 && p <= 1.0)) throw ValueError(fmt::format("bernoulli: p must be in [0, 1], got p={}", p));
    Tensor<T> out = uniform<T>(shape);
    const T threshold = static_cast<T>(p);
    std::transform(out.data(), out.data() + out.size(), out.data(),
                   [=](T u) { return u < threshold ? T(1) : T(0); });
    return out;
}

std::vector<Generator> Generator::split(std::size_t n) {
    std::vector<Generator> children;
    children.reserve(n);
    // TensorFlow's seeds are int32, so a word with its top bit set is a negative seed.
    const auto seed_word = [](std::uint32_t word) { return std::int64_t{static_cast<std::int32_t>(word)}; };
    for_each_batch(
        stateless_stream(state_), n, 2, [&](const std::uint32_t* words, std::size_t, std::size_t count) {
            for (std::size_t i = 0; i < count; ++i) {
                children.emplace_back(
                    GeneratorState{.seed = seed_word(words[2 * i]), .counter = seed_word(words[2 * i + 1])});
            }
        });
    ++state_.counter;
    return children;
}

Generator& default_generator() {
    thread_local Generator generator(0);
    return generator;
}

void set_random_seed(std::int64_t seed) {
    default_generator() = Generator(seed);
}

std::int64_t make_default_seed() {
    return default_generator().integers({}, 1, 1'000'000'001)();
}

template <Real T>
Tensor<T> tensorflow_normal(const Shape& shape, std::int64_t seed) {
    constexpr std::int64_t seed_modulus = 2147483647;
    Tensor<T> out = uninitialised<T>(shape);
    const Philox stream{.key = static_cast<std::uint64_t>(floor_mod(seed, seed_modulus)),
                        .first = 0,
                        .high = static_cast<std::uint64_t>(python_first_randint31(seed) % seed_modulus)};
    fill_normal(stream, out, T(0), T(1));
    return out;
}

template Tensor<float> Generator::uniform(const Shape&, double, double);
template Tensor<double> Generator::uniform(const Shape&, double, double);
template Tensor<float> Generator::normal(const Shape&, double, double);
template Tensor<double> Generator::normal(const Shape&, double, double);
template Tensor<float> Generator::truncated_normal(const Shape&, double, double);
template Tensor<double> Generator::truncated_normal(const Shape&, double, double);
template Tensor<float> Generator::bernoulli(const Shape&, double);
template Tensor<double> Generator::bernoulli(const Shape&, double);
template Tensor<float> tensorflow_normal(const Shape&, std::int64_t);
template Tensor<double> tensorflow_normal(const Shape&, std::int64_t);

}  // namespace seqgrad
