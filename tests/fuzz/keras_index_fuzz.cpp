// The index of sharded weights of Keras, which names files that are not there.
#include <filesystem>

#include "harness.hpp"
#include "support/memory_file.hpp"
#include "support/temporary_folder.hpp"

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/files/keras.hpp"

using namespace seqgrad;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static test::MemoryFile file;
    static const test::TemporaryFolder folder;
    static const std::filesystem::path index = [] {
        const std::filesystem::path path = folder / "model.weights.json";
        std::filesystem::create_symlink(file.path(), path);
        return path;
    }();
    file.write(fuzz::text(data, size));
    try {
        fuzz::require(read_keras_weights(index).empty(), "there are no weights where there are no files");
    } catch (const FormatError&) {
    } catch (const IoError&) {
    }
    return 0;
}
