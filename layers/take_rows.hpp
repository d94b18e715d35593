#pragma once

#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

// Samples of a batch, of everything that is a batch: out[i] = x[rows[i]] along the first axis. A row may be
// taken several times. Beam search calls it on states (layers/search.hpp); a type of one's own joins in with
// a function of this name in its namespace.

namespace seqgrad {

/// Rows of a tensor [B, ...]: [N, ...] for rows [N]. Throws ShapeError for rank 0, ValueError for a row
/// outside [0, B).
template <class T>
Tensor<T> take_rows(const Tensor<T>& x, const Tensor<std::int64_t>& rows);

/// The same of a Variable and of its mask, where it has one; an empty handle gives an empty one.
template <class T>
Variable<T> take_rows(const Variable<T>& x, const Tensor<std::int64_t>& rows);

/// Rows of every part.
template <class Part>
std::vector<Part> take_rows(const std::vector<Part>& parts, const Tensor<std::int64_t>& rows);
template <class... Parts>
std::tuple<Parts...> take_rows(const std::tuple<Parts...>& parts, const Tensor<std::int64_t>& rows);
template <class First, class Second>
std::pair<First, Second> take_rows(const std::pair<First, Second>& parts, const Tensor<std::int64_t>& rows);

// Defined after all are declared, so that parts may be of any of these types.

template <class Part>
std::vector<Part> take_rows(const std::vector<Part>& parts, const Tensor<std::int64_t>& rows) {
    std::vector<Part> taken;
    taken.reserve(parts.size());
    for (const Part& part : parts) taken.push_back(take_rows(part, rows));
    return taken;
}

template <class... Parts>
std::tuple<Parts...> take_rows(const std::tuple<Parts...>& parts, const Tensor<std::int64_t>& rows) {
    return std::apply([&](const Parts&... part) { return std::tuple<Parts...>(take_rows(part, rows)...); },
                      parts);
}

template <class First, class Second>
std::pair<First, Second> take_rows(const std::pair<First, Second>& parts, const Tensor<std::int64_t>& rows) {
    return {take_rows(parts.first, rows), take_rows(parts.second, rows)};
}

}  // namespace seqgrad
