#include "seqgrad/core/tensor.hpp"

#include <cstdint>
#include <limits>
#include <thread>
#include <tuple>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

TEST_CASE("shapes print as lists") {
    CHECK(to_string(Shape{}) == "[]");
    CHECK(to_string(Shape{3}) == "[3]");
    CHECK(to_string(Shape{32, 16, 12}) == "[32, 16, 12]");
}

TEST_CASE("element_count multiplies sizes and refuses overflow") {
    const std::size_t huge = std::size_t{1} << 40;
    CHECK(element_count({}) == 1);
    CHECK(element_count({2, 3, 4}) == 24);
    CHECK(element_count({huge, 0, huge}) == 0);
    CHECK(element_count({std::size_t{1} << 59}) == std::size_t{1} << 59);
    CHECK_THROWS_AS(element_count({std::size_t{1} << 60}), ShapeError);
    CHECK_THROWS_AS(zeros<float>({std::size_t{1} << 31, std::size_t{1} << 31}), ShapeError);
    CHECK_THROWS_AS(element_count({huge, huge}), ShapeError);
}

TEST_CASE("broadcast_shape follows NumPy") {
    CHECK(broadcast_shape("add", {2, 3}, {3}) == Shape{2, 3});
    CHECK(broadcast_shape("add", {2, 1, 4}, {3, 1}) == Shape{2, 3, 4});
    CHECK(broadcast_shape("add", {}, {5}) == Shape{5});
    CHECK(broadcast_shape("add", {0}, {1}) == Shape{0});
    CHECK_THROWS_WITH_AS(
        broadcast_shape("add", {2, 3}, {2, 4}),
        "add: cannot broadcast [2, 3] with [2, 4]: sizes 3 and 4 differ on axis -1, and neither is 1",
        ShapeError);
    CHECK_THROWS_AS(broadcast_shape("add", {0}, {2}), ShapeError);
}

TEST_CASE("normalize_axis counts from either end") {
    CHECK(normalize_axis("sum", -1, 3) == 2);
    CHECK(normalize_axis("sum", 0, 3) == 0);
    CHECK_THROWS_AS(normalize_axis("sum", 3, 3), ShapeError);
    CHECK_THROWS_AS(normalize_axis("sum", -4, 3), ShapeError);
    CHECK_THROWS_AS(normalize_axis("sum", 0, 0), ShapeError);
}

TEST_CASE("tensor checks its number of elements") {
    const auto t = tensor<double>({2, 2}, {1, 2, 3, 4});
    CHECK(t(1, 0) == 3);
    CHECK_THROWS_AS(tensor<double>({2, 2}, {1, 2, 3}), ShapeError);
}

TEST_CASE("braces are elements") {
    const Tensor<float> rows{{1, 2, 3}, {4, 5, 6}};
    CHECK(rows.shape() == Shape{2, 3});
    CHECK(rows == tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
    CHECK(Tensor<double>{0.5F, 1.5} == tensor<double>({2}, {0.5, 1.5}));
    CHECK(Tensor<bool>{true, false} == tensor<bool>({2}, {true, false}));
    CHECK(Tensor<std::int64_t>{{{{{7, 8}}}}}.shape() == Shape{1, 1, 1, 1, 2});
    CHECK(Tensor<float>{2.5F}.shape() == Shape{1});
    CHECK(Tensor<float>(2.5F).shape() == Shape{});
    CHECK(Tensor<float>{} == zeros<float>({}));
    Tensor<float> changed;
    changed = {{1, 2}, {3, 4}};
    CHECK(changed == tensor<float>({2, 2}, {1, 2, 3, 4}));
    CHECK_THROWS_WITH_AS((Tensor<float>{{1, 2}, {3}}),
                         "Tensor: lists of one level must be equally long, got one of 2 and one of 1",
                         ShapeError);
    CHECK_THROWS_AS((Tensor<float>{{{1}, {2}}, {{3}, {4, 5}}}), ShapeError);
}

TEST_CASE("a shape is checked before memory is taken for it") {
    const std::size_t huge = std::size_t{1} << 32;
    CHECK_THROWS_AS(Tensor<float>(Shape{huge, huge}), ShapeError);
    CHECK_THROWS_AS(Tensor<float>(Shape{huge, huge}, 1.0F), ShapeError);
    CHECK_THROWS_AS(empty<bool>({huge, huge}), ShapeError);
    CHECK(Tensor<float>(Shape{2, 3}, 1.5F) == full<float>({2, 3}, 1.5F));
    CHECK(Tensor<float>(Shape{}).size() == 1);
    Tensor<float> x = ones<float>({2, 3});
    CHECK_THROWS_AS(x.resize({huge, huge}), ShapeError);
    CHECK(x == ones<float>({2, 3}));
    x.resize({4, 1});
    CHECK(x.shape() == Shape{4, 1});
    CHECK(x.size() == 4);
}

TEST_CASE("xtensor takes a Tensor for an expression, and a Tensor an expression of xtensor") {
    const Tensor<double> a{{1, 2}, {3, 4}};
    const Tensor<double> b = 2.0 * a - a / 4.0;
    CHECK(b == tensor<double>({2, 2}, {1.75, 3.5, 5.25, 7}));
    Tensor<double> sum = a;
    sum += a * a;
    CHECK(sum == tensor<double>({2, 2}, {2, 6, 12, 20}));
    sum = a + tensor<double>({2}, {10, 20});
    CHECK(sum == tensor<double>({2, 2}, {11, 22, 13, 24}));
    const Tensor<bool> large = a > 2.0;
    CHECK(large == tensor<bool>({2, 2}, {false, false, true, true}));
    const Tensor<float> narrowed = a;
    CHECK(narrowed == tensor<float>({2, 2}, {1, 2, 3, 4}));
    const xt::xarray<double> array = a + 1.0;
    CHECK(Tensor<double>(array) == tensor<double>({2, 2}, {2, 3, 4, 5}));
    const Tensor<double> one = tensor<double>({}, {3}) * 2.0;
    CHECK(one == tensor<double>({}, {6}));
}

TEST_CASE("integers become floating-point numbers exactly or not at all") {
    const std::int64_t largest = 1 << 24;
    CHECK(from_integers<float>(tensor<std::int64_t>({3}, {0, -largest, largest})) ==
          tensor<float>({3}, {0, -16777216, 16777216}));
    CHECK_THROWS_WITH_AS(
        from_integers<float>(tensor<std::int64_t>({1}, {largest + 1})),
        "from_integers: 16777217 lies outside [-16777216, 16777216], the integers that float holds "
        "exactly; use double, or smaller numbers",
        ValueError);
    CHECK(from_integers<double>(tensor<std::int64_t>({1}, {largest + 1}))(0) == 16777217);
    CHECK_THROWS_AS(from_integers<double>(tensor<std::int64_t>({1}, {-(std::int64_t{1} << 53) - 1})),
                    ValueError);
    Tensor<float> x = tensor<std::int64_t>({2}, {1, 2});
    CHECK(x == tensor<float>({2}, {1, 2}));
    CHECK_THROWS_AS(x = tensor<std::int64_t>({1}, {largest + 1}), ValueError);
    CHECK_THROWS_AS(x = tensor<std::int64_t>({1}, {largest}) + 1, ValueError);
    CHECK(x == tensor<float>({2}, {1, 2}));
    // Numbers with a fraction are not taken for integers without a cast.
    static_assert(!std::is_convertible_v<Tensor<float>, Tensor<std::int64_t>>);
    static_assert(!std::is_assignable_v<Tensor<bool>, Tensor<double>>);
    static_assert(std::is_convertible_v<Tensor<bool>, Tensor<std::int64_t>>);
}

TEST_CASE("storage is aligned, recycled, and may be freed by another thread") {
    for (const std::size_t n : {1u, 15u, 16u, 17u, 1000u, 100000u}) {
        Tensor<float> t(Shape{n});
        CHECK(reinterpret_cast<std::uintptr_t>(t.data()) % 64 == 0);
    }
    memory_pool_release();
    CHECK(memory_pool_cached_bytes() == 0);
    Tensor<float> moved(Shape{1000});
    std::thread([t = std::move(moved)] { (void)t; }).join();
    CHECK_THROWS_AS(PoolAllocator<double>().allocate(std::numeric_limits<std::size_t>::max() / 4),
                    std::bad_alloc);
}

TEST_CASE("what one thread frees another one takes") {
    memory_pool_release();
    const Shape large{std::size_t{1} << 21}, medium{std::size_t{1} << 13}, small{16};
    constexpr std::size_t large_bytes = std::size_t{8} << 20;
    Tensor<float>(large).resize(small);
    if (memory_pool_cached_bytes() == 0) return;  // storage is not pooled in this build
    memory_pool_release();

    Tensor<float> block(large);
    std::thread([t = std::move(block)] { (void)t; }).join();
    CHECK(memory_pool_cached_bytes() == large_bytes);
    std::thread([&] {
        const Tensor<float> taken(large);
        CHECK(memory_pool_cached_bytes() == 0);
    }).join();
    CHECK(memory_pool_cached_bytes() == large_bytes);
    memory_pool_release();
    CHECK(memory_pool_cached_bytes() == 0);

    // A thread that frees what others made keeps no more than a little of each size to itself.
    for (const auto& [shape, count, kept] : {std::tuple{medium, std::size_t{2000}, std::size_t{1} << 20},
                                             std::tuple{small, std::size_t{200'000}, std::size_t{4} << 20}}) {
        std::vector<Tensor<float>> made(count, Tensor<float>(shape));
        const std::size_t all = count * made[0].size() * sizeof(float);
        std::size_t for_others = 0;
        std::thread([&] {
            made.clear();
            std::thread([&] { for_others = memory_pool_cached_bytes(); }).join();
        }).join();
        CHECK(for_others >= all - kept);
        memory_pool_release();
    }
}
