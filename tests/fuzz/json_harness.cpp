// Linked to the harnesses whose whole input is JSON.
#include "json_mutator.hpp"

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
    return seqgrad::fuzz::mutate_json(data, size, max_size, seed);
}
