// The kernels for processors with AVX-512; CMakeLists.txt gives this file its compiler flags.
#include "seqgrad/core/kernels/attention_impl.hpp"
#include "seqgrad/core/kernels/elementwise_impl.hpp"
#include "seqgrad/core/kernels/product_impl.hpp"
#include "seqgrad/core/kernels/recurrent_steps_impl.hpp"
#include "seqgrad/core/kernels/tables.hpp"

namespace seqgrad::kernels {
namespace {

using Arch = xsimd::avx512bw;

}  // namespace

const Table<float> avx512_float{.elementwise = &elementwise_table<float, Arch>,
                                .recurrent = &recurrent_table<float, Arch>,
                                .attention = &attention_table<float, Arch>,
                                .product = &product_kernels<float, Arch>};
const Table<double> avx512_double{.elementwise = &elementwise_table<double, Arch>,
                                  .recurrent = &recurrent_table<double, Arch>,
                                  .attention = &attention_table<double, Arch>,
                                  .product = &product_kernels<double, Arch>};

}  // namespace seqgrad::kernels
