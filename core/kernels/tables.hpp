#pragma once

#include "seqgrad/core/kernels/attention.hpp"
#include "seqgrad/core/kernels/elementwise.hpp"
#include "seqgrad/core/kernels/product.hpp"
#include "seqgrad/core/kernels/recurrent_steps.hpp"

namespace seqgrad::kernels {

/// The kernels of one instruction set and element type.
template <class T>
struct Table {
    const Elementwise<T>* elementwise;
    const RecurrentTable<T>* recurrent;
    const AttentionRows<T>* attention;
    const ProductKernels<T>* product = nullptr;  ///< null where BLAS knows the processor better
};

// Each is defined in the one translation unit that is compiled for its instruction set. They are constants:
// nothing of that unit runs before the processor has been asked what it supports.
extern const Table<float> baseline_float;
extern const Table<double> baseline_double;
#ifdef SEQGRAD_X86_KERNELS
extern const Table<float> avx2_float;
extern const Table<double> avx2_double;
extern const Table<float> avx512_float;
extern const Table<double> avx512_double;
#endif

/// Makes InstructionSet::emulated512 available, with tables that live as long as the program: for tests.
/// Call it before the first use of any kernel.
void provide_emulated(const Table<float>& of_float, const Table<double>& of_double) noexcept;

/// Whether provide_emulated has been called.
bool is_emulated_provided() noexcept;

/// The table of an available instruction set.
template <class T>
const Table<T>& table(InstructionSet set);

}  // namespace seqgrad::kernels
