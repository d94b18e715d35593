// Checkpoints: what is read is written as a text that gives the same state. Of a changed state the checksum
// is wrong; it is set right, so that the changes count.
#include "harness.hpp"

#include "seqgrad/core/error.hpp"
#include "seqgrad/train/checkpoint.hpp"

using namespace seqgrad;

namespace {

/// Throws FormatError.
void read(std::string_view json) {
    const std::string written = checkpoint_to_json(checkpoint_from_json<float>(json));
    fuzz::require(checkpoint_to_json(checkpoint_from_json<float>(written)) == written,
                  "what was read is written and read again");
}

/// The text with the checksum that the message asks for; empty where there is none.
std::string with_checksum(std::string json, std::string_view message) {
    // Of the state in version 1 of the format, of the file from then on.
    constexpr std::string_view asks = "the checksum of the ", key = "\"checksum\": \"", is = " is ";
    constexpr std::size_t digits = 16;
    const std::size_t asked = message.find(asks), wanted = message.find(is, asked), at = json.find(key);
    if (asked == std::string_view::npos || wanted == std::string_view::npos || at == std::string::npos)
        return {};
    const std::size_t begin = at + key.size(), end = json.find('"', begin);
    if (end == std::string::npos) return {};
    return json.replace(begin, end - begin, message.substr(wanted + is.size(), digits));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view json = fuzz::text(data, size);
    std::string repaired;
    try {
        read(json);
    } catch (const FormatError& error) {
        repaired = with_checksum(std::string(json), error.what());
    }
    try {
        if (!repaired.empty()) read(repaired);
    } catch (const FormatError&) {
    }
    return 0;
}
