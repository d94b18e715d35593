#pragma once

#include <cstddef>
#include <utility>

#include "seqgrad/core/memory_pool.hpp"

namespace seqgrad::kernels {

/// Uninitialised storage from the pool.
template <class T>
class Scratch {
  public:
    Scratch() = default;
    explicit Scratch(std::size_t n) : size_(n), data_(PoolAllocator<T>().allocate(n)) {}
    ~Scratch() {
        if (data_ != nullptr) PoolAllocator<T>().deallocate(data_, size_);
    }
    Scratch(Scratch&& other) noexcept
        : size_(std::exchange(other.size_, 0)), data_(std::exchange(other.data_, nullptr)) {}
    Scratch& operator=(Scratch&& other) noexcept {
        std::swap(size_, other.size_);
        std::swap(data_, other.data_);
        return *this;
    }

    T* data() { return data_; }
    const T* data() const { return data_; }
    std::size_t size() const { return size_; }

  private:
    std::size_t size_ = 0;
    T* data_ = nullptr;
};

}  // namespace seqgrad::kernels
