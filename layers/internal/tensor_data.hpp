#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "seqgrad/layers/files/file_options.hpp"
#include "seqgrad/layers/files/stored_tensors.hpp"
#include "seqgrad/layers/internal/json_source.hpp"

// The elements of tensors in JSON, in both encodings.

namespace seqgrad::detail {

/// The elements of a tensor that is written.
using ElementsView = std::variant<std::span<const float>, std::span<const double>>;

inline ElementsView elements_of(const StoredTensor& tensor) {
    if (tensor.dtype() == DType::float32) return std::span(tensor.data<float>());
    return std::span(tensor.data<double>());
}

/// What becomes of the elements that are read: they are kept, or dropped, or go to where there is room for as
/// many, of their own type or a wider one.
struct Kept {};
struct Dropped {};
using Destination = std::variant<Kept, Dropped, std::span<float>, std::span<double>>;

/// The elements of a tensor as they were read.
struct TensorData {
    std::variant<std::vector<float>, std::vector<double>> elements;  // none unless they were kept
    std::uint64_t count = 0;
    std::uint64_t checksum = 0;  // of the elements' bytes, see checksum_of
    Encoding encoding = Encoding::decimal;
};

/// Thrown for data that cannot be read, by those who do not know where in the text it stands.
struct TensorDataError {
    std::optional<std::uint64_t> index;  // of the element
    std::string what;
};

/// Reads the value that comes next: an array of numbers, or a string of base64. Where the shape is known
/// already, `expected` elements must be there, and memory is taken for no more; only then may they go
/// elsewhere, to as many. Throws TensorDataError.
TensorData read_tensor_data(JsonSource& source, DType dtype, std::optional<std::uint64_t> expected,
                            const Destination& to = Kept());

/// The CRC-64/XZ of the elements' little-endian bytes.
std::uint64_t checksum_of(const ElementsView& elements);

/// Adds a number as it stands in an array of elements: those that are not finite are "inf", "-inf", "nan",
/// "-nan" and, for a NaN of other bits than these two, "nan:" and all its bits in hexadecimal digits.
template <class T>
void append_element(std::string& out, T value);

/// Adds base64. But for the last piece of a text, the bytes must be a multiple of 3.
void append_base64(std::string& out, std::span<const unsigned char> bytes);

}  // namespace seqgrad::detail
