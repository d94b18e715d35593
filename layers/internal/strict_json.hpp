#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "seqgrad/layers/files/file_options.hpp"
#include "seqgrad/layers/files/stored_tensors.hpp"
#include "seqgrad/layers/internal/json_source.hpp"
#include "seqgrad/layers/internal/tensor_data.hpp"

namespace seqgrad::detail {

/// JSON that keeps the order of keys.
using Json = nlohmann::ordered_json;

/// A value in a text, and its path there (RFC 6901).
struct JsonPlace {
    const Json& json;
    std::string path;
    /// What the tensors in the text hold; null where it is read without tensors.
    std::vector<TensorData>* tensors = nullptr;

    /// A value that stands in it under a key.
    JsonPlace inside(std::string_view key, const Json& value) const;
    /// Its element number `index`, which must be there.
    JsonPlace element(std::size_t index) const;

    /// Throws FormatError.
    [[noreturn]] void fail(const std::string& what) const;
    /// Fails for a value that is not `what`.
    [[noreturn]] void expected(std::string_view what) const;
};

/// Parses a text that must be one JSON value without repeated keys, numbers too large for double, and more
/// than the limits allow; values outside of objects count as keys do. Throws FormatError with the path and
/// place: "/config/units: ... (line 3, column 17)".
Json parse_strictly(std::string_view text, const LoadLimits& limits = {});

/// A text with tensors.
struct ParsedJson {
    Json json;
    std::vector<TensorData> tensors;

    JsonPlace root() { return {json, "", &tensors}; }
};

/// Says where the elements of one of the file's tensors go, when its shape and type are known.
using Destinations = std::function<Destination(std::string_view name, DType dtype, const Shape& shape)>;

/// The same as parse_strictly for a file that holds tensors. An object under one of the keys "tensors",
/// "training" and "state" of the outermost object in which "data" stands after a "dtype" of "float32" or
/// "float64" is a tensor, and its data becomes a binary value without bytes, whose subtype is the position in
/// `tensors`. `destinations`, where there are any, are asked for those that "tensors" names; others are kept.
ParsedJson parse_tensors_strictly(JsonSource& source, const LoadLimits& limits,
                                  const Destinations& destinations = {});

/// The sizes of a tensor's axes.
Shape read_shape(const JsonPlace& at);

/// How files write a number that JSON has not: "nan", "-nan", "inf" or "-inf".
std::string_view non_finite_text(double value);
/// The number that is written so; none for any other text.
std::optional<double> parse_non_finite(std::string_view text);

/// An object whose keys are asked for one by one, and that has no others. It fails as JsonPlace does.
class JsonObjectReader {
  public:
    explicit JsonObjectReader(JsonPlace place);

    const JsonPlace& place() const { return place_; }

    /// The value of a key that may be missing. The key's text must outlive the reader.
    std::optional<JsonPlace> find(std::string_view key);
    /// The value of one that may not.
    JsonPlace get(std::string_view key);

    /// Fails where there is a key that nobody asked for.
    void finish() const;

  private:
    JsonPlace place_;
    std::vector<std::string_view> known_;
};

}  // namespace seqgrad::detail
