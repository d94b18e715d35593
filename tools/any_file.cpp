#include "any_file.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace seqgrad::tools {
namespace {

bool has_double(const StoredTensors& tensors) {
    return std::ranges::any_of(tensors,
                               [](const auto& entry) { return entry.tensor.dtype() == DType::float64; });
}

/// Whether the tensors of a file can only be told apart by a model.
bool is_foreign(Format format) {
    return format == Format::pytorch || format == Format::keras_weights || format == Format::onnx;
}

/// The model of a conversion, with the weights of its input.
template <class T>
Sequential<T> model_of(const Conversion& c, const Contents& in) {
    if (!c.model) return c.from == Format::keras ? load_keras_model<T>(c.in) : load_model<T>(c.in);
    Sequential<T> model = load_model<T>(*c.model);
    switch (c.from) {
        case Format::pytorch:
            from_pytorch(model, in.tensors, c.names, c.in.string());
            break;
        case Format::keras_weights:
        case Format::keras:
            load_keras_weights(model, c.in);
            break;
        default:
            assign_weights(model, in.tensors, c.in.string());
    }
    return model;
}

template <class T>
void convert_model(const Conversion& c, const Contents& in) {
    const Sequential<T> model = model_of<T>(c, in);
    switch (c.to) {
        case Format::json:
            return save_model(model, c.out, c.save);
        case Format::safetensors:
            return write_safetensors(stored_weights(model), c.out, c.save.metadata);
        case Format::pytorch:
            return save_pytorch(model, c.out, c.names);
        case Format::keras_weights:
            return save_keras_weights(model, c.out);
        case Format::onnx:
            return save_onnx(model, c.out, {.input_shapes = {model.input_shape()}});
        case Format::keras:
            break;
    }
    throw ValueError("a whole model of Keras can be read, not written; write keras-weights");
}

/// Calls f with a number of the type that a file's tensors have: f(float{}) or f(double{}).
template <class F>
auto with_type(const StoredTensors& tensors, const F& f) {
    return has_double(tensors) ? f(double{}) : f(float{});
}

/// The weights of a checkpoint of version 1 of the format, which `read_json` does not know from the other
/// tensors of its state.
template <class T>
StoredTensors weights_of_checkpoint(const std::filesystem::path& path) {
    StoredTensors tensors;
    for (const auto& [name, tensor] : load_checkpoint<T>(path).weights) {
        if (tensors.find(name) != nullptr) continue;  // that version let a name stand twice
        const std::span<const T> numbers = elements(tensor);
        tensors.add(name, StoredTensor(Shape(tensor.shape().begin(), tensor.shape().end()),
                                       std::vector<T>(numbers.begin(), numbers.end())));
    }
    return tensors;
}

StoredTensors weights_of_old_checkpoint(const std::filesystem::path& path) {
    std::string as_floats;
    try {
        return weights_of_checkpoint<float>(path);
    } catch (const FormatError& error) {
        as_floats = error.what();
    }
    try {
        return weights_of_checkpoint<double>(path);
    } catch (const FormatError&) {
        // What is wrong with one of floats is not that they are no doubles.
        if (as_floats.find("expected dtype") == std::string::npos) throw FormatError(as_floats);
        throw;
    }
}

}  // namespace

const std::map<std::string, Format>& formats() {
    static const std::map<std::string, Format> all{
        {"json", Format::json},       {"safetensors", Format::safetensors},
        {"pytorch", Format::pytorch}, {"keras-weights", Format::keras_weights},
        {"keras", Format::keras},     {"onnx", Format::onnx}};
    return all;
}

const std::string& name_of(Format format) {
    return std::ranges::find_if(formats(), [&](const auto& entry) { return entry.second == format; })->first;
}

Format format_of(const std::filesystem::path& path) {
    const std::string name = path.filename().string();
    for (const auto& [ending, format] : {std::pair{".weights.h5", Format::keras_weights},
                                         {".h5", Format::keras_weights},
                                         {".keras", Format::keras},
                                         {".safetensors", Format::safetensors},
                                         {".onnx", Format::onnx},
                                         {".json", Format::json}}) {
        if (name.ends_with(ending)) return format;
    }
    throw ValueError(
        fmt::format("{}: the name does not say the format; its end should be .json, .safetensors, "
                    ".h5, .keras or .onnx, or the format be given",
                    path.string()));
}

Contents read_any(const std::filesystem::path& path, Format format) {
    switch (format) {
        case Format::json: {
            JsonFile file = read_json(path);
            if (file.training && file.version == 1) file.tensors = weights_of_old_checkpoint(path);
            return {.format = format,
                    .tensors = std::move(file.tensors),
                    .metadata = std::move(file.metadata),
                    .extras = std::move(file.extras),
                    .model = std::move(file.model),
                    .version = file.version,
                    .checksum = std::move(file.checksum),
                    .training = file.training};
        }
        case Format::safetensors:
        case Format::pytorch:
            return {.format = format,
                    .tensors = read_safetensors(path),
                    .metadata = read_safetensors_metadata(path)};
        case Format::keras_weights:
        case Format::keras:
            return {.format = format, .tensors = read_keras_weights(path)};
        case Format::onnx:
            break;
    }
    throw ValueError(fmt::format("{}: files of {} can be written, not read", path.string(), name_of(format)));
}

void check_parts(const std::filesystem::path& path, const Contents& contents) {
    if (contents.format != Format::json) return;
    with_type(contents.tensors, [&]<class T>(T) {
        if (contents.training) load_checkpoint<T>(path);
        if (contents.model) load_model<T>(path);
    });
}

nlohmann::json training_state(const std::filesystem::path& path, const Contents& contents) {
    return with_type(contents.tensors, [&]<class T>(T) {
        TrainingState<T> state = load_checkpoint<T>(path);
        state.weights.clear();
        return nlohmann::json::parse(checkpoint_to_json(state, {.allow_non_finite = true}))["training"];
    });
}

std::vector<std::string> convert(const Conversion& c) {
    Contents in = read_any(c.in, c.from);
    const bool has_model = c.model || in.model || c.from == Format::keras;
    const bool needs_model = is_foreign(c.from) || is_foreign(c.to) || c.to == Format::keras;
    if (!has_model && needs_model) {
        throw ValueError(
            fmt::format("{} does not say what model its weights belong to, which {} takes: give a "
                        "file of the model (--model)",
                        c.in.string(), name_of(is_foreign(c.from) ? c.from : c.to)));
    }
    Conversion full = c;
    for (auto& [key, text] : in.metadata) full.save.metadata.try_emplace(key, std::move(text));
    for (auto& [name, text] : in.extras) full.save.extras.try_emplace(name, std::move(text));
    if (has_model) {
        const bool in_double =
            has_double(in.tensors) || (c.model && has_double(read_any(*c.model, Format::json).tensors));
        in_double ? convert_model<double>(full, in) : convert_model<float>(full, in);
    } else if (in.training && c.to == Format::json) {
        with_type(in.tensors,
                  [&]<class T>(T) { save_checkpoint(load_checkpoint<T>(c.in), c.out, full.save); });
    } else if (c.to == Format::json) {
        write_json(in.tensors, c.out, full.save);
    } else {
        write_safetensors(in.tensors, c.out, full.save.metadata);
        return {};
    }
    std::vector<std::string> left_out;
    for (const StoredTensors::Other& other : in.tensors.others()) left_out.push_back(other.name);
    return left_out;
}

}  // namespace seqgrad::tools
