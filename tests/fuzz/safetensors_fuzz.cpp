// safetensors files: 8 bytes with the header's size, the header, the tensors' bytes.
#include <algorithm>
#include <cstring>

#include "harness.hpp"
#include "json_mutator.hpp"
#include "support/memory_file.hpp"

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/files/safetensors.hpp"

using namespace seqgrad;

namespace {

using HeaderSize = std::uint64_t;

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
    HeaderSize stored = 0;
    constexpr std::size_t prefix = sizeof stored;
    if (size < prefix || max_size < prefix || seed % 5 == 0) return LLVMFuzzerMutate(data, size, max_size);
    std::memcpy(&stored, data, prefix);
    const auto header_size = static_cast<std::size_t>(std::min<HeaderSize>(stored, size - prefix));
    const std::string values(data + prefix + header_size, data + size);
    std::string header(data + prefix, data + prefix + header_size);
    header = fuzz::mutate_json(
        header, std::max(header.size(), max_size - prefix - std::min(values.size(), max_size - prefix)),
        seed / 5);
    const std::string all = (header + values).substr(0, max_size - prefix);
    stored = std::min(header.size(), all.size());
    std::memcpy(data, &stored, prefix);
    std::copy(all.begin(), all.end(), data + prefix);
    return prefix + all.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static test::MemoryFile file;
    file.write(fuzz::text(data, size));
    try {
        std::size_t bytes = 0;
        for (const auto& [name, tensor] : read_safetensors(file.path())) {
            bytes += 2 * tensor.size();
        }
        fuzz::require(bytes <= 2 * size, "no tensor has more numbers than the file");
        read_safetensors_metadata(file.path());
    } catch (const FormatError&) {
    }
    return 0;
}
