// Writes what the fuzz programs begin with: files as the library writes them, and some by hand.
// Usage: fuzz_seeds FOLDER, which gets a folder for each program.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>

#include "models.hpp"
#include "support/training_states.hpp"

#include "seqgrad/seqgrad.hpp"

using namespace seqgrad;

namespace {

class Seeds {
  public:
    Seeds(const std::filesystem::path& folder, const std::string& program) : folder_(folder / program) {
        std::filesystem::create_directories(folder_);
    }

    /// A path for the next file.
    std::filesystem::path next() { return folder_ / std::to_string(++count_); }
    void add(std::string_view contents) {
        std::ofstream file(next(), std::ios::binary);
        file << contents;
        if (!file.flush()) throw IoError("cannot write to " + folder_.string());
    }

  private:
    std::filesystem::path folder_;
    int count_ = 0;
};

void weights(Seeds seeds) {
    seeds.add(weights_to_json(fuzz::small_model<float>()));
    seeds.add(weights_to_json(fuzz::small_model<double>()));
    const SaveOptions options{.encoding = Encoding::base64, .metadata = {{"a", "b"}}};
    seeds.add(weights_to_json(fuzz::small_model<float>(), options));
    seeds.add(weights_to_json(fuzz::small_model<double>(), options));
}

void json_files(Seeds seeds) {
    for (const Encoding encoding : {Encoding::decimal, Encoding::base64}) {
        SaveOptions options{.encoding = encoding, .metadata = {{"author", "me"}}};
        save_model(fuzz::small_model<float>(), seeds.next(), options);
        options.extras = {{"scaler", to_json(StandardScaler({0.5, -2}, {1, 3}))},
                          {"characters", to_json(CharacterVocabulary("abc"))},
                          {"words", to_json(WordVocabulary("a b b"))}};
        save_weights(fuzz::small_model<double>(), seeds.next(), options);
    }
    seeds.add(checkpoint_to_json(test::numbered_state<float>(2)));
}

void models(Seeds seeds) {
    const auto layer = [&](const Module<float>& module) { seeds.add(to_json(module)); };
    layer(Sequential<float>{InputLayer<float>({.shape = {unknown, 2}}), LSTM<float>({.units = 2}),
                            Dropout<float>({.rate = 0.5}),
                            Dense<float>({.units = 1, .activation = "softmax"})});
    layer(Sequential<float>{
        Embedding<float>({.input_dim = 3, .output_dim = 2, .mask_zero = true}),
        Bidirectional<float>(GRU<float>({.units = 2, .return_sequences = true})),
        RNN<float>(StackedRNNCells<float>(LSTMCell<float>({.units = 2}), GRUCell<float>({.units = 2}))),
        RepeatVector<float>({.n = 2}), TimeDistributed<float>(Dense<float>({.units = 2}))});
    for (const char* name :
         {"Activation", "AdditiveAttention", "Attention", "Flatten", "LayerNormalization", "Masking"})
        layer(*layer_from_json<float>(std::string(R"({"class_name":")") + name + R"(","config":{}})"));
    for (const char* name : {"BahdanauAttention", "Dense", "GRU", "GRUCell", "LSTM", "LSTMCell",
                             "LuongAttention", "SimpleRNN", "SimpleRNNCell"}) {
        layer(
            *layer_from_json<float>(std::string(R"({"class_name":")") + name + R"(","config":{"units":2}})"));
    }
    layer(MultiHeadAttention<float>({.num_heads = 2, .key_dim = 3}));
    layer(Dense<float>({.units = 2,
                        .kernel_initializer = VarianceScaling{.scale = 2, .mode = FanMode::fan_avg},
                        .kernel_regularizer = L1L2{.l1 = 0.5, .l2 = 0.25},
                        .kernel_constraint = MaxNorm{.max_value = 1.5}}));
    seeds.add(
        R"({"class_name":"AttentionDecoder","config":{"cell":{"class_name":"GRUCell","config":{"units":2}}}})");
}

void keras_configs(Seeds seeds) {
    const auto layer = [](const std::string& name, const std::string& arguments) {
        return R"({"module":"keras.layers","class_name":")" + name + R"(","config":{)" + arguments +
               R"(},"registered_name":null,"build_config":{"input_shape":[null,2]}})";
    };
    const auto model = [&](const std::string& layers) {
        seeds.add(R"({"module":"keras","class_name":"Sequential","config":{"name":"m","trainable":true,)"
                  R"("build_input_shape":[null,4],"layers":[)" +
                  layers + "]}}");
    };
    const std::string dtype =
        R"("dtype":{"module":"keras","class_name":"DTypePolicy","config":{"name":"float32"}},)";
    const std::string initializer =
        R"("kernel_initializer":{"module":"keras.initializers",)"
        R"("class_name":"GlorotUniform","config":{"seed":null,"input_axes":null}})";
    const std::string gru =
        layer("GRU", R"("units":2,"return_sequences":true,"trainable":false,"unroll":false)");
    model(layer("InputLayer", R"("batch_shape":[null,4,3],"sparse":false)") + "," +
          layer("LSTM", dtype + R"("units":2,"activity_regularizer":null,)" + initializer) + "," +
          layer("Dense", R"("units":1,"activation":"softmax","quantization_config":null)"));
    model(layer("Embedding", R"("input_dim":3,"output_dim":2,"mask_zero":true)") + "," +
          layer("Bidirectional", R"("merge_mode":"concat","layer":)" + gru + R"(,"backward_layer":)" + gru) +
          "," +
          layer("RNN",
                R"("cell":)" + layer("StackedRNNCells", R"("cells":[)" + layer("GRUCell", R"("units":2)") +
                                                            "," + layer("LSTMCell", R"("units":1)") + "]")));
    model(layer("InputLayer", R"("batch_shape":[null,4,3])") + "," +
          layer("TimeDistributed", R"("layer":)" + layer("Dense", R"("units":2)")) + "," +
          layer("LayerNormalization", R"("axis":[-1],"epsilon":0.001)"));
}

template <class T>
void checkpoints(Seeds seeds) {
    seeds.add(checkpoint_to_json(test::numbered_state<T>(3)));
    seeds.add(checkpoint_to_json(test::awkward_state<T>(), {.allow_non_finite = true}));
    seeds.add(checkpoint_to_json(TrainingState<T>()));
    seeds.add(checkpoint_to_json(test::numbered_state<T>(3), {.encoding = Encoding::base64}));
}

void safetensors(Seeds seeds) {
    StoredTensors tensors;
    write_safetensors(tensors, seeds.next());
    tensors.add("a.kernel", StoredTensor({2, 2}, std::vector<float>{1, -2, 0.5F, 1e-45F}));
    tensors.add("b", StoredTensor({1}, std::vector<double>{0.1}));
    tensors.add("empty", StoredTensor({0, 3}, std::vector<float>()));
    write_safetensors(tensors, seeds.next(), {{"format", "pt"}, {"by", "seqgrad"}});
    const std::string header = R"({"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},)"
                               R"("b":{"dtype":"BF16","shape":[],"data_offsets":[4,6]}})";
    seeds.add(std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header +
              std::string("\x00\x3c\xff\x03\x80\x3f", 6));
}

void csv(Seeds seeds, bool of_files) {
    // The options' bytes in front: all zero is a header, and commas.
    const std::string options(of_files ? 6 : 3, '\x01');
    const std::string plain = std::string(options.size(), '\0');
    for (const std::string& begin : {plain, options}) {
        const char d = begin == plain ? ',' : ';';
        const std::string lines[] = {
            std::string("date") + d + "a" + d + "b\n2020-01-01" + d + "1" + d + "2.5\n2020-01-02" + d + "NA" +
                d + "-3e4\n2020-01-03" + d + "3" + d + "0\n",
            std::string("a") + d + "b\r\n1" + d + "2\r\n" + d + "4\r\n+5" + d + " 6 \r\n7" + d + "8",
            "\xEF\xBB\xBF\"a\"" + std::string(1, d) + "\"b\"\n\"1\"" + d + "\" 2\"\n", "a\n1\n2\n3\n\n\n",
            std::string("1") + d + "2\n3" + d + "4\n"};
        for (const std::string& text : lines) {
            seeds.add(begin + text);
            std::string without_header = begin;
            without_header[1] = '\0';
            seeds.add(without_header + text);
        }
    }
}

void texts(Seeds seeds) {
    for (const char* text :
         {"To be, or not to be: that is the question.\n", "d\xC3\xA9j\xC3\xA0 vu",
          "\xEF\xBB\xBF\xE6\xBC\xA2\xE5\xAD\x97 \xF0\x9F\x98\x80\r\n", "[UNK] don't\tSTOP"}) {
        for (const char* options : {"aa", "bb"}) seeds.add(std::string(options) + text);
    }
}

/// Bytes of numbers, little-endian.
struct Bytes {
    std::string text;
    Bytes& add(std::uint64_t number, std::size_t bytes) {
        for (std::size_t i = 0; i < bytes; ++i, number >>= 8U) text += static_cast<char>(number & 0xFFU);
        return *this;
    }
    Bytes& add(std::string_view more, std::size_t size) {
        text += more;
        text.append(size - more.size(), '\0');
        return *this;
    }
};

/// Files of a superblock, one object's header with an attribute of two texts, and a heap with them.
void hdf5_texts(Seeds seeds) {
    constexpr std::uint64_t header_at = 48, heap_at = 256;
    for (const bool is_new : {false, true}) {
        for (const bool in_heap : {false, true}) {
            Bytes type, space, data;
            type.add(in_heap ? 0x19U : 0x13U, 1).add(in_heap ? 1U : 0U, 3).add(in_heap ? 16U : 4U, 4);
            space.add(1, 1).add(1, 1).add(0, 6).add(2, 8);
            for (const char* text : {"a", "bc"}) {
                if (in_heap) {
                    data.add(std::string_view(text).size(), 4)
                        .add(heap_at, 8)
                        .add(text[0] == 'a' ? 1U : 2U, 4);
                } else {
                    data.add(text, 4);
                }
            }
            Bytes message;
            message.add(is_new ? 3U : 1U, 1)
                .add(0, 1)
                .add(12, 2)
                .add(type.text.size(), 2)
                .add(space.text.size(), 2);
            if (is_new) message.add(0, 1);
            message.add("layer_names", is_new ? 12 : 16)
                .add(type.text + space.text + data.text,
                     type.text.size() + space.text.size() + data.text.size());
            Bytes file;
            file.add(header_at, 8);
            file.add("\x89HDF\r\n\x1A\n", 8).add(is_new ? 2U : 0U, 1);
            if (!is_new) file.add(0, 4);
            file.add(8, 1).add(8, 1).add(0, is_new ? 1 : 9).add(0, 8);
            file.add("", 8 + header_at - file.text.size());
            if (is_new) {
                file.add("OHDR", 4).add(2, 1).add(0, 1).add(message.text.size() + 4, 1);
                file.add(0x0C, 1).add(message.text.size(), 2).add(0, 1);
            } else {
                file.add(1, 2).add(1, 2).add(1, 4).add(message.text.size() + 8, 8);
                file.add(0x0C, 2).add(message.text.size(), 2).add(0, 4);
            }
            file.add(message.text, 8 + heap_at - file.text.size());
            file.add("GCOL", 4).add(1, 4).add(80, 8);
            for (const char* text : {"a", "bc"})
                file.add(text[0] == 'a' ? 1U : 2U, 8).add(std::string_view(text).size(), 8).add(text, 8);
            file.add("", 16);
            seeds.add(file.text);
        }
    }
}

void keras_indexes(Seeds seeds) {
    seeds.add(
        R"({"metadata": {"total_size": 212.0}, "weight_map": {"/layers/gru/cell/vars": "a_00000.weights.h5", )"
        R"("/layers/dense/vars": ["a_00000.weights.h5", "a_00001.weights.h5"]}})");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: fuzz_seeds FOLDER\n";
        return 2;
    }
    const std::filesystem::path folder = argv[1];
    weights({folder, "weights"});
    json_files({folder, "json_file"});
    keras_configs({folder, "keras_config"});
    models({folder, "model"});
    checkpoints<float>({folder, "checkpoint"});
    safetensors({folder, "safetensors"});
    hdf5_texts({folder, "hdf5_texts"});
    keras_indexes({folder, "keras_index"});
    csv({folder, "csv"}, false);
    csv({folder, "csv_series"}, true);
    texts({folder, "text"});
}
