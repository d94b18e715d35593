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

/// The table of an available instruction set.
template <class T>
const Table<T>& table(InstructionSet set);

}  // namespace seqgrad::kernels
