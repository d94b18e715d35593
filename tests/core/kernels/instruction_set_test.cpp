#include "seqgrad/core/kernels/instruction_set.hpp"

#include <string>

#include "core/kernels/available.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;
using namespace seqgrad::kernels;

namespace {

std::string message_for(const char* name) {
    try {
        select_instruction_set(name);
    } catch (const ValueError& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("the newest instruction set is taken unless a name limits it") {
    const auto sets = test::available_instruction_sets();
    REQUIRE(sets.front() == InstructionSet::baseline);
    const auto newest = sets[sets.size() - (is_available(InstructionSet::emulated512) ? 2 : 1)];
    CHECK(select_instruction_set(nullptr) == newest);
    CHECK(select_instruction_set("") == newest);
    for (const InstructionSet set : sets) CHECK(select_instruction_set(to_string(set)) == set);
}

TEST_CASE("an unknown instruction set is refused") {
    const std::string message = message_for("avx9");
    CHECK(message.find("\"avx9\"") != std::string::npos);
    CHECK(message.find("SEQGRAD_INSTRUCTION_SET") != std::string::npos);
    CHECK(message.find("\"avx512\"") != std::string::npos);
    CHECK_THROWS_AS(select_instruction_set("AVX2"), ValueError);
}

TEST_CASE("an instruction set that the machine lacks is refused") {
    for (const auto set : {InstructionSet::avx2, InstructionSet::avx512}) {
        if (!is_available(set)) CHECK(message_for(to_string(set)).find("cannot run") != std::string::npos);
    }
}
