// What files take in memory while they are written and read: a program of its own, which counts every byte
// that is allocated.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "support/counted_memory.hpp"
#include "support/temporary_folder.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/files/json.hpp"
#include "seqgrad/layers/model_file.hpp"
#include "seqgrad/layers/weights.hpp"
#include "seqgrad/train/checkpoint.hpp"

using namespace seqgrad;
using test::needed;

namespace {

constexpr std::size_t megabyte = std::size_t{1} << 20;
/// Buffers, and the structure of a file.
constexpr std::size_t little = 4 * megabyte;
/// Of the weights of `large`.
constexpr std::size_t weights = 8 * megabyte;

/// Two layers of a million numbers each.
Sequential<float> large() {
    Sequential<float> model{Dense<float>({.units = 1024, .use_bias = false, .name = "a"}),
                            Dense<float>({.units = 1024, .use_bias = false, .name = "b"})};
    model.build({unknown, 1024});
    return model;
}

/// The values of the only parameter.
template <class T>
Tensor<T> weights_of(const Sequential<T>& model) {
    return model.parameters().at(0).variable.value();
}

}  // namespace

TEST_CASE("a file is written and read in little more memory than its tensors take") {
    const test::TemporaryFolder folder;
    Sequential<float> model = large();
    for (const Encoding encoding : {Encoding::decimal, Encoding::base64}) {
        const SaveOptions options{.encoding = encoding};
        CHECK(needed([&] { save_weights(model, folder / "w.json", options); }) < little);
        CHECK(needed([&] { save_model(model, folder / "m.json", options); }) < little);
        TrainingState<float> state;
        for (const auto& [name, variable] : model.parameters())
            state.weights.emplace_back(name, variable.value());
        CHECK(needed([&] { save_checkpoint(state, folder / "c.json", options); }) < little);

        CHECK(needed([&] { CHECK(read_json(folder / "w.json").tensors.size() == 2); }) < weights + little);
        for (const char* name : {"w.json", "m.json", "c.json"}) {
            CAPTURE(name);
            CHECK(needed([&] { load_weights(model, folder / name); }) < weights + little);
        }
        // The state's tensors take over from those of the file one by one.
        CHECK(needed([&] { load_checkpoint<float>(folder / "c.json"); }) < weights * 3 / 2 + little);
        // Beside the model itself, and what making it takes.
        const std::size_t building = needed([] { large(); });
        CHECK(needed([&] { load_model<float>(folder / "m.json"); }) < building + weights + little);
    }
}

TEST_CASE("the weights of a large model are in memory once while it is loaded") {
    const test::TemporaryFolder folder;
    const auto path = folder / "m.json";
    const auto make = [] {
        Sequential<float> model{Dense<float>({.units = 2048, .use_bias = false})};
        model.build({unknown, 3500});
        return model;
    };
    const Sequential<float> model = make();
    save_model(model, path, {.encoding = Encoding::base64});
    const std::uint64_t size = std::filesystem::file_size(path);
    std::vector<std::uint64_t> told;
    const LoadOptions options{.progress = [&](std::uint64_t done, std::uint64_t total) {
        CHECK(total == size);
        told.push_back(done);
    }};
    const std::size_t building = needed([&] { make(); });
    CHECK(needed([&] { load_model<float>(path, options); }) < building + little);
    CHECK(std::ranges::is_sorted(told));
    CHECK(told.back() == size);
    CHECK(weights_of(load_model<float>(path)) == weights_of(model));
    CHECK(weights_of(load_model<double>(path)) == cast<double>(weights_of(model)));

    // A model that does not fit the weights behind it.
    std::string text = test::content_of(path);
    text.replace(text.find("  \"checksum\""), std::string("  \"checksum\": \"0123456789abcdef\",").size(),
                 "");
    text.replace(text.find("[3500, 2048]"), 12, "[2048, 3500]");
    test::write_text(path, text);
    CHECK_THROWS_WITH_AS(load_model<float>(path),
                         doctest::Contains("expected shape [3500, 2048], got [2048, 3500]"), FormatError);
}

TEST_CASE("what a file says about sizes takes no memory before it is there") {
    const test::TemporaryFolder folder;
    Dense<float> small({.units = 1, .use_bias = false});
    small.build({unknown, 1});
    const auto refused = [&](const std::string& shape, const std::string& data) {
        test::write_text(folder / "t.json",
                         R"({"format": "seqgrad", "version": 2, "oldest_reader": 2, "tensors": )"
                         R"({"kernel": {"shape": )" +
                             shape + R"(, "dtype": "float32", "encoding": "base64", "data": )" + data +
                             "}}}");
        CHECK(needed([&] { CHECK_THROWS_AS(load_weights(small, folder / "t.json"), FormatError); }) < little);
    };
    refused("[1000000000000]", R"("")");
    refused("[4294967296, 4294967296]", R"("AACAPw==")");
    refused("[1, 1]", "[" + std::string(megabyte, '[') + "]");
    // A tensor that the model does not want is not kept.
    refused("[3145728]", '"' + std::string(16 * megabyte, 'A') + '"');
}
