#include "seqgrad/core/internal/memory_limit.hpp"

#include <cstddef>
#include <new>
#include <vector>

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

TEST_CASE("small blocks count as well, also those that were used before, and come back when they are freed") {
    constexpr std::size_t bytes = 320, most = 10;
    const auto take = [](std::size_t count) {
        std::vector<Tensor<double>> kept;
        for (std::size_t i = 0; i < count; ++i) kept.push_back(zeros<double>({bytes / sizeof(double)}));
    };
    take(2 * most);
    {
        const MemoryLimit limit(most * bytes);
        take(most);
        CHECK_THROWS_AS(take(most + 1), std::bad_alloc);
        take(most);
    }
    take(2 * most);
}
