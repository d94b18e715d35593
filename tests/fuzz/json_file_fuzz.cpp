// Files of weights, models and checkpoints as JSON, read from a file without a model to load them into, and
// as a model with its weights.
#include "harness.hpp"
#include "support/memory_file.hpp"

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/files/json.hpp"
#include "seqgrad/layers/model_file.hpp"
#include "seqgrad/layers/weights.hpp"

using namespace seqgrad;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static test::MemoryFile file;
    const std::string_view json = fuzz::text(data, size);
    file.write(json);
    std::string repaired;
    try {
        const JsonFile content = read_json(file.path());
        std::size_t numbers = 0;
        for (const auto& [name, tensor] : content.tensors) numbers += tensor.size();
        fuzz::require(numbers <= size, "no tensor has more numbers than the file has bytes");
    } catch (const FormatError& error) {
        repaired = fuzz::with_checksum(std::string(json), error.what());
    }
    if (!repaired.empty()) file.write(repaired);
    try {
        const Sequential<float> model = load_model<float>(file.path());
        weights_to_json(model, {.allow_non_finite = true});
    } catch (const FormatError&) {
    }
    return 0;
}
