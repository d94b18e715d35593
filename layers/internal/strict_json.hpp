#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "seqgrad/layers/files/load_limits.hpp"

namespace seqgrad::detail {

/// JSON that keeps the order of keys.
using Json = nlohmann::ordered_json;

/// Parses a text that must be one JSON value without repeated keys, numbers too large for double, and more
/// than the limits allow; values outside of objects count as keys do. Throws FormatError with the path of the
/// place: "/config/units: ...".
Json parse_strictly(std::string_view text, const LoadLimits& limits = {});

/// The same for a text that holds tensors: an array "data" that stands in an object after a "dtype" of
/// "float32" or "float64" becomes a binary value, the elements' bytes. Its numbers may be "nan", "-nan",
/// "inf" and "-inf" as well; "-nan" is a NaN whose sign bit is set.
Json parse_tensors_strictly(std::string_view text, const LoadLimits& limits = {});

/// How files write a number that JSON has not: "nan", "-nan", "inf" or "-inf".
std::string_view non_finite_text(double value);
/// The number that is written so; none for any other text.
std::optional<double> parse_non_finite(std::string_view text);

/// A value in a text, and its path there.
struct JsonPlace {
    const Json& json;
    std::string path;

    /// A value that stands in it under a key.
    JsonPlace inside(std::string_view key, const Json& value) const;
    /// Its element number `index`, which must be there.
    JsonPlace element(std::size_t index) const;

    /// Throws FormatError.
    [[noreturn]] void fail(const std::string& what) const;
    /// Fails for a value that is not `what`.
    [[noreturn]] void expected(std::string_view what) const;
};

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
