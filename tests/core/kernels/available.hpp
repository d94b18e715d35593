#pragma once

#include <vector>

#include "seqgrad/core/kernels/instruction_set.hpp"

namespace seqgrad::test {

/// Every instruction set that kernels can be tested with on this machine, the emulated one if the program is
/// linked with it.
inline std::vector<kernels::InstructionSet> available_instruction_sets() {
    using enum kernels::InstructionSet;
    std::vector<kernels::InstructionSet> sets;
    for (const auto set : {baseline, avx2, avx512, emulated512}) {
        if (kernels::is_available(set)) sets.push_back(set);
    }
    return sets;
}

}  // namespace seqgrad::test
