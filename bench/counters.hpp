#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <utility>

#include "fma_peak.hpp"
#include <benchmark/benchmark.h>

namespace seqgrad::bench {

/// Registers a benchmark whose times are those on the clock on the wall.
inline benchmark::internal::Benchmark* add(const std::string& name,
                                           std::function<void(benchmark::State&)> run) {
    return benchmark::RegisterBenchmark(name.c_str(), std::move(run))->UseRealTime();
}

/// The speed of `flops` floating-point operations an iteration, alone and as a share of the FMA peak that
/// this process measures.
template <class T>
void count_flops(benchmark::State& state, double flops, std::size_t threads = 1) {
    using benchmark::Counter;
    state.counters["GFLOP/s"] = Counter(1e-9 * flops, Counter::kIsIterationInvariantRate);
    state.counters["peak_%"] =
        Counter(100 * flops / fma_peak<T>(threads), Counter::kIsIterationInvariantRate);
}

/// Nanoseconds for each of `n` elements of an iteration.
inline void count_elements(benchmark::State& state, std::size_t n, const char* counter) {
    using benchmark::Counter;
    state.counters[counter] =
        Counter(1e-9 * static_cast<double>(n), Counter::kIsIterationInvariantRate | Counter::kInvert);
}

/// "float" or "double".
template <class T>
constexpr const char* type_name = sizeof(T) == sizeof(float) ? "float" : "double";

}  // namespace seqgrad::bench
