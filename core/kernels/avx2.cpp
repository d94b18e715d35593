// The kernels for processors with AVX2 and FMA; CMakeLists.txt gives this file its compiler flags.
#include "seqgrad/core/kernels/attention_impl.hpp"
#include "seqgrad/core/kernels/elementwise_impl.hpp"
#include "seqgrad/core/kernels/product_impl.hpp"
#include "seqgrad/core/kernels/recurrent_steps_impl.hpp"
#include "seqgrad/core/kernels/tables.hpp"

namespace seqgrad::kernels {
namespace {

using Arch = xsimd::fma3<xsimd::avx2>;

template <class T>
using Register = xsimd::batch<T, Arch>;

}  // namespace

const Table<float> avx2_float{.elementwise = &elementwise_table<Register<float>>,
                              .recurrent = &recurrent_table<Register<float>>,
                              .attention = &attention_table<Register<float>>,
                              .product = &product_kernels<Register<float>>};
const Table<double> avx2_double{.elementwise = &elementwise_table<Register<double>>,
                                .recurrent = &recurrent_table<Register<double>>,
                                .attention = &attention_table<Register<double>>,
                                .product = &product_kernels<Register<double>>};

}  // namespace seqgrad::kernels
