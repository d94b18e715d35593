#include "seqgrad/core/int_list.hpp"

#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

using namespace seqgrad;

namespace {

bool equal(const IntList& list, const std::vector<std::ptrdiff_t>& expected) {
    return std::ranges::equal(list, expected);
}

}  // namespace

TEST_CASE("a list of integers is written with integers of any type") {
    const std::size_t batch = 32;
    const int features = 5;
    const Shape shape{2, 3};
    CHECK(equal({}, {}));
    CHECK(equal(-1, {-1}));
    CHECK(equal(batch, {32}));
    CHECK(equal({2, -1}, {2, -1}));
    CHECK(equal({batch, -1, features}, {32, -1, 5}));
    CHECK(equal(shape, {2, 3}));
    CHECK(equal(std::vector<std::int64_t>{1, 0}, {1, 0}));
    CHECK(IntList{4, 7}[1] == 7);
    CHECK(IntList().empty());
    CHECK(to_string(IntList{0, -1}) == "[0, -1]");
}
