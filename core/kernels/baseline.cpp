// The kernels that run on every processor of the target.
#include "seqgrad/core/kernels/attention_impl.hpp"
#include "seqgrad/core/kernels/elementwise_impl.hpp"
#include "seqgrad/core/kernels/recurrent_steps_impl.hpp"
#include "seqgrad/core/kernels/tables.hpp"

namespace seqgrad::kernels {
namespace {

#ifdef SEQGRAD_X86_KERNELS
using Arch = xsimd::sse2;
#else
using Arch = xsimd::default_arch;
#endif

}  // namespace

const Table<float> baseline_float{.elementwise = &elementwise_table<float, Arch>,
                                  .recurrent = &recurrent_table<float, Arch>,
                                  .attention = &attention_table<float, Arch>};
const Table<double> baseline_double{.elementwise = &elementwise_table<double, Arch>,
                                    .recurrent = &recurrent_table<double, Arch>,
                                    .attention = &attention_table<double, Arch>};

}  // namespace seqgrad::kernels
