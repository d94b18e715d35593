// Elementwise kernels of every instruction set: nanoseconds per element of an array in the processor's first
// cache, and the largest error in units in the last place.
#include "seqgrad/core/kernels/elementwise.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "counters.hpp"

namespace {

using namespace seqgrad;
using namespace seqgrad::bench;
using kernels::Elementwise;
using kernels::InstructionSet;

constexpr std::size_t timed = 2048, checked = 100000;

/// A function of the kernels, the same one from the C library, and where its arguments are taken from.
template <class T>
struct Function {
    /// Twice T's digits, near enough.
    using Exact = std::conditional_t<std::is_same_v<T, float>, double, long double>;

    const char* name;
    typename Elementwise<T>::Function Elementwise<T>::*kernel;
    Exact (*exact)(Exact);
    double low, high;
};

template <class T>
std::vector<Function<T>> functions() {
    using E = Elementwise<T>;
    using X = typename Function<T>::Exact;
    return {
        {"exp", &E::exp, [](X x) { return std::exp(x); }, -20, 20},
        {"expm1", &E::expm1, [](X x) { return std::expm1(x); }, -5, 5},
        {"log", &E::log, [](X x) { return std::log(x); }, 1e-6, 20},
        {"log1p", &E::log1p, [](X x) { return std::log1p(x); }, -0.99, 20},
        {"tanh", &E::tanh, [](X x) { return std::tanh(x); }, -10, 10},
        {"sigmoid", &E::sigmoid, [](X x) { return 1 / (1 + std::exp(-x)); }, -20, 20},
        {"softplus", &E::softplus, [](X x) { return std::log1p(std::exp(x)); }, -20, 20},
        {"erf", &E::erf, [](X x) { return std::erf(x); }, -4, 4},
    };
}

template <class T>
std::vector<T> arguments(std::size_t n, double low, double high) {
    std::mt19937 random(1);
    std::uniform_real_distribution<T> uniform(static_cast<T>(low), static_cast<T>(high));
    std::vector<T> x(n);
    for (T& v : x) v = uniform(random);
    return x;
}

template <class T>
double largest_error(const Function<T>& f, typename Elementwise<T>::Function run) {
    const std::vector<T> x = arguments<T>(checked, f.low, f.high);
    std::vector<T> y(x.size());
    run(x.size(), x.data(), y.data());
    double largest = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const auto exact = f.exact(x[i]);
        const T size = std::abs(static_cast<T>(exact));
        const T ulp = std::nextafter(size, std::numeric_limits<T>::infinity()) - size;
        largest = std::max(largest, static_cast<double>(std::abs(y[i] - exact) / ulp));
    }
    return largest;
}

template <class T>
void register_all() {
    for (const InstructionSet set :
         {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512}) {
        if (!kernels::is_available(set)) continue;
        for (const Function<T>& f : functions<T>()) {
            add(std::string(f.name) + "/" + kernels::to_string(set) + "/" + type_name<T>,
                [=](benchmark::State& state) {
                    const auto run = kernels::elementwise<T>(set).*f.kernel;
                    const std::vector<T> x = arguments<T>(timed, f.low, f.high);
                    std::vector<T> y(x.size());
                    for (auto _ : state) {
                        run(x.size(), x.data(), y.data());
                        benchmark::DoNotOptimize(y.data());
                        benchmark::ClobberMemory();
                    }
                    count_elements(state, timed, "ns/element");
                    state.counters["ulp"] = largest_error(f, run);
                });
        }
    }
}

const int registered = [] {
    register_all<float>();
    register_all<double>();
    return 0;
}();

}  // namespace
