#pragma once

#include <algorithm>
#include <cerrno>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "seqgrad/core/error.hpp"
#include "seqgrad/data/text.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/layers/weights.hpp"

// A program's trained model as one JSON file: what it takes to make the model again, and its weights.

namespace examples {

/// Replaces the file only once all was written. Throws IoError where that cannot be done.
template <class T>
void save_model(const seqgrad::Module<T>& model, const char* format, const nlohmann::ordered_json& settings,
                const std::string& path) {
    const std::string unfinished = path + ".part";
    std::ofstream file(unfinished);
    file << fmt::format("{{\n\"format\": \"{}\",\n\"version\": 1,\n\"settings\": {},\n\"weights\": {}}}\n",
                        format, settings.dump(), seqgrad::weights_to_json(model));
    file.close();
    std::error_code error;
    if (file) {
        std::filesystem::rename(unfinished, path, error);
    } else {
        error = {errno, std::generic_category()};
    }
    if (error) throw seqgrad::IoError(fmt::format("cannot write {}: {}", path, error.message()));
}

/// make(settings) with the file's weights. Throws IoError where the file cannot be read, FormatError where it
/// is not one that save_model wrote in this format.
template <class Make>
auto load_model(const std::string& path, const char* format, const Make& make) {
    const std::string text = seqgrad::read_text(path);
    const auto json = nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
    try {
        if (json.is_discarded()) throw seqgrad::FormatError("it is not JSON");
        if (json.at("format") != format || json.at("version") != 1)
            throw seqgrad::FormatError("it is of another format or version");
        auto model = make(json.at("settings"));
        seqgrad::weights_from_json(model, json.at("weights").dump(), path);
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
