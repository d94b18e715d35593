// Files of weights, models and checkpoints as JSON, read from a file without a model to load them into, with
// the scalers and vocabularies that they take along, and as a model with its weights.
#include "harness.hpp"
#include "support/memory_file.hpp"

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/files/json.hpp"
#include "seqgrad/layers/model_file.hpp"
#include "seqgrad/layers/weights.hpp"
#include "seqgrad/train/preprocessing_json.hpp"

using namespace seqgrad;

namespace {

/// What is read is written and read again as the same.
template <class Read>
void read_extra(const std::string& text, const Read& read) {
    try {
        const std::string written = to_json(read(text, LoadLimits{}));
        fuzz::require(to_json(read(written, LoadLimits{})) == written,
                      "what was read is written and read again");
    } catch (const FormatError&) {
    }
}

}  // namespace

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
        for (const auto& [name, text] : content.extras) {
            read_extra(text, standard_scaler_from_json);
            read_extra(text, character_vocabulary_from_json);
            read_extra(text, word_vocabulary_from_json);
        }
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
