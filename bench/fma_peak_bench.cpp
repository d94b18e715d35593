// The most floating-point operations a second that a loop of nothing else reaches: what shares of the peak
// are shares of.
#include <algorithm>
#include <string>

#include "counters.hpp"
#include "threads.hpp"

namespace {

using namespace seqgrad::bench;

template <class T>
void register_all() {
    for (const std::string_view set : fma_instruction_sets()) {
        for (const std::size_t threads : thread_counts()) {
            const std::string name =
                "fma/" + std::string(set) + "/" + type_name<T> + "/threads:" + std::to_string(threads);
            add(name, [=](benchmark::State& state) {
                double best = 0;
                for (auto _ : state) best = std::max(best, measure_fma_peak<T>(set, threads, 0.1));
                state.counters["GFLOP/s"] = 1e-9 * best;
            })->Unit(benchmark::kMillisecond);
        }
    }
}

const int registered = [] {
    register_all<float>();
    register_all<double>();
    return 0;
}();

}  // namespace
