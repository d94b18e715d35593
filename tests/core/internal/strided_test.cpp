#include "seqgrad/core/internal/strided.hpp"

#include <numeric>
#include <vector>

#include <doctest/doctest.h>

using namespace seqgrad;
using detail::Steps;

namespace {

std::ptrdiff_t place(const Shape& index, const Steps& steps) {
    std::ptrdiff_t at = 0;
    for (std::size_t k = 0; k < index.size(); ++k) at += static_cast<std::ptrdiff_t>(index[k]) * steps[k];
    return at;
}

/// Copies, then adds, in the plainest way, and compares. `to_first` and `from_first` are where index 0 lies.
void check(const Shape& sizes, const Steps& to_steps, std::ptrdiff_t to_first, const Steps& from_steps,
           std::ptrdiff_t from_first) {
    CAPTURE(to_string(sizes));
    std::vector<double> from(20000);
    std::iota(from.begin(), from.end(), 1.0);
    std::vector<double> to(20000, -1.0);
    std::vector<double> expected = to;
    std::vector<double> expected_sum(to.size(), 0.5);
    const std::size_t count = element_count(sizes);
    Shape index(sizes.size(), std::size_t{0});
    for (std::size_t i = 0; i < count; ++i) {
        const auto t = static_cast<std::size_t>(to_first + place(index, to_steps));
        const auto f = static_cast<std::size_t>(from_first + place(index, from_steps));
        expected[t] = from[f];
        expected_sum[t] += from[f];
        for (std::size_t k = sizes.size(); k > 0; --k) {
            if (++index[k - 1] < sizes[k - 1]) break;
            index[k - 1] = 0;
        }
    }
    detail::strided_copy(sizes, to.data() + to_first, to_steps, from.data() + from_first, from_steps);
    CHECK(to == expected);
    std::fill(to.begin(), to.end(), 0.5);
    detail::strided_add(sizes, to.data() + to_first, to_steps, from.data() + from_first, from_steps);
    CHECK(to == expected_sum);
}

}  // namespace

TEST_CASE("dense_steps are row-major") {
    CHECK(detail::dense_steps({}) == Steps{});
    CHECK(detail::dense_steps({5}) == Steps{1});
    CHECK(detail::dense_steps({2, 3, 4}) == Steps{12, 4, 1});
}

TEST_CASE("strided walks reach every element once") {
    SUBCASE("no axis") {
        check({}, {}, 7, {}, 3);
    }
    SUBCASE("one axis") {
        check({10}, {1}, 0, {1}, 5);
        check({100}, {1}, 0, {1}, 5);
        check({10}, {2}, 0, {-3}, 40);
        check({40}, {1}, 0, {0}, 5);
    }
    SUBCASE("an empty axis") {
        check({3, 0, 2}, {2, 2, 1}, 0, {2, 2, 1}, 0);
    }
    SUBCASE("axes that merge") {
        check({2, 3, 4}, {12, 4, 1}, 1, {12, 4, 1}, 2);
    }
    SUBCASE("axes of size 1 with any step") {
        check({2, 1, 4}, {4, 99, 1}, 0, {4, 0, 1}, 0);
    }
    SUBCASE("transposed, smaller and larger than a tile") {
        check({3, 5}, {5, 1}, 0, {1, 3}, 0);
        check({70, 33}, {33, 1}, 0, {1, 70}, 0);
        check({70, 33}, {1, 70}, 0, {33, 1}, 0);
        check({2, 2}, {2, 1}, 0, {1, 2}, 0);
        check({19, 6}, {6, 1}, 0, {1, 19}, 0);
        check({17, 21}, {40, 1}, 5, {1, 50}, 3);
        check({17, 21}, {42, 2}, 5, {3, 51}, 3);
        check({17, 21}, {-21, 1}, 16 * 21, {-1, 17}, 16);
        check({4, 70, 33}, {33 * 70, 33, 1}, 0, {33 * 70, 1, 70}, 0);
    }
    SUBCASE("reversed order of axes") {
        check({3, 4, 5, 6}, {120, 30, 6, 1}, 0, {1, 3, 12, 60}, 0);
        check({3, 4, 5, 6}, {1, 3, 12, 60}, 0, {120, 30, 6, 1}, 0);
    }
    SUBCASE("time and batch exchanged") {
        check({7, 5, 3}, {15, 3, 1}, 0, {3, 21, 1}, 0);
    }
    SUBCASE("a part of a larger tensor") {
        check({2, 3, 4}, {200, 20, 2}, 11, {12, 4, 1}, 0);
    }
    SUBCASE("backwards along several axes") {
        check({3, 4, 5}, {20, 5, 1}, 0, {-20, 5, -1}, 44);
        check({3, 4, 5}, {-20, 5, -1}, 44, {20, 5, 1}, 0);
    }
    SUBCASE("stretched along outer, middle and inner axes") {
        check({3, 4, 5}, {20, 5, 1}, 0, {0, 5, 1}, 0);
        check({3, 4, 5}, {20, 5, 1}, 0, {5, 0, 1}, 0);
        check({3, 4, 5}, {20, 5, 1}, 0, {4, 1, 0}, 0);
        check({3, 4, 5}, {20, 5, 1}, 0, {0, 0, 0}, 9);
    }
}
