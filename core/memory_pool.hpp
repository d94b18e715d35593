#pragma once

#include <cstddef>
#include <limits>
#include <new>

namespace seqgrad {

namespace detail {

/// Returns `bytes` of storage aligned to 64 bytes, from the calling thread's cache where it holds a fitting
/// block. Throws std::bad_alloc. A block may be given back by another thread than the one that took it.
void* pool_allocate(std::size_t bytes);

/// Gives back a block taken by pool_allocate with the same `bytes`.
void pool_deallocate(void* block, std::size_t bytes) noexcept;

}  // namespace detail

/// Storage held by the calling thread's cache of free blocks, in bytes.
std::size_t memory_pool_cached_bytes() noexcept;

/// Returns every free block in the calling thread's cache to the system.
void memory_pool_release() noexcept;

/// Allocator of tensor storage: 64-byte aligned (a cache line, an AVX-512 register) and recycled.
///
/// Training repeats the same allocations every step, and a large buffer fresh from the system costs a page
/// fault for every 4 KiB; blocks therefore go to a cache of the freeing thread. At most 1 GiB stays cached
/// per thread.
template <class T>
class PoolAllocator {
  public:
    using value_type = T;
    using size_type = std::size_t;
    using difference_type = std::ptrdiff_t;
    using pointer = T*;
    using const_pointer = const T*;
    using reference = T&;
    using const_reference = const T&;

    template <class U>
    struct rebind {
        using other = PoolAllocator<U>;
    };

    PoolAllocator() noexcept = default;
    template <class U>
    PoolAllocator(const PoolAllocator<U>&) noexcept {}

    T* allocate(std::size_t n) {
        if (n > std::numeric_limits<std::size_t>::max() / (2 * sizeof(T))) throw std::bad_array_new_length();
        return static_cast<T*>(detail::pool_allocate(n * sizeof(T)));
    }
    void deallocate(T* p, std::size_t n) noexcept { detail::pool_deallocate(p, n * sizeof(T)); }

    friend bool operator==(const PoolAllocator&, const PoolAllocator&) noexcept { return true; }
};

}  // namespace seqgrad
