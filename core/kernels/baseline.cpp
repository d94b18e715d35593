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

template <class T>
using Register = xsimd::batch<T, Arch>;

}  // namespace

const Table<float> baseline_float{.elementwise = &elementwise_table<Register<float>>,
                                  .recurrent = &recurrent_table<Register<float>>,
                                  .attention = &attention_table<Register<float>>};
const Table<double> baseline_double{.elementwise = &elementwise_table<Register<double>>,
                                    .recurrent = &recurrent_table<Register<double>>,
                                    .attention = &attention_table<Register<double>>};

}  // namespace seqgrad::kernels
