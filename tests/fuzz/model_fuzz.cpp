// A model's architecture as JSON: what is read is written as a text that gives the same one.
#include "harness.hpp"

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/model_json.hpp"

using namespace seqgrad;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr LoadLimits limits{.max_model_bytes = 1 << 18};
    std::unique_ptr<Module<float>> layer;
    try {
        layer = layer_from_json<float>(fuzz::text(data, size), limits);
    } catch (const FormatError&) {
        return 0;
    }
    const std::string written = to_json(*layer);
    fuzz::require(to_json(*layer_from_json<float>(written)) == written,
                  "what was read is written and read again");
    return 0;
}
