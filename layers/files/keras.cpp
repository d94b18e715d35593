#include "seqgrad/layers/files/keras.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/atomic_file.hpp"
#include "seqgrad/core/internal/input_file.hpp"
#include "seqgrad/layers/input.hpp"
#include "seqgrad/layers/internal/assign.hpp"
#include "seqgrad/layers/internal/hdf5_file.hpp"
#include "seqgrad/layers/internal/json_file.hpp"
#include "seqgrad/layers/internal/keras_config.hpp"
#include "seqgrad/layers/internal/keras_legacy.hpp"
#include "seqgrad/layers/internal/shards.hpp"
#include "seqgrad/layers/internal/snake_case.hpp"
#include "seqgrad/layers/internal/strict_json.hpp"
#include "seqgrad/layers/internal/zip_archive.hpp"
#include "seqgrad/layers/multi_head_attention.hpp"

namespace seqgrad {
namespace {

constexpr const char* weights_file = "model.weights.h5";
constexpr std::string_view weights_ending = ".weights.h5";

bool is_archive(const std::filesystem::path& path) {
    return path.extension() == ".keras";
}

bool is_index_of_shards(const std::filesystem::path& path) {
    return path.string().ends_with(".weights.json");
}

/// Whether a file begins as those of HDF5 do.
bool is_hdf5(const std::filesystem::path& path) {
    constexpr std::string_view signature = "\x89HDF\r\n\x1A\n";
    std::array<char, signature.size()> begin{};
    detail::InputFile file(path);
    const std::size_t size = file.read(begin.data(), begin.size());
    return std::string_view(begin.data(), size) == signature;
}

/// What belongs to training and not to the model.
bool is_no_weight(std::string_view path) {
    return path == "optimizer" || path == "optimizer_weights" || path == "metrics" ||
           path == "_loss_tracker" || path == "_metrics" || path == "_compile_metrics" ||
           path.ends_with("seed_generator");
}

/// Where Keras keeps a parameter.
template <class T>
struct Place {
    std::string path;
    Variable<T> parameter;
};

/// The places of a module's parameters. Keras keeps those of a layer by their number, "vars/0", in a group
/// for the layer, and groups for the layers inside by the names of attributes, or in lists by the class and a
/// number among those of it.
template <class T>
class Places {
  public:
    /// `has_group` says whether there is a group in the file; without one no model is one of functions.
    using HasGroup = std::function<bool(const std::string& path)>;

    Places(const Module<T>& module, HasGroup has_group) : has_group_(std::move(has_group)) {
        visit(const_cast<Module<T>&>(module), "");
    }

    const std::vector<Place<T>>& all() const { return places_; }
    /// The groups for parameters, of modules without any too: Keras before 3.6 reads none without the
    /// model's own.
    const std::vector<std::string>& groups() const { return groups_; }

  private:
    void visit(Module<T>& module, const std::string& path) {
        if (std::ranges::find(done_, &module) != done_.end()) return;
        done_.push_back(&module);
        groups_.push_back(path + "vars");
        const std::vector<NamedModule<T>> children = module.children();
        std::vector<Variable<T>> of_children;
        for (const auto& child : children)
            for (const NamedParameter<T>& p : child.module->parameters()) of_children.push_back(p.variable);
        std::size_t number = 0;
        for (const NamedParameter<T>& p : module.parameters()) {
            const auto same = [&](const auto& other) { return other.same_as(p.variable); };
            if (std::ranges::none_of(of_children, same))
                places_.push_back({fmt::format("{}vars/{}", path, number++), p.variable});
        }
        const bool is_chain = dynamic_cast<const Sequential<T>*>(&module) != nullptr;
        const bool has_heads = dynamic_cast<const MultiHeadAttention<T>*>(&module) != nullptr;
        const bool is_list = is_chain || (!children.empty() && has_group_(path + "layers"));
        std::map<std::string, std::size_t> counts;
        const auto in_list = [&](const std::string& list, const Module<T>& child) {
            std::string name = list + "/" + detail::snake_case(child.type());
            const std::size_t count = counts[name]++;
            return count == 0 ? name : fmt::format("{}_{}", name, count);
        };
        for (const auto& [name, child] : children) {
            // Keras does not count a Sequential's among its layers.
            if (is_chain && dynamic_cast<const InputLayer<T>*>(child) != nullptr) continue;
            std::string group = name;
            if (is_list) {
                group = in_list("layers", *child);
            } else if (name.empty()) {
                group = "cell";
            } else if (const std::size_t dot = name.find('.'); dot != std::string::npos) {
                group = in_list(name.substr(0, dot), *child);
            } else if (has_heads) {
                group = (name == "attention_output" ? "output" : name) + "_dense";
            }
            visit(*child, path + group + "/");
        }
    }

    HasGroup has_group_;
    std::vector<const Module<T>*> done_;
    std::vector<Place<T>> places_;
    std::vector<std::string> groups_;
};

/// The tensors of a file under the names of the module's parameters; those that are no parameter's keep their
/// own.
template <class T>
StoredTensors renamed(const Module<T>& module, const StoredTensors& file) {
    const auto has_group = [&](const std::string& path) {
        return std::ranges::any_of(file,
                                   [&](const auto& entry) { return entry.name.starts_with(path + "/"); });
    };
    const std::vector<NamedParameter<T>> parameters = module.parameters();
    std::map<std::string, std::string> names;
    const Places<T> places(module, has_group);
    for (const Place<T>& place : places.all()) {
        const auto same = [&](const NamedParameter<T>& p) { return p.variable.same_as(place.parameter); };
        names[place.path] = std::ranges::find_if(parameters, same)->name;
    }
    StoredTensors out;
    for (const auto& [path, tensor] : file) {
        const auto found = names.find(path);
        out.add(found == names.end() ? path : found->second, tensor);
    }
    return out;
}

StoredTensors read_weights(const detail::ZipArchive& archive, const std::filesystem::path& path,
                           const LoadLimits& limits) {
    const std::optional<std::string> bytes = archive.read(weights_file);
    if (!bytes) throw FormatError(fmt::format("{}: holds no {}", path.string(), weights_file));
    return detail::read_hdf5(*bytes, fmt::format("{}: {}", path.string(), weights_file), limits, is_no_weight)
        .tensors;
}

/// The weights of all files of an index. Keras 3.10 names of a layer that two files share only the first, so
/// that what a file is named for says nothing about what is in it.
StoredTensors read_shards(const std::filesystem::path& path, LoadLimits limits) {
    const std::vector<detail::Shard> shards = [&] {
        detail::JsonSource source(path, {.limits = limits});
        try {
            detail::ParsedJson index = detail::parse_tensors_strictly(source, limits);
            return detail::shards_of(index.root(), weights_ending);
        } catch (const FormatError& e) {
            throw FormatError(fmt::format("{}: {}", path.string(), e.what()));
        }
    }();
    StoredTensors all;
    for (const detail::Shard& shard : shards) {
        const std::filesystem::path file = path.parent_path() / shard.file;
        const StoredTensors part = detail::read_hdf5(file, limits, is_no_weight).tensors;
        for (const auto& [place, tensor] : part) {
            if (all.find(place) != nullptr) {
                throw FormatError(
                    fmt::format("{}: {}: stands in another file of the index, too", file.string(), place));
            }
            const std::uint64_t bytes = std::uint64_t{tensor.size()} *
                                        (tensor.dtype() == DType::float64 ? sizeof(double) : sizeof(float));
            if (bytes > limits.max_bytes)
                throw FormatError(fmt::format("{}: {}: is larger than allowed", file.string(), place));
            limits.max_bytes -= bytes;
            all.add(place, tensor);
        }
    }
    return all;
}

/// A text in JSON of an archive.
detail::Json read_json(const detail::ZipArchive& archive, const char* name, const LoadLimits& limits) {
    const std::optional<std::string> text = archive.read(name);
    if (!text) throw FormatError("is not there");
    return detail::parse_strictly(*text, limits);
}

/// What f gives, with the file's name before the message of a FormatError.
template <class F>
auto naming(const std::filesystem::path& path, const char* file, F f) {
    try {
        return f();
    } catch (const FormatError& e) {
        throw FormatError(fmt::format("{}: {}: {}", path.string(), file, e.what()));
    }
}

}  // namespace

bool has_keras_files() noexcept {
    return detail::has_hdf5();
}

StoredTensors read_keras_weights(const std::filesystem::path& path, const LoadLimits& limits) {
    if (is_archive(path)) return read_weights(detail::ZipArchive(path, limits), path, limits);
    if (is_index_of_shards(path)) return read_shards(path, limits);
    return detail::read_hdf5(path, limits, is_no_weight).tensors;
}

template <class T>
LoadReport load_keras_weights(Module<T>& module, const std::filesystem::path& path, const LoadLimits& limits,
                              LoadMode mode) {
    detail::built_parameters("load_keras_weights", module);
    if (is_archive(path) || is_index_of_shards(path))
        return assign_weights(module, renamed<T>(module, read_keras_weights(path, limits)), path.string(),
                              mode);
    const detail::Hdf5File file = detail::read_hdf5(path, limits, is_no_weight);
    const auto legacy = detail::legacy_layers(path, file, limits);
    if (!legacy) return assign_weights(module, renamed<T>(module, file.tensors), path.string(), mode);
    const StoredTensors tensors = detail::with_source(
        path.string(), [&] { return detail::named_as_in(module, *legacy, file.tensors, mode); });
    return assign_weights(module, tensors, path.string(), mode);
}

template <class T>
void save_keras_weights(const Module<T>& module, const std::filesystem::path& path,
                        const KerasWeightsConfig& config) {
    if (!path.string().ends_with(weights_ending)) {
        throw ValueError(
            fmt::format("save_keras_weights: Keras reads files whose names end in \"{}\", got \"{}\"",
                        weights_ending, path.string()));
    }
    const StoredTensors weights = stored_weights(module);
    const std::vector<NamedParameter<T>> parameters = module.parameters();
    const Places<T> places(module,
                           [&](const std::string& group) { return config.functional && group == "layers"; });
    StoredTensors file;
    for (const Place<T>& place : places.all()) {
        const auto same = [&](const NamedParameter<T>& p) { return p.variable.same_as(place.parameter); };
        file.add(place.path, *weights.find(std::ranges::find_if(parameters, same)->name));
    }
    const std::string bytes = detail::write_hdf5(file, places.groups());
    detail::AtomicFile out(path);
    out.write(bytes);
    out.commit();
}

template <class T>
Sequential<T> load_keras_model(const std::filesystem::path& path, const LoadLimits& limits) {
    constexpr const char* config_file = "config.json";
    constexpr const char* metadata_file = "metadata.json";
    if (is_hdf5(path)) {
        throw FormatError(fmt::format(
            "{}: is a model in Keras's legacy format, of which the weights alone are read: build the model "
            "and call load_keras_weights, or save it in Keras as \"model.keras\"",
            path.string()));
    }
    const detail::ZipArchive archive(path, limits);
    naming(path, metadata_file, [&] {
        const detail::Json metadata = read_json(archive, metadata_file, limits);
        detail::JsonObjectReader object({metadata, ""});
        const detail::JsonPlace version = object.get("keras_version");
        if (!version.json.is_string() || !version.json.get<std::string>().starts_with("3."))
            version.expected("a version 3 of Keras");
    });
    const detail::Json config =
        naming(path, config_file, [&] { return read_json(archive, config_file, limits); });
    const StoredTensors weights = read_weights(archive, path, limits);
    std::size_t bytes = 0;
    for (const auto& entry : weights) bytes += entry.tensor.size() * sizeof(T);
    Sequential<T> model =
        naming(path, config_file, [&] { return detail::build_keras_model<T>(config, bytes, limits); });
    const std::string source = fmt::format("{}: {}", path.string(), weights_file);
    assign_weights<T>(model, renamed<T>(model, weights), source);
    detail::freeze_as_in_keras<T>(config, model);
    return model;
}

template LoadReport load_keras_weights(Module<float>&, const std::filesystem::path&, const LoadLimits&,
                                       LoadMode);
template LoadReport load_keras_weights(Module<double>&, const std::filesystem::path&, const LoadLimits&,
                                       LoadMode);
template void save_keras_weights(const Module<float>&, const std::filesystem::path&,
                                 const KerasWeightsConfig&);
template void save_keras_weights(const Module<double>&, const std::filesystem::path&,
                                 const KerasWeightsConfig&);
template Sequential<float> load_keras_model(const std::filesystem::path&, const LoadLimits&);
template Sequential<double> load_keras_model(const std::filesystem::path&, const LoadLimits&);

}  // namespace seqgrad
