#pragma once

#include <algorithm>
#include <exception>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/files/json.hpp"
#include "seqgrad/layers/files/stored_tensors.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/layers/weights.hpp"

// A program's trained model as one JSON file: its weights, and what it takes to make it again.

namespace examples {

/// Throws IoError where the file cannot be written; an older one stays then.
template <class T>
void save_model(const seqgrad::Module<T>& model, const char* program, const nlohmann::ordered_json& settings,
                const std::string& path) {
    seqgrad::save_weights(model, path, {.metadata = {{"program", program}, {"settings", settings.dump()}}});
}

/// make(settings) with the file's weights. Throws IoError where the file cannot be read, FormatError where it
/// is not one that save_model wrote for this program.
template <class Make>
auto load_model(const std::string& path, const char* program, const Make& make) {
    const seqgrad::JsonFile file = seqgrad::read_json(path);
    try {
        if (file.metadata.at("program") != program) throw seqgrad::FormatError("it is of another program");
        auto model = make(nlohmann::ordered_json::parse(file.metadata.at("settings")));
        seqgrad::assign_weights(model, file.tensors, path);
        return model;
    } catch (const std::exception& e) {
        throw seqgrad::FormatError(fmt::format("{} is no model of this program: {}", path, e.what()));
    }
}

/// Throws FormatError unless the name is one of those that are known.
inline void check_known(const std::vector<std::string>& known, const std::string& name) {
    if (std::find(known.begin(), known.end(), name) == known.end())
        throw seqgrad::FormatError(fmt::format("unknown \"{}\"", name));
}

}  // namespace examples
