#pragma once

#include <cstddef>
#include <span>
#include <vector>

// The matrices and biases of cells, as other libraries keep them: a row of the matrix for each column here,
// and the gates in an order of their own. `order` says for each of their G gates which of ours it is.

namespace seqgrad::detail {

/// Their matrix [G U, rows] from ours [rows, G U].
template <class T>
std::vector<T> gates_as_rows(std::span<const T> matrix, std::size_t rows,
                             std::span<const std::size_t> order) {
    const std::size_t columns = rows == 0 ? 0 : matrix.size() / rows;
    const std::size_t units = columns / order.size();
    std::vector<T> out;
    out.reserve(matrix.size());
    for (const std::size_t gate : order) {
        for (std::size_t u = 0; u < units; ++u)
            for (std::size_t r = 0; r < rows; ++r) out.push_back(matrix[r * columns + gate * units + u]);
    }
    return out;
}

/// Our matrix [rows, G U] from theirs [G U, rows].
template <class T>
std::vector<T> gates_as_columns(std::span<const T> matrix, std::size_t rows,
                                std::span<const std::size_t> order) {
    const std::size_t columns = rows == 0 ? 0 : matrix.size() / rows;
    const std::size_t units = columns / order.size();
    std::vector<T> out(matrix.size());
    std::size_t from = 0;
    for (const std::size_t gate : order) {
        for (std::size_t u = 0; u < units; ++u)
            for (std::size_t r = 0; r < rows; ++r) out[r * columns + gate * units + u] = matrix[from++];
    }
    return out;
}

/// Their bias [G U] from ours: as a matrix of one row.
template <class T>
std::vector<T> gates_in_order(std::span<const T> bias, std::span<const std::size_t> order) {
    return gates_as_rows(bias, 1, order);
}

}  // namespace seqgrad::detail
