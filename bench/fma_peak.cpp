#include "fma_peak.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>

namespace seqgrad::bench {
namespace {

// Two a cycle with a latency of four or five need ten chains at once; with the factor and the summand twelve
// still fit AVX2's sixteen registers.
constexpr std::size_t chains = 12;
constexpr std::size_t rounds = 20000;

/// Runs all chains for so many rounds. They begin with different numbers, none of which stays as it is, and
/// the result depends on all of them: the compiler would leave out what is constant, done twice or not
/// needed.
template <class T>
using Run = T (*)();

// The compiler makes a fused multiply-add of a product and a sum where the function's instruction set has
// one. One function for each, as a vector type is known in the function that has its instructions only.

template <class T>
T run_baseline() {
    using Vector [[gnu::vector_size(16)]] = T;
    const Vector factor = Vector{} + T(0.999), summand = Vector{} + T(0.3);
    Vector v[chains];
    for (std::size_t i = 0; i < chains; ++i) v[i] = Vector{} + static_cast<T>(i);
    for (std::size_t round = 0; round < rounds; ++round)
        for (Vector& chain : v) chain = chain * factor + summand;
    for (const Vector& chain : v) v[0] += chain;
    return v[0][0];
}

#ifdef __x86_64__
template <class T>
[[gnu::target("avx2,fma")]] T run_avx2() {
    using Vector [[gnu::vector_size(32)]] = T;
    const Vector factor = Vector{} + T(0.999), summand = Vector{} + T(0.3);
    Vector v[chains];
    for (std::size_t i = 0; i < chains; ++i) v[i] = Vector{} + static_cast<T>(i);
    for (std::size_t round = 0; round < rounds; ++round)
        for (Vector& chain : v) chain = chain * factor + summand;
    for (const Vector& chain : v) v[0] += chain;
    return v[0][0];
}

template <class T>
[[gnu::target("avx512f")]] T run_avx512() {
    using Vector [[gnu::vector_size(64)]] = T;
    const Vector factor = Vector{} + T(0.999), summand = Vector{} + T(0.3);
    Vector v[chains];
    for (std::size_t i = 0; i < chains; ++i) v[i] = Vector{} + static_cast<T>(i);
    for (std::size_t round = 0; round < rounds; ++round)
        for (Vector& chain : v) chain = chain * factor + summand;
    for (const Vector& chain : v) v[0] += chain;
    return v[0][0];
}
#endif

template <class T>
struct Kernel {
    Run<T> run;
    std::size_t bytes;  // of a vector
};

template <class T>
Kernel<T> kernel_of(std::string_view set) {
#ifdef __x86_64__
    if (set == "avx2") return {run_avx2<T>, 32};
    if (set == "avx512") return {run_avx512<T>, 64};
#endif
    if (set == "baseline") return {run_baseline<T>, 16};
    throw std::invalid_argument("no such instruction set: " + std::string(set));
}

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

std::vector<std::string_view> fma_instruction_sets() {
    std::vector<std::string_view> sets{"baseline"};
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) sets.push_back("avx2");
    if (__builtin_cpu_supports("avx512f")) sets.push_back("avx512");
#endif
    return sets;
}

template <class T>
double measure_fma_peak(std::string_view instruction_set, std::size_t threads, double seconds) {
    const Kernel<T> kernel = kernel_of<T>(instruction_set);
    const double flops = 2.0 * static_cast<double>(chains * rounds * kernel.bytes / sizeof(T));
    // Every thread's best, all of them working until the last one ends: what one of them loses to something
    // else on the machine does not count.
    std::vector<double> best(threads, 0.0);
    std::atomic<std::size_t> waiting = threads;
    const auto work = [&](double& reached) {
        --waiting;
        while (waiting != 0) std::this_thread::yield();
        [[maybe_unused]] volatile T sink;
        for (const double end = now() + seconds; now() < end;) {
            const double start = now();
            sink = kernel.run();
            reached = std::max(reached, flops / (now() - start));
        }
    };
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < threads; ++i) others.emplace_back(work, std::ref(best[i]));
    work(best[0]);
    others.clear();
    double sum = 0;
    for (const double b : best) sum += b;
    return sum;
}

template <class T>
double fma_peak(std::size_t threads) {
    static std::map<std::size_t, double> known;
    const auto [place, added] = known.try_emplace(threads, 0.0);
    if (added) place->second = measure_fma_peak<T>(fma_instruction_sets().back(), threads, 0.3);
    return place->second;
}

template double measure_fma_peak<float>(std::string_view, std::size_t, double);
template double measure_fma_peak<double>(std::string_view, std::size_t, double);
template double fma_peak<float>(std::size_t);
template double fma_peak<double>(std::size_t);

}  // namespace seqgrad::bench
