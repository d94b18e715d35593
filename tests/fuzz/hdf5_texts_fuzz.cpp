// Texts that an HDF5 file has as attributes: 8 bytes with the address of an object's header, and the file.
#include <cstring>

#include "harness.hpp"
#include "support/memory_file.hpp"

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/input_file.hpp"
#include "seqgrad/layers/internal/hdf5_texts.hpp"

using namespace seqgrad;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static test::MemoryFile file;
    std::uint64_t header = 0;
    if (size < sizeof header) return 0;
    std::memcpy(&header, data, sizeof header);
    file.write(fuzz::text(data + sizeof header, size - sizeof header));
    try {
        detail::InputFile input(file.path());
        const LoadLimits limits{.max_keys = 1000, .max_string_length = 100};
        detail::Hdf5Texts texts(input, limits);
        for (const char* name : {"layer_names", "weight_names", "a"}) {
            const auto found = texts.find(header, name);
            if (!found) continue;
            fuzz::require(found->size() <= limits.max_keys, "there are no more texts than allowed");
            for (const std::string& text : *found)
                fuzz::require(text.size() <= limits.max_string_length, "no text is longer than allowed");
        }
    } catch (const FormatError&) {
    }
    return 0;
}
