#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace seqgrad::detail {

/// JSON that keeps the order of keys.
using Json = nlohmann::ordered_json;

/// Objects and arrays inside each other, at most: what reads the result may recurse.
inline constexpr std::size_t max_json_depth = 100;

/// Parses a text that must be one JSON value without repeated keys, numbers too large for double and deeper
/// nesting. Throws FormatError with the path of the place: "/config/units: ...".
Json parse_strictly(std::string_view text);

}  // namespace seqgrad::detail
