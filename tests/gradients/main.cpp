#define DOCTEST_CONFIG_IMPLEMENT
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "gradients/harness.hpp"
#include <doctest/doctest.h>

// doctest's main, with `--min-cases N`: fails when fewer cases than N were run; and `--every N`: runs only
// every Nth.
int main(int argc, char** argv) {
    std::size_t least = 0;
    for (int i = 1; i + 1 < argc; ++i) {
        if (std::strcmp(argv[i], "--min-cases") == 0) least = std::strtoull(argv[i + 1], nullptr, 10);
        if (std::strcmp(argv[i], "--every") == 0)
            gradients::every() = std::max<std::size_t>(1, std::strtoull(argv[i + 1], nullptr, 10));
    }
    doctest::Context context(argc, argv);
    int status = context.run();
    if (context.shouldExit()) return status;

    const gradients::Totals& all = gradients::totals();
    const double worst = std::max(all.worst_numeric, all.worst_adjoint);
    std::printf("differences: %zu derivatives, worst relative error: %.3g at %s\n", all.derivatives,
                all.worst_numeric, all.worst_numeric_case.c_str());
    std::printf("oracle: %zu comparisons <v, J u> = <J'v, u>, worst relative error: %.3g at %s\n",
                all.adjoint_checks, all.worst_adjoint, all.worst_adjoint_case.c_str());
    std::printf("oracle: %zu values, worst relative error: %.3g at %s\n", all.values, all.worst_value,
                all.worst_value_case.c_str());
    std::printf("float: at most %.3g of the tolerance used, at %s\n", all.worst_float,
                all.worst_float_case.c_str());
    std::printf("gradient cases: %zu, worst relative error: %.3g\n", all.cases, worst);
    if (all.cases < least) {
        std::printf("FAILED: at least %zu cases are required\n", least);
        status = status == 0 ? 1 : status;
    }
    return status;
}
