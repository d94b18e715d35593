// Configurations of Keras's models: what is read is a model whose own text gives the same one.
#include "harness.hpp"

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/internal/keras_config.hpp"
#include "seqgrad/layers/model_json.hpp"

using namespace seqgrad;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const detail::Json config = detail::parse_strictly(fuzz::text(data, size));
        Sequential<float> model = detail::build_keras_model<float>(config, 1 << 14, {});
        detail::freeze_as_in_keras(config, model);
        const std::string written = to_json(model);
        fuzz::require(to_json(model_from_json<float>(written)) == written,
                      "what was read is written and read again");
    } catch (const FormatError&) {
    }
    return 0;
}
