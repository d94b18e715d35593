#pragma once

#include <string>
#include <type_traits>

#include "seqgrad/core/tensor.hpp"

// Tensors' elements in JSON: the same in all files.

namespace seqgrad::detail {

/// How files name the type of a tensor's elements.
template <class T>
inline constexpr const char* dtype_name = std::is_same_v<T, float> ? "float32" : "float64";

/// Adds the shortest decimal that is read back as exactly this number, which must be finite.
template <class T>
void append_number(std::string& out, T value);

/// Whether the shape's sizes multiply to `count`, however large they are.
bool holds(const Shape& shape, std::size_t count);

}  // namespace seqgrad::detail
