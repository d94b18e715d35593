#include "seqgrad/layers/files/pytorch.hpp"

#include <functional>

#include "support/difference.hpp"
#include "support/fixture.hpp"
#include "support/interop_cases.hpp"
#include "support/temporary_folder.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/activation.hpp"
#include "seqgrad/layers/attention.hpp"
#include "seqgrad/layers/input.hpp"
#include "seqgrad/layers/stacked_rnn_cells.hpp"
#include "seqgrad/layers/time_distributed.hpp"

using namespace seqgrad;
using namespace seqgrad::test;
using doctest::Contains;

namespace {

std::vector<std::string> names_of(const StoredTensors& tensors) {
    std::vector<std::string> names;
    for (const auto& entry : tensors) names.push_back(entry.name);
    return names;
}

template <class T>
void check_equal(const Module<T>& a, const Module<T>& b) {
    const auto as = a.parameters(), bs = b.parameters();
    REQUIRE(as.size() == bs.size());
    for (std::size_t i = 0; i < as.size(); ++i) CHECK(as[i].variable.value() == bs[i].variable.value());
}

/// Throws what `to_pytorch` throws for a layer that takes [B, 4, 3].
template <class Layer>
void export_layer(Layer layer) {
    layer.build({unknown, 4, 3});
    to_pytorch<float>(layer);
}

}  // namespace

TEST_CASE("models of PyTorch's weights compute what its modules computed") {
    for (const InteropCase& c : pytorch_cases()) {
        CAPTURE(c.name);
        Sequential<float> model = c.model();
        model.build(c.input);
        load_pytorch(model, golden_path("files/pytorch/" + c.name + ".safetensors"), c.names);
        const StoredTensors io = read_safetensors(golden_path("files/pytorch/" + c.name + ".io.safetensors"));
        const Tensor<float> y = model(constant(to_tensor(*io.find("x")))).value();
        CHECK(largest_difference(cast<double>(y), cast<double>(to_tensor(*io.find("y")))) <=
              interop_tolerance);
    }
}

TEST_CASE("a state_dict that was read is the one that is written, but for the sum of biases") {
    for (const InteropCase& c : pytorch_cases()) {
        CAPTURE(c.name);
        const StoredTensors theirs =
            read_safetensors(golden_path("files/pytorch/" + c.name + ".safetensors"));
        Sequential<float> model = c.model();
        model.build(c.input);
        from_pytorch(model, theirs, c.names);
        const StoredTensors ours = to_pytorch(model, c.names);
        CHECK(ours.size() == theirs.size());
        const bool is_gru = c.name.starts_with("gru");
        for (const auto& entry : theirs) {
            const std::string& name = entry.name;
            const StoredTensor& tensor = entry.tensor;
            CAPTURE(name);
            const StoredTensor* const mine = ours.find(name);
            REQUIRE(mine != nullptr);
            CHECK(mine->shape() == tensor.shape());
            if (is_gru || name.find("bias_") == std::string::npos)
                CHECK(mine->data<float>() == tensor.data<float>());
            else if (name.find("bias_hh") != std::string::npos)
                CHECK(mine->data<float>() == std::vector<float>(mine->size(), 0));
        }
        Sequential<float> again = c.model();
        again.build(c.input);
        from_pytorch(again, ours, c.names);
        check_equal<float>(model, again);
    }
}

TEST_CASE("doubles keep every digit in PyTorch's form") {
    Sequential<double> model{Bidirectional<double>(GRU<double>({.units = 2})), Dense<double>({.units = 2})};
    Sequential<double> again{Bidirectional<double>(GRU<double>({.units = 2})), Dense<double>({.units = 2})};
    model.build({unknown, 4, 3});
    again.build({unknown, 4, 3});
    const TemporaryFolder folder;
    save_pytorch(model, folder / "model.safetensors");
    load_pytorch(again, folder / "model.safetensors");
    check_equal<double>(model, again);
}

TEST_CASE("gates and biases stand where PyTorch has them") {
    GRU<float> gru({.units = 1});
    gru.build({unknown, 4, 1});
    const auto parameters = gru.parameters();
    Variable<float> kernel = parameters[0].variable, recurrent = parameters[1].variable,
                    bias = parameters[2].variable;
    kernel.assign(tensor<float>({1, 3}, {1, 2, 3}));  // z, r, h
    recurrent.assign(tensor<float>({1, 3}, {4, 5, 6}));
    bias.assign(tensor<float>({2, 3}, {7, 8, 9, 10, 11, 12}));
    const StoredTensors state_dict = to_pytorch<float>(gru);
    CHECK(names_of(state_dict) ==
          std::vector<std::string>{"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"});
    using Values = std::vector<float>;
    CHECK(state_dict.find("weight_ih_l0")->data<float>() == Values{2, 1, 3});  // r, z, n
    CHECK(state_dict.find("weight_hh_l0")->data<float>() == Values{5, 4, 6});
    CHECK(state_dict.find("bias_ih_l0")->data<float>() == Values{8, 7, 9});
    CHECK(state_dict.find("bias_hh_l0")->data<float>() == Values{11, 10, 12});
}

TEST_CASE("layers are called as in PyTorch unless names are given") {
    Sequential<float> model{
        Input<float>({.shape = {4, 3}}),
        Sequential<float>{Dense<float>({.units = 3}), Dense<float>({.units = 3, .use_bias = false})},
        RNN<float>(StackedRNNCells<float>(LSTMCell<float>({.units = 2}), LSTMCell<float>({.units = 2})),
                   {.return_sequences = true}),
        TimeDistributed<float>(Dense<float>({.units = 2}))};
    CHECK(names_of(to_pytorch(model)) ==
          std::vector<std::string>{"0.0.weight", "0.0.bias", "0.1.weight", "1.weight_ih_l0", "1.weight_hh_l0",
                                   "1.bias_ih_l0", "1.bias_hh_l0", "1.weight_ih_l1", "1.weight_hh_l1",
                                   "1.bias_ih_l1", "1.bias_hh_l1", "2.weight", "2.bias"});
    CHECK(names_of(to_pytorch(
              model, {{"", "model"}, {"sequential", "encoder"}, {"time_distributed.layer", "out"}})) ==
          std::vector<std::string>{"encoder.0.weight", "encoder.0.bias", "encoder.1.weight",
                                   "model.1.weight_ih_l0", "model.1.weight_hh_l0", "model.1.bias_ih_l0",
                                   "model.1.bias_hh_l0", "model.1.weight_ih_l1", "model.1.weight_hh_l1",
                                   "model.1.bias_ih_l1", "model.1.bias_hh_l1", "out.weight", "out.bias"});
}

TEST_CASE("what PyTorch does not have is refused by its name") {
    const auto refused = [](auto layer, const char* what) {
        CAPTURE(what);
        CHECK_THROWS_WITH_AS(export_layer(std::move(layer)), Contains(what), ValueError);
    };
    refused(GRU<float>({.units = 2, .reset_after = false}), "reset_after = false");
    refused(GRU<float>({.units = 2, .activation = "relu"}), "activation = \"relu\"");
    refused(LSTM<float>({.units = 2, .recurrent_activation = "hard_sigmoid"}),
            "recurrent_activation = \"hard_sigmoid\"");
    refused(SimpleRNN<float>({.units = 2, .activation = "linear"}), "activation = \"linear\"");
    refused(LSTM<float>({.units = 2, .go_backwards = true}), "go_backwards");
    refused(Bidirectional<float>(LSTM<float>({.units = 2}), {.merge_mode = MergeMode::sum}),
            "merge_mode = \"sum\"");
    refused(Bidirectional<float>(LSTM<float>({.units = 2}), LSTM<float>({.units = 3, .go_backwards = true})),
            "alike");
    refused(Bidirectional<float>(LSTM<float>({.units = 2, .go_backwards = true}), LSTM<float>({.units = 2})),
            "forward_layer");
    refused(LayerNormalization<float>({.axis = 1}), "axis = 1");
    refused(LayerNormalization<float>({.scale = false}), "scale = false");
    refused(RNN<float>(StackedRNNCells<float>(LSTMCell<float>({.units = 2}), GRUCell<float>({.units = 2}))),
            "GRU of 2 units");

    Attention<float> attention({.use_scale = true});
    attention.build_for({{unknown, 4, 3}, {unknown, 4, 3}});
    CHECK_THROWS_WITH_AS(to_pytorch<float>(attention), Contains("\"scale\""), ValueError);
    CHECK_THROWS_WITH_AS(to_pytorch<float>(Dense<float>({.units = 1})), Contains("no weights yet"),
                         ValueError);
}

TEST_CASE("names that do not fit the model are refused") {
    Sequential<float> model{LSTM<float>({.units = 2, .return_sequences = true}), LSTM<float>({.units = 3}),
                            Dense<float>({.units = 1}), Dense<float>({.units = 1})};
    model.build({unknown, 4, 3});
    CHECK_THROWS_WITH_AS(to_pytorch(model, {{"gru", "rnn"}}), Contains("\"gru\""), ValueError);
    CHECK_THROWS_WITH_AS(to_pytorch(model, {{"lstm", "rnn"}, {"lstm_1", "rnn"}}), Contains("LSTM of 3 units"),
                         ValueError);
    CHECK_THROWS_WITH_AS(to_pytorch(model, {{"dense", "out"}, {"dense_1", "out"}}),
                         Contains("\"out.weight\""), ValueError);
}

TEST_CASE("all that does not fit a state_dict is told at once, and nothing is loaded") {
    Sequential<float> model{LSTM<float>({.units = 2}), Dense<float>({.units = 1})};
    model.build({unknown, 4, 3});
    const StoredTensors before = stored_weights(model);
    StoredTensors state_dict;
    for (const auto& [name, tensor] : to_pytorch(model)) {
        if (name == "1.weight")
            state_dict.add(name, {{2, 1}, std::vector<float>(2, 5)});
        else if (name == "0.bias_hh_l0")
            state_dict.add(name, {{8}, std::vector<double>(8, 5)});
        else if (name == "0.weight_hh_l0")
            continue;
        else
            state_dict.add(name, {tensor.shape(), std::vector<float>(tensor.size(), 5)});
    }
    state_dict.add("0.weight_hr_l0", {{2, 2}, std::vector<float>(4, 5)});
    std::string message;
    try {
        from_pytorch(model, state_dict, {}, "model.safetensors");
    } catch (const FormatError& e) {
        message = e.what();
    }
    for (const char* part :
         {"model.safetensors", "\"1.weight\": expected shape [1, 2], got [2, 1]", "\"0.bias_hh_l0\": float64",
          "\"0.weight_hh_l0\" is missing", "\"0.weight_hr_l0\" is unexpected"}) {
        CHECK_MESSAGE(message.find(part) != std::string::npos, part, " in ", message);
    }
    const StoredTensors after = stored_weights(model);
    for (const auto& [name, tensor] : before) CHECK(after.find(name)->data<float>() == tensor.data<float>());
}

namespace {

/// nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).
Sequential<float> wrapped_chain() {
    Sequential<float> model{Dense<float>({.units = 4}), ActivationLayer<float>({.activation = "tanh"}),
                            Dense<float>({.units = 2})};
    model.build({unknown, 3});
    return model;
}

std::filesystem::path wrapped(const std::string& name) {
    return golden_path("files/pytorch/wrapped/" + name + ".safetensors");
}

/// How far the model's output is from that of PyTorch.
double difference_to(const std::string& name, Module<float>& model) {
    const StoredTensors io = read_safetensors(wrapped(name + ".io"));
    const Tensor<float> y = model(to_tensor(*io.find("x"))).value();
    return largest_difference(cast<double>(y), cast<double>(to_tensor(*io.find("y"))));
}

}  // namespace

TEST_CASE("names may have the parts that PyTorch's wrappers add") {
    for (const char* name : {"averaged", "compiled"}) {
        CAPTURE(name);
        Sequential<float> model = wrapped_chain();
        const LoadReport report = load_pytorch(model, wrapped(name));
        CHECK(report.loaded == std::vector<std::string>{"0.weight", "0.bias", "2.weight", "2.bias"});
        CHECK(report.complete());
        CHECK(report.ignored == (name == std::string("averaged") ? std::vector<std::string>{"n_averaged"}
                                                                 : std::vector<std::string>{}));
        CHECK(difference_to(name, model) <= interop_tolerance);
    }
    // A name that is there as it is comes before one in a wrapper, and of two of those none is taken.
    Dense<float> layer({.units = 1, .use_bias = false});
    layer.build({unknown, 1});
    const auto state_dict = [](std::vector<std::string> names) {
        StoredTensors tensors;
        for (float value = 1; std::string & name : names)
            tensors.add(std::move(name), {{1, 1}, std::vector<float>{value++}});
        return tensors;
    };
    const LoadReport report =
        from_pytorch<float>(layer, state_dict({"module.weight", "weight"}), {}, "x", LoadMode::partial);
    CHECK(layer.kernel().value()(0, 0) == 2);
    CHECK(report.unexpected == std::vector<std::string>{"module.weight"});
    CHECK_THROWS_WITH_AS(from_pytorch<float>(layer, state_dict({"module.weight", "_orig_mod.weight"})),
                         Contains("\"weight\" is missing"), FormatError);
}

TEST_CASE("weights under weight_norm are computed, other parametrizations refused") {
    for (const char* name : {"weight_norm", "weight_norm_old"}) {
        CAPTURE(name);
        Sequential<float> model = wrapped_chain();
        CHECK(load_pytorch(model, wrapped(name)).complete());
        CHECK(difference_to(name, model) <= 1e-6);
    }
    LSTM<float> lstm({.units = 4, .return_sequences = true});
    lstm.build({unknown, 5, 3});
    CHECK(load_pytorch<float>(lstm, wrapped("weight_norm_lstm")).complete());
    CHECK(difference_to("weight_norm_lstm", lstm) <= 1e-6);

    Sequential<float> dense{Dense<float>({.units = 4})};
    dense.build({unknown, 3});
    CHECK_THROWS_WITH_AS(
        load_pytorch(dense, wrapped("spectral_norm")),
        Contains(
            "\"0.weight\": is parametrized in PyTorch (\"0.parametrizations.weight.original\") by something "
            "other than weight_norm; call torch.nn.utils.parametrize.remove_parametrizations before saving"),
        FormatError);
    StoredTensors wrong;
    wrong.add("0.weight_g", {{3, 1}, std::vector<float>(3, 1)});
    wrong.add("0.weight_v", {{4, 3}, std::vector<float>(12, 1)});
    wrong.add("0.bias", {{4}, std::vector<float>(4, 1)});
    CHECK_THROWS_WITH_AS(
        from_pytorch(dense, wrong),
        Contains("\"0.weight\": \"0.weight_g\" [3, 1] and \"0.weight_v\" [4, 3] are not those"), FormatError);
}

TEST_CASE("tied weights that save_model left out are found by the metadata") {
    Sequential<float> model{Embedding<float>({.input_dim = 6, .output_dim = 4}),
                            Dense<float>({.units = 6, .use_bias = false})};
    model.build({unknown, 3});
    const PyTorchNames names{{"embedding", "words"}, {"dense", "out"}};
    CHECK(load_pytorch(model, wrapped("tied"), names).complete());
    CHECK(difference_to("tied", model) <= interop_tolerance);
    // They are not asked for where the model has no such parameter.
    Dense<float> out({.units = 6, .use_bias = false});
    out.build({unknown, 4});
    CHECK(load_pytorch<float>(out, wrapped("tied"), {{"", "out"}}).complete());
}

TEST_CASE("a part of a state_dict can be loaded, with a report of the rest") {
    Sequential<float> model{Dense<float>({.units = 4}), ActivationLayer<float>({.activation = "tanh"}),
                            Dense<float>({.units = 3}), LSTM<float>({.units = 2})};
    model.build({unknown, 5, 3});
    const StoredTensors before = stored_weights(model);
    StoredTensors state_dict = read_safetensors(wrapped("averaged"));
    state_dict.add("module.3.bias_ih_l0", {{8}, std::vector<float>(8, 1)});
    state_dict.add_other({"3.weight_ih_l0", {8, 4}, "I8", std::vector<std::uint8_t>(32)});
    state_dict.add("head.weight", {{1}, std::vector<float>{1}});
    const LoadReport report = from_pytorch(model, state_dict, {}, "x", LoadMode::partial);
    CHECK(report.loaded == std::vector<std::string>{"0.weight", "0.bias"});
    CHECK(report.missing == std::vector<std::string>{"3.weight_hh_l0", "3.bias_hh_l0"});
    CHECK(report.unexpected == std::vector<std::string>{"head.weight"});
    CHECK(report.ignored == std::vector<std::string>{"n_averaged"});
    CHECK_FALSE(report.complete());
    CHECK(to_string(report) ==
          "2 parameters loaded\n"
          "\"3.weight_hh_l0\" is missing\n"
          "\"3.bias_hh_l0\" is missing\n"
          "\"2.weight\": expected shape [3, 4], got [2, 4]\n"
          "\"2.bias\": expected shape [3], got [2]\n"
          "\"3.weight_ih_l0\": expected floating-point numbers, got I8\n"
          "\"3.bias_ih_l0\": is one of two, and the other is not there\n"
          "\"head.weight\" is unexpected\n"
          "\"n_averaged\" is left out\n");
    const StoredTensors after = stored_weights(model), theirs = read_safetensors(wrapped("averaged"));
    for (const auto& [name, tensor] : before) {
        if (!name.starts_with("dense.")) CHECK(after.find(name)->data<float>() == tensor.data<float>());
    }
    CHECK(after.find("dense.bias")->data<float>() == theirs.find("module.0.bias")->data<float>());

    CHECK_THROWS_WITH_AS(from_pytorch(model, state_dict), Contains("nothing was loaded:\n"), FormatError);
    StoredTensors other;
    other.add("head.weight", {{1}, std::vector<float>{1}});
    CHECK_THROWS_WITH_AS(from_pytorch(model, other, {}, "x", LoadMode::partial),
                         Contains("x: does not fit Sequential in any part, nothing was loaded:\n"),
                         FormatError);
}
