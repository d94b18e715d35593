#include "seqgrad/layers/files/keras.hpp"

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "support/difference.hpp"
#include "support/fixture.hpp"
#include "support/interop_cases.hpp"
#include "support/keras_models.hpp"
#include "support/memory_file.hpp"
#include "support/temporary_folder.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/input_file.hpp"
#include "seqgrad/layers/dropout.hpp"
#include "seqgrad/layers/embedding.hpp"
#include "seqgrad/layers/internal/hdf5_file.hpp"
#include "seqgrad/layers/internal/hdf5_texts.hpp"
#include "seqgrad/layers/layer_normalization.hpp"
#include "seqgrad/layers/model_json.hpp"
#include "seqgrad/layers/rnn.hpp"
#include "seqgrad/layers/stacked_rnn_cells.hpp"
#include "seqgrad/layers/time_distributed.hpp"

using namespace seqgrad;
using namespace seqgrad::test;
using doctest::Contains;

namespace {

std::filesystem::path golden_file(const std::string& name) {
    return golden_path("files/keras/" + name);
}

void check_same_output(Module<float>& model, const std::string& name) {
    const StoredTensors io = read_safetensors(golden_file(name + ".io.safetensors"));
    const Tensor<float> y = model(constant(to_tensor(*io.find("x")))).value();
    CHECK(largest_difference(cast<double>(y), cast<double>(to_tensor(*io.find("y")))) <= interop_tolerance);
}

/// The message of the FormatError that f throws; "" where it throws none.
template <class F>
std::string refusal(F f) {
    try {
        f();
    } catch (const FormatError& e) {
        return e.what();
    }
    return "";
}

using Files = std::vector<std::pair<std::string, std::string>>;

/// The checksum of zip archives.
std::uint32_t crc32(const std::string& bytes) {
    std::uint32_t crc = 0xFFFFFFFF;
    for (const char byte : bytes) {
        crc ^= static_cast<unsigned char>(byte);
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1U ^ ((crc & 1U) != 0 ? 0xEDB88320 : 0);
    }
    return ~crc;
}

/// A zip archive of these files, not compressed.
std::string zip_of(const Files& files) {
    const auto number = [](std::uint64_t value, int bytes) {
        std::string out;
        for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xFFU);
        return out;
    };
    std::string archive, directory;
    for (const auto& [name, content] : files) {
        // Version, flags, method, time and date, checksum, both sizes, lengths of the name and of what
        // follows it.
        const std::string header = number(20, 2) + number(0, 8) + number(crc32(content), 4) +
                                   number(content.size(), 4) + number(content.size(), 4) +
                                   number(name.size(), 2) + number(0, 2);
        directory += "PK\1\2" + number(20, 2) + header + number(0, 10) + number(archive.size(), 4) + name;
        archive += "PK\3\4" + header + name + content;
    }
    const std::string end = "PK\5\6" + number(0, 4) + number(files.size(), 2) + number(files.size(), 2) +
                            number(directory.size(), 4) + number(archive.size(), 4) + number(0, 2);
    return archive + directory + end;
}

constexpr const char* metadata = R"({"keras_version": "3.15.1"})";

/// A configuration of a Sequential of one layer after an input of 3 features.
std::string config_of(const std::string& layer) {
    return R"({"module": "keras", "class_name": "Sequential", "config": {"name": "m", "layers": [)"
           R"({"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": [null, 3]}}, )" +
           layer + "]}}";
}

constexpr const char* dense = R"({"module": "keras.layers", "class_name": "Dense", "config": {"units": 2}})";

/// Weights of that Dense layer.
std::string dense_weights() {
    const TemporaryFolder folder;
    Sequential<float> model{Dense<float>({.units = 2})};
    model.build({unknown, 3});
    save_keras_weights(model, folder / "m.weights.h5");
    return content_of(folder / "m.weights.h5");
}

/// The refusal of a model of these files.
std::string model_refusal(const Files& files) {
    const TemporaryFolder folder;
    write_text(folder / "m.keras", zip_of(files));
    return refusal([&] { load_keras_model<float>(folder / "m.keras"); });
}

std::string config_refusal(const std::string& config) {
    return model_refusal(
        {{"metadata.json", metadata}, {"config.json", config}, {"model.weights.h5", dense_weights()}});
}

}  // namespace

TEST_SUITE_BEGIN("keras" * doctest::skip(!has_keras_files()));

TEST_CASE("models that Keras saved compute what they computed there") {
    for (const std::string& name : keras_chains) {
        CAPTURE(name);
        auto model = load_keras_model<float>(golden_file(name + ".keras"));
        check_same_output(model, name);
        auto wide = load_keras_model<double>(golden_file(name + ".keras"));
        CHECK(wide.parameter_count() == model.parameter_count());
    }
}

TEST_CASE("weights are found in models of functions by class, in others by the names of members") {
    KerasAttention attention;
    attention.build({unknown, 4, 3});
    const Variable<float> x = constant(zeros<float>({2, 4, 3}));
    attention(x);
    load_keras_weights(attention, golden_file("attention.keras"));
    check_same_output(attention, "attention");
    KerasTagger tagger;
    tagger(x);
    load_keras_weights(tagger, golden_file("tagger.weights.h5"));
    check_same_output(tagger, "tagger");
}

TEST_CASE("files of old and new versions of Keras 3 are read") {
    for (const char* const version : {"3.0.5", "3.3.3", "3.6.0", "3.10.0", "3.15.1"}) {
        CAPTURE(version);
        const std::string name = std::string("versions/") + version;
        auto model = load_keras_model<float>(golden_file(name + ".keras"));
        check_same_output(model, name + ".keras");
        const auto& lstm = dynamic_cast<const LSTM<float>&>(model[1]);
        CHECK(std::get<Orthogonal>(lstm.config().recurrent_initializer.rule()).gain == 1);
        const auto& dense = dynamic_cast<const Dense<float>&>(model[model.size() - 1]);
        CHECK(std::holds_alternative<Orthogonal>(dense.config().kernel_initializer.rule()));

        Sequential<float> words{Embedding<float>({.input_dim = 7, .output_dim = 2, .mask_zero = true}),
                                GRU<float>({.units = 2}), Dense<float>({.units = 1})};
        words.build({unknown, 4});
        load_keras_weights(words, golden_file(name + ".weights.h5"));
        check_same_output(words, name + ".weights");
    }
}

namespace {

/// The model of `tagger` in tests/golden/make_keras_legacy.py.
Sequential<float> legacy_tagger() {
    Sequential<float> model{Embedding<float>({.input_dim = 7, .output_dim = 3}),
                            Bidirectional<float>(GRU<float>({.units = 2, .return_sequences = true})),
                            Dropout<float>({.rate = 0.1}),
                            LSTM<float>({.units = 3, .return_sequences = true}),
                            LayerNormalization<float>(),
                            TimeDistributed<float>(Dense<float>({.units = 2})),
                            Sequential<float>{Dense<float>({.units = 3}), Dense<float>({.units = 2})}};
    model.build({unknown, 4});
    return model;
}

/// The model of frozen.h5 as a class of one's own.
class InsideAndAfter : public Module<float> {
  public:
    std::string type() const override { return "InsideAndAfter"; }
    Sequential<float> inside{Dense<float>({.units = 3}), Dense<float>({.units = 3})};
    SimpleRNN<float> after{{.units = 2}};

  protected:
    void members(Members<float>& m) override {
        m.child("inside", inside);
        m.child("after", after);
    }
    Variable<float> call(const Variable<float>& x) override { return after(inside(x)); }
};

}  // namespace

TEST_CASE("weights in Keras's legacy format are read") {
    for (const char* const name : {"2.15.0", "3.15.1", "fixed", "latest"}) {
        CAPTURE(name);
        Sequential<float> model = legacy_tagger();
        const LoadReport report =
            load_keras_weights(model, golden_file("legacy/" + std::string(name) + ".h5"));
        CHECK(report.complete());
        CHECK(report.loaded.size() == model.parameters().size());
        check_same_output(model, "legacy/" + std::string(name[0] == '2' ? "2.15.0" : "3.15.1"));
    }
    Sequential<float> cells{
        GRU<float>({.units = 3, .reset_after = false, .return_sequences = true}),
        RNN<float>(StackedRNNCells<float>(LSTMCell<float>({.units = 2}), SimpleRNNCell<float>({.units = 3})),
                   {.return_sequences = true}),
        Dense<float>({.units = 2, .use_bias = false})};
    cells.build({unknown, 4, 3});
    load_keras_weights(cells, golden_file("legacy/2.15.0.weights_only.h5"));
    check_same_output(cells, "legacy/2.15.0.weights_only");

    Bidirectional<float> single(LSTM<float>({.units = 2}));
    single.build({unknown, 4, 3});
    load_keras_weights<float>(single, golden_file("legacy/single.h5"));
    check_same_output(single, "legacy/single");

    const StoredTensors tensors = read_keras_weights(golden_file("legacy/3.15.1.h5"));
    CHECK(tensors.size() == 18);
    CHECK(tensors.find("model_weights/lstm/sequential_1/lstm/lstm_cell/kernel") != nullptr);
}

TEST_CASE("weights that are not trained come last in their layer of a legacy file, as Keras orders them") {
    Sequential<float> model{Sequential<float>{Dense<float>({.units = 3}), Dense<float>({.units = 3})},
                            SimpleRNN<float>({.units = 2})};
    model.build({unknown, 4, 3});
    // Keras 3.15.1 gives each of the two layers inside the other's weights then.
    CHECK(
        refusal([&] { load_keras_weights(model, golden_file("legacy/frozen.h5")); })
            .find("the layers inside \"sequential_3\" stand in another order in the file than in Sequential "
                  "\"sequential\", as where others are frozen: freeze here what was frozen there") !=
        std::string::npos);
    auto& inside = dynamic_cast<Sequential<float>&>(model[0]);
    for (const auto& p : inside[0].parameters()) Variable<float>(p.variable).set_requires_grad(false);
    load_keras_weights(model, golden_file("legacy/frozen.h5"));
    check_same_output(model, "legacy/frozen");

    InsideAndAfter own;
    own(zeros<float>({1, 4, 3}));
    for (const auto& p : own.inside[0].parameters()) Variable<float>(p.variable).set_requires_grad(false);
    load_keras_weights<float>(own, golden_file("legacy/frozen.h5"));
    check_same_output(own, "legacy/frozen");
}

TEST_CASE("a legacy file of another model is refused with what differs, or loaded in part") {
    const auto file = golden_file("legacy/2.15.0.weights_only.h5");
    const auto make = [](std::size_t units, bool use_bias) {
        Sequential<float> model{GRU<float>({.units = units, .reset_after = false, .return_sequences = true}),
                                RNN<float>(StackedRNNCells<float>(LSTMCell<float>({.units = 2}),
                                                                  SimpleRNNCell<float>({.units = 3})),
                                           {.return_sequences = true}),
                                Dense<float>({.units = 2, .use_bias = use_bias})};
        model.build({unknown, 4, 3});
        return model;
    };
    Sequential<float> wider = make(4, false);
    CHECK(refusal([&] {
              load_keras_weights(wider, file);
          }).find("\"gru.kernel\": expected shape [3, 12], got [3, 9]") != std::string::npos);
    Sequential<float> biased = make(3, true);
    const Tensor<float> kernel = biased.parameters().back().variable.value();
    CHECK(refusal([&] { load_keras_weights(biased, file); })
              .ends_with("does not fit Sequential, nothing was loaded:\n"
                         "  \"dense_3\" has 1 weights in the file, and Dense \"dense\" here 2"));
    const LoadReport report = load_keras_weights(biased, file, {}, LoadMode::partial);
    CHECK(report.loaded.size() == 9);
    CHECK(report.missing == std::vector<std::string>{"dense.kernel", "dense.bias"});
    CHECK(report.unexpected.size() == 1);

    Sequential<float> shorter{Dense<float>({.units = 2})};
    shorter.build({unknown, 3});
    CHECK(refusal([&] { load_keras_weights(shorter, file); })
              .find("the file has 3 layers with weights (gru_1, rnn, dense_3), and there are 1 here (Dense "
                    "\"dense\")") != std::string::npos);
    // Names say that weights of the same shapes are others.
    Sequential<float> dense{Sequential<float>{Dense<float>({.units = 3}), LayerNormalization<float>()},
                            SimpleRNN<float>({.units = 2})};
    dense.build({unknown, 4, 3});
    const std::string other_weights =
        refusal([&] { load_keras_weights(dense, golden_file("legacy/frozen.h5")); });
    CHECK_MESSAGE(other_weights.find(
                      "/kernel\" in the file, and \"sequential.layer_normalization.gamma\" of Sequential "
                      "\"sequential\" here") != std::string::npos,
                  other_weights);
    CHECK(refusal([&] {
              load_keras_model<float>(file);
          }).find("legacy format, of which the weights alone are read") != std::string::npos);
}

TEST_CASE("whatever is damaged in the lists of a legacy file, an error is all that comes of it") {
    const LoadLimits limits;
    for (const char* const name : {"fixed", "latest", "frozen"}) {
        CAPTURE(name);
        const auto original = golden_file("legacy/" + std::string(name) + ".h5");
        const detail::Hdf5File file = detail::read_hdf5(
            original, limits, [](std::string_view path) { return path == "optimizer_weights"; });
        const std::string content = content_of(original);
        const auto read_all = [&](const std::filesystem::path& path) {
            detail::InputFile input(path);
            detail::Hdf5Texts texts(input, limits);
            std::size_t count = 0;
            for (const auto& [group, header] : file.headers) {
                for (const char* list : {"layer_names", "layer_names0", "weight_names", "weight_names1"}) {
                    if (const auto found = texts.find(header, list)) count += found->size();
                }
            }
            return count;
        };
        CHECK(read_all(original) > 0);
        std::size_t refused = 0, read = 0;
        MemoryFile file_in_memory;
        const auto damage = [&](const std::string& damaged) {
            file_in_memory.write(damaged);
            try {
                read_all(file_in_memory.path());
                ++read;
            } catch (const FormatError&) {
                ++refused;
            }
        };
        for (std::size_t i = 0; i < content.size(); i += 23) {
            for (const char with : {'\0', '\xFF'}) {
                std::string damaged = content;
                damaged[i] = with;
                damage(damaged);
            }
        }
        for (std::size_t size = 0; size < content.size(); size += 101) damage(content.substr(0, size));
        CHECK(refused > 0);
        CHECK(read > 0);
    }
}

TEST_CASE("initializers are read by the names that they have before Keras 3.7") {
    for (const char* const name : {"Orthogonal", "OrthogonalInitializer"}) {
        CAPTURE(name);
        const std::string initializer = std::string(R"("module": "keras.initializers", "class_name": ")") +
                                        name + R"(", "config": {"gain": 2.0, "seed": null})";
        CHECK(config_refusal(
                  config_of(R"({"module": "keras.layers", "class_name": "Dense", "config": {"units": 2, )"
                            R"("kernel_initializer": {)" +
                            initializer + R"(}, "bias_initializer": "zeros"}})")) == "");
    }
    for (const char* const name : {"IdentityInitializer", "Identity", "identity"}) {
        CAPTURE(name);
        CHECK(config_refusal(
                  config_of(R"({"module": "keras.layers", "class_name": "Dense", "config": {"units": 2, )"
                            R"("kernel_initializer": ")" +
                            std::string(name) + R"("}})")) == "");
    }
}

TEST_CASE("matrices of Constant, SeedGenerators and low-rank adaptation are read") {
    auto model = load_keras_model<float>(golden_file("special.keras"));
    check_same_output(model, "special");
    const auto& words = dynamic_cast<const Embedding<float>&>(model[1]);
    CHECK(std::holds_alternative<Zeros>(words.config().embeddings_initializer.rule()));
    CHECK_FALSE(words.embeddings().requires_grad());
    const auto& lstm = dynamic_cast<const LSTM<float>&>(model[2]);
    CHECK(std::get<GlorotUniform>(lstm.config().kernel_initializer.rule()).seed == 3);
    CHECK(std::get<Constant>(lstm.config().bias_initializer.rule()).value == 0.5);
    CHECK(refusal([] {
              load_keras_model<float>(golden_file("masking_nan.keras"));
          }).find("/config/layers/1/config/mask_value: not valid JSON: it has no numbers NaN") !=
          std::string::npos);
}

TEST_CASE("a file has the groups that Keras before 3.6 looks for, those without weights too") {
    const TemporaryFolder folder;
    Sequential<float> model{Dropout<float>({.rate = 0.1}), LSTM<float>({.units = 2}),
                            Dense<float>({.units = 1})};
    model.build({unknown, 4, 3});
    save_keras_weights(model, folder / "m.weights.h5");
    const auto groups_of = [](const std::filesystem::path& path) {
        return detail::read_hdf5(path, {}, [](std::string_view) { return false; }).groups;
    };
    CHECK(groups_of(folder / "m.weights.h5") ==
          std::vector<std::string>{"layers", "layers/dense", "layers/dense/vars", "layers/dropout",
                                   "layers/dropout/vars", "layers/lstm", "layers/lstm/cell",
                                   "layers/lstm/cell/vars", "layers/lstm/vars", "vars"});
    // As Keras itself.
    Sequential<float> words{Embedding<float>({.input_dim = 7, .output_dim = 2, .mask_zero = true}),
                            GRU<float>({.units = 2}), Dense<float>({.units = 1})};
    words.build({unknown, 4});
    save_keras_weights(words, folder / "w.weights.h5");
    for (const char* const version : {"3.0.5", "3.3.3", "3.15.1"}) {
        CAPTURE(version);
        CHECK(groups_of(folder / "w.weights.h5") ==
              groups_of(golden_file(std::string("versions/") + version + ".weights.h5")));
    }
}

TEST_CASE("a model's arguments are read, and layers that are not trained are frozen") {
    const auto model = load_keras_model<float>(golden_file("arguments.keras"));
    const auto& lstm = dynamic_cast<const LSTM<float>&>(model[1]);
    CHECK(lstm.name() == "encoder");
    CHECK(std::get<VarianceScaling>(lstm.config().kernel_initializer.rule()).scale == 2);
    CHECK(std::get<L1L2>(lstm.config().recurrent_regularizer.rule()).l2 == 0.2);
    CHECK(std::get<MaxNorm>(lstm.config().bias_constraint.rule()).max_value == 2);
    CHECK(lstm.kernel().requires_grad());
    const auto& frozen = dynamic_cast<const Dense<float>&>(model[2]);
    CHECK(frozen.name() == "frozen");
    CHECK_FALSE(frozen.kernel().requires_grad());
    CHECK_FALSE(frozen.bias().requires_grad());
    CHECK(dynamic_cast<const Dense<float>&>(model[3]).kernel().requires_grad());
}

TEST_CASE("weights that were written are read back exactly, under Keras's paths") {
    const TemporaryFolder folder;
    Sequential<double> model{Dense<double>({.units = 3}), Bidirectional<double>(LSTM<double>({.units = 2})),
                             Dense<double>({.units = 2, .use_bias = false})};
    Sequential<double> again{Dense<double>({.units = 3}), Bidirectional<double>(LSTM<double>({.units = 2})),
                             Dense<double>({.units = 2, .use_bias = false})};
    model.build({unknown, 4, 3});
    again.build({unknown, 4, 3});
    save_keras_weights(model, folder / "a.weights.h5");
    save_keras_weights(model, folder / "b.weights.h5");
    CHECK(content_of(folder / "a.weights.h5") == content_of(folder / "b.weights.h5"));
    load_keras_weights(again, folder / "a.weights.h5");
    const auto given = model.parameters(), got = again.parameters();
    REQUIRE(given.size() == got.size());
    for (std::size_t i = 0; i < given.size(); ++i)
        CHECK(given[i].variable.value() == got[i].variable.value());

    const StoredTensors tensors = read_keras_weights(folder / "a.weights.h5");
    CHECK(tensors.size() == given.size());
    const StoredTensor* const kernel = tensors.find("layers/bidirectional/backward_layer/cell/vars/0");
    REQUIRE(kernel != nullptr);
    CHECK(kernel->shape() == Shape{3, 8});
    CHECK(tensors.find("layers/dense_1/vars/0") != nullptr);
}

TEST_CASE("half precision, compression and either order of bytes are read") {
    const StoredTensors tensors = read_keras_weights(golden_file("hostile/compressed.weights.h5"));
    REQUIRE(tensors.size() == 2);
    CHECK(tensors.find("vars/0")->shape() == Shape{2, 3});
    CHECK(tensors.find("vars/0")->data<float>() == std::vector<float>{0, 1, 2, 3, 4, 5});
    CHECK(tensors.find("vars/1")->data<double>() == std::vector<double>{0, 1, 2});
}

TEST_CASE("bfloat16 is read exactly, int8 refused") {
    const StoredTensors expected = read_safetensors(golden_file("bfloat16.io.safetensors"));
    const StoredTensors tensors = read_keras_weights(golden_file("bfloat16.weights.h5"));
    REQUIRE(tensors.size() == 2);
    CHECK(tensors.find("layers/dense/vars/0")->shape() == Shape{3, 2});
    CHECK(tensors.find("layers/dense/vars/0")->data<float>() == expected.find("w0")->data<float>());
    CHECK(tensors.find("layers/dense/vars/1")->data<float>() == expected.find("w1")->data<float>());
    CHECK(
        refusal([] { read_keras_weights(golden_file("int8.weights.h5")); })
            .find(
                "layers/dense/vars/0: expected numbers of half, single or double precision or bfloat16, got "
                "int8: weights of a quantized model are not read") != std::string::npos);
}

TEST_CASE("sharded weights are read by their index, layers that two files share too") {
    const auto words = [] {
        Sequential<float> model{Embedding<float>({.input_dim = 7, .output_dim = 2, .mask_zero = true}),
                                GRU<float>({.units = 2}), Dense<float>({.units = 1})};
        model.build({unknown, 4});
        return model;
    };
    for (const char* const version : {"3.10.0", "3.15.1"}) {
        CAPTURE(version);
        const std::string name = std::string("sharded/") + version;
        auto model = words();
        load_keras_weights(model, golden_file(name + ".weights.json"));
        check_same_output(model, name);
    }
    const TemporaryFolder folder;
    for (const char* const part : {"3.15.1_00000.weights.h5", "3.15.1_00001.weights.h5"})
        write_text(folder / part, content_of(golden_file(std::string("sharded/") + part)));
    const auto refused = [&](const std::string& index, const LoadLimits& limits = {}) {
        write_text(folder / "m.weights.json", index);
        auto model = words();
        return refusal([&] { load_keras_weights(model, folder / "m.weights.json", limits); });
    };
    const std::string both =
        R"({"weight_map": {"/a": ["3.15.1_00000.weights.h5", "3.15.1_00001.weights.h5"]}})";
    CHECK(refused(both) == "");
    const std::pair<std::string, const char*> cases[] = {
        {R"({"weight_map": {"/a": "3.15.1_00000.weights.h5"}})", "\"dense.kernel\" is missing"},
        {R"({"weight_map": {"/a": "../m.weights.h5"}})",
         "/weight_map/~1a: expected the name of a file beside"},
        {R"({"weight_map": {"/a": ["m.keras"]}})", "/weight_map/~1a/0: expected the name of a file beside"},
        {R"({"weight_map": {"/a": 3}})", "/weight_map/~1a: expected the name of a file, got 3"},
        {R"({"weight_map": 3})", "/weight_map: expected an object"},
        {"{}", "\"weight_map\" is missing"},
        {"[]", "expected an object"},
        {"{", "m.weights.json: "},
    };
    for (const auto& one : cases) {
        const std::string message = refused(one.first), what = one.second;
        CHECK_MESSAGE(message.find(what) != std::string::npos, what, " in: ", message);
    }
    CHECK(refused(both, {.max_bytes = 15800}) == "");
    CHECK(refused(both, {.max_bytes = 14700}).find("allowed are 14700") != std::string::npos);
    write_text(folder / "again.weights.h5", content_of(folder / "3.15.1_00000.weights.h5"));
    CHECK(refused(R"({"weight_map": {"/a": ["3.15.1_00000.weights.h5", "again.weights.h5"]}})")
              .find("again.weights.h5: layers/embedding/vars/0: stands in another file") !=
          std::string::npos);
    CHECK_THROWS_AS(refused(R"({"weight_map": {"/a": "none.weights.h5"}})"), IoError);
    CHECK_THROWS_AS(read_keras_weights(folder / "none.weights.json"), IoError);
}

TEST_CASE("what a file of weights does not hold is refused with its place") {
    const std::pair<const char*, const char*> cases[] = {
        {"soft_link", "b: is a link"},
        {"external_link", "a: is a link"},
        {"external_storage", "a/vars/0: has its elements in another file"},
        {"virtual", "a/vars/0: is made of other datasets"},
        {"cycle", "a/b: stands in the file under two names"},
        {"two_names", "a/vars/1: stands in the file under two names"},
        {"integers", "a/vars/0: expected numbers of half, single or double precision or bfloat16, got int64"},
        {"opaque",
         "a/vars/0: expected numbers of half, single or double precision or bfloat16, got 2 bytes of no "
         "type"},
        {"strings", "a/vars/0: expected numbers"},
        {"huge", "a/vars/0: is larger than allowed"},
        {"never_written", "a/vars/0: takes 4194304 bytes, of which 0 are stored"},
        {"other_filter", "a/vars/0: is compressed by something other"},
        {"nothing", "a/vars/0: has no elements"},
    };
    for (const auto& one : cases) {
        const std::string name = one.first, what = one.second;
        const auto file = golden_file("hostile/" + name + ".weights.h5");
        const std::string message = refusal([&] { read_keras_weights(file); });
        CHECK_MESSAGE(message.find(what) != std::string::npos, name, ": ", message);
    }
}

TEST_CASE("limits hold") {
    const auto refused = [](const LoadLimits& limits) {
        return refusal([&] { read_keras_weights(golden_file("tagger.weights.h5"), limits); });
    };
    CHECK(refused({.max_depth = 3}).find("deeper") != std::string::npos);
    CHECK(refused({.max_keys = 5}).find("more groups") != std::string::npos);
    CHECK(refused({.max_string_length = 6}).find("longer name") != std::string::npos);
    CHECK(refused({.max_bytes = 1000}).find("allowed are 1000") != std::string::npos);
    const auto model_refused = [](const LoadLimits& limits) {
        return refusal([&] { load_keras_model<float>(golden_file("lstm.keras"), limits); });
    };
    CHECK(model_refused({.max_bytes = 10000}).find("model.weights.h5: has") != std::string::npos);
    CHECK(model_refused({.max_keys = 2}).find("more files") != std::string::npos);
}

TEST_CASE("files that are cut off or none at all are refused") {
    const TemporaryFolder folder;
    CHECK_THROWS_AS(read_keras_weights(folder / "none.weights.h5"), IoError);
    CHECK_THROWS_AS(load_keras_model<float>(folder / "none.keras"), IoError);
    write_text(folder / "text.weights.h5", "{}");
    CHECK_THROWS_WITH_AS(read_keras_weights(folder / "text.weights.h5"), Contains("is no HDF5 file"),
                         FormatError);
    write_text(folder / "text.keras", "{}");
    CHECK_THROWS_WITH_AS(load_keras_model<float>(folder / "text.keras"), Contains("is no zip archive"),
                         FormatError);

    const std::string whole = dense_weights();
    for (std::size_t size = 0; size < whole.size(); size += 17) {
        CAPTURE(size);
        write_text(folder / "cut.weights.h5", whole.substr(0, size));
        CHECK_THROWS_AS(read_keras_weights(folder / "cut.weights.h5"), FormatError);
    }
    const std::string archive = content_of(golden_file("lstm.keras"));
    for (std::size_t size = 0; size < archive.size(); size += 17) {
        CAPTURE(size);
        write_text(folder / "cut.keras", archive.substr(0, size));
        CHECK_THROWS_AS(load_keras_model<float>(folder / "cut.keras"), FormatError);
    }
}

TEST_CASE("a model's file must be whole") {
    CHECK(model_refusal({{"metadata.json", metadata},
                         {"config.json", config_of(dense)},
                         {"model.weights.h5", dense_weights()}})
              .empty());
    CHECK(model_refusal({{"config.json", config_of(dense)}, {"model.weights.h5", dense_weights()}})
              .find("metadata.json: is not there") != std::string::npos);
    CHECK(model_refusal({{"metadata.json", metadata}, {"model.weights.h5", dense_weights()}})
              .find("config.json: is not there") != std::string::npos);
    CHECK(model_refusal({{"metadata.json", metadata}, {"config.json", config_of(dense)}})
              .find("holds no model.weights.h5") != std::string::npos);
    CHECK(model_refusal({{"metadata.json", metadata},
                         {"config.json", config_of(dense)},
                         {"config.json", config_of(dense)}})
              .find("two files of one name") != std::string::npos);
    CHECK(model_refusal(
              {{"metadata.json", R"({"keras_version": "2.15.0"})"}, {"config.json", config_of(dense)}})
              .find("/keras_version") != std::string::npos);

    const TemporaryFolder folder;
    std::string damaged = zip_of({{"metadata.json", metadata}, {"config.json", config_of(dense)}});
    damaged[damaged.find("Dense")] = 'd';
    write_text(folder / "m.keras", damaged);
    CHECK(refusal([&] { load_keras_model<float>(folder / "m.keras"); }).find("damaged") != std::string::npos);
}

TEST_CASE("what a configuration says that is not here is refused with its place") {
    const auto layer = [](const std::string& arguments,
                          const std::string& head = R"("module": "keras.layers", "class_name": "Dense")") {
        return config_of("{" + head + R"(, "config": {"units": 2, )" + arguments + "}}");
    };
    const std::pair<std::string, const char*> cases[] = {
        {layer(R"("name": "a")", R"("module": "keras.layers", "class_name": "Conv1D")"), "\"Conv1D\""},
        {layer(R"("name": "a")", R"("module": "own.layers", "class_name": "Dense")"),
         "not one of Keras's own"},
        {layer(R"("activity_regularizer": {"class_name": "L2"})"),
         "/config/layers/1/config/activity_regularizer"},
        {layer(R"("quantization_config": {})"), "quantization_config"},
        {layer(
             R"("dtype": {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "mixed_float16"}})"),
         "mixed_float16"},
        {layer(R"("activation": {"module": "builtins", "class_name": "function", "config": "own"})"),
         "/config/layers/1/config/activation"},
        {layer(R"("kernel_initializer": {"module": "own", "class_name": "Zeros", "config": {}})"),
         "kernel_initializer"},
        {layer(R"("lora_rank": "4")"), "/config/layers/1/config/lora_rank: expected a number or null"},
        {layer(R"("bias_initializer": {"class_name": "Constant", "config": {"value": NaN}})"),
         "/config/layers/1/config/bias_initializer/config/value: not valid JSON: it has no numbers NaN"},
        {layer(R"("mask_value": -Infinity)"),
         "/config/layers/1/config/mask_value: not valid JSON: it has no numbers NaN"},
        {layer(
             R"("bias_initializer": {"class_name": "Constant", "config": {"value": {"class_name": "__tensor__"}}})"),
         "/config/layers/1/config/bias_initializer/config/value"},
        {layer(
             R"("kernel_initializer": {"class_name": "HeNormal", "config": {"seed": {"class_name": "Own", "config": {}}}})"),
         "kernel_initializer/config/seed: expected a seed or a SeedGenerator"},
        {config_of("3"), "/config/layers/1"},
        {R"({"module": "keras", "class_name": "Functional", "config": {"layers": []}})", "Functional"},
        {R"({"module": "keras", "class_name": "Sequential", "config": {"layers": [)" + std::string(dense) +
             "]}}",
         "before it was built"},
        {"[]", "class_name"},
        {"{", "config.json"},
    };
    for (const auto& one : cases) {
        const std::string message = config_refusal(one.first), what = one.second;
        CHECK_MESSAGE(message.find(what) != std::string::npos, what, " in: ", message);
        CHECK_MESSAGE(message.find("m.keras: config.json: ") != std::string::npos, message);
    }
    CHECK(config_refusal(
              config_of(R"({"module": "keras.layers", "class_name": "Dense", "config": {"units": 900000}})"))
              .find("config.json: /config/layers/1: there is no memory for so large a layer, or it is beyond "
                    "the limit") != std::string::npos);
    CHECK(refusal([] { load_keras_model<float>(golden_file("attention.keras")); }).find("Functional") !=
          std::string::npos);
    CHECK(config_refusal(
              config_of(R"({"module": "keras.layers", "class_name": "Dense", "config": {"units": 3}})"))
              .find("\"dense.kernel\": expected shape [3, 3], got [3, 2]") != std::string::npos);
}

TEST_CASE("all that does not fit is told at once, and nothing is loaded") {
    Sequential<float> model{SimpleRNN<float>({.units = 3, .return_sequences = true}),
                            Dense<float>({.units = 2})};
    model.build({unknown, 4, 3});
    const StoredTensors before = stored_weights(model);
    const std::string message = refusal([&] { load_keras_weights(model, golden_file("simple_rnn.keras")); });
    for (const char* what : {"\"dense.kernel\" is missing", "\"dense.bias\" is missing",
                             "\"layers/simple_rnn_1/cell/vars/0\" is unexpected"})
        CHECK_MESSAGE(message.find(what) != std::string::npos, message);
    const StoredTensors after = stored_weights(model);
    for (const auto& entry : before)
        CHECK(after.find(entry.name)->data<float>() == entry.tensor.data<float>());
}

TEST_CASE("a file that Keras would not read is not written") {
    const TemporaryFolder folder;
    Dense<float> layer({.units = 2});
    CHECK_THROWS_AS(save_keras_weights<float>(layer, folder / "m.weights.h5"), ValueError);
    layer.build({unknown, 3});
    CHECK_THROWS_WITH_AS(save_keras_weights<float>(layer, folder / "m.h5"), Contains(".weights.h5"),
                         ValueError);
    CHECK_THROWS_AS(save_keras_weights<float>(layer, folder / "none/m.weights.h5"), IoError);
    CHECK(folder.files() == 0);
}

TEST_SUITE_END();

TEST_CASE("without HDF5 Keras's files are refused with what to do" * doctest::skip(has_keras_files())) {
    const TemporaryFolder folder;
    Dense<float> layer({.units = 2});
    layer.build({unknown, 3});
    CHECK_THROWS_WITH_AS(save_keras_weights<float>(layer, folder / "m.weights.h5"),
                         Contains("-DSEQGRAD_HDF5=ON"), Error);
    CHECK_THROWS_WITH_AS(load_keras_weights<float>(layer, golden_file("tagger.weights.h5")),
                         Contains("-DSEQGRAD_HDF5=ON"), Error);
    CHECK_THROWS_WITH_AS(load_keras_model<float>(golden_file("lstm.keras")), Contains("-DSEQGRAD_HDF5=ON"),
                         Error);
}
