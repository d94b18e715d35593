#include "seqgrad/core/memory_pool.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <mutex>
#include <numeric>
#include <type_traits>
#include <utility>

#if __has_include(<sys/mman.h>)
#include <sys/mman.h>
#endif

#include "seqgrad/core/internal/memory_limit.hpp"

namespace seqgrad {
namespace {

constexpr std::size_t alignment = 64;
constexpr std::size_t largest_pooled = std::size_t{1} << 32;
constexpr std::size_t shared_limit = std::size_t{1} << 30;

// What a thread keeps for itself: it takes no lock, but no other thread can have it. Where one thread makes
// what another one frees, that is all that the latter keeps back.
constexpr std::size_t largest_own = std::size_t{1} << 16;
constexpr std::size_t own_limit_of_small_class = std::size_t{4} << 20;
constexpr std::size_t own_limit_of_class = std::size_t{1} << 20;

// AddressSanitizer can only see a use after free when freed storage really is freed.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool pooling = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool pooling = false;
#else
constexpr bool pooling = true;
#endif
#else
constexpr bool pooling = true;
#endif

// Small blocks are whole cache lines; of larger ones there are four size classes for every power of two: at
// most 25 % of a block is unused.
struct SizeClass {
    std::size_t index;
    std::size_t bytes;
};

constexpr std::size_t small_power = 10, largest_small = std::size_t{1} << small_power;
constexpr std::size_t small_classes = largest_small / alignment;

/// Of at most largest_small bytes. No block has none: what is free holds a pointer.
constexpr SizeClass small_class(std::size_t bytes) {
    const std::size_t index = (bytes - (bytes > 0)) / alignment;
    return {index, (index + 1) * alignment};
}

constexpr SizeClass size_class(std::size_t bytes) {
    if (bytes <= largest_small) return small_class(bytes);
    const auto power =
        static_cast<std::size_t>(std::bit_width(bytes - 1)) - 1;  // 2^power < bytes <= 2^(power+1)
    const std::size_t quarter = std::size_t{1} << (power - 2);
    const std::size_t steps = (bytes - (std::size_t{1} << power) + quarter - 1) / quarter;  // 1..4
    return {small_classes + (power - small_power) * 4 + steps - 1,
            (std::size_t{1} << power) + steps * quarter};
}

/// Bytes of the blocks of a class.
constexpr std::size_t class_bytes(std::size_t index) {
    if (index < small_classes) return (index + 1) * alignment;
    const std::size_t power = small_power + (index - small_classes) / 4;
    const std::size_t steps = (index - small_classes) % 4 + 1;
    return (std::size_t{1} << power) + steps * (std::size_t{1} << (power - 2));
}

constexpr std::size_t class_count = size_class(largest_pooled).index + 1;

static_assert([] {
    for (std::size_t index = 0; index < class_count; ++index) {
        const SizeClass c = size_class(class_bytes(index));
        if (c.index != index || c.bytes != class_bytes(index)) return false;
    }
    return true;
}());

// Blocks of at least one large page begin with one, and the system is asked for large pages there: matrices
// are read across their rows, each of which may lie in a page of 4 KiB of its own, more of them than the
// processor remembers.
constexpr std::size_t large_page = std::size_t{1} << 21;

std::align_val_t alignment_of(std::size_t bytes) {
    return std::align_val_t{bytes >= large_page ? large_page : alignment};
}

// Only whole pages of what is used are to be large, so that they take no memory that small ones would not.
void* system_allocate(std::size_t bytes, [[maybe_unused]] std::size_t used) {
    void* block = ::operator new(bytes, alignment_of(bytes));
#ifdef MADV_HUGEPAGE
    if (used >= large_page) madvise(block, used / large_page * large_page, MADV_HUGEPAGE);
#endif
    return block;
}
void system_deallocate(void* block, std::size_t bytes) noexcept {
    ::operator delete(block, alignment_of(bytes));
}

struct FreeBlock {
    FreeBlock* next;
};

/// Takes the block at the head of a list that is not empty.
FreeBlock* pop(FreeBlock*& head) noexcept {
    FreeBlock* const block = head;
    head = block->next;
    return block;
}

void free_all(FreeBlock*& head, std::size_t bytes) noexcept {
    while (head != nullptr) system_deallocate(pop(head), bytes);
}

/// The free blocks of one thread.
struct Cache {
    static constexpr std::size_t classes = size_class(largest_own).index + 1;

    std::array<FreeBlock*, classes> free{};
    std::array<std::size_t, classes> bytes_of{};

    ~Cache() { release(); }

    /// A block of a class; null where none is free.
    void* take(SizeClass c) noexcept {
        if (free[c.index] == nullptr) return nullptr;
        FreeBlock* const block = pop(free[c.index]);
        // It is the next to be taken and written to, and may have left the caches.
        constexpr int to_be_written = 1;
        __builtin_prefetch(block->next, to_be_written);
        bytes_of[c.index] -= c.bytes;
        return block;
    }

    /// Keeps a block of a class; false if the thread has enough of them.
    bool keep(void* block, SizeClass c) noexcept {
        const std::size_t limit = c.bytes <= largest_small ? own_limit_of_small_class : own_limit_of_class;
        if (bytes_of[c.index] + c.bytes > limit) return false;
        free[c.index] = new (block) FreeBlock{free[c.index]};
        bytes_of[c.index] += c.bytes;
        return true;
    }

    std::size_t bytes() const noexcept {
        return std::accumulate(bytes_of.begin(), bytes_of.end(), std::size_t{0});
    }

    void release() noexcept {
        for (std::size_t index = 0; index < classes; ++index) free_all(free[index], class_bytes(index));
        bytes_of = {};
    }
};

/// The free blocks that every thread may take.
class SharedCache {
  public:
    void* take(SizeClass c) noexcept {
        const std::lock_guard lock(mutex_);
        if (free_[c.index] == nullptr) return nullptr;
        bytes_ -= c.bytes;
        return pop(free_[c.index]);
    }

    bool keep(void* block, SizeClass c) noexcept {
        const std::lock_guard lock(mutex_);
        if (bytes_ + c.bytes > shared_limit) return false;
        free_[c.index] = new (block) FreeBlock{free_[c.index]};
        bytes_ += c.bytes;
        return true;
    }

    std::size_t bytes() noexcept {
        const std::lock_guard lock(mutex_);
        return bytes_;
    }

    void release() noexcept {
        std::array<FreeBlock*, class_count> all{};
        {
            const std::lock_guard lock(mutex_);
            std::swap(all, free_);
            bytes_ = 0;
        }
        for (std::size_t index = 0; index < class_count; ++index) free_all(all[index], class_bytes(index));
    }

  private:
    std::mutex mutex_;
    std::array<FreeBlock*, class_count> free_{};
    std::size_t bytes_ = 0;
};

// Never destroyed, as tensors with static storage may be freed at any time.
constinit SharedCache shared_cache;
static_assert(std::is_trivially_destructible_v<SharedCache>);

// Tensors with static storage may outlive their thread's cache, so blocks then go to the shared one.
// These have trivial destructors and can be read at any time.
constinit thread_local Cache* ready_cache = nullptr;
constinit thread_local bool cache_destroyed = false;

// What the thread may still take, where that is limited.
constinit thread_local bool limited = false;
constinit thread_local std::size_t allowed = 0;

struct CacheOwner {
    Cache cache;
    ~CacheOwner() {
        ready_cache = nullptr;
        cache_destroyed = true;
    }
};

[[gnu::noinline]] Cache* make_thread_cache() noexcept {
    if (!pooling || cache_destroyed) return nullptr;
    thread_local CacheOwner owner;
    return ready_cache = &owner.cache;
}

Cache* thread_cache() noexcept {
    return ready_cache != nullptr ? ready_cache : make_thread_cache();
}

[[gnu::noinline]] void* allocate_any(std::size_t bytes) {
    if (limited) {
        if (bytes > allowed) throw std::bad_alloc();
        allowed -= bytes;
    }
    if (!pooling || bytes > largest_pooled) return system_allocate(bytes, bytes);
    const SizeClass c = size_class(bytes);
    if (bytes <= largest_own) {
        if (Cache* cache = thread_cache()) {
            if (void* block = cache->take(c)) return block;
        }
    }
    if (void* block = shared_cache.take(c)) return block;
    return system_allocate(c.bytes, bytes);
}

[[gnu::noinline]] void deallocate_any(void* block, std::size_t bytes) noexcept {
    if (block == nullptr) return;
    if (limited) allowed += bytes;
    if (!pooling || bytes > largest_pooled) return system_deallocate(block, bytes);
    const SizeClass c = size_class(bytes);
    Cache* const cache = bytes <= largest_own ? thread_cache() : nullptr;
    if (cache != nullptr && cache->keep(block, c)) return;
    if (!shared_cache.keep(block, c)) system_deallocate(block, c.bytes);
}

}  // namespace

namespace detail {

MemoryLimit::MemoryLimit(std::size_t bytes) noexcept
    : was_limited_(std::exchange(limited, true)),
      before_(allowed),
      at_first_(was_limited_ ? std::min(bytes, before_) : bytes) {
    allowed = at_first_;
}

MemoryLimit::~MemoryLimit() {
    limited = was_limited_;
    if (was_limited_) allowed = before_ - (at_first_ - allowed);
}

void* pool_allocate(std::size_t bytes) {
    // Small blocks come and go without further questions.
    if (bytes <= largest_small && ready_cache != nullptr && !limited) {
        if (void* block = ready_cache->take(small_class(bytes))) return block;
    }
    return allocate_any(bytes);
}

void pool_deallocate(void* block, std::size_t bytes) noexcept {
    if (bytes <= largest_small && ready_cache != nullptr && !limited && block != nullptr &&
        ready_cache->keep(block, small_class(bytes)))
        return;
    deallocate_any(block, bytes);
}

}  // namespace detail

std::size_t memory_pool_cached_bytes() noexcept {
    const Cache* cache = thread_cache();
    return shared_cache.bytes() + (cache == nullptr ? 0 : cache->bytes());
}

void memory_pool_release() noexcept {
    if (Cache* cache = thread_cache()) cache->release();
    shared_cache.release();
}

}  // namespace seqgrad
