#include "seqgrad/core/ops/reduce.hpp"

#include <string>

#include "gradients/harness.hpp"
#include <doctest/doctest.h>

using namespace gradients;
using oracle::Arrays;
using seqgrad::Axes;
using seqgrad::IntList;
using seqgrad::ReduceOptions;

namespace {

struct Reduction {
    oracle::Index shape;
    std::vector<std::ptrdiff_t> axes;  // all when empty
};

const std::vector<Reduction> not_empty{{{}, {}},
                                       {{1}, {}},
                                       {{7}, {}},
                                       {{7}, {0}},
                                       {{17}, {-1}},
                                       {{1031}, {}},
                                       {{2, 3}, {}},
                                       {{2, 3}, {0}},
                                       {{2, 3}, {1}},
                                       {{2, 3}, {0, 1}},
                                       {{1, 5}, {0}},
                                       {{5, 1}, {-1}},
                                       {{13, 5}, {0}},
                                       {{13, 5}, {1}},
                                       {{3, 1, 2}, {1}},
                                       {{3, 1, 2}, {2, 0}},
                                       {{2, 3, 4}, {1}},
                                       {{2, 3, 4}, {-1}},
                                       {{2, 3, 4}, {0, 1}},
                                       {{2, 3, 4}, {0, 2}},
                                       {{2, 3, 2, 2}, {}},
                                       {{2, 3, 2, 2}, {1}},
                                       {{2, 3, 2, 2}, {0, 2}},
                                       {{2, 3, 2, 2}, {1, 3}},
                                       {{2, 3, 2, 2}, {-1, -2, 0}},
                                       {{0, 3}, {1}},
                                       {{2, 0, 3}, {0}},
                                       {{3, 37}, {1}},
                                       {{37, 3}, {0}}};

/// Reductions that are defined for no elements.
const std::vector<Reduction> empty{{{0}, {}},        {{0}, {0}},          {{2, 0}, {1}},
                                   {{2, 0, 3}, {1}}, {{2, 0, 3}, {0, 1}}, {{0, 2}, {}}};

template <class Engine>
void reductions(const std::string& name, Engine engine, oracle::Dual (*naive)(const oracle::List&),
                const Domain& domain, const std::vector<Reduction>& table) {
    for (const Reduction& r : table) {
        for (const bool keepdims : {false, true}) {
            const ReduceOptions options{.axis = r.axes.empty() ? Axes() : Axes(IntList(r.axes)),
                                        .keepdims = keepdims};
            std::string label = name + (keepdims ? " keepdims" : "") + " axes";
            for (const std::ptrdiff_t axis : r.axes) label += words(" ", axis);
            run({label, [=](auto x) { return engine(x[0], options); },
                 [=](const Arrays& x) { return oracle::reduce(x[0], r.axes, keepdims, naive); }, domain},
                {{r.shape}});
        }
    }
    run({name + " over no axis", [=](auto x) { return engine(x[0], ReduceOptions{.axis = IntList()}); },
         [=](const Arrays& x) { return oracle::map(x[0], [=](oracle::Dual v) { return naive({v}); }); },
         domain},
        {{{5}}, {{2, 3}}});
}

}  // namespace

TEST_CASE("reductions") {
    const auto sum = [](const auto& x, const ReduceOptions& options) { return seqgrad::sum(x, options); };
    reductions("sum", sum, oracle::sum, {}, not_empty);
    reductions("sum of nothing", sum, oracle::sum, {}, empty);
    reductions(
        "mean", [](const auto& x, const ReduceOptions& options) { return seqgrad::mean(x, options); },
        oracle::mean, {}, not_empty);
    reductions(
        "max", [](const auto& x, const ReduceOptions& options) { return seqgrad::max(x, options); },
        oracle::max, {.distinct = true}, not_empty);
    reductions(
        "min", [](const auto& x, const ReduceOptions& options) { return seqgrad::min(x, options); },
        oracle::min, {.distinct = true}, not_empty);
    reductions(
        "logsumexp",
        [](const auto& x, const ReduceOptions& options) { return seqgrad::logsumexp(x, options); },
        oracle::logsumexp, {}, not_empty);
    reductions(
        "variance", [](const auto& x, const ReduceOptions& options) { return seqgrad::variance(x, options); },
        oracle::variance, {}, not_empty);
}
