#include "seqgrad/train/preprocessing_json.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include "support/temporary_folder.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/files/json.hpp"
#include "seqgrad/layers/model_file.hpp"
#include "seqgrad/layers/weights.hpp"
#include "seqgrad/train/checkpoint.hpp"

using namespace seqgrad;
using test::content_of;
using test::TemporaryFolder;

namespace {

/// The message of the FormatError that f throws; "" if it throws none.
template <class F>
std::string refusal(const F& f) {
    try {
        f();
    } catch (const FormatError& e) {
        return e.what();
    }
    return "";
}

std::string scaler_refusal(const std::string& text) {
    return refusal([&] { standard_scaler_from_json(text); });
}

Sequential<float> small_model() {
    Sequential<float> model{Dense<float>({.units = 1})};
    model.build({unknown, 2});
    return model;
}

}  // namespace

TEST_CASE("a scaler comes back from JSON to the last bit") {
    StandardScaler scaler;
    scaler.fit(tensor<double>({3, 2}, {0.1, 1e15, 0.7, 1e15 + 1, 1e-3, 1e15 + 3}));
    const std::string text = to_json(scaler);
    const StandardScaler again = standard_scaler_from_json(text);
    CHECK(again.mean() == scaler.mean());
    CHECK(again.scale() == scaler.scale());
    CHECK(to_json(again) == text);
    CHECK(to_json(StandardScaler({-2, 0.1}, {1, 3})) ==
          R"({"class_name": "StandardScaler", "config": {"mean": [-2, 0.1], "scale": [1, 3]}})");
    CHECK_THROWS_AS(to_json(StandardScaler()), ValueError);
}

TEST_CASE("vocabularies come back from JSON") {
    const CharacterVocabulary characters("d\xC3\xA9j\xC3\xA0 \"vu\"\n\\");
    CHECK(character_vocabulary_from_json(to_json(characters)).characters() == characters.characters());
    CHECK(to_json(CharacterVocabulary("ba")) ==
          R"({"class_name": "CharacterVocabulary", "config": {"characters": ["a","b"]}})");
    CHECK(character_vocabulary_from_json(to_json(CharacterVocabulary())).size() == 1);

    const WordVocabulary words("Yes, yes no \xC3\x89t\xC3\xA9",
                               {.words = {.lower = false, .strip_punctuation = false}});
    const WordVocabulary again = word_vocabulary_from_json(to_json(words));
    CHECK(again.words() == words.words());
    CHECK(again.options() == words.options());
    CHECK(again.encode("Yes, maybe") == words.encode("Yes, maybe"));
    CHECK(to_json(WordVocabulary("a b b")) ==
          R"({"class_name": "WordVocabulary", "config": )"
          R"({"lower": true, "strip_punctuation": true, "words": ["b","a"]}})");
}

TEST_CASE("a model's file takes them along") {
    const TemporaryFolder folder;
    const StandardScaler scaler({21.4, 4989.9}, {0.1, 30});
    const WordVocabulary words("so so");
    for (const Encoding encoding : {Encoding::decimal, Encoding::base64}) {
        const Sequential<float> model = small_model();
        save_model(
            model, folder / "m.json",
            {.encoding = encoding, .extras = {{"scaler", to_json(scaler)}, {"words", to_json(words)}}});
        CHECK(weights_to_json(load_model<float>(folder / "m.json")) == weights_to_json(model));
        const StandardScaler again = standard_scaler_from_json(load_extra(folder / "m.json", "scaler"));
        CHECK(again.mean() == scaler.mean());
        CHECK(again.scale() == scaler.scale());
        CHECK(word_vocabulary_from_json(load_extra(folder / "m.json", "words")).words() == words.words());

        const JsonFile file = read_json(folder / "m.json");
        CHECK(file.version == 3);
        CHECK(file.extras.size() == 2);
        // They are written again as the same, and are part of the checksum.
        save_model(model, folder / "again.json", {.encoding = encoding, .extras = file.extras});
        CHECK(content_of(folder / "again.json") == content_of(folder / "m.json"));
        std::string changed = content_of(folder / "m.json");
        changed.replace(changed.find("21.4"), 4, "21.5");
        test::write_text(folder / "changed.json", changed);
        CHECK_THROWS_WITH_AS(load_extra(folder / "changed.json", "scaler"),
                             doctest::Contains("it was changed or damaged"), FormatError);
    }
    // Without them a file is what readers of version 2 know.
    save_model(small_model(), folder / "plain.json");
    CHECK(read_json(folder / "plain.json").version == 2);
    CHECK_THROWS_WITH_AS(load_extra(folder / "plain.json", "scaler"),
                         doctest::Contains("/: expected \"scaler\" among the extras, got none"), FormatError);
    CHECK_THROWS_WITH_AS(load_extra(folder / "m.json", "scalar"),
                         doctest::Contains("/: expected \"scalar\" among the extras, got scaler, words"),
                         FormatError);
}

TEST_CASE("extras of version 3 of the format are read") {
    const std::string path = std::string(SEQGRAD_TEST_GOLDEN_DIR) + "/files/model-3-float32-extras.json";
    CHECK(load_model<float>(path).parameters()[0].variable.value()(0, 0) == -0.7448584F);
    CHECK(read_json(path).metadata.at("author") == "me");
    const StandardScaler scaler = standard_scaler_from_json(load_extra(path, "scaler"));
    CHECK(scaler.mean() == std::vector<double>{21.4, 4989.9});
    CHECK(scaler.scale() == std::vector<double>{0.1, 30});
    CHECK(character_vocabulary_from_json(load_extra(path, "characters")).encode("vu") ==
          std::vector<std::int64_t>{5, 4});
    CHECK(word_vocabulary_from_json(load_extra(path, "words")).encode("To be!") ==
          std::vector<std::int64_t>{2, 3});
    CHECK(load_extra(path, "own") ==
          R"({"limits": [0.5, -1e-300, 18446744073709551615], "on": true, "none": null})");
}

TEST_CASE("a file can hold them alone, and a checkpoint beside the run") {
    const TemporaryFolder folder;
    const std::string text = to_json(StandardScaler({0.1}, {3}));
    write_json({}, folder / "s.json", {.extras = {{"scaler", text}}});
    CHECK(standard_scaler_from_json(load_extra(folder / "s.json", "scaler")).mean() ==
          std::vector<double>{0.1});
    save_checkpoint(TrainingState<float>(), folder / "c.json", {.extras = {{"scaler", text}}});
    CHECK_NOTHROW(load_checkpoint<float>(folder / "c.json"));
    CHECK(to_json(standard_scaler_from_json(load_extra(folder / "c.json", "scaler"))) == text);
}

TEST_CASE("extras that are not JSON are not saved") {
    const TemporaryFolder folder;
    const auto save = [&](const std::string& extra) {
        write_json({}, folder / "x.json", {.extras = {{"a", "[1, null]"}, {"b", extra}}});
    };
    save("{\"x\": [0.5, \"y\", true]}");
    const std::string before = content_of(folder / "x.json");
    for (const char* text : {"", "{", "[1,]", "{\"x\": 1, \"x\": 2}", "nan", "1 2", "\"\xFF\"", "1e999"}) {
        CAPTURE(text);
        CHECK_THROWS_WITH_AS(save(text), doctest::Contains("the extra \"b\" is not JSON: /"), ValueError);
    }
    // As deep as a reader allows, within the file.
    const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    CHECK_THROWS_AS(save(nested(99)), ValueError);
    CHECK(content_of(folder / "x.json") == before);
    save(nested(98));
    CHECK(load_extra(folder / "x.json", "b") == nested(98));
}

TEST_CASE("anything but what was written is refused, with its place") {
    CHECK(scaler_refusal("[]") == "/: expected an object, got []");
    CHECK(scaler_refusal("{") != "");
    CHECK(scaler_refusal(R"({"class_name": "WordVocabulary", "config": {}})") ==
          "/class_name: expected \"StandardScaler\", got \"WordVocabulary\"");
    CHECK(scaler_refusal(R"({"class_name": "StandardScaler"})") == "/: \"config\" is missing");
    const auto config = [](const std::string& members) {
        return scaler_refusal(R"({"class_name": "StandardScaler", "config": {)" + members + "}}");
    };
    CHECK(config(R"("mean": [1], "scale": [2])") == "");
    CHECK(config(R"("mean": [1])") == "/config: \"scale\" is missing");
    CHECK(config(R"("mean": [1], "scale": [2], "var": [4])") ==
          "/config: unknown key \"var\"; known are mean, scale");
    CHECK(config(R"("mean": 1, "scale": [2])") == "/config/mean: expected an array of numbers, got 1");
    CHECK(config(R"("mean": [1, "2"], "scale": [2, 2])") == "/config/mean/1: expected a number, got \"2\"");
    CHECK(config(R"("mean": [1], "scale": [])") ==
          "/config: StandardScaler: expected one mean and one scale for each feature, got 1 and 0");
    CHECK(config(R"("mean": [1], "scale": [-2])") ==
          "/config: StandardScaler: feature 0: expected a scale that is a normal number above 0, got -2");
    CHECK(config(R"("mean": [], "scale": [])") != "");
    CHECK(config(R"("mean": [1e999], "scale": [1])").find("too large") != std::string::npos);

    const auto words = [](const std::string& members) {
        return refusal([&] {
            word_vocabulary_from_json(R"({"class_name": "WordVocabulary", "config": {"lower": true, )" +
                                      members + "}}");
        });
    };
    CHECK(words(R"("strip_punctuation": true, "words": ["a"])") == "");
    CHECK(words(R"("strip_punctuation": 1, "words": ["a"])") ==
          "/config/strip_punctuation: expected true or false, got 1");
    CHECK(words(R"("strip_punctuation": true, "words": ["a", 1])") ==
          "/config/words/1: expected a string, got 1");
    CHECK(words(R"("strip_punctuation": true, "words": ["a", "a"])") ==
          "/config: word vocabulary: \"a\" stands twice among the words");
    CHECK(words(R"("strip_punctuation": true, "words": ["A"])") ==
          "/config: word vocabulary: \"A\" is no word of texts that are split with its options");
    CHECK(refusal([] {
              character_vocabulary_from_json(
                  R"({"class_name": "CharacterVocabulary", "config": {"characters": ["b", "a"]}})");
          }) ==
          "/config: vocabulary: expected characters in the order of their code points, got 'a' after 'b'");
    CHECK(refusal([] {
              character_vocabulary_from_json(
                  R"({"class_name": "CharacterVocabulary", "config": {"characters": ["ab"]}})",
                  {.max_keys = 4});
          }) == "/config/characters/0: more than the limit of 4 values (line 1, column 68)");
}
