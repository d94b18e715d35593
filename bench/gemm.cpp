// The large matrix products of recurrent layers, one thread: the projection of all inputs and the gradients
// of both kernels, at every case.
#include "seqgrad/core/kernels/gemm.hpp"

#include <string>

#include "cases.hpp"
#include "counters.hpp"

namespace {

using namespace seqgrad;
using namespace seqgrad::bench;
using kernels::Transpose;

/// C [m, n] = op(A) [m, k] B [k, n].
struct Product {
    const char* name;
    Transpose a;
    std::size_t m, n, k;
};

template <class T>
void multiply(benchmark::State& state, const Product& p) {
    const bool transposed = p.a == Transpose::yes;
    const Tensor<T> a = draw<T>(transposed ? Shape{p.k, p.m} : Shape{p.m, p.k}), b = draw<T>({p.k, p.n});
    Tensor<T> c = zeros<T>({p.m, p.n});
    for (auto _ : state) {
        kernels::gemm<T>(p.a, Transpose::no, p.m, p.n, p.k, T{1}, a.data(), transposed ? p.m : p.k, b.data(),
                         p.n, T{0}, c.data(), p.n);
        benchmark::ClobberMemory();
    }
    count_flops<T>(state, 2.0 * static_cast<double>(p.m * p.n * p.k));
}

template <class T>
void register_all() {
    for (const Case& c : cases) {
        for (const Cell& cell : cells) {
            const std::size_t rows = c.batch * c.steps, columns = cell.gates * c.units;
            for (const Product& p : {Product{"projection", Transpose::no, rows, columns, c.features},
                                     Product{"kernel_gradient", Transpose::yes, c.features, columns, rows},
                                     Product{"recurrent_gradient", Transpose::yes, c.units, columns, rows}}) {
                add(std::string(c.name) + "/" + cell.name + "/" + p.name + "/" + type_name<T>,
                    [=](benchmark::State& state) { multiply<T>(state, p); })
                    ->Unit(benchmark::kMicrosecond);
            }
        }
    }
}

const int registered = [] {
    register_all<float>();
    register_all<double>();
    return 0;
}();

}  // namespace
