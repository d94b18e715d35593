#include "seqgrad/layers/model_file.hpp"

#include <array>
#include <cstddef>
#include <limits>
#include <string>
#include <type_traits>

#include "support/temporary_folder.hpp"
#include "support/toy_modules.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/bidirectional.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/embedding.hpp"
#include "seqgrad/layers/input.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/model_json.hpp"
#include "seqgrad/layers/simple_rnn.hpp"
#include "seqgrad/layers/weights.hpp"

using namespace seqgrad;
using test::content_of;
using test::TemporaryFolder;
using test::write_text;

namespace {

template <class T>
Sequential<T> tagger() {
    return Sequential<T>{Embedding<T>({.input_dim = 7, .output_dim = 3}),
                         Bidirectional<T>(LSTM<T>({.units = 2, .return_sequences = true})),
                         Dense<T>({.units = 4, .activation = "softmax"})};
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

/// The text without its checksum.
std::string unsealed(std::string text) {
    const auto begin = text.find("  \"checksum\"");
    REQUIRE(begin != std::string::npos);
    return text.erase(begin, text.find('\n', begin) + 1 - begin);
}

/// The message of the FormatError that loading a text gives, from behind the file's name on; "" for none.
std::string refusal(const std::string& text) {
    const TemporaryFolder folder;
    write_text(folder / "m.json", text);
    try {
        load_model<float>(folder / "m.json");
    } catch (const FormatError& e) {
        const std::string message = e.what(), path = (folder / "m.json").string() + ": ";
        CHECK(message.starts_with(path));
        return message.substr(path.size());
    }
    return "";
}

}  // namespace

TEST_CASE_TEMPLATE("a model comes back with its weights and computes the same", T, float, double) {
    const TemporaryFolder folder;
    Sequential<T> model = tagger<T>();
    const Variable<T> x(tensor<T>({2, 3}, {1, 2, 3, 4, 5, 6}));
    const Tensor<T> y = model(x).value();
    for (const Encoding encoding : {Encoding::decimal, Encoding::base64}) {
        save_model(model, folder / "m.json", {.encoding = encoding});
        CHECK(folder.files() == 1);
        Sequential<T> copy = load_model<T>(folder / "m.json");
        CHECK(copy.built());
        CHECK(to_json(copy) == to_json(model));
        CHECK(weights_to_json(copy) == weights_to_json(model));
        CHECK(copy(x).value() == y);
        save_model(copy, folder / "again.json", {.encoding = encoding});
        CHECK(content_of(folder / "again.json") == content_of(folder / "m.json"));
        std::filesystem::remove(folder / "again.json");
        // It is a file of weights, too.
        Sequential<T> other = tagger<T>();
        other.build({unknown, 3});
        load_weights(other, folder / "m.json");
        CHECK(weights_to_json(other) == weights_to_json(model));
    }
}

TEST_CASE_TEMPLATE("models of version 2 of the format are loaded", T, float, double) {
    constexpr bool single = std::is_same_v<T, float>;
    const std::string name = single ? "model-2-float32-decimal.json" : "model-2-float64-base64.json";
    Sequential<T> model = load_model<T>(std::string(SEQGRAD_TEST_GOLDEN_DIR) + "/files/" + name);
    CHECK(to_json(model) == to_json(tagger<T>()));
    const Tensor<T> y = model(Variable<T>(tensor<T>({2, 3}, {1, 2, 3, 4, 5, 6}))).value();
    const std::array<double, 4> want = single
                                           ? std::array{0.252454966, 0.251939684, 0.247234911, 0.248370513}
                                           : std::array{0.250024517, 0.249929716, 0.251210371, 0.248835395};
    for (std::size_t i = 0; i < 4; ++i) CHECK(y(0, 2, i) == doctest::Approx(want[i]).epsilon(2e-7));
}

TEST_CASE("a model that begins with an input layer comes back") {
    const TemporaryFolder folder;
    Sequential<float> model{Input<float>({.shape = {unknown, 5}}), LSTM<float>({.units = 2})};
    save_model(model, folder / "m.json");
    CHECK(weights_to_json(load_model<float>(folder / "m.json")) == weights_to_json(model));
    // A double model takes float32 weights, exactly, but not the other way round.
    CHECK(load_model<double>(folder / "m.json").parameters()[0].variable.value()(0, 0) ==
          static_cast<double>(model.parameters()[0].variable.value()(0, 0)));
    save_model(load_model<double>(folder / "m.json"), folder / "wide.json");
    CHECK_THROWS_WITH_AS(load_model<float>(folder / "wide.json"), doctest::Contains("would be rounded"),
                         FormatError);
    CHECK(refusal(unsealed(replaced(content_of(folder / "m.json"), "\"input_shape\": [null, null, 5]",
                                    "\"input_shape\": [null, 4, 5]"))) ==
          "/model/input_shape: the model begins with an InputLayer of the shape (None, None, 5)");
}

TEST_CASE_TEMPLATE("what initializers need is within the memory that a model may take", T, float, double) {
    // Making a matrix orthogonal takes the most, and here it is nearly all of the model.
    const TemporaryFolder folder;
    Sequential<T> model{SimpleRNN<T>({.units = 250})};
    model.build({unknown, unknown, 1});
    save_model(model, folder / "m.json", {.encoding = Encoding::base64});
    CHECK(load_model<T>(folder / "m.json").parameter_count() == model.parameter_count());
}

TEST_CASE("what cannot be saved as a model is refused") {
    const TemporaryFolder folder;
    const Sequential<float> unbuilt = tagger<float>();
    CHECK_THROWS_WITH_AS(save_model(unbuilt, folder / "m.json"),
                         doctest::Contains("save_model: Sequential has no weights yet"), ValueError);
    Sequential<float> own{test::Affine<float>()};
    own.build({unknown, 2});
    CHECK_THROWS_AS(save_model(own, folder / "m.json"), ValueError);
    Sequential<float> model = tagger<float>();
    model.build({unknown, 3});
    model.parameters()[0].variable.mutable_data()[1] = std::numeric_limits<float>::infinity();
    CHECK_THROWS_WITH_AS(save_model(model, folder / "m.json"),
                         doctest::Contains("\"embedding.embeddings\" of shape [7, 3]: element 1 is inf"),
                         ValueError);
    CHECK(folder.files() == 0);
    save_model(model, folder / "m.json", {.allow_non_finite = true});
    CHECK(load_model<float>(folder / "m.json").parameters()[0].variable.value()(0, 1) ==
          std::numeric_limits<float>::infinity());
    save_weights(model, folder / "w.json", {.allow_non_finite = true});
    CHECK(
        refusal(content_of(folder / "w.json")).starts_with("/: there is no model in the file, only weights"));
}

TEST_CASE("a model file that was changed is refused, with the place in it") {
    const TemporaryFolder folder;
    Sequential<float> model = tagger<float>();
    model.build({unknown, 3});
    save_model(model, folder / "m.json");
    const std::string sealed = content_of(folder / "m.json"), good = unsealed(sealed);
    CHECK(refusal(good) == "");
    CHECK(refusal(replaced(sealed, "softmax", "sigmoid"))
              .starts_with("/checksum: the checksum of the file is "));
    CHECK(refusal(replaced(good, "\"units\": 4", "\"units\": -4"))
              .starts_with("/model/architecture/config/layers/2/config/units: expected a whole number"));
    CHECK(refusal(replaced(good, "\"units\": 4", "\"units\": 5")).find("expected shape [4, 5], got [4, 4]") !=
          std::string::npos);
    CHECK(refusal(replaced(good, "\"architecture\"", "\"program\"")) ==
          "/model: \"architecture\" is missing");
    CHECK(refusal(replaced(good, "\"class_name\": \"Dense\"", "\"class_name\": \"Exec\""))
              .starts_with("/model/architecture/config/layers/2/class_name: expected one of "));
    CHECK(refusal(replaced(good, "\"input_shape\": [null, 3]", "\"input_shape\": [null, 1.5]")) ==
          "/model/input_shape/1: expected a whole number from 0 to 2147483647, or null, got 1.5");
    CHECK(refusal(replaced(good, "\"input_shape\": [null, 3]", "\"input_shape\": 3")) ==
          "/model/input_shape: expected an array of sizes, got 3");
    CHECK(
        refusal(replaced(good, "\"input_shape\": [null, 3]", "\"input_shape\": []")).starts_with("/model/"));
    // Layers that would take far more memory than the file's weights, alone or together.
    for (const char* size : {"100000", "2000000000"}) {
        CHECK(refusal(replaced(good, "\"input_dim\": 7", "\"input_dim\": " + std::string(size) + "000"))
                  .starts_with("/model/architecture"));
        CHECK(refusal(replaced(good, "\"units\": 4", "\"units\": " + std::string(size) + "00"))
                  .starts_with("/model/architecture"));
    }
}
