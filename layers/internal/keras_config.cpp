#include "seqgrad/layers/internal/keras_config.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <new>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/memory_limit.hpp"
#include "seqgrad/layers/input.hpp"
#include "seqgrad/layers/internal/module_files.hpp"
#include "seqgrad/layers/model_json.hpp"
#include "seqgrad/layers/rnn.hpp"

namespace seqgrad::detail {
namespace {

using Place = JsonPlace;

/// What stands in an object under a key; null where there is nothing.
const Json& value_of(const Json& object, const char* key) {
    static const Json nothing;
    if (!object.is_object()) return nothing;
    const auto found = object.find(key);
    return found == object.end() ? nothing : *found;
}

/// The name of a class of Keras's own, at whose place an object stands.
std::string class_of(const Place& at) {
    const Json& name = value_of(at.json, "class_name");
    if (!name.is_string() || !value_of(at.json, "config").is_object())
        at.expected("an object with class_name and config");
    const Json& module = value_of(at.json, "module");
    const bool is_own =
        module.is_null() ||
        (module.is_string() && (module == "keras" || module.get<std::string>().starts_with("keras.")));
    if (!is_own) at.fail(fmt::format("\"{}\" is not one of Keras's own classes", name.get<std::string>()));
    return name.get<std::string>();
}

/// The name that Keras's later versions have for a class that earlier ones call otherwise: before 3.7 two
/// initializers were written under other names than the one they go by.
std::string later_name(const std::string& class_name) {
    if (class_name == "OrthogonalInitializer") return "Orthogonal";
    if (class_name == "IdentityInitializer") return "Identity";
    return class_name;
}

/// A seed: a number, or the generator of numbers that began with it.
Json seed_of(const Place& at) {
    if (!at.json.is_object()) return at.json;
    if (class_of(at) != "SeedGenerator") at.expected("a seed or a SeedGenerator");
    return value_of(value_of(at.json, "config"), "seed");
}

/// Constant as it is here, with one value. A matrix of values, which pre-trained embeddings begin with, is
/// not kept: the weights of the file take its place.
Json constant_rule(const Place& value) {
    const Json* number = &value.json;
    if (const Json& kind = value_of(value.json, "class_name"); kind == "__tensor__" || kind == "__numpy__")
        number = &value_of(value_of(value.json, "config"), "value");
    if (number->is_array()) return {{"class_name", "Zeros"}, {"config", Json::object()}};
    return {{"class_name", "Constant"}, {"config", {{"value", *number}}}};
}

/// An initializer, regularizer or constraint: a name, nothing, or an object.
Json rule(const Place& at) {
    if (at.json.is_string()) return later_name(at.json.get<std::string>());
    if (!at.json.is_object()) return at.json;
    Json out{{"class_name", later_name(class_of(at))}};
    Json config = value_of(at.json, "config");
    for (const char* const axes : {"input_axes", "output_axes"})
        if (config.contains(axes) && config[axes].is_null()) config.erase(axes);
    const Place arguments = at.inside("config", config);
    if (out["class_name"] == "Constant" && config.size() == 1 && config.contains("value"))
        return constant_rule(arguments.inside("value", config["value"]));
    if (config.contains("seed")) config["seed"] = seed_of(arguments.inside("seed", config["seed"]));
    out["config"] = std::move(config);
    return out;
}

void check_dtype(const Place& at) {
    const Json& name = at.json.is_object() ? value_of(value_of(at.json, "config"), "name") : at.json;
    if (!name.is_null() && name != "float32" && name != "float64")
        at.fail(fmt::format("layers here compute in float32 or float64, got {}", name.dump()));
}

Json layer(const Place& at);

Json list_of_layers(const Place& at) {
    if (!at.json.is_array()) at.expected("an array of layers");
    Json out = Json::array();
    for (std::size_t i = 0; i < at.json.size(); ++i) out.push_back(layer(at.element(i)));
    return out;
}

Json input_layer(const Place& at, const Json& config) {
    Json shape = value_of(config, "batch_shape");
    if (!shape.is_array() || shape.empty()) at.fail("batch_shape: expected an array of sizes");
    Json out{{"batch_size", shape[0]}};
    if (config.contains("name")) out["name"] = config["name"];
    shape.erase(0);
    out["shape"] = std::move(shape);
    for (const char* const flag : {"sparse", "ragged", "optional"})
        if (value_of(config, flag) == true) at.fail(fmt::format("{}: inputs here are not so", flag));
    return out;
}

/// An argument of Keras's that is not here, and what it must be. Null: not given.
struct Fixed {
    std::string_view class_name, key;
    const char* value;
};
constexpr std::array fixed{Fixed{"", "activity_regularizer", nullptr},
                           Fixed{"", "quantization_config", nullptr},
                           Fixed{"Flatten", "data_format", "\"channels_last\""},
                           Fixed{"LayerNormalization", "rms_scaling", "false"}};

/// Whether it is about low-rank adaptation, which the weights of a file have in them already.
bool is_merged(const std::string& class_name, const std::string& key, const Place& at) {
    const bool adapts = class_name == "Dense" || class_name == "Embedding";
    if (!adapts || (key != "lora_rank" && key != "lora_alpha")) return false;
    if (!at.json.is_number() && !at.json.is_null()) at.expected("a number or null");
    return true;
}

/// Whether it is one of those; fails where it says something else.
bool is_fixed(const std::string& class_name, const std::string& key, const Place& at) {
    const auto found = std::ranges::find_if(fixed, [&](const Fixed& f) {
        return f.key == key && (f.class_name.empty() || f.class_name == class_name);
    });
    if (found == fixed.end()) return false;
    const Json expected = found->value == nullptr ? Json() : Json::parse(found->value);
    if (!at.json.is_null() && at.json != expected)
        at.fail(fmt::format("is not known here, but as {}", expected.dump()));
    return true;
}

Json layer(const Place& at) {
    const std::string class_name = class_of(at);
    const Place config = at.inside("config", value_of(at.json, "config"));
    if (class_name == "InputLayer")
        return {{"class_name", class_name}, {"config", input_layer(config, config.json)}};
    Json out = Json::object();
    for (const auto& [key, value] : config.json.items()) {
        const Place place = config.inside(key, value);
        if (key == "trainable" || key == "build_input_shape" || is_fixed(class_name, key, place) ||
            is_merged(class_name, key, place))
            continue;
        if (key == "dtype") {
            check_dtype(place);
        } else if (key == "layers" || key == "cells") {
            out[key] = list_of_layers(place);
        } else if (key == "layer" || key == "backward_layer" || key == "cell") {
            out[key] = layer(place);
        } else if (key.ends_with("_initializer") || key.ends_with("_regularizer") ||
                   key.ends_with("_constraint")) {
            out[key] = rule(place);
        } else if (key == "seed") {
            out[key] = seed_of(place);
        } else if (key == "axis" && value.is_array() && value.size() == 1) {
            out[key] = value[0];
        } else if (key.ends_with("activation") && value.is_object()) {
            place.fail("an activation of the user's own");
        } else {
            out[key] = value;
        }
    }
    return {{"class_name", class_name}, {"config", std::move(out)}};
}

/// The shape that a model was built with; none where the configuration does not say.
std::optional<PartialShape> build_shape(const Json& config) {
    const Json& sizes = value_of(value_of(config, "config"), "build_input_shape");
    if (!sizes.is_array()) return std::nullopt;
    PartialShape shape;
    for (const Json& size : sizes) {
        const bool is_size = size.is_number_unsigned() && size.get<std::uint64_t>() <= INT32_MAX;
        if (!is_size && !size.is_null()) return std::nullopt;
        shape.push_back(is_size ? size.get<std::ptrdiff_t>() : unknown);
    }
    return shape;
}

template <class T>
void freeze(Module<T>& module) {
    for (auto& [name, variable] : module.parameters()) variable.set_requires_grad(false);
}

}  // namespace

template <class T>
Sequential<T> build_keras_model(const Json& config, std::size_t weights, const LoadLimits& limits) {
    const std::string architecture = layer({config, ""}).dump();
    const MemoryLimit memory(building_memory(weights));
    try {
        Sequential<T> model = model_from_json<T>(architecture, limits);
        if (model.built()) return model;
        const auto shape = build_shape(config);
        if (!shape) throw FormatError("the model was saved before it was built, and has no weights");
        model.build(*shape);
        return model;
    } catch (const FormatError&) {
        throw;
    } catch (const Error& e) {
        throw FormatError(e.what());
    } catch (const std::bad_alloc&) {
        throw FormatError(too_large_for(weights));
    }
}

template <class T>
void freeze_as_in_keras(const Json& config, Module<T>& module) {
    const Json& arguments = value_of(config, "config");
    if (value_of(arguments, "trainable") == false) freeze(module);
    const std::vector<NamedModule<T>> inside = module.children();
    // Children stand in the order of the configuration's lists, a Bidirectional's layers in that of Keras's
    // names.
    std::vector<const Json*> given;
    for (const char* const list : {"layers", "cells"})
        for (const Json& one : value_of(arguments, list)) given.push_back(&one);
    for (const char* const one : {"layer", "backward_layer", "cell"})
        if (value_of(arguments, one).is_object()) given.push_back(&value_of(arguments, one));
    for (std::size_t i = 0; i < std::min(given.size(), inside.size()); ++i)
        freeze_as_in_keras(*given[i], *inside[i].module);
}

template Sequential<float> build_keras_model(const Json&, std::size_t, const LoadLimits&);
template Sequential<double> build_keras_model(const Json&, std::size_t, const LoadLimits&);
template void freeze_as_in_keras(const Json&, Module<float>&);
template void freeze_as_in_keras(const Json&, Module<double>&);

}  // namespace seqgrad::detail
