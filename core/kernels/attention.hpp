#pragma once

#include <cstddef>

namespace seqgrad::kernels {

/// What one query does with the rows of one sample's memory, for one instruction set. `rows` is [n, d], dense
/// and row-major; nothing needs alignment or overlaps.
template <class T>
struct AttentionRows {
    /// out[i] = sum over j of rows[i][j] v[j]
    void (*dots)(std::size_t n, std::size_t d, const T* rows, const T* v, T* out);
    /// out[j] = sum over i of w[i] rows[i][j]
    void (*weighted_sum)(std::size_t n, std::size_t d, const T* rows, const T* w, T* out);
    /// scores[i] = sum over j of v[j] tanh(query[j] + rows[i][j])
    void (*additive_scores)(std::size_t n, std::size_t d, const T* rows, const T* query, const T* v,
                            T* scores);
    /// The way back of additive_scores: adds to d_rows and d_v, writes d_query.
    void (*additive_scores_backward)(std::size_t n, std::size_t d, const T* rows, const T* query, const T* v,
                                     const T* d_scores, T* d_rows, T* d_query, T* d_v);
};

}  // namespace seqgrad::kernels
