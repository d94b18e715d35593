#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <type_traits>
#include <vector>

#include <nlohmann/json.hpp>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/tensor.hpp"

namespace seqgrad::test {

/// JSON that keeps the order of a file's keys: weights are listed in the order in which a layer makes them.
using Json = nlohmann::ordered_json;

/// Path of a golden file, e.g. golden_path("initializers/HeNormal.json").
inline std::filesystem::path golden_path(const std::string& name) {
    return std::filesystem::path(SEQGRAD_TEST_GOLDEN_DIR) / name;
}

/// Reads a golden file. Throws IoError when it cannot be opened, FormatError when it is not JSON of format 1.
inline Json read_fixture(const std::filesystem::path& path) {
    std::ifstream file(path);
    if (!file) throw IoError("cannot open " + path.string());
    Json json = Json::parse(file, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) throw FormatError(path.string() + ": not a JSON object");
    if (json.value("format", 0) != 1) throw FormatError(path.string() + ": not of format 1");
    return json;
}

/// Whether `json` is an object {"shape": [...], "dtype": "...", "data": [...]}.
inline bool is_tensor(const Json& json) {
    return json.is_object() && json.contains("shape") && json.contains("dtype") && json.contains("data");
}

/// The shape of such an object.
inline Shape tensor_shape(const Json& json) {
    const auto sizes = json.at("shape").get<std::vector<std::size_t>>();
    return Shape(sizes.begin(), sizes.end());
}

/// The tensor in such an object, its elements converted to T. A float32 value is written with the digits of
/// the double it equals, so that reading it as double and rounding gives it back exactly. Throws FormatError
/// when an element is missing or not a number, or the shape holds another number of elements.
template <class T>
Tensor<T> to_tensor(const Json& json) {
    if (!is_tensor(json)) throw FormatError("not a tensor: " + json.dump().substr(0, 80));
    const Json& data = json.at("data");
    const Shape shape = tensor_shape(json);
    if (data.size() != element_count(shape)) {
        throw FormatError("shape " + to_string(shape) + " with " + std::to_string(data.size()) + " elements");
    }
    Tensor<T> out(shape);
    for (std::size_t i = 0; i < data.size(); ++i) {
        const Json& x = data[i];
        if (x.is_boolean()) {
            out.data()[i] = static_cast<T>(x.get<bool>());
        } else if (x.is_number()) {
            using Read = std::conditional_t<std::is_integral_v<T>, std::int64_t, double>;
            out.data()[i] = static_cast<T>(x.get<Read>());
        } else {
            throw FormatError("element " + std::to_string(i) + " is not a number: " + x.dump());
        }
    }
    return out;
}

}  // namespace seqgrad::test
