#include <string>

#include "gradients/harness.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/ops/linear.hpp"
#include "seqgrad/core/ops/matmul.hpp"

using namespace gradients;
using oracle::Arrays;

TEST_CASE("matmul") {
    run({"matmul", [](auto x) { return seqgrad::matmul(x[0], x[1]); },
         [](const Arrays& x) { return oracle::matmul(x[0], x[1]); }},
        {{{1}, {1}},
         {{3}, {3}},
         {{17}, {17}},
         {{2, 3}, {3}},
         {{3}, {3, 2}},
         {{1, 1}, {1, 1}},
         {{1, 3}, {3, 1}},
         {{3, 1}, {1, 3}},
         {{2, 3}, {3, 4}},
         {{3, 3}, {3, 3}},
         {{5, 7}, {7, 3}},
         {{17, 19}, {19, 13}},
         {{2, 4, 3}, {3, 5}},
         {{4, 3}, {2, 3, 2}},
         {{2, 2, 3}, {2, 3, 2}},
         {{2, 3, 3}, {2, 3, 3}},
         {{1, 2, 3}, {4, 3, 2}},
         {{4, 2, 3}, {1, 3, 2}},
         {{2, 1, 2, 3}, {3, 3, 2}},
         {{2, 1, 2, 2}, {1, 3, 2, 2}},
         {{2, 2, 2}, {2}},
         {{2}, {2, 2, 2}},
         {{2, 2, 2, 3}, {3}},
         {{0}, {0}},
         {{2, 0}, {0, 3}},
         {{0, 3}, {3, 2}},
         {{2, 3}, {3, 0}},
         {{0, 2, 3}, {3, 2}},
         {{2, 0, 3}, {2, 3, 2}},
         {{0, 2, 2}, {1, 2, 2}}});
}

TEST_CASE("vecdot") {
    struct Table {
        std::ptrdiff_t axis;
        std::vector<Shapes> shapes;
    };
    const std::vector<Shapes> matrices{{{2, 3}, {2, 3}}, {{2, 3}, {3}},    {{2, 3}, {2, 1}},
                                       {{3}, {2, 3}},    {{2, 1}, {1, 3}}, {{5, 7}, {5, 7}},
                                       {{2, 0}, {2, 0}}, {{0, 3}, {1, 3}}, {{2, 3}, {}}};
    const std::vector<Shapes> cubes{
        {{4, 1, 3}, {2, 1}}, {{2, 3, 4}, {2, 3, 4}}, {{2, 3, 4}, {3, 1}}, {{1, 3, 1}, {2, 1, 4}}};
    const std::vector<Table> tables{
        {0, {{{1}, {1}}, {{7}, {7}}, {{7}, {1}}, {{5}, {}}, {{0}, {0}}, {{1031}, {1031}}}},
        {0, matrices},
        {1, matrices},
        {-1, cubes},
        {1, cubes},
        {0, cubes}};
    for (const Table& table : tables) {
        run({words("vecdot axis ", table.axis),
             [axis = table.axis](auto x) { return seqgrad::vecdot(x[0], x[1], axis); },
             [axis = table.axis](const Arrays& x) { return oracle::vecdot(x[0], x[1], axis); }},
            table.shapes);
    }
}

TEST_CASE("linear") {
    run({"linear", [](auto x) { return seqgrad::linear(x[0], x[1], x[2]); },
         [](const Arrays& x) { return oracle::linear(x[0], x[1], x[2]); }},
        {{{3}, {3, 2}, {2}},
         {{1}, {1, 1}, {1}},
         {{2, 3}, {3, 4}, {4}},
         {{3, 3}, {3, 3}, {3}},
         {{2, 4, 3}, {3, 2}, {2}},
         {{2, 1, 2, 3}, {3, 5}, {5}},
         {{5, 7}, {7, 11}, {11}},
         {{0, 3}, {3, 2}, {2}},
         {{2, 0}, {0, 3}, {3}},
         {{2, 3}, {3, 0}, {0}}});
    run({"linear without bias", [](auto x) { return seqgrad::linear(x[0], x[1]); },
         [](const Arrays& x) { return oracle::matmul(x[0], x[1]); }},
        {{{3}, {3, 2}}, {{2, 3}, {3, 4}}, {{3, 3}, {3, 3}}, {{2, 4, 3}, {3, 2}}, {{0, 3}, {3, 2}}});
}
