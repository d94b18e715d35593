#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace seqgrad {

/// A comparison of a self-test that failed.
struct SelfTestFault {
    std::string kernel;   ///< "gru backward, float: gradient of the kernel"
    std::string sizes;    ///< "B=2 T=3 D=5 U=17", and what else the kernel was given
    double expected = 0;  ///< the first element that is wrong, as it should be
    double got = 0;       ///< the same element, as it is
};

/// What a self-test found for one element type.
struct SelfTestPrecision {
    /// Of results from what they should be, relative to the largest element of the array, or to 1 if that is
    /// smaller; infinite if something is not a number.
    double largest_difference = 0;
    /// A larger difference is a fault.
    double limit = 0;
};

/// What a self-test found for the kernels of one instruction set.
struct SelfTestResult {
    std::string instruction_set;  ///< "baseline", "avx2", "avx512"; in tests of seqgrad also "emulated512"
    /// Whether the library uses these kernels in this process.
    bool used = false;
    std::size_t comparisons = 0;  ///< of arrays
    SelfTestPrecision of_float, of_double;
    /// The first one found; without it the kernels are right.
    std::optional<SelfTestFault> fault;
};

/// Runs the kernels of every instruction set that this processor has, and compares what they compute.
///
/// Elementwise functions, the kernels of attention and matrix products are compared with their definitions.
/// Every recurrent cell, alone and in a decoder with attention, forward and backward, with 1 to 9 samples and
/// sizes around those of the registers, is compared with the same in double by the baseline's kernels. Takes
/// a few seconds. The results are in the order of the instruction sets, the baseline's first; `fault` says
/// what is wrong, nothing is thrown for it. Throws ValueError if the environment variable
/// SEQGRAD_INSTRUCTION_SET names an instruction set that is unknown or cannot be run.
std::vector<SelfTestResult> selftest();

}  // namespace seqgrad
