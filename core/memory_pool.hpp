#pragma once

#include <cstddef>
#include <limits>
#include <new>

namespace seqgrad {

namespace detail {

/// Returns `bytes` of storage aligned to 64 bytes, a block that was given back before if one fits. Throws
/// std::bad_alloc. A block may be given back by another thread than the one that took it.
void* pool_allocate(std::size_t bytes);

/// Gives back a block taken by pool_allocate with the same `bytes`.
void pool_deallocate(void* block, std::size_t bytes) noexcept;

}  // namespace detail

/// Bytes of the free blocks that the calling thread can take: those in its own cache, and those that all
/// threads share.
std::size_t memory_pool_cached_bytes() noexcept;

/// Returns the calling thread's free blocks, and those that all threads share, to the system.
void memory_pool_release() noexcept;

/// Allocator of tensor storage: 64-byte aligned (a cache line, an AVX-512 register) and recycled.
///
/// Training repeats the same allocations every step, and a large buffer fresh from the system costs a page
/// fault for every 4 KiB; blocks that are freed are therefore kept. Small ones stay with the freeing thread,
/// up to 4 MiB of one size; larger ones and what is more than that are there for every thread, so that
/// batches made in one thread and freed in another take the memory of a few. At most 1 GiB is kept for all
/// threads together.
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
