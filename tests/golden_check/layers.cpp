#include "golden_check/layers.hpp"

#include <algorithm>

#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/layer_normalization.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/simple_rnn.hpp"

namespace seqgrad::test {

template <class T>
CallInputs<T>::CallInputs(const Json& inputs) {
    for (const auto& [name, value] : inputs.items()) {
        if (value.at("dtype").template get<std::string>().starts_with("float")) {
            variables_.push_back({name, parameter(to_tensor<T>(value))});
        } else {
            others_.push_back(name);
        }
    }
}

template <class T>
const Variable<T>& CallInputs<T>::variable(const std::string& name) const {
    const auto found = std::ranges::find(variables_, name, &NamedParameter<T>::name);
    if (found == variables_.end()) throw Unsupported("no input " + name + " of real numbers");
    used_.push_back(name);
    return found->variable;
}

template <class T>
std::vector<Variable<T>> CallInputs<T>::initial_states() const {
    std::vector<Variable<T>> states;
    for (const auto& [name, value] : variables_) {
        if (name == "initial_state." + std::to_string(states.size())) {
            states.push_back(value);
            used_.push_back(name);
        }
    }
    return states;
}

template <class T>
void CallInputs<T>::check_all_used() const {
    const auto check = [&](const std::string& name) {
        if (std::ranges::find(used_, name) == used_.end()) throw Unsupported("input " + name);
    };
    for (const auto& [name, value] : variables_) check(name);
    for (const std::string& name : others_) check(name);
}

namespace {

template <class T>
BuiltLayer<T> called_with_x(std::shared_ptr<Module<T>> module) {
    return {module, [module](const CallInputs<T>& inputs) {
                return std::vector<Variable<T>>{(*module)(inputs.variable("x"))};
            }};
}

template <class T>
BuiltLayer<T> build_dense(Config& config) {
    DenseConfig c;
    config.read("units", c.units);
    config.read("activation", c.activation);
    config.read("use_bias", c.use_bias);
    config.finish();
    return called_with_x<T>(std::make_shared<Dense<T>>(c));
}

template <class T>
BuiltLayer<T> build_layer_normalization(Config& config) {
    LayerNormalizationConfig c;
    config.read("epsilon", c.epsilon);
    config.read("center", c.center);
    config.read("scale", c.scale);
    config.finish();
    return called_with_x<T>(std::make_shared<LayerNormalization<T>>(c));
}

template <class T, class Layer>
BuiltLayer<T> build_recurrent(Config& config) {
    typename Layer::Config c;
    bool return_state = false;
    config.read("units", c.units);
    config.read("activation", c.activation);
    if constexpr (requires { c.recurrent_activation; })
        config.read("recurrent_activation", c.recurrent_activation);
    config.read("use_bias", c.use_bias);
    config.read("return_sequences", c.return_sequences);
    config.read("return_state", return_state);
    config.finish();
    const auto layer = std::make_shared<Layer>(c);
    return {layer, [layer, return_state](const CallInputs<T>& inputs) {
                const RecurrentOutput<T> out = layer->run(inputs.variable("x"), inputs.initial_states());
                std::vector<Variable<T>> outputs{out.output};
                if (return_state) outputs.insert(outputs.end(), out.states.begin(), out.states.end());
                return outputs;
            }};
}

}  // namespace

template <class T>
BuiltLayer<T> build_layer(const std::string& kind, const Json& json) {
    Config config(json);
    if (kind == "Dense") return build_dense<T>(config);
    if (kind == "LayerNormalization") return build_layer_normalization<T>(config);
    if (kind == "SimpleRNN") return build_recurrent<T, SimpleRNN<T>>(config);
    if (kind == "LSTM") return build_recurrent<T, LSTM<T>>(config);
    if (kind == "GRU") return build_recurrent<T, GRU<T>>(config);
    throw Unsupported("layer " + kind);
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
    for (const auto& [name, variable] : parameters) {
        if (!weights.contains(prefix + name)) throw FormatError("the fixture has no weight " + prefix + name);
        Variable<T>(variable).assign(to_tensor<T>(weights.at(prefix + name)));
    }
}

template class CallInputs<float>;
template class CallInputs<double>;
template BuiltLayer<float> build_layer(const std::string&, const Json&);
template BuiltLayer<double> build_layer(const std::string&, const Json&);
template void assign_weights(const Module<float>&, const Json&, const std::string&);
template void assign_weights(const Module<double>&, const Json&, const std::string&);

}  // namespace seqgrad::test
