#include "seqgrad/core/kernels/instruction_set.hpp"

#include <array>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/kernels/tables.hpp"

namespace seqgrad::kernels {
namespace {

constexpr std::array of_processors{InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512};

}  // namespace

const char* to_string(InstructionSet set) noexcept {
    switch (set) {
        case InstructionSet::avx2:
            return "avx2";
        case InstructionSet::avx512:
            return "avx512";
        case InstructionSet::emulated512:
            return "emulated512";
        default:
            return "baseline";
    }
}

bool is_available(InstructionSet set) noexcept {
    switch (set) {
        case InstructionSet::baseline:
            return true;
#ifdef SEQGRAD_X86_KERNELS
        // The builtin also asks the operating system whether it saves the wider registers.
        case InstructionSet::avx2:
            return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        case InstructionSet::avx512:
            return is_available(InstructionSet::avx2) && __builtin_cpu_supports("avx512f") &&
                   __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
        case InstructionSet::emulated512:
            return is_emulated_provided();
        default:
            return false;
    }
}

InstructionSet select_instruction_set(const char* wanted) {
    const std::string_view name = wanted == nullptr ? "" : wanted;
    if (name.empty()) {
        InstructionSet best = InstructionSet::baseline;
        for (const InstructionSet set : of_processors) {
            if (is_available(set)) best = set;
        }
        return best;
    }
    if (name == to_string(InstructionSet::emulated512) && is_emulated_provided())
        return InstructionSet::emulated512;
    for (const InstructionSet set : of_processors) {
        if (name != to_string(set)) continue;
        if (is_available(set)) return set;
        throw ValueError(fmt::format(
            "SEQGRAD_INSTRUCTION_SET is \"{}\", which this machine cannot run; unset it or use \"{}\"", name,
            to_string(select_instruction_set(nullptr))));
    }
    throw ValueError(fmt::format(
        "SEQGRAD_INSTRUCTION_SET is \"{}\"; known are \"baseline\", \"avx2\" and \"avx512\"", name));
}

InstructionSet instruction_set() {
    static const InstructionSet chosen = select_instruction_set(std::getenv("SEQGRAD_INSTRUCTION_SET"));
    return chosen;
}

}  // namespace seqgrad::kernels
