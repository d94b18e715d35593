#pragma once

// Registers of 64 bytes made of the compiler's vectors, so that kernels with the tile sizes of AVX-512 run on
// every processor. Their arithmetic is the processor's own, rounded after every operation.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "seqgrad/core/kernels/register.hpp"

namespace seqgrad::test {

/// What stands for an instruction set in the types of emulated registers.
struct Emulated512 {};

/// A register of 64 bytes with what core/kernels/register.hpp asks for.
template <class T>
class Emulated {
  public:
    using value_type = T;
    using arch_type = Emulated512;
    using Integer = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    typedef T Vector __attribute__((vector_size(64)));
    typedef Integer Bits __attribute__((vector_size(64)));
    /// What a comparison gives: all bits of a lane set or none.
    struct Mask {
        Bits bits;
    };

    static constexpr std::size_t size = 64 / sizeof(T);

    Emulated() = default;
    explicit Emulated(T value) : lanes_(value - Vector{}) {}  // keeps the sign of -0

    static Emulated load_unaligned(const T* p) {
        Emulated x;
        std::memcpy(&x.lanes_, p, sizeof x.lanes_);
        return x;
    }
    /// Stops the program if p is not aligned to 64 bytes, as AVX-512 does.
    static Emulated load_aligned(const T* p) {
        require_aligned(p);
        return load_unaligned(p);
    }
    void store_unaligned(T* p) const { std::memcpy(p, &lanes_, sizeof lanes_); }
    void store_aligned(T* p) const {
        require_aligned(p);
        store_unaligned(p);
    }

    friend Emulated operator+(Emulated x, Emulated y) { return of_lanes(x.lanes_ + y.lanes_); }
    friend Emulated operator-(Emulated x, Emulated y) { return of_lanes(x.lanes_ - y.lanes_); }
    friend Emulated operator*(Emulated x, Emulated y) { return of_lanes(x.lanes_ * y.lanes_); }
    friend Emulated operator/(Emulated x, Emulated y) { return of_lanes(x.lanes_ / y.lanes_); }
    Emulated& operator+=(Emulated y) { return *this = *this + y; }
    Emulated& operator*=(Emulated y) { return *this = *this * y; }
    Emulated operator-() const { return of_lanes(-lanes_); }
    friend Mask operator<(Emulated x, Emulated y) { return {x.lanes_ < y.lanes_}; }
    friend Emulated operator|(Emulated x, Emulated y) { return of_bits(x.bits() | y.bits()); }
    friend Emulated operator<<(Emulated x, int count) requires std::is_integral_v<T> {
        return of_lanes(x.lanes_ << count);
    }

    friend Emulated fma(Emulated x, Emulated y, Emulated z) { return x * y + z; }
    friend Emulated fms(Emulated x, Emulated y, Emulated z) { return x * y - z; }
    friend Emulated fnma(Emulated x, Emulated y, Emulated z) { return z - x * y; }
    friend Emulated select(Mask mask, Emulated x, Emulated y) {
        return of_bits((mask.bits & x.bits()) | (~mask.bits & y.bits()));
    }
    /// The second operand where one is NaN, as the processor's minimum (maximum).
    friend Emulated min(Emulated x, Emulated y) { return select(x < y, x, y); }
    friend Emulated max(Emulated x, Emulated y) { return select(y < x, x, y); }
    friend Emulated bitofsign(Emulated x) { return of_bits(x.bits() & Emulated(T(-0.)).bits()); }
    friend Emulated abs(Emulated x) { return of_bits(x.bits() & ~Emulated(T(-0.)).bits()); }

    friend T sum_of_lanes(Emulated x) {
        T sum = 0;
        for (std::size_t i = 0; i < size; ++i) sum += x.lanes_[i];
        return sum;
    }
    friend Emulated erf_of_lanes(Emulated x) {
        return x.map([](T v) { return std::erf(v); });
    }
    friend Emulated log_of_lanes(Emulated x) {
        return x.map([](T v) { return std::log(v); });
    }
    friend Emulated log1p_of_lanes(Emulated x) {
        return x.map([](T v) { return std::log1p(v); });
    }

  private:
    static void require_aligned(const T* p) {
        if (reinterpret_cast<std::uintptr_t>(p) % 64 != 0) __builtin_trap();
    }

    static Emulated of_lanes(Vector lanes) {
        Emulated x;
        x.lanes_ = lanes;
        return x;
    }
    Bits bits() const { return reinterpret_cast<Bits>(lanes_); }
    static Emulated of_bits(Bits bits) { return of_lanes(reinterpret_cast<Vector>(bits)); }

    template <class F>
    Emulated map(const F& f) const {
        Emulated y;
        for (std::size_t i = 0; i < size; ++i) y.lanes_[i] = f(lanes_[i]);
        return y;
    }

    Vector lanes_;
};

}  // namespace seqgrad::test

template <class T>
struct seqgrad::kernels::IntegersOf<seqgrad::test::Emulated<T>> {
    using Type = test::Emulated<typename test::Emulated<T>::Integer>;
};
