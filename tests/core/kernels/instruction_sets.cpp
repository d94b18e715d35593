// Says for which instruction sets kernels are tested on this machine, and how.

#include <cstdio>
#include <initializer_list>

#include "seqgrad/core/kernels/instruction_set.hpp"

int main() {
    using namespace seqgrad::kernels;
    using enum InstructionSet;
    for (const InstructionSet set : {baseline, avx2, avx512}) {
        const char* how = is_available(set)                            ? "native"
                          : set == avx512 && is_available(emulated512) ? "emulated only"
                                                                       : "not tested";
        std::printf("%-8s  %s\n", to_string(set), how);
    }
    if (is_available(emulated512))
        std::printf("%-8s  emulated: the sources of avx512 with its tile sizes\n", "avx512");
}
