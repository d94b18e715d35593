#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace seqgrad::fuzz {

/// A text like the given one, with a change to its JSON tokens, such as a value replaced, repeated, removed
/// or moved, or with changes to its bytes; of at most `max_size` bytes.
std::string mutate_json(const std::string& text, std::size_t max_size, unsigned seed);

/// The same in the place of LLVMFuzzerCustomMutator's bytes.
std::size_t mutate_json(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed);

}  // namespace seqgrad::fuzz
