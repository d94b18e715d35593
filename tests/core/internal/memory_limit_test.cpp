#include "seqgrad/core/internal/memory_limit.hpp"

#include <new>

#include <doctest/doctest.h>

#include "seqgrad/core/tensor.hpp"

using namespace seqgrad;
using detail::MemoryLimit;

namespace {

/// Whether a tensor of so many bytes can be had.
bool can_have(std::size_t bytes) {
    try {
        zeros<double>({bytes / sizeof(double)});
        return true;
    } catch (const std::bad_alloc&) {
        return false;
    }
}

}  // namespace

TEST_CASE("tensors within a limit are given, those beyond it are not, and it ends with its scope") {
    {
        const MemoryLimit limit(10'000);
        CHECK(can_have(8'000));
        CHECK_FALSE(can_have(80'000));
    }
    CHECK(can_have(80'000));
}

TEST_CASE("a limit within another allows no more than is left of that one") {
    const MemoryLimit outer(100'000);
    Tensor<double> kept;
    {
        const MemoryLimit inner(1'000'000);
        CHECK_FALSE(can_have(800'000));
        kept = zeros<double>({std::size_t{10'000}});
        CHECK_FALSE(can_have(80'000));
    }
    CHECK_FALSE(can_have(80'000));
}
