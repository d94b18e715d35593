// A million float32 parameters as JSON: to and from text, to and from a file.
#include "seqgrad/layers/weights.hpp"

#include <filesystem>
#include <string>

#include "counters.hpp"
#include <unistd.h>

#include "seqgrad/core/random.hpp"
#include "seqgrad/layers/dense.hpp"

namespace {

using namespace seqgrad;

Dense<float> million() {
    set_random_seed(1);
    Dense<float> layer({.units = 1000, .use_bias = false});
    layer.build({unknown, 1000});
    return layer;
}

/// A file in the folder for such, removed at the end.
struct TemporaryFile {
    std::filesystem::path path = std::filesystem::temp_directory_path() /
                                 ("seqgrad_weights_bench." + std::to_string(getpid()) + ".json");
    TemporaryFile() = default;
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    ~TemporaryFile() { std::filesystem::remove(path); }
};

template <Encoding encoding>
void to_text(benchmark::State& state) {
    const Dense<float> layer = million();
    for (auto _ : state) benchmark::DoNotOptimize(weights_to_json(layer, {.encoding = encoding}));
}

template <Encoding encoding>
void from_text(benchmark::State& state) {
    Dense<float> layer = million();
    const std::string text = weights_to_json(layer, {.encoding = encoding});
    for (auto _ : state) weights_from_json(layer, text);
    state.counters["MB"] = 1e-6 * static_cast<double>(text.size());
}

template <Encoding encoding>
void to_file(benchmark::State& state) {
    const Dense<float> layer = million();
    const TemporaryFile file;
    for (auto _ : state) save_weights(layer, file.path, {.encoding = encoding});
}

template <Encoding encoding>
void from_file(benchmark::State& state) {
    Dense<float> layer = million();
    const TemporaryFile file;
    save_weights(layer, file.path, {.encoding = encoding});
    for (auto _ : state) load_weights(layer, file.path);
}

const int registered = [] {
    const auto add = [](const char* name, auto run) { bench::add(name, run)->Unit(benchmark::kMillisecond); };
    add("decimal/to_text", to_text<Encoding::decimal>);
    add("decimal/from_text", from_text<Encoding::decimal>);
    add("decimal/to_file", to_file<Encoding::decimal>);
    add("decimal/from_file", from_file<Encoding::decimal>);
    add("base64/to_text", to_text<Encoding::base64>);
    add("base64/from_text", from_text<Encoding::base64>);
    add("base64/to_file", to_file<Encoding::base64>);
    add("base64/from_file", from_file<Encoding::base64>);
    return 0;
}();

}  // namespace
