#pragma once

#include <cstddef>

namespace seqgrad::detail {

/// Lets the calling thread's tensors take no more than so many bytes together beyond what they have, until
/// the end of its scope: std::bad_alloc is thrown for what would be more. What is taken inside of another
/// limit counts there as well. For work that a file asks for.
class MemoryLimit {
  public:
    explicit MemoryLimit(std::size_t bytes) noexcept;
    ~MemoryLimit();
    MemoryLimit(const MemoryLimit&) = delete;
    MemoryLimit& operator=(const MemoryLimit&) = delete;

  private:
    bool was_limited_;
    std::size_t before_, at_first_;
};

}  // namespace seqgrad::detail
