#include "golden_check/layers.hpp"

#include <type_traits>
#include <utility>

#include "seqgrad/layers/bidirectional.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/dropout.hpp"
#include "seqgrad/layers/embedding.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/layer_normalization.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/simple_rnn.hpp"
#include "seqgrad/layers/stacked_rnn_cells.hpp"
#include "seqgrad/layers/time_distributed.hpp"

namespace seqgrad::test {

template <class T>
CallInputs<T>::CallInputs(const Json& inputs) {
    std::vector<std::string> names{"x", "query", "value", "key", "memory"};
    for (std::size_t i = 0; i < inputs.size(); ++i) names.push_back("initial_state." + std::to_string(i));
    std::size_t taken = 0;
    for (const std::string& name : names) {
        if (!inputs.contains(name)) continue;
        ++taken;
        const Json& value = inputs.at(name);
        Variable<T> variable;
        if (value.at("dtype").template get<std::string>().starts_with("float")) {
            variable = parameter(to_tensor<T>(value));
            differentiable.push_back({name, variable});
        } else {
            variable = constant(to_tensor<T>(value));
        }
        const std::string mask = name == "x" ? "mask" : name + "_mask";
        if (inputs.contains(mask)) {
            ++taken;
            const Tensor<T> counts = to_tensor<T>(inputs.at(mask));
            variable = variable.with_mask(cast<bool>(counts));
        }
        all.push_back(variable);
    }
    if (taken != inputs.size()) throw Unsupported("an input among " + inputs.dump());
}

namespace {

template <class T>
std::shared_ptr<Module<T>> build_dense(Config& config) {
    DenseConfig c;
    config.read("units", c.units);
    config.read("activation", c.activation);
    config.read("use_bias", c.use_bias);
    config.finish();
    return std::make_shared<Dense<T>>(c);
}

template <class T>
std::shared_ptr<Module<T>> build_layer_normalization(Config& config) {
    LayerNormalizationConfig c;
    config.read("epsilon", c.epsilon);
    config.read("center", c.center);
    config.read("scale", c.scale);
    config.finish();
    return std::make_shared<LayerNormalization<T>>(c);
}

template <class T>
std::shared_ptr<Module<T>> build_embedding(Config& config) {
    EmbeddingConfig c;
    config.read("input_dim", c.input_dim);
    config.read("output_dim", c.output_dim);
    config.read("mask_zero", c.mask_zero);
    config.finish();
    return std::make_shared<Embedding<T>>(c);
}

template <class T>
std::shared_ptr<Module<T>> build_dropout(Config& config) {
    DropoutConfig c;
    config.read("rate", c.rate);
    config.read("seed", c.seed);
    config.finish();
    return std::make_shared<Dropout<T>>(c);
}

template <class T>
std::shared_ptr<Module<T>> build_time_distributed(Config& config) {
    Json layer;
    config.read("layer", layer);
    config.finish();
    return std::make_shared<TimeDistributed<T>>(build_layer<T>(layer.at("layer"), layer.at("config")));
}

template <class CellConfig>
CellConfig read_cell(Config& config) {
    CellConfig c;
    config.read("units", c.units);
    config.read("activation", c.activation);
    if constexpr (requires { c.recurrent_activation; })
        config.read("recurrent_activation", c.recurrent_activation);
    if constexpr (requires { c.reset_after; }) config.read("reset_after", c.reset_after);
    config.read("use_bias", c.use_bias);
    config.read("dropout", c.dropout);
    config.read("recurrent_dropout", c.recurrent_dropout);
    config.read("seed", c.seed);
    return c;
}

template <class RecurrentConfig>
void read_sequence(Config& config, RecurrentConfig& c) {
    config.read("return_sequences", c.return_sequences);
    config.read("return_state", c.return_state);
    config.read("go_backwards", c.go_backwards);
    config.read("stateful", c.stateful);
    config.read("unroll", c.unroll);
    config.read("zero_output_for_mask", c.zero_output_for_mask);
    config.finish();
}

template <class T, class Layer>
std::shared_ptr<RNN<T>> build_recurrent(Config& config) {
    auto c = read_cell<typename Layer::Config>(config);
    read_sequence(config, c);
    return std::make_shared<Layer>(c);
}

template <class T>
std::shared_ptr<RecurrentCell<T>> build_cell(const std::string& kind, const Json& json) {
    Config config(json);
    const auto build = [&]<class Cell>(std::type_identity<Cell>) {
        const auto c = read_cell<typename Cell::Config>(config);
        config.finish();
        return std::make_shared<Cell>(c);
    };
    if (kind == "SimpleRNNCell") return build(std::type_identity<SimpleRNNCell<T>>());
    if (kind == "LSTMCell") return build(std::type_identity<LSTMCell<T>>());
    if (kind == "GRUCell") return build(std::type_identity<GRUCell<T>>());
    throw Unsupported("cell " + kind);
}

template <class T>
std::shared_ptr<RNN<T>> build_rnn(const std::string& kind, const Json& json) {
    Config config(json);
    if (kind == "SimpleRNN") return build_recurrent<T, SimpleRNN<T>>(config);
    if (kind == "LSTM") return build_recurrent<T, LSTM<T>>(config);
    if (kind == "GRU") return build_recurrent<T, GRU<T>>(config);
    if (kind == "RNN") {
        Json cells;
        RNNConfig c;
        config.read("cells", cells);
        read_sequence(config, c);
        std::vector<std::shared_ptr<RecurrentCell<T>>> built;
        for (const Json& cell : cells) built.push_back(build_cell<T>(cell.at("layer"), cell.at("config")));
        return std::make_shared<RNN<T>>(std::make_shared<StackedRNNCells<T>>(std::move(built)), c);
    }
    throw Unsupported("layer " + kind);
}

template <class T>
std::shared_ptr<Module<T>> build_bidirectional(Config& config, const Json& json) {
    BidirectionalConfig c;
    Json layer;
    config.read("layer", layer);
    std::string mode = json.contains("merge_mode") ? "None" : "concat";
    config.read("merge_mode", mode);
    c.merge_mode = merge_mode(mode);
    config.finish();
    return std::make_shared<Bidirectional<T>>(build_rnn<T>(layer.at("layer"), layer.at("config")), nullptr,
                                              c);
}

}  // namespace

template <class T>
std::shared_ptr<Module<T>> build_layer(const std::string& kind, const Json& json) {
    Config config(json);
    if (kind == "Dense") return build_dense<T>(config);
    if (kind == "Embedding") return build_embedding<T>(config);
    if (kind == "Dropout") return build_dropout<T>(config);
    if (kind == "TimeDistributed") return build_time_distributed<T>(config);
    if (kind == "LayerNormalization") return build_layer_normalization<T>(config);
    if (kind == "Bidirectional") return build_bidirectional<T>(config, json);
    return build_rnn<T>(kind, json);
}

template <class T>
void assign_weights(const Module<T>& module, const Json& weights, const std::string& prefix) {
    std::size_t given = 0;
    for (const auto& [name, value] : weights.items()) given += name.starts_with(prefix) ? 1U : 0U;
    const auto parameters = module.parameters();
    if (given != parameters.size()) {
        throw FormatError(module.description() + " has " + std::to_string(parameters.size()) +
                          " weights, the fixture " + std::to_string(given));
    }
    for (const auto& p : parameters) {
        const std::string name = prefix + p.name;
        if (!weights.contains(name)) throw FormatError("the fixture has no weight " + name);
        Variable<T>(p.variable).assign(to_tensor<T>(weights.at(name)));
    }
}

template struct CallInputs<float>;
template struct CallInputs<double>;
template std::shared_ptr<Module<float>> build_layer(const std::string&, const Json&);
template std::shared_ptr<Module<double>> build_layer(const std::string&, const Json&);
template void assign_weights(const Module<float>&, const Json&, const std::string&);
template void assign_weights(const Module<double>&, const Json&, const std::string&);

}  // namespace seqgrad::test
