// Checkpoints: what is read is written as a text that gives the same state. Of a changed state the checksum
// is wrong; it is set right, so that the changes count.
#include "harness.hpp"

#include "seqgrad/core/error.hpp"
#include "seqgrad/train/checkpoint.hpp"

using namespace seqgrad;

namespace {

/// Throws FormatError.
void read(std::string_view json) {
    const SaveOptions all_numbers{.allow_non_finite = true};
    const std::string written = checkpoint_to_json(checkpoint_from_json<float>(json), all_numbers);
    fuzz::require(checkpoint_to_json(checkpoint_from_json<float>(written), all_numbers) == written,
                  "what was read is written and read again");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view json = fuzz::text(data, size);
    std::string repaired;
    try {
        read(json);
    } catch (const FormatError& error) {
        repaired = fuzz::with_checksum(std::string(json), error.what());
    }
    try {
        if (!repaired.empty()) read(repaired);
    } catch (const FormatError&) {
    }
    return 0;
}
