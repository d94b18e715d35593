#include "seqgrad/core/selftest.hpp"

#include "seqgrad/core/internal/kernel_checks.hpp"
#include "seqgrad/core/kernels/instruction_set.hpp"

namespace seqgrad {
namespace {

/// Every instruction set that the kernels are built for.
constexpr kernels::InstructionSet all_sets[] = {
    kernels::InstructionSet::baseline, kernels::InstructionSet::avx2, kernels::InstructionSet::avx512,
    kernels::InstructionSet::emulated512};

}  // namespace

std::vector<SelfTestResult> selftest() {
    const kernels::InstructionSet used = kernels::instruction_set();
    std::vector<detail::CheckedSet> sets;
    for (const kernels::InstructionSet set : all_sets) {
        if (!kernels::is_available(set)) continue;
        sets.push_back(detail::checked_set(set));
        sets.back().result.used = set == used;
    }
    detail::check_elementwise(sets);
    detail::check_attention_rows(sets);
    detail::check_products(sets);
    detail::check_recurrent(sets);
    detail::check_attention_decoder(sets);
    std::vector<SelfTestResult> results;
    for (detail::CheckedSet& set : sets) results.push_back(std::move(set.result));
    return results;
}

}  // namespace seqgrad
