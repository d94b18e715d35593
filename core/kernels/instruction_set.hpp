#pragma once

namespace seqgrad::kernels {

/// The instruction sets that the kernels are built for, from the oldest to the newest.
enum class InstructionSet {
    baseline,  ///< x86-64's own (SSE2); on other processors whatever the compiler targets
    avx2,      ///< AVX2 and FMA
    avx512,    ///< AVX-512 F, CD, BW, DQ and VL
};

/// "baseline", "avx2" or "avx512".
const char* to_string(InstructionSet set) noexcept;

/// Whether this build holds kernels for `set` and both processor and operating system can run them.
bool is_available(InstructionSet set) noexcept;

/// The newest available instruction set that is not newer than the one named by `limit` ("baseline", "avx2"
/// or "avx512"); a null pointer or an empty string sets no limit. Throws ValueError when the name is unknown
/// or the machine cannot run what it names.
InstructionSet select_instruction_set(const char* limit);

/// The instruction set of every kernel in this process: select_instruction_set of the environment variable
/// SEQGRAD_INSTRUCTION_SET, read on the first call. Throws ValueError as that does.
InstructionSet instruction_set();

}  // namespace seqgrad::kernels
