// The kernels a further time, in emulated registers as wide as those of AVX-512: a program that is linked
// with this file has the instruction set InstructionSet::emulated512.
#include "support/emulated_register.hpp"

#include "seqgrad/core/kernels/attention_impl.hpp"
#include "seqgrad/core/kernels/elementwise_impl.hpp"
#include "seqgrad/core/kernels/product_impl.hpp"
#include "seqgrad/core/kernels/recurrent_steps_impl.hpp"
#include "seqgrad/core/kernels/tables.hpp"

namespace seqgrad::test {
namespace {

template <class T>
constexpr kernels::Table<T> emulated{.elementwise = &kernels::elementwise_table<Emulated<T>>,
                                     .recurrent = &kernels::recurrent_table<Emulated<T>>,
                                     .attention = &kernels::attention_table<Emulated<T>>,
                                     .product = &kernels::product_kernels<Emulated<T>>};

[[maybe_unused]] const bool provided = [] {
    kernels::provide_emulated(emulated<float>, emulated<double>);
    return true;
}();

}  // namespace
}  // namespace seqgrad::test
