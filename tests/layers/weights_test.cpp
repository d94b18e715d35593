#include "seqgrad/layers/weights.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "support/edge_numbers.hpp"
#include "support/failing_files.hpp"
#include "support/temporary_folder.hpp"
#include "support/toy_modules.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/sequential.hpp"

using namespace seqgrad;
using test::Affine;
using test::content_of;
using test::TemporaryFolder;
using test::write_text;

namespace {

template <class T>
Sequential<T> model_of(std::ptrdiff_t width) {
    Sequential<T> model{Affine<T>(), Affine<T>("head")};
    model.build({unknown, width});
    return model;
}

template <class T>
bool same_bits(const Tensor<T>& a, const Tensor<T>& b) {
    return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE_TEMPLATE("every finite number comes back bit for bit", T, float, double) {
    using Bits = std::conditional_t<std::is_same_v<T, float>, std::uint32_t, std::uint64_t>;
    constexpr std::size_t n = 20'000;
    Tensor<T> values = zeros<T>({n});
    std::mt19937_64 random(7);
    for (T& value : elements(values)) {
        do value = std::bit_cast<T>(static_cast<Bits>(random()));
        while (!std::isfinite(value));
    }
    std::vector<T> edges = test::edge_numbers<T>();
    edges.insert(edges.end(), {T{1}, T{-1}});
    std::ranges::copy(edges, values.data());

    const TemporaryFolder folder;
    Sequential<T> saved = model_of<T>(n);
    saved.parameters()[0].variable.assign(values);
    save_weights(saved, folder / "w.json");
    CHECK(folder.files() == 1);
    Sequential<T> loaded = model_of<T>(n);
    load_weights(loaded, folder / "w.json");
    CHECK(same_bits(loaded.parameters()[0].variable.value(), values));
    CHECK(same_bits(loaded.parameters()[3].variable.value(), saved.parameters()[3].variable.value()));
}

TEST_CASE("float32 weights are read into a double model as the same numbers, not the other way round") {
    const TemporaryFolder folder;
    auto narrow = model_of<float>(2);
    narrow.parameters()[0].variable.assign(full<float>({2}, 0.1F));
    save_weights(narrow, folder / "w.json");
    auto wide = model_of<double>(2);
    load_weights(wide, folder / "w.json");
    CHECK(wide.parameters()[0].variable.value()(1) == static_cast<double>(0.1F));
    save_weights(wide, folder / "w.json");
    CHECK_THROWS_AS(load_weights(narrow, folder / "w.json"), FormatError);
}

TEST_CASE("all that does not fit is listed in one error, and nothing is loaded") {
    const TemporaryFolder folder;
    write_text(folder / "w.json", R"({"format": "seqgrad-weights", "version": 1, "tensors": {
        "affine.scale": {"shape": [3], "dtype": "float32", "data": [1, 2, 3]},
        "affine.shift": {"shape": [2], "dtype": "float64", "data": [7, 8]},
        "head.scale": {"shape": [2], "dtype": "float32", "data": [8, 9]},
        "tail.scale": {"shape": [], "dtype": "float32", "data": [1]}}})");
    auto model = model_of<float>(2);
    const std::string expected = (folder / "w.json").string() +
                                 ": does not fit Sequential, nothing was loaded:\n"
                                 "  \"affine.scale\": expected shape [2], got [3]\n"
                                 "  \"affine.shift\": float64 numbers would be rounded to float32\n"
                                 "  \"head.shift\" is missing\n"
                                 "  \"tail.scale\" is unexpected";
    CHECK_THROWS_WITH_AS(load_weights(model, folder / "w.json"), expected.c_str(), FormatError);
    for (const auto& [name, variable] : model.parameters()) {
        CHECK(variable.value() == full<float>({2}, name.ends_with("scale") ? 1.0F : 0.0F));
    }
}

TEST_CASE("a part of a file can be loaded, with a report of the rest") {
    const std::string json = R"({"format": "seqgrad-weights", "version": 1, "tensors": {
        "affine.scale": {"shape": [3], "dtype": "float32", "data": [1, 2, 3]},
        "affine.shift": {"shape": [2], "dtype": "float32", "data": [7, 8]},
        "tail.scale": {"shape": [], "dtype": "float32", "data": [1]}}})";
    auto model = model_of<float>(2);
    const LoadReport report = weights_from_json(model, json, "x", {.mode = LoadMode::partial});
    CHECK(report.loaded == std::vector<std::string>{"affine.shift"});
    CHECK(report.missing == std::vector<std::string>{"head.scale", "head.shift"});
    REQUIRE(report.mismatched.size() == 1);
    CHECK(report.mismatched[0].name == "affine.scale");
    CHECK(report.mismatched[0].why == "expected shape [2], got [3]");
    CHECK(report.unexpected == std::vector<std::string>{"tail.scale"});
    CHECK(model.parameters()[0].variable.value() == full<float>({2}, 1.0F));
    CHECK(model.parameters()[1].variable.value() == tensor<float>({2}, {7, 8}));
    const TemporaryFolder folder;
    write_text(folder / "w.json", json);
    CHECK(load_weights(model, folder / "w.json", {.mode = LoadMode::partial}).loaded.size() == 1);
    CHECK(weights_from_json(model, weights_to_json(model)).complete());
}

TEST_CASE("weights as a text are those of a file") {
    const TemporaryFolder folder;
    auto model = model_of<float>(2);
    model.parameters()[0].variable.assign(tensor<float>({2}, {0.1F, -0.0F}));
    save_weights(model, folder / "w.json");
    const std::string json = weights_to_json(model);
    CHECK(json == content_of(folder / "w.json"));
    auto other = model_of<float>(2);
    weights_from_json(other, json);
    CHECK(same_bits(other.parameters()[0].variable.value(), model.parameters()[0].variable.value()));

    auto wider = model_of<float>(3);
    CHECK_THROWS_WITH_AS(weights_from_json(wider, json, "part 2"),
                         doctest::Contains("part 2: does not fit Sequential, nothing was loaded"),
                         FormatError);
    CHECK_THROWS_WITH_AS(weights_from_json(other, json.substr(0, 40)),
                         doctest::Contains("weights: /version: not valid JSON: "), FormatError);
    CHECK_THROWS_WITH_AS(weights_from_json(other, json + "1"),
                         doctest::Contains("weights: /: not valid JSON: "), FormatError);
    Sequential<float> empty{Affine<float>()};
    CHECK_THROWS_AS(weights_to_json(empty), ValueError);
    CHECK_THROWS_AS(weights_from_json(empty, json), ValueError);
    model.parameters()[1].variable.mutable_data()[1] = std::numeric_limits<float>::infinity();
    CHECK_THROWS_WITH_AS(weights_to_json(model),
                         doctest::Contains("weights_to_json: numbers that are not finite"), ValueError);
}

TEST_CASE("numbers that are not finite are not saved, and the old file stays") {
    const TemporaryFolder folder;
    auto model = model_of<double>(2);
    save_weights(model, folder / "w.json");
    const std::string before = content_of(folder / "w.json");
    model.parameters()[1].variable.mutable_data()[1] = std::numeric_limits<double>::infinity();
    model.parameters()[2].variable.mutable_data()[0] = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS_WITH_AS(save_weights(model, folder / "w.json"),
                         "save_weights: numbers that are not finite are not saved, unless "
                         "SaveOptions::allow_non_finite says so:\n"
                         "  \"affine.shift\" of shape [2]: element 1 is inf\n"
                         "  \"head.scale\" of shape [2]: element 0 is nan",
                         ValueError);
    CHECK(content_of(folder / "w.json") == before);
    CHECK(folder.files() == 1);
}

TEST_CASE("a damaged file is refused with the place, whatever is damaged") {
    const TemporaryFolder folder;
    auto model = model_of<double>(2);
    save_weights(model, folder / "good.json");
    const std::string good = content_of(folder / "good.json");
    const std::string bad[] = {
        "",
        "[]",
        "null",
        "{}",
        good.substr(0, good.size() / 2),
        good + "x",
        replaced(good, "\"seqgrad\"", "\"onnx\""),
        replaced(good, "\"version\": 2", "\"version\": 1"),
        replaced(good, "\"oldest_reader\": 2", "\"oldest_reader\": 3"),
        replaced(good, "\"version\": 2", "\"version\": \"2\""),
        replaced(good, "\"version\": 2,", ""),
        replaced(good, "\"version\": 2,", "\"version\": 2, \"version\": 2,"),
        replaced(good, "float64", "float16"),
        replaced(good, "\"dtype\": \"float64\", ", ""),
        replaced(good, "\"shape\": [2], ", ""),
        replaced(good, "[2]", "[-2]"),
        replaced(good, "[2]", "[2.0]"),
        replaced(good, "[2]", "[[2]]"),
        replaced(good, "[2]", "[3]"),
        replaced(good, "[2]", "[4294967296, 4294967296, 4294967296]"),
        replaced(good, "[1,1]", "[1,null]"),
        replaced(good, "[1,1]", "[1,\"1\"]"),
        replaced(good, "[1,1]", "[1,1e400]"),
        replaced(good, "[1,1]", "[1,NaN]"),
        replaced(good, "[1,1]", "[1,[1]]"),
        replaced(good, "[1,1]", "{}"),
        replaced(good, "affine.scale", "affine.shift"),
        replaced(good, "\"data\"", "\"extra\""),
    };
    for (const std::string& text : bad) {
        CAPTURE(text);
        write_text(folder / "bad.json", text);
        std::string message;
        try {
            load_weights(model, folder / "bad.json");
        } catch (const FormatError& e) {
            message = e.what();
        }
        CHECK(message.find("bad.json: ") != std::string::npos);
    }
}

TEST_CASE("a file that is wrong at any one place changes nothing") {
    const TemporaryFolder folder;
    auto saved = model_of<float>(2);
    for (auto& [name, variable] : saved.parameters()) variable.assign(tensor<float>({2}, {0.25F, -8}));
    for (const Encoding encoding : {Encoding::decimal, Encoding::base64}) {
        save_weights(saved, folder / "good.json", {.encoding = encoding, .metadata = {{"a", "b"}}});
        const std::string good = content_of(folder / "good.json");
        auto model = model_of<float>(2);
        const std::string before = weights_to_json(model);
        std::size_t refused = 0;
        const auto check = [&](const std::string& text) {
            write_text(folder / "bad.json", text);
            CAPTURE(text);
            CHECK_THROWS_AS(load_weights(model, folder / "bad.json"), FormatError);
            CHECK(weights_to_json(model) == before);
            ++refused;
        };
        // Every key and every value: another key, no value, and a value of another kind.
        for (std::size_t at = good.find('"'); at != std::string::npos; at = good.find('"', at + 1)) {
            const std::size_t end = good.find('"', at + 1);
            const bool key = good[end + 1] == ':';
            if (key) {
                check(std::string(good).replace(at, end + 1 - at, "\"other\""));
                check(std::string(good).erase(end + 1, 2));
                check(std::string(good).insert(end + 2, " [[]],"));
            }
            check(std::string(good).replace(at, end + 1 - at, "{}"));
            at = end;
        }
        CHECK(refused > 60);
        load_weights(model, folder / "good.json");
        CHECK(weights_to_json(model) == weights_to_json(saved));
    }
}

TEST_CASE("a load that is ended at any moment changes nothing") {
    const TemporaryFolder folder;
    constexpr std::ptrdiff_t width = 200'000;
    auto saved = model_of<float>(width);
    for (auto& [name, variable] : saved.parameters()) variable.assign(full<float>({width}, 0.25F));
    save_weights(saved, folder / "w.json", {.encoding = Encoding::base64});
    auto model = model_of<float>(width);
    const auto values = [&] {
        std::vector<Tensor<float>> all;
        for (const auto& [name, variable] : model.parameters()) all.push_back(variable.value());
        return all;
    };
    const auto before = values();
    struct Enough {};
    std::size_t calls = 0, last = 0;
    const LoadOptions options{.progress = [&](std::uint64_t, std::uint64_t) {
        if (calls++ == last) throw Enough();
    }};
    for (;; ++last) {
        calls = 0;
        try {
            load_weights(model, folder / "w.json", options);
            break;
        } catch (const Enough&) {
            CHECK(values() == before);
        }
    }
    CHECK(last > 3);
    CHECK(model.parameters()[3].variable.value() == saved.parameters()[3].variable.value());
}

TEST_CASE("weights of version 1 of the format are loaded") {
    const auto files = std::filesystem::path(SEQGRAD_TEST_GOLDEN_DIR) / "files";
    const auto check = [&]<class T>(T, const std::string& name) {
        Sequential<T> model{LSTM<T>({.units = 2}), Dense<T>({.units = 1})};
        model.build({unknown, unknown, 3});
        load_weights(model, files / ("weights-1-" + name + ".json"));
        CHECK(model.parameters()[0].variable.value()(0, 1) == std::numeric_limits<T>::denorm_min());
        CHECK(model.parameters()[4].variable.value()(0) == doctest::Approx(4.333333333333333));
    };
    check(1.0F, "float32");
    check(1.0, "float64");
    Sequential<float> model{Dense<float>({.units = 1})};
    model.build({unknown, 2});
    CHECK_THROWS_WITH_AS(
        load_weights(model, files / "checkpoint-1-float32.json"),
        doctest::Contains("a checkpoint of version 1 of the format; load_checkpoint reads it"), FormatError);
}

TEST_CASE("what cannot be read or written is an IoError with the path and the reason") {
    const TemporaryFolder folder;
    auto model = model_of<double>(2);
    CHECK_THROWS_WITH_AS(
        load_weights(model, folder / "none.json"),
        ("cannot open " + (folder / "none.json").string() + ": No such file or directory").c_str(), IoError);
    CHECK_THROWS_AS(load_weights(model, folder / "."), IoError);
    CHECK_THROWS_AS(save_weights(model, folder / "no/such/folder/w.json"), IoError);
    const Sequential<double> unbuilt{Affine<double>()};
    CHECK_THROWS_AS(save_weights(unbuilt, folder / "w.json"), ValueError);
    CHECK(folder.files() == 0);
}

TEST_CASE("whichever system call fails while weights are saved, the old file or the new one can be loaded") {
    const TemporaryFolder folder;
    const auto path = folder / "w.json";
    auto before = model_of<float>(3), after = model_of<float>(3);
    after.parameters()[0].variable.assign(full<float>({3}, 0.1F));
    save_weights(before, path);
    const std::string old_text = content_of(path);
    test::check_every_failure(
        folder, path, [&] { save_weights(after, path); },
        [&](bool replaced) {
            CHECK((content_of(path) == old_text) == !replaced);
            auto loaded = model_of<float>(3);
            load_weights(loaded, path);
            const auto& expected = replaced ? after : before;
            CHECK(weights_to_json(loaded) == weights_to_json(expected));
            save_weights(before, path);
        });
}
