#pragma once

namespace seqgrad::kernels {

/// The instruction sets that the kernels are built for, from the oldest to the newest.
enum class InstructionSet {
    baseline,  ///< x86-64's own (SSE2); on other processors whatever the compiler targets
    avx2,      ///< AVX2 and FMA
    avx512,    ///< AVX-512 F, CD, BW, DQ and VL
    /// Registers as wide as avx512's, emulated on any processor; only in test programs that provide it.
    emulated512,
};

/// "baseline", "avx2", "avx512" or "emulated512".
const char* to_string(InstructionSet set) noexcept;

/// Whether this build holds kernels for `set` and both processor and operating system can run them.
bool is_available(InstructionSet set) noexcept;

/// The instruction set of that name, or the newest one of the processor for a null pointer or an empty
/// string. Throws ValueError if the name is unknown or the machine cannot run what it names.
InstructionSet select_instruction_set(const char* name);

/// The instruction set of every kernel in this process: select_instruction_set of the environment variable
/// SEQGRAD_INSTRUCTION_SET, read on the first call. Throws ValueError as that does.
InstructionSet instruction_set();

}  // namespace seqgrad::kernels
