#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

// Counts every byte that a program allocates, by operators new and delete of its own: for one source of a
// program that has no other tests.

namespace seqgrad::test {

inline std::atomic<std::size_t> live_bytes = 0;
inline std::atomic<std::size_t> most_bytes = 0;

/// A piece of memory with its size in the `alignment` bytes before it; null when there is none.
inline void* allocate(std::size_t size, std::size_t alignment) noexcept {
    const std::size_t whole = (size + 2 * alignment - 1) / alignment * alignment;
    void* const memory = std::aligned_alloc(alignment, whole);
    if (memory == nullptr) return nullptr;
    *static_cast<std::size_t*>(memory) = size;
    const std::size_t live = live_bytes += size;
    std::size_t most = most_bytes;
    while (most < live && !most_bytes.compare_exchange_weak(most, live)) {
    }
    return static_cast<std::byte*>(memory) + alignment;
}

inline void* allocate_or_throw(std::size_t size, std::size_t alignment) {
    void* const memory = allocate(size, alignment);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

inline void release(void* memory, std::size_t alignment) noexcept {
    if (memory == nullptr) return;
    void* const whole = static_cast<std::byte*>(memory) - alignment;
    live_bytes -= *static_cast<std::size_t*>(whole);
    std::free(whole);
}

inline constexpr std::size_t usual = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

/// The most bytes that the call has in memory at once.
template <class Call>
std::size_t needed(Call call) {
    const std::size_t before = live_bytes;
    most_bytes = before;
    call();
    return most_bytes - before;
}

}  // namespace seqgrad::test

// The forms that all others come down to. A sanitizer's runtime has nothrow forms of its own, whose memory
// would come to the `delete` here.
void* operator new(std::size_t size) {
    return seqgrad::test::allocate_or_throw(size, seqgrad::test::usual);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return seqgrad::test::allocate(size, seqgrad::test::usual);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return seqgrad::test::allocate_or_throw(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return seqgrad::test::allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
    seqgrad::test::release(memory, seqgrad::test::usual);
}
void operator delete(void* memory, std::size_t) noexcept {
    seqgrad::test::release(memory, seqgrad::test::usual);
}
void operator delete(void* memory, std::align_val_t alignment) noexcept {
    seqgrad::test::release(memory, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory, std::size_t, std::align_val_t alignment) noexcept {
    seqgrad::test::release(memory, static_cast<std::size_t>(alignment));
}
