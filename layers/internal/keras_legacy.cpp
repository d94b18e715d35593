#include "seqgrad/layers/internal/keras_legacy.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/input_file.hpp"
#include "seqgrad/layers/internal/hdf5_texts.hpp"
#include "seqgrad/layers/sequential.hpp"

namespace seqgrad::detail {
namespace {

constexpr const char* model_group = "model_weights";
constexpr const char* own_weights = "top_level_model_weights";

/// A list of names, which Keras cuts into "layer_names0", "layer_names1" and so on if it is long.
std::optional<std::vector<std::string>> names_of(Hdf5Texts& texts, std::uint64_t header,
                                                 const std::string& name) {
    if (auto whole = texts.find(header, name)) return whole;
    std::optional<std::vector<std::string>> all;
    for (std::size_t i = 0;; ++i) {
        auto part = texts.find(header, name + std::to_string(i));
        if (!part) return all;
        if (!all) all.emplace();
        all->insert(all->end(), part->begin(), part->end());
    }
}

LegacyLayer layer_of(Hdf5Texts& texts, const Hdf5File& file, const std::string& name,
                     const std::string& path) {
    const auto header = file.headers.find(path);
    if (header == file.headers.end()) throw FormatError(fmt::format("{}: there is no such group", path));
    const auto names = names_of(texts, header->second, "weight_names");
    if (!names) throw FormatError(fmt::format("{}: \"weight_names\" is missing", path));
    LegacyLayer layer{name, {}};
    for (const std::string& weight : *names) {
        layer.weights.push_back(path + "/" + weight);
        if (file.tensors.find(layer.weights.back()) == nullptr)
            throw FormatError(fmt::format("{}: \"{}\" of its \"weight_names\" is no dataset", path, weight));
    }
    return layer;
}

/// A layer here, with its parameters in the order in which Keras stores them.
template <class T>
struct Layer {
    struct Parameter {
        std::string name;
        bool is_trained;
        std::size_t position;  // in the layer's own order
    };
    std::string description;
    std::vector<Parameter> parameters;
};

template <class T>
bool holds(const std::vector<NamedParameter<T>>& parameters, const NamedParameter<T>& p) {
    return std::ranges::any_of(parameters,
                               [&](const auto& other) { return other.variable.same_as(p.variable); });
}

/// The module's layers with weights, and at last its own parameters; or the module as the only layer.
template <class T>
std::vector<Layer<T>> layers_of(const Module<T>& module, bool is_one) {
    std::vector<NamedParameter<T>> left = module.parameters();
    std::vector<Layer<T>> layers;
    const auto take = [&](const std::string& description, const auto& takes) {
        Layer<T> layer{description, {}};
        for (const NamedParameter<T>& p : left)
            if (takes(p))
                layer.parameters.push_back({p.name, p.variable.requires_grad(), layer.parameters.size()});
        std::erase_if(left, takes);
        std::stable_partition(layer.parameters.begin(), layer.parameters.end(),
                              [](const auto& p) { return p.is_trained; });
        if (!layer.parameters.empty()) layers.push_back(std::move(layer));
    };
    if (!is_one) {
        for (const NamedModule<T>& child : module.children()) {
            const auto inside = child.module->parameters();
            take(child.module->description(), [&](const NamedParameter<T>& p) { return holds(inside, p); });
        }
    }
    take(module.description(), [](const NamedParameter<T>&) { return true; });
    return layers;
}

/// The last part of a name, "kernel" of "lstm/lstm_cell/kernel:0" and of "lstm.kernel".
std::string_view last_part(std::string_view name) {
    name = name.substr(0, name.find(':', name.find_last_of("/.") + 1));
    return name.substr(name.find_last_of("/.") + 1);
}

/// Whether a weight's name in the file says that it is another one than the parameter.
bool is_named_differently(std::string_view weight, std::string_view parameter) {
    constexpr std::array<std::string_view, 6> known{"kernel", "recurrent_kernel", "bias", "gamma",
                                                    "beta",   "embeddings"};
    const auto is_known = [&](std::string_view name) {
        return std::ranges::find(known, name) != known.end();
    };
    const std::string_view there = last_part(weight), here = last_part(parameter);
    return is_known(there) && is_known(here) && there != here;
}

/// The name that Keras gave the layer a weight belongs to, "dense_2" of "model/dense_2/kernel:0", as "dense"
/// and 2.
std::pair<std::string, std::size_t> numbered_owner(std::string_view weight) {
    const std::string_view path = weight.substr(0, std::min(weight.find_last_of('/'), weight.size()));
    std::string owner(path.substr(path.find_last_of('/') + 1));
    const std::size_t digits = owner.find_last_not_of("0123456789") + 1;
    constexpr std::size_t most_digits = 9;
    if (digits == 0 || owner[digits - 1] != '_' || digits == owner.size() ||
        owner.size() - digits > most_digits)
        return {std::move(owner), 0};
    const std::size_t number = std::stoul(owner.substr(digits));
    return {owner.substr(0, digits - 1), number};
}

/// Whether Keras's numbers of the layers inside contradict the order in which they stand here: other layers
/// were frozen in the file.
template <class T>
bool is_ordered_differently(const LegacyLayer& there, const Layer<T>& here) {
    std::map<std::string, std::map<std::size_t, std::size_t>> positions;  // by base and number
    for (std::size_t i = 0; i < there.weights.size(); ++i) {
        const auto [base, number] = numbered_owner(there.weights[i]);
        positions[base].try_emplace(number, here.parameters[i].position);
    }
    return std::ranges::any_of(positions, [](const auto& one_base) {
        const auto& by_number = one_base.second;
        return !std::ranges::is_sorted(by_number, {}, [](const auto& entry) { return entry.second; });
    });
}

/// What keeps a layer of the file from being one here; "" if nothing does.
template <class T>
std::string difference(const LegacyLayer& there, const Layer<T>& here) {
    if (there.weights.size() != here.parameters.size()) {
        return fmt::format("\"{}\" has {} weights in the file, and {} here {}", there.name,
                           there.weights.size(), here.description, here.parameters.size());
    }
    for (std::size_t i = 0; i < there.weights.size(); ++i) {
        if (is_named_differently(there.weights[i], here.parameters[i].name)) {
            return fmt::format("weight {} of \"{}\" is \"{}\" in the file, and \"{}\" of {} here", i,
                               there.name, there.weights[i], here.parameters[i].name, here.description);
        }
    }
    if (is_ordered_differently(there, here)) {
        return fmt::format(
            "the layers inside \"{}\" stand in another order in the file than in {}, as where others are "
            "frozen: freeze here what was frozen there, or save \".weights.h5\" in Keras 3",
            there.name, here.description);
    }
    return "";
}

}  // namespace

std::optional<LegacyLayers> legacy_layers(const std::filesystem::path& path, const Hdf5File& file,
                                          const LoadLimits& limits) {
    // Groups of the later format, which has no lists.
    if (std::ranges::any_of(file.groups,
                            [](const std::string& g) { return g == "vars" || g.ends_with("/vars"); }))
        return std::nullopt;
    try {
        InputFile bytes(path);
        Hdf5Texts texts(bytes, limits);
        const bool is_model = file.headers.contains(model_group);
        const std::string prefix = is_model ? std::string(model_group) + "/" : "";
        const auto names = names_of(texts, file.headers.at(is_model ? model_group : ""), "layer_names");
        if (!names) return std::nullopt;
        LegacyLayers layers;
        for (const std::string& name : *names) {
            LegacyLayer layer = layer_of(texts, file, name, prefix + name);
            if (!layer.weights.empty()) layers.push_back(std::move(layer));
        }
        if (file.headers.contains(prefix + own_weights)) {
            LegacyLayer own = layer_of(texts, file, "", prefix + own_weights);
            if (!own.weights.empty()) layers.push_back(std::move(own));
        }
        return layers;
    } catch (const FormatError& error) {
        throw FormatError(fmt::format("{}: {}", path.string(), error.what()));
    }
}

template <class T>
StoredTensors named_as_in(const Module<T>& module, const LegacyLayers& layers, const StoredTensors& tensors,
                          LoadMode mode) {
    const bool is_one = layers.size() == 1 && dynamic_cast<const Sequential<T>*>(&module) == nullptr;
    const std::vector<Layer<T>> here = layers_of(module, is_one);
    std::vector<std::string> problems;
    if (layers.size() != here.size()) {
        std::vector<std::string> there_names, here_names;
        for (const LegacyLayer& layer : layers) there_names.push_back(layer.name);
        for (const Layer<T>& layer : here) here_names.push_back(layer.description);
        throw FormatError(
            fmt::format("does not fit {}, nothing was loaded:\n  the file has {} layers with weights ({}), "
                        "and there are {} here ({})",
                        module.description(), layers.size(), fmt::join(there_names, ", "), here.size(),
                        fmt::join(here_names, ", ")));
    }
    std::map<std::string, std::string> new_names;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        std::string problem = difference(layers[i], here[i]);
        if (!problem.empty()) {
            problems.push_back(std::move(problem));
            continue;
        }
        for (std::size_t w = 0; w < layers[i].weights.size(); ++w)
            new_names[layers[i].weights[w]] = here[i].parameters[w].name;
    }
    if (mode == LoadMode::exact && !problems.empty()) {
        throw FormatError(fmt::format("does not fit {}, nothing was loaded:\n  {}", module.description(),
                                      fmt::join(problems, "\n  ")));
    }
    StoredTensors renamed;
    for (const auto& [path, tensor] : tensors) {
        const auto found = new_names.find(path);
        renamed.add(found == new_names.end() ? path : found->second, tensor);
    }
    return renamed;
}

template StoredTensors named_as_in(const Module<float>&, const LegacyLayers&, const StoredTensors&, LoadMode);
template StoredTensors named_as_in(const Module<double>&, const LegacyLayers&, const StoredTensors&,
                                   LoadMode);

}  // namespace seqgrad::detail
