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

void to_text(benchmark::State& state) {
    const Dense<float> layer = million();
    for (auto _ : state) benchmark::DoNotOptimize(weights_to_json(layer));
}

void from_text(benchmark::State& state) {
    Dense<float> layer = million();
    const std::string text = weights_to_json(layer);
    for (auto _ : state) weights_from_json(layer, text);
    state.counters["MB"] = 1e-6 * static_cast<double>(text.size());
}

void to_file(benchmark::State& state) {
    const Dense<float> layer = million();
    const TemporaryFile file;
    for (auto _ : state) save_weights(layer, file.path);
}

void from_file(benchmark::State& state) {
    Dense<float> layer = million();
    const TemporaryFile file;
    save_weights(layer, file.path);
    for (auto _ : state) load_weights(layer, file.path);
}

const int registered = [] {
    const auto add = [](const char* name, auto run) { bench::add(name, run)->Unit(benchmark::kMillisecond); };
    add("to_text", to_text);
    add("from_text", from_text);
    add("to_file", to_file);
    add("from_file", from_file);
    return 0;
}();

}  // namespace
