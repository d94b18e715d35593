#include "golden_check/layers.hpp"

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/key_value_attention.hpp"
#include "seqgrad/layers/model_json.hpp"

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
    if (inputs.contains("attention_mask")) {
        ++taken;
        attention_mask = cast<bool>(to_tensor<T>(inputs.at("attention_mask")));
    }
    if (taken != inputs.size()) throw Unsupported("an input among " + inputs.dump());
}

namespace {

/// A layer of a fixture, {"layer": kind, "config": ...}, as docs/models.md has it: the kind is its
/// class_name, and an RNN of several cells has one that stacks them.
Json as_model_json(const Json& json) {
    if (!json.is_structured()) return json;
    Json out = json.is_array() ? Json::array() : Json::object();
    if (json.is_array()) {
        for (const Json& element : json) out.push_back(as_model_json(element));
        return out;
    }
    const bool is_layer = json.contains("config") && json.contains("layer") && json.at("layer").is_string();
    for (const auto& [key, value] : json.items())
        out[is_layer && key == "layer" ? "class_name" : key] = as_model_json(value);
    if (is_layer && json.at("layer") == "RNN" && out.at("config").contains("cells")) {
        Json& config = out.at("config");
        config["cell"] = {{"class_name", "StackedRNNCells"}, {"config", {{"cells", config.at("cells")}}}};
        config.erase("cells");
    }
    return out;
}

/// A fixture's config with the arguments that the layer has in the library: BahdanauAttention knows one
/// score, the size of local-p's hidden layer stands in its weights only, and a fixture of AttentionDecoder
/// has all that it can give.
Json with_arguments_of_layer(const std::string& kind, Json config, const Json& weights) {
    if (kind == "BahdanauAttention" && config.value("score", "") == "bahdanau") config.erase("score");
    if (kind == "LuongAttention" && !config.contains("units") && weights.contains("position_v"))
        config["units"] = tensor_shape(weights.at("position_v"))[0];
    if (kind == "AttentionDecoder") config["return_attention_scores"] = config["return_state"] = true;
    return config;
}

}  // namespace

template <class T>
std::shared_ptr<Module<T>> build_layer(const std::string& kind, const Json& config, const Json& weights) {
    try {
        const Json layer = {{"layer", kind}, {"config", with_arguments_of_layer(kind, config, weights)}};
        return layer_from_json<T>(as_model_json(layer).dump());
    } catch (const FormatError& error) {
        throw Unsupported(error.what());
    }
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

template <class T>
std::vector<Variable<T>> call_layer(Module<T>& layer, const CallInputs<T>& inputs, const Json& arguments) {
    Config given(arguments);
    bool training = false;
    given.read("training", training);
    layer.set_training(training);
    auto* const attention = dynamic_cast<KeyValueAttention<T>*>(&layer);
    if (attention == nullptr) {
        given.finish();
        if (inputs.attention_mask) throw Unsupported("an attention_mask");
        return layer(inputs.all);
    }
    bool return_attention_scores = false;
    AttentionArguments call{.attention_mask = inputs.attention_mask ? &*inputs.attention_mask : nullptr};
    given.read("return_attention_scores", return_attention_scores);
    call.return_attention_scores = return_attention_scores;
    given.read("use_causal_mask", call.use_causal_mask);
    given.finish();
    const std::vector<Variable<T>>& all = inputs.all;
    const auto out = attention->run(all.at(0), all.at(1), all.size() > 2 ? all[2] : Variable<T>(), call);
    if (!return_attention_scores) return {out.context};
    return {out.context, out.weights};
}

template struct CallInputs<float>;
template struct CallInputs<double>;
template std::vector<Variable<float>> call_layer(Module<float>&, const CallInputs<float>&, const Json&);
template std::vector<Variable<double>> call_layer(Module<double>&, const CallInputs<double>&, const Json&);
template std::shared_ptr<Module<float>> build_layer(const std::string&, const Json&, const Json&);
template std::shared_ptr<Module<double>> build_layer(const std::string&, const Json&, const Json&);
template void assign_weights(const Module<float>&, const Json&, const std::string&);
template void assign_weights(const Module<double>&, const Json&, const std::string&);

}  // namespace seqgrad::test
