#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace seqgrad::bench {

/// "baseline" (a multiplication, then an addition) and, where this machine has them, "avx2" and "avx512".
std::vector<std::string_view> fma_instruction_sets();

/// The most floating-point operations a second that `threads` threads reached together in runs of
/// independent fused multiply-adds in registers, over about `seconds`; an FMA counts as two.
template <class T>
double measure_fma_peak(std::string_view instruction_set, std::size_t threads, double seconds);

/// The same with the machine's best instruction set, measured on the first call for so many threads.
template <class T>
double fma_peak(std::size_t threads = 1);

extern template double measure_fma_peak<float>(std::string_view, std::size_t, double);
extern template double measure_fma_peak<double>(std::string_view, std::size_t, double);
extern template double fma_peak<float>(std::size_t);
extern template double fma_peak<double>(std::size_t);

}  // namespace seqgrad::bench
