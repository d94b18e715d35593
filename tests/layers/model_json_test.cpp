#include "seqgrad/layers/model_json.hpp"

#include <cstdint>
#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "support/toy_modules.hpp"
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/random.hpp"
#include "seqgrad/layers/activation.hpp"
#include "seqgrad/layers/additive_attention.hpp"
#include "seqgrad/layers/attention.hpp"
#include "seqgrad/layers/bahdanau_attention.hpp"
#include "seqgrad/layers/bidirectional.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/dropout.hpp"
#include "seqgrad/layers/embedding.hpp"
#include "seqgrad/layers/flatten.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/input.hpp"
#include "seqgrad/layers/layer_normalization.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/luong_attention.hpp"
#include "seqgrad/layers/masking.hpp"
#include "seqgrad/layers/multi_head_attention.hpp"
#include "seqgrad/layers/repeat_vector.hpp"
#include "seqgrad/layers/rnn.hpp"
#include "seqgrad/layers/simple_rnn.hpp"
#include "seqgrad/layers/stacked_rnn_cells.hpp"
#include "seqgrad/layers/time_distributed.hpp"

namespace seqgrad::test {

/// Anything that a member of a configuration can be made of; for counting them.
struct AnyMember {
    operator bool() const;
    operator std::size_t() const;
    operator std::ptrdiff_t() const;
    operator double() const;
    operator std::string() const;
    operator Activation() const;
    operator Initializer() const;
    operator Regularizer() const;
    operator Constraint() const;
    operator AttentionScore() const;
    operator AttentionScoreMode() const;
    operator AttentionWindow() const;
    operator MergeMode() const;
    operator PartialShape() const;
    operator std::optional<PartialShape>() const;
    operator std::optional<std::int64_t>() const;
    operator std::optional<std::size_t>() const;
};

}  // namespace seqgrad::test

using namespace seqgrad;
using Json = nlohmann::ordered_json;

namespace {

/// The number of members of an aggregate.
template <class C, class... Members>
constexpr std::size_t member_count() {
    if constexpr (requires { C{Members{}..., test::AnyMember{}}; }) {
        return member_count<C, Members..., test::AnyMember>();
    } else {
        return sizeof...(Members);
    }
}

/// What `layer_from_json` makes of a text, as a text again without spaces.
std::string again(const std::string& text) {
    return Json::parse(to_json(*layer_from_json<float>(text))).dump();
}

/// The message of the FormatError that reading throws; another exception fails the test.
std::string refusal(const std::string& text) {
    try {
        layer_from_json<float>(text);
    } catch (const FormatError& e) {
        return e.what();
    }
    return "";
}

std::string refusal_of(const std::string& layer, const std::string& config) {
    return refusal(R"({"class_name":")" + layer + R"(","config":)" + config + "}");
}

/// A text of a layer, every argument of which differs from its default.
const std::vector<std::string> layers = {
    R"({"class_name":"Activation","config":{"name":"a","activation":"relu"}})",
    R"({"class_name":"AdditiveAttention","config":{"name":"a","use_scale":false,"dropout":0.25,"seed":4,)"
    R"("return_attention_scores":true,"use_causal_mask":true}})",
    R"({"class_name":"Attention","config":{"name":"a","use_scale":true,"score_mode":"concat","dropout":0.25,)"
    R"("seed":4,"return_attention_scores":true,"use_causal_mask":true}})",
    R"({"class_name":"BahdanauAttention","config":{"name":"b","units":3,)"
    R"("kernel_initializer":{"class_name":"Constant","config":{"value":0.5}},)"
    R"("bias_initializer":{"class_name":"Ones","config":{}},)"
    R"("v_initializer":{"class_name":"Constant","config":{"value":0.25}},)"
    R"("kernel_regularizer":{"class_name":"L1","config":{"l1":0.5}},)"
    R"("bias_regularizer":{"class_name":"L2","config":{"l2":0.5}},)"
    R"("v_regularizer":{"class_name":"L2","config":{"l2":0.25}},)"
    R"("kernel_constraint":{"class_name":"NonNeg","config":{}},)"
    R"("bias_constraint":{"class_name":"UnitNorm","config":{"axis":0}},)"
    R"("v_constraint":{"class_name":"NonNeg","config":{}}}})",
    R"({"class_name":"Dense","config":{"name":"d","units":3,"activation":"silu","use_bias":false,)"
    R"("kernel_initializer":{"class_name":"VarianceScaling","config":{"scale":2.5,"mode":"fan_avg",)"
    R"("distribution":"uniform","seed":-3,"input_axes":[0],"output_axes":[-1]}},)"
    R"("bias_initializer":{"class_name":"Constant","config":{"value":0.1}},)"
    R"("kernel_regularizer":{"class_name":"L1L2","config":{"l1":0.25,"l2":1e-07}},)"
    R"("bias_regularizer":{"class_name":"L1","config":{"l1":0.5}},)"
    R"("kernel_constraint":{"class_name":"MinMaxNorm","config":{"min_value":0.5,"max_value":3.0,"rate":0.25,"axis":1}},)"
    R"("bias_constraint":{"class_name":"NonNeg","config":{}}}})",
    R"({"class_name":"Dropout","config":{"name":"p","rate":0.25,"noise_shape":[null,1,4],"seed":9223372036854775807}})",
    R"({"class_name":"Embedding","config":{"name":"e","input_dim":5,"output_dim":2,)"
    R"("embeddings_initializer":{"class_name":"TruncatedNormal","config":{"mean":1.0,"stddev":0.5,"seed":4}},)"
    R"("embeddings_regularizer":{"class_name":"OrthogonalRegularizer","config":{"factor":0.5,"mode":"columns"}},)"
    R"("embeddings_constraint":{"class_name":"UnitNorm","config":{"axis":-1}},"mask_zero":true}})",
    R"({"class_name":"Flatten","config":{"name":"f"}})",
    R"({"class_name":"InputLayer","config":{"name":"i","shape":[null,3],"batch_size":4}})",
    R"({"class_name":"LayerNormalization","config":{"name":"l","axis":1,"epsilon":0.5,"center":false,"scale":false,)"
    R"("beta_initializer":{"class_name":"Ones","config":{}},)"
    R"("gamma_initializer":{"class_name":"RandomUniform","config":{"minval":-1.0,"maxval":2.0,"seed":null}},)"
    R"("beta_regularizer":{"class_name":"L2","config":{"l2":0.125}},)"
    R"("gamma_regularizer":{"class_name":"L1","config":{"l1":0.125}},)"
    R"("beta_constraint":{"class_name":"NonNeg","config":{}},)"
    R"("gamma_constraint":{"class_name":"MaxNorm","config":{"max_value":1.5,"axis":0}}}})",
    R"({"class_name":"LuongAttention","config":{"name":"u","score":"concat","units":3,"window":"local_p","D":4,)"
    R"("step":2,"kernel_initializer":{"class_name":"Constant","config":{"value":0.5}},)"
    R"("v_initializer":{"class_name":"Ones","config":{}},)"
    R"("kernel_regularizer":{"class_name":"L1","config":{"l1":0.5}},)"
    R"("v_regularizer":{"class_name":"L2","config":{"l2":0.25}},)"
    R"("kernel_constraint":{"class_name":"NonNeg","config":{}},)"
    R"("v_constraint":{"class_name":"UnitNorm","config":{"axis":0}}}})",
    R"({"class_name":"Masking","config":{"name":"m","mask_value":-1.0}})",
    R"({"class_name":"MultiHeadAttention","config":{"name":"h","num_heads":2,"key_dim":3,"value_dim":4,)"
    R"("dropout":0.25,"use_bias":false,"output_shape":[2,5],)"
    R"("kernel_initializer":{"class_name":"Constant","config":{"value":0.5}},)"
    R"("bias_initializer":{"class_name":"Ones","config":{}},)"
    R"("kernel_regularizer":{"class_name":"L1","config":{"l1":0.5}},)"
    R"("bias_regularizer":{"class_name":"L2","config":{"l2":0.5}},)"
    R"("kernel_constraint":{"class_name":"NonNeg","config":{}},)"
    R"("bias_constraint":{"class_name":"UnitNorm","config":{"axis":0}},"seed":4,)"
    R"("return_attention_scores":true,"use_causal_mask":true}})",
    R"({"class_name":"RepeatVector","config":{"name":"r","n":7}})",
};

const std::string cell_arguments =
    R"("use_bias":false,)"
    R"("kernel_initializer":{"class_name":"LecunNormal","config":{"seed":1,"input_axes":[],"output_axes":[]}},)"
    R"("recurrent_initializer":{"class_name":"Orthogonal","config":{"gain":0.5,"seed":2}},)"
    R"("bias_initializer":{"class_name":"RandomNormal","config":{"mean":0.5,"stddev":0.25,"seed":3}},)";
const std::string weight_rules =
    R"("kernel_regularizer":{"class_name":"L1","config":{"l1":0.5}},)"
    R"("recurrent_regularizer":{"class_name":"L2","config":{"l2":0.5}},)"
    R"("bias_regularizer":{"class_name":"L1L2","config":{"l1":0.5,"l2":0.25}},)"
    R"("kernel_constraint":{"class_name":"MaxNorm","config":{"max_value":1.5,"axis":1}},)"
    R"("recurrent_constraint":{"class_name":"UnitNorm","config":{"axis":1}},)"
    R"("bias_constraint":{"class_name":"NonNeg","config":{}},"dropout":0.25,"recurrent_dropout":0.5,)";
const std::string sequence_arguments =
    R"(,"return_sequences":true,"return_state":true,"go_backwards":true,"stateful":true,"unroll":true,)"
    R"("zero_output_for_mask":true,"bptt_steps":5)";

std::string simple_rnn(bool cell) {
    return std::string(R"({"class_name":"SimpleRNN)") + (cell ? "Cell" : "") +
           R"(","config":{"name":"s","units":2,"activation":"relu",)" + cell_arguments + weight_rules +
           R"("seed":8)" + (cell ? "" : sequence_arguments + R"(,"recompute":true)") + "}}";
}

std::string lstm(bool cell) {
    return std::string(R"({"class_name":"LSTM)") + (cell ? "Cell" : "") +
           R"(","config":{"name":"s","units":2,"activation":"relu","recurrent_activation":"hard_sigmoid",)" +
           cell_arguments + R"("unit_forget_bias":false,)" + weight_rules + R"("seed":8)" +
           (cell ? "" : sequence_arguments + R"(,"recompute":true)") + "}}";
}

std::string gru(bool cell) {
    return std::string(R"({"class_name":"GRU)") + (cell ? "Cell" : "") +
           R"(","config":{"name":"s","units":2,"activation":"relu","recurrent_activation":"hard_sigmoid",)" +
           cell_arguments + weight_rules + R"("reset_after":false,"seed":8)" +
           (cell ? "" : sequence_arguments + R"(,"recompute":true)") + "}}";
}

template <class Layer>
void check_all_arguments_are_written(const Layer& layer) {
    CAPTURE(layer.type());
    // The name is written where there is one.
    CHECK(Json::parse(to_json<float>(layer)).at("config").size() + 1 ==
          member_count<typename Layer::Config>());
}

/// A cell of a user's own.
class OwnCell : public RecurrentCell<float> {
  public:
    std::string type() const override { return "LSTMCell"; }
    std::vector<std::size_t> state_size() const override { return {2}; }

  protected:
    RecurrentOutput<float> step(const Variable<float>& x, const States& states) override {
        return {x, states};
    }
};

/// A layer of a user's own, derived from one of the library's.
class OwnDense : public Dense<float> {
  public:
    OwnDense() : Dense<float>({.units = 2}) {}
};

}  // namespace

TEST_CASE("every argument of every layer is read and written back") {
    for (const std::string& text : layers) CHECK(again(text) == text);
    for (const bool cell : {false, true}) {
        CHECK(again(simple_rnn(cell)) == simple_rnn(cell));
        CHECK(again(lstm(cell)) == lstm(cell));
        CHECK(again(gru(cell)) == gru(cell));
    }
    const std::string rnn =
        R"({"class_name":"RNN","config":{"name":"n","cell":)" + gru(true) + sequence_arguments + "}}";
    CHECK(again(rnn) == rnn);
    const std::string stacked =
        R"({"class_name":"RNN","config":{"cell":{"class_name":"StackedRNNCells","config":{)"
        R"("name":"c","cells":[)" +
        lstm(true) + "," + simple_rnn(true) + "]}}" + sequence_arguments + "}}";
    CHECK(again(stacked) == stacked);
    const std::string steps =
        R"({"class_name":"TimeDistributed","config":{"name":"t","layer":)" + layers[1] + "}}";
    CHECK(again(steps) == steps);
}

TEST_CASE("Bidirectional writes its backward layer where it has one of its own") {
    const auto with = [](const char* mode, const std::string& layer, const std::string& more) {
        return R"({"class_name":"Bidirectional","config":{"name":"b","layer":)" + layer + more +
               R"(,"merge_mode":)" + mode + "}}";
    };
    const std::string forward = Json::parse(to_json<float>(LSTM<float>({.units = 2}))).dump();
    const std::string backward =
        Json::parse(to_json<float>(GRU<float>({.units = 2, .go_backwards = true}))).dump();
    for (const char* mode : {R"("concat")", R"("sum")", R"("mul")", R"("ave")", "null"}) {
        const std::string text = with(mode, forward, R"(,"backward_layer":)" + backward);
        CHECK(again(text) == text);
        CHECK(again(with(mode, forward, "")) == with(mode, forward, ""));
    }
}

TEST_CASE("no argument of a configuration is left out") {
    check_all_arguments_are_written(ActivationLayer<float>({}));
    check_all_arguments_are_written(AdditiveAttention<float>());
    check_all_arguments_are_written(Attention<float>());
    check_all_arguments_are_written(BahdanauAttention<float>({.units = 1}));
    check_all_arguments_are_written(Dense<float>({.units = 1}));
    check_all_arguments_are_written(Dropout<float>({}));
    check_all_arguments_are_written(Embedding<float>({.input_dim = 1, .output_dim = 1}));
    check_all_arguments_are_written(Flatten<float>());
    check_all_arguments_are_written(GRU<float>({.units = 1}));
    check_all_arguments_are_written(GRUCell<float>({.units = 1}));
    check_all_arguments_are_written(InputLayer<float>({}));
    check_all_arguments_are_written(LSTM<float>({.units = 1}));
    check_all_arguments_are_written(LSTMCell<float>({.units = 1}));
    check_all_arguments_are_written(LayerNormalization<float>());
    check_all_arguments_are_written(LuongAttention<float>());
    check_all_arguments_are_written(Masking<float>());
    check_all_arguments_are_written(MultiHeadAttention<float>({.num_heads = 1, .key_dim = 1}));
    check_all_arguments_are_written(RepeatVector<float>({.n = 1}));
    check_all_arguments_are_written(SimpleRNN<float>({.units = 1}));
    check_all_arguments_are_written(SimpleRNNCell<float>({.units = 1}));
}

TEST_CASE("every initializer, regularizer and constraint goes by name, too") {
    for (const char* name : {"Zeros", "Ones", "Constant", "RandomUniform", "RandomNormal", "TruncatedNormal",
                             "VarianceScaling", "GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal",
                             "LecunUniform", "LecunNormal", "Orthogonal", "Identity", "glorot_uniform"}) {
        CAPTURE(name);
        const auto layer =
            layer_from_json<float>(R"({"class_name":"Dense","config":{"units":2,"kernel_initializer":")" +
                                   std::string(name) + R"("}})");
        const auto& config = dynamic_cast<const Dense<float>&>(*layer).config();
        CHECK(config.kernel_initializer == Initializer(name));
        CHECK(again(to_json(*layer)) == Json::parse(to_json(*layer)).dump());
    }
    const auto layer = layer_from_json<float>(
        R"({"class_name":"LSTM","config":{"units":2,"kernel_regularizer":"l1_l2","bias_regularizer":"L2",)"
        R"("recurrent_regularizer":{"class_name":"L1"},"kernel_constraint":"MaxNorm","bias_constraint":"non_neg",)"
        R"("recurrent_constraint":null}})");
    const LSTMConfig& config = dynamic_cast<const LSTM<float>&>(*layer).config();
    CHECK(config.kernel_regularizer == Regularizer(L1L2{}));
    CHECK(config.bias_regularizer == Regularizer(L2{}));
    CHECK(config.recurrent_regularizer == Regularizer(L1{}));
    CHECK(config.kernel_constraint == Constraint(MaxNorm{}));
    CHECK(config.bias_constraint == Constraint(NonNeg{}));
    CHECK_FALSE(config.recurrent_constraint);
}

TEST_CASE("a model comes back with its names, and computes the same with the same weights") {
    Sequential<double> model{
        Embedding<double>({.input_dim = 7, .output_dim = 4, .mask_zero = true}),
        Bidirectional<double>(GRU<double>({.units = 3, .return_sequences = true, .name = "inner"}),
                              {.merge_mode = MergeMode::sum}),
        RNN<double>(StackedRNNCells<double>(LSTMCell<double>({.units = 3}), GRUCell<double>({.units = 2})),
                    {.return_sequences = true}),
        LayerNormalization<double>(),
        LSTM<double>({.units = 3, .go_backwards = true}),
        RepeatVector<double>({.n = 2}),
        TimeDistributed<double>(Dense<double>({.units = 2})),
        Dense<double>({.units = 2, .activation = "softmax", .name = "head"})};
    model.set_name("model");
    const std::string text = to_json(model);
    Sequential<double> copy = model_from_json<double>(text);
    CHECK(to_json(copy) == text);
    CHECK(copy.name() == "model");
    CHECK(copy[0].name() == "embedding");
    CHECK(copy[7].name() == "head");

    const Variable<double> ids = constant(tensor<double>({2, 4}, {1, 2, 3, 0, 4, 0, 0, 0}));
    const Tensor<double> y = model(ids).value();
    copy(ids);
    const auto from = model.parameters(), to = copy.parameters();
    REQUIRE(from.size() == to.size());
    for (std::size_t i = 0; i < from.size(); ++i) {
        CHECK(from[i].name == to[i].name);
        Variable<double>(to[i].variable).assign(from[i].variable.value());
    }
    CHECK(copy(ids).value() == y);
}

TEST_CASE("a model that begins with an input is built when it is read") {
    const Sequential<float> model{Input<float>({.shape = {unknown, 3}}), LSTM<float>({.units = 2})};
    const Sequential<float> copy = model_from_json<float>(to_json(model));
    CHECK(copy.built());
    CHECK(copy.summary() == model.summary());
}

TEST_CASE("what cannot be written is refused with its place") {
    Sequential<float> model{Dense<float>({.units = 2}), test::Affine<float>("mine")};
    CHECK_THROWS_WITH_AS(to_json(model),
                         "to_json: /config/layers/1: Affine \"mine\" is none of the library's layers",
                         ValueError);
    CHECK_THROWS_WITH_AS(to_json<float>(RNN<float>(OwnCell())),
                         "to_json: /config/cell: LSTMCell is none of the library's layers", ValueError);
    CHECK_THROWS_WITH_AS(to_json<float>(OwnDense()), "to_json: /: Dense is none of the library's layers",
                         ValueError);
    const auto cell = std::make_shared<LSTMCell<float>>(LSTMCellConfig{.units = 2});
    CHECK_THROWS_WITH_AS(
        to_json(Sequential<float>{RNN<float>(cell, {.return_sequences = true}), RNN<float>(cell)}),
        "to_json: /config/layers/1/config/cell: LSTMCell is used twice, and the text would make two of it",
        ValueError);
    CHECK_THROWS_WITH_AS(
        to_json<float>(Masking<float>({.mask_value = std::numeric_limits<double>::infinity()})),
        "to_json: /config/mask_value: JSON has no number inf", ValueError);
    CHECK_THROWS_AS(to_json<float>(RepeatVector<float>({.n = std::size_t{1} << 40})), ValueError);
    CHECK_THROWS_AS(to_json<float>(Masking<float>({.name = "\xff"})), ValueError);
}

TEST_CASE("what is wrong in a text is refused with its path and what was expected") {
    CHECK(refusal_of("LSTM", R"({"units":-3})") ==
          "/config/units: expected a whole number from 0 to 2147483647, got -3");
    CHECK(refusal_of("LSTM", R"({"units":1.5})") ==
          "/config/units: expected a whole number from 0 to 2147483647, got 1.5");
    CHECK(refusal_of("LSTM", R"({"units":1e400})")
              .starts_with("/config/units: the number 1e400 is too large (line 1, column "));
    CHECK(refusal_of("LSTM", R"({"units":4294967296})").starts_with("/config/units: expected a whole"));
    CHECK(refusal_of("LSTM", R"({"units":"8"})").starts_with("/config/units: expected a whole"));
    CHECK(refusal_of("LSTM", R"({"units":true})").starts_with("/config/units: expected a whole"));
    CHECK(refusal_of("LSTM", R"({})") == "/config: LSTM: units must be at least 1");
    CHECK(refusal_of("LSTM", R"({"units":2,"dropout":1})") ==
          "/config: LSTM: dropout must be in [0, 1), got 1");
    CHECK(refusal_of("LSTM", R"({"units":2,"units":2})")
              .starts_with("/config/units: stands there twice (line 1, column "));
    CHECK(refusal_of("LSTM", R"({"units":2,"use_bias":1})") ==
          "/config/use_bias: expected true or false, got 1");
    CHECK(
        refusal_of("LSTM", R"({"units":2,"seed":1.0})").starts_with("/config/seed: expected a whole number"));
    CHECK(refusal_of("LSTM", R"({"units":2,"seed":9223372036854775808})")
              .starts_with("/config/seed: expected"));
    CHECK(refusal_of("LSTM", R"({"units":2,"name":3})") == "/config/name: expected a string, got 3");
    CHECK(refusal_of("LSTM", R"({"units":2,"activation":"tan"})").starts_with("/config/activation: "));
    CHECK(refusal_of("LSTM", R"({"units":2,"activation":null})") ==
          "/config/activation: expected the name of an activation, got null");
    CHECK(refusal_of("LSTM", R"([])") == "/config: expected an object, got []");
    CHECK(refusal_of("Masking", R"({"mask_value":null})") ==
          "/config/mask_value: expected a number, got null");
    CHECK(refusal_of("Flatten", R"({"data_format":"channels_last"})") ==
          "/config: unknown key \"data_format\"; known are name");
    CHECK(refusal_of("Lambda", R"({})")
              .starts_with("/class_name: expected one of Activation, AdditiveAttention, "));
    CHECK(refusal(R"({"config":{}})") == "/: \"class_name\" is missing");
    CHECK(refusal(R"({"class_name":3})") == "/class_name: expected the name of a class, got 3");
    CHECK(refusal(R"({"class_name":"Flatten","weights":[]})") ==
          "/: unknown key \"weights\"; known are class_name, config");
    CHECK(refusal("3") == "/: expected an object, got 3");
    CHECK(refusal("").starts_with("/: not valid JSON: while parsing value - unexpected end of input"));
    CHECK(refusal(R"({"class_name":"Flatten"} x)").ends_with("expected end of input (line 1, column 26)"));
    CHECK(refusal(R"({"class_name":"Flatten","config":{"name":"\ud800"}})")
              .starts_with("/config/name: not valid"));
}

TEST_CASE("wrong initializers, shapes and choices are refused") {
    const auto dense = [](const std::string& initializer) {
        return refusal_of("Dense", R"({"units":2,"kernel_initializer":)" + initializer + "}");
    };
    CHECK(dense("null") ==
          "/config/kernel_initializer: expected a name or an object with class_name and config, got null");
    CHECK(dense(R"("he")").starts_with("/config/kernel_initializer: "));
    CHECK(dense(R"({"class_name":"HeNormal","config":{"gain":2}})") ==
          "/config/kernel_initializer/config: unknown key \"gain\"; known are seed, input_axes, output_axes");
    CHECK(dense(R"({"class_name":"HeNormal","seed":2})") ==
          "/config/kernel_initializer: unknown key \"seed\"; known are class_name, config");
    CHECK(dense(R"({"class_name":"RandomNormal","config":{"stddev":-1}})")
              .starts_with("/config/kernel_initializer: RandomNormal"));
    CHECK(dense(R"({"class_name":"HeNormal","config":{"input_axes":[0.5]}})")
              .starts_with("/config/kernel_initializer/config/input_axes/0: expected a whole number"));
    CHECK(dense(R"({"class_name":"VarianceScaling","config":{"mode":"fan"}})") ==
          "/config/kernel_initializer/config/mode: expected one of \"fan_in\", \"fan_out\", \"fan_avg\", got "
          "\"fan\"");
    CHECK(refusal_of("Dense", R"({"units":2,"kernel_regularizer":"L3"})") ==
          "/config/kernel_regularizer: there is no regularizer \"L3\"; known are L1, L2, L1L2, "
          "OrthogonalRegularizer");
    CHECK(refusal_of("Dense",
                     R"({"units":2,"kernel_constraint":{"class_name":"MaxNorm","config":{"max_value":-1}}})")
              .starts_with("/config/kernel_constraint: MaxNorm"));
    CHECK(refusal_of("InputLayer", R"({"shape":[3,-1]})")
              .starts_with("/config/shape/1: expected a whole number"));
    CHECK(refusal_of("InputLayer", R"({"shape":3})") == "/config/shape: expected an array of sizes, got 3");
    CHECK(refusal_of("Dropout", R"({"noise_shape":[0]})")
              .starts_with("/config: Dropout: sizes in noise_shape"));
    CHECK(refusal_of("Bidirectional",
                     R"({"layer":{"class_name":"LSTM","config":{"units":2}},"merge_mode":"max"})") ==
          "/config/merge_mode: expected one of \"concat\", \"sum\", \"mul\", \"ave\", null, got \"max\"");
}

TEST_CASE("wrong scores and windows of attention are refused") {
    CHECK(refusal_of("LuongAttention", R"({"score":"cosine"})") ==
          "/config/score: expected one of \"bahdanau\", \"dot\", \"general\", \"concat\", got \"cosine\"");
    CHECK(refusal_of("LuongAttention", R"({"score":"bahdanau"})")
              .starts_with("/config: LuongAttention: score"));
    CHECK(refusal_of("LuongAttention", R"({"window":"local"})") ==
          "/config/window: expected one of \"global\", \"local_m\", \"local_p\", got \"local\"");
    CHECK(refusal_of("LuongAttention", R"({"window":"local_p","D":0})")
              .starts_with("/config: LuongAttention: "));
    CHECK(refusal_of("Attention", R"({"score_mode":"general"})") ==
          "/config/score_mode: expected one of \"dot\", \"concat\", got \"general\"");
    CHECK(refusal_of("MultiHeadAttention", R"({"num_heads":2,"key_dim":2,"output_shape":[null]})")
              .starts_with("/config: MultiHeadAttention: output_shape"));
    CHECK(refusal_of("BahdanauAttention", "{}") == "/config: BahdanauAttention: units must be at least 1");
}

TEST_CASE("wrong modules inside modules are refused") {
    CHECK(refusal_of("RNN", "{}") == "/config: \"cell\" is missing");
    CHECK(refusal_of("RNN", R"({"cell":{"class_name":"Dense","config":{"units":2}}})") ==
          "/config/cell: expected a cell, got Dense");
    CHECK(refusal_of("RNN", R"({"cell":{"class_name":"StackedRNNCells","config":{"cells":[]}}})")
              .starts_with("/config/cell/config: "));
    CHECK(refusal_of("RNN", R"({"cell":{"class_name":"StackedRNNCells","config":{"cells":{}}}})") ==
          "/config/cell/config/cells: expected an array of cells, got {}");
    CHECK(refusal_of("Bidirectional", R"({"layer":{"class_name":"Flatten"}})") ==
          "/config/layer: expected a recurrent layer, got Flatten");
    CHECK(refusal_of("Bidirectional",
                     R"({"layer":{"class_name":"LSTM","config":{"units":2,"go_backwards":true}}})")
              .starts_with("/config: Bidirectional: the layer goes backwards"));
    CHECK(refusal_of("TimeDistributed",
                     R"({"layer":{"class_name":"LSTM","config":{"units":2,"stateful":true}}})")
              .starts_with("/config: TimeDistributed: LSTM is stateful"));
    CHECK(
        refusal_of("Sequential",
                   R"({"layers":[{"class_name":"Flatten"},{"class_name":"Dense","config":{"units":0}}]})") ==
        "/config/layers/1/config: Dense: units must be at least 1");
    CHECK(refusal_of("Sequential", R"({"layers":[{"class_name":"Flatten","config":{"name":"a"}},)"
                                   R"({"class_name":"Flatten","config":{"name":"a"}}]})") ==
          "/config/layers/1: Sequential: two layers are named \"a\"");
    CHECK(refusal_of("Sequential", R"({"layers":[{"class_name":"InputLayer","config":{"shape":[4]}},)"
                                   R"({"class_name":"LSTM","config":{"units":2}}]})")
              .starts_with("/config/layers/1: LSTM: expected x [batch, time, features] (rank 3)"));
    CHECK_THROWS_WITH_AS(
        model_from_json<float>(R"({"class_name":"Flatten"})"),
        "/class_name: expected \"Sequential\", got \"Flatten\"; layer_from_json reads single layers",
        FormatError);
}

TEST_CASE("sizes whose product is too large are refused") {
    CHECK(refusal_of("Sequential", R"({"layers":[{"class_name":"InputLayer","config":{"shape":)"
                                   R"([2147483647,2147483647,2147483647]}},{"class_name":"Flatten"}]})")
              .starts_with("/config/layers/1: Flatten: the sizes of"));
    const auto lstm_of = [](const std::string& units) {
        return refusal_of("Sequential",
                          R"({"layers":[{"class_name":"InputLayer","config":{"shape":[1,2147483647]}},)"
                          R"({"class_name":"LSTM","config":{"units":)" +
                              units + "}}]}");
    };
    CHECK(lstm_of("2147483647") ==
          "/config/layers/1: shape [2147483647, 8589934588] holds more elements than memory has addresses");
    // Takes nothing from the system: what a few bytes of text ask for has a limit.
    CHECK(lstm_of("100000") ==
          "/config/layers/1: there is no memory for so large a layer, or it is beyond the limit");
}

TEST_CASE("the memory that building a model takes has a limit") {
    const auto build = [](std::uint64_t bytes) {
        return model_from_json<float>(
            R"({"class_name":"Sequential","config":{"layers":[{"class_name":"InputLayer","config":{"shape":[null,8]}},)"
            R"({"class_name":"Dense","config":{"units":100}}]}})",
            {.max_model_bytes = bytes});
    };
    CHECK_THROWS_WITH_AS(
        build(1000), "/config/layers/1: there is no memory for so large a layer, or it is beyond the limit",
        FormatError);
    CHECK(build(100000).parameter_count() == 900);
}

TEST_CASE("nesting has a limit") {
    const auto nested = [](std::size_t depth) {
        std::string text = R"({"class_name":"Flatten"})";
        for (std::size_t i = 0; i < depth; ++i)
            text = R"({"class_name":"TimeDistributed","config":{"layer":)" + text + "}}";
        return text;
    };
    CHECK(refusal(nested(40)).empty());
    CHECK(refusal(nested(60)).find("nested deeper than 100 levels") != std::string::npos);
    CHECK(refusal(std::string(1000000, '[')).find("nested deeper than 100 levels") != std::string::npos);
}

TEST_CASE("a damaged text is read or refused, but does nothing else") {
    const std::string text =
        R"({"class_name":"Sequential","config":{"layers":[{"class_name":"InputLayer","config":)"
        R"({"shape":[null,3]}},{"class_name":"LSTM","config":{"units":8,"kernel_constraint":)"
        R"({"class_name":"MaxNorm","config":{"max_value":2.5,"axis":0}},"seed":12}}]}})";
    std::size_t refused = 0, read = 0;
    const auto attempt = [&](const std::string& damaged) {
        try {
            layer_from_json<float>(damaged);
            ++read;
        } catch (const FormatError&) {
            ++refused;
        }
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        attempt(text.substr(0, i));
        attempt(text.substr(i + 1));
        attempt(text.substr(0, i) + text.substr(i + 1));
        for (const char c : {'"', '{', '}', '[', ']', ',', ':', '0', '9', '-', 'e', '\\', '\x80', '\0'}) {
            attempt(text.substr(0, i) + c + text.substr(i));
            attempt(text.substr(0, i) + c + text.substr(i + 1));
        }
    }
    CHECK(refused > 7000);
    CHECK(read > 10);
}

TEST_CASE("the example of docs/models.md is a model") {
    std::ifstream file(std::string(SEQGRAD_TEST_DOCS_DIR) + "/models.md");
    std::stringstream all;
    all << file.rdbuf();
    const std::string text = all.str();
    const std::size_t begin = text.find("```json\n") + 8;
    Sequential<float> model = model_from_json<float>(text.substr(begin, text.find("```", begin) - begin));
    CHECK(model.name() == "tagger");
    CHECK(model.built());
    CHECK(model.output_shape() == PartialShape{unknown, unknown, 5});
    CHECK(to_json(model_from_json<float>(to_json(model))) == to_json(model));
    // The message shown there.
    CHECK(text.find(refusal(R"({"class_name":"Sequential","config":{"layers":[{"class_name":"Flatten"},)"
                            R"({"class_name":"Dense","config":{"units":-3}}]}})")) != std::string::npos);
}
