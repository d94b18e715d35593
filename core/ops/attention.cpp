#include "seqgrad/core/ops/attention.hpp"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/broadcast.hpp"
#include "seqgrad/core/internal/reduce.hpp"
#include "seqgrad/core/internal/rows.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/internal/unchosen.hpp"
#include "seqgrad/core/kernels/elementwise.hpp"
#include "seqgrad/core/kernels/gemm.hpp"
#include "seqgrad/core/op.hpp"
#include "seqgrad/core/ops/softmax.hpp"

namespace seqgrad {

using detail::columns_of;
using detail::for_row_groups;
using detail::rows_of;
using detail::without_unchosen;
using kernels::gemm;
using kernels::Transpose;

namespace {

/// Which row of a mask belongs to each row of scores.
class MaskRows {
  public:
    MaskRows(const Shape& scores, const Shape& mask) : scores_(scores), mask_(scores.size(), 1) {
        bool fits = !mask.empty() && mask.size() <= scores.size();
        if (fits) {
            std::copy(mask.begin(), mask.end() - 1, mask_.begin());
            mask_.back() = mask.back();
        }
        for (std::size_t i = 0; i < scores.size(); ++i)
            fits = fits && (mask_[i] == 1 || mask_[i] == scores[i]);
        if (!fits) {
            throw ShapeError(fmt::format("masked_softmax: a mask {} does not fit scores [..., S] = {}",
                                         to_string(mask), to_string(scores)));
        }
    }

    /// The distance between the mask's elements for two neighbours in a row of scores.
    std::size_t step() const { return mask_.back() == 1 ? 0 : 1; }

    /// Where the mask's row begins that belongs to this row of scores.
    std::size_t begin_of(std::size_t row) const {
        std::size_t offset = 0, stride = mask_.back();
        for (std::size_t axis = scores_.size() - 1; axis-- > 0; row /= scores_[axis]) {
            if (mask_[axis] == 1) continue;
            offset += row % scores_[axis] * stride;
            stride *= mask_[axis];
        }
        return offset;
    }

  private:
    Shape scores_, mask_;
};

/// to = x - the largest x that counts, and -inf where one does not.
template <class T>
void subtract_largest(std::size_t n, const T* x, const unsigned char* counts, std::size_t step, T* to) {
    T largest = detail::MaxOf<T>::of_none;
    for (std::size_t i = 0; i < n; ++i)
        if (counts[i * step]) largest = detail::MaxOf<T>::both(largest, x[i]);
    for (std::size_t i = 0; i < n; ++i)
        to[i] = counts[i * step] ? x[i] - largest : -std::numeric_limits<T>::infinity();
}

/// Throws ShapeError unless query is [B, T, features] and keys [B, S, features].
template <class T>
void check_operands(const char* op, const char* features, const Variable<T>& query, const Variable<T>& keys) {
    const Shape &q = query.shape(), &k = keys.shape();
    if (q.size() == 3 && k.size() == 3 && q[0] == k[0] && q[2] == k[2]) return;
    throw ShapeError(fmt::format("{}: expected query [B, T, {}] and keys [B, S, {}], got {} and {}", op,
                                 features, features, to_string(q), to_string(k)));
}

/// The sizes of additive_scores.
struct AdditiveSizes {
    std::size_t B, T, S, A;
};

/// Visits tanh(query + key) for every query and groups of keys: f(query, first key, keys, rows of A numbers).
template <class T, class F>
void for_each_tanh(const AdditiveSizes& n, const Tensor<T>& query, const Tensor<T>& keys, F&& f) {
    std::vector<T> rows;
    for (std::size_t row = 0; row < n.B * n.T; ++row) {
        const T* const q = query.data() + row * n.A;
        const T* const k = keys.data() + row / n.T * n.S * n.A;
        for_row_groups(n.S, n.A, [&](std::size_t first, std::size_t count) {
            rows.resize(count * n.A);
            for (std::size_t s = 0; s < count; ++s) {
                for (std::size_t a = 0; a < n.A; ++a) rows[s * n.A + a] = q[a] + k[(first + s) * n.A + a];
            }
            kernels::tanh(rows.size(), rows.data(), rows.data());
            f(row, first, count, rows.data());
        });
    }
}

}  // namespace

template <class T>
Variable<T> masked_softmax(const Variable<T>& scores, const Mask* mask) {
    if (mask == nullptr) return softmax(scores);
    const MaskRows mask_rows(scores.shape(), mask->shape());
    const std::size_t n = scores.shape().back();
    const std::size_t count = n == 0 ? 0 : scores.size() / n;
    Tensor<T> value(scores.shape());
    for_row_groups(count, n, [&](std::size_t first, std::size_t rows) {
        T* const group = value.data() + first * n;
        for (std::size_t r = 0; r < rows; ++r) {
            subtract_largest(n, scores.value().data() + (first + r) * n,
                             detail::read_elements(*mask) + mask_rows.begin_of(first + r), mask_rows.step(),
                             group + r * n);
        }
        kernels::exp(rows * n, group, group);
        for (std::size_t r = 0; r < rows; ++r) {
            const T total = detail::SumOf<T>::of_run(group + r * n, n);
            if (total == 0) continue;  // nothing counts
            for (std::size_t i = 0; i < n; ++i) group[r * n + i] /= total;
        }
    });
    const Variable<T> result = constant(std::move(value));
    return record("masked_softmax", result, {scores}, [y = save(result)](Backward<T>& pass) {
        const std::size_t n = y.shape().back();
        Tensor<T> gradient(y.shape());
        const T* p = y.value().data();
        const T* g = pass.grad().data();
        T* to = gradient.data();
        const std::size_t count = n == 0 ? 0 : gradient.size() / n;
        for (std::size_t r = 0; r < count; ++r, p += n, g += n, to += n) {
            // A weight of 0 tells what the mask left out. Its gradient may be anything: a NaN in that place
            // of the memory makes it NaN.
            if (detail::all_zero(g, n)) {
                std::fill_n(to, n, T{0});
                continue;
            }
            for (std::size_t i = 0; i < n; ++i) to[i] = p[i] == 0 ? T{0} : p[i] * g[i];
            const T mean = detail::SumOf<T>::of_run(to, n);
            for (std::size_t i = 0; i < n; ++i) to[i] = p[i] == 0 ? T{0} : p[i] * (g[i] - mean);
        }
        pass.accumulate(0, std::move(gradient));
    });
}

template <class T>
Variable<T> dot_scores(const Variable<T>& query, const Variable<T>& keys) {
    check_operands("dot_scores", "D", query, keys);
    const std::size_t B = query.shape()[0], N = query.shape()[1], S = keys.shape()[1], D = keys.shape()[2];
    Tensor<T> value(detail::checked("dot_scores", {B, N, S}));
    for (std::size_t b = 0; b < B; ++b) {
        gemm(Transpose::no, Transpose::yes, N, S, D, T{1}, query.value().data() + b * N * D, D,
             keys.value().data() + b * S * D, D, T{0}, value.data() + b * N * S, S);
    }
    return record("dot_scores", std::move(value), {query, keys},
                  [q = save(query), k = save(keys), B, N, S, D](Backward<T>& pass) {
                      std::vector<T> storage;
                      if (pass.wants(0)) {
                          const GradientBuffer<T> dq = pass.buffer(0);
                          const T beta = dq.beta();
                          for (std::size_t b = 0; b < B; ++b) {
                              const T* const g = pass.grad().data() + b * N * S;
                              gemm(Transpose::no, Transpose::no, N, D, S, T{1}, g, S,
                                   without_unchosen(k.value().data() + b * S * D, rows_of(S, D), g,
                                                    columns_of(N, S), storage),
                                   D, beta, dq.tensor.data() + b * N * D, D);
                          }
                      }
                      if (pass.wants(1)) {
                          const GradientBuffer<T> dk = pass.buffer(1);
                          const T beta = dk.beta();
                          for (std::size_t b = 0; b < B; ++b) {
                              const T* const g = pass.grad().data() + b * N * S;
                              gemm(Transpose::yes, Transpose::no, S, D, N, T{1}, g, S,
                                   without_unchosen(q.value().data() + b * N * D, rows_of(N, D), g,
                                                    rows_of(N, S), storage),
                                   D, beta, dk.tensor.data() + b * S * D, D);
                          }
                      }
                  });
}

template <class T>
Variable<T> additive_scores(const Variable<T>& query, const Variable<T>& keys, const Variable<T>& v) {
    check_operands("additive_scores", "A", query, keys);
    const AdditiveSizes n{query.shape()[0], query.shape()[1], keys.shape()[1], keys.shape()[2]};
    if (v.shape() != Shape{n.A}) {
        throw ShapeError(fmt::format("additive_scores: query {} and keys {} need v [A={}], got {}",
                                     to_string(query.shape()), to_string(keys.shape()), n.A,
                                     to_string(v.shape())));
    }
    Tensor<T> value(detail::checked("additive_scores", {n.B, n.T, n.S}));
    for_each_tanh(n, query.value(), keys.value(),
                  [&](std::size_t row, std::size_t first, std::size_t count, T* h) {
                      T* const y = value.data() + row * n.S + first;
                      for (std::size_t s = 0; s < count; ++s, h += n.A) {
                          for (std::size_t a = 0; a < n.A; ++a) h[a] *= v.value().data()[a];
                          y[s] = detail::SumOf<T>::of_run(h, n.A);
                      }
                  });
    return record("additive_scores", std::move(value), {query, keys, v},
                  [q = save(query), k = save(keys), v = save(v), n](Backward<T>& pass) {
                      Tensor<T> dq = zeros<T>(q.shape());
                      std::vector<T> dv_of_query(n.A), slope(n.A);
                      std::vector<double> dv(n.A);  // of all queries: many terms for float
                      T* dk = nullptr;
                      if (pass.wants(1)) {
                          const GradientBuffer<T> to = pass.buffer(1);
                          if (to.first_write()) to.tensor.fill(T{0});
                          dk = to.tensor.data();
                      }
                      for_each_tanh(n, q.value(), k.value(),
                                    [&](std::size_t row, std::size_t first, std::size_t count, const T* h) {
                                        const T* const g = pass.grad().data() + row * n.S + first;
                                        T* const dq_row = dq.data() + row * n.A;
                                        for (std::size_t s = 0; s < count; ++s, h += n.A) {
                                            if (g[s] == 0) continue;
                                            for (std::size_t a = 0; a < n.A; ++a) {
                                                dv_of_query[a] += g[s] * h[a];
                                                slope[a] = g[s] * v.value().data()[a] * (1 - h[a] * h[a]);
                                                dq_row[a] += slope[a];
                                            }
                                            if (dk == nullptr) continue;
                                            T* const to = dk + (row / n.T * n.S + first + s) * n.A;
                                            for (std::size_t a = 0; a < n.A; ++a) to[a] += slope[a];
                                        }
                                        if (first + count < n.S) return;
                                        for (std::size_t a = 0; a < n.A; ++a) {
                                            dv[a] += static_cast<double>(dv_of_query[a]);
                                            dv_of_query[a] = T{0};
                                        }
                                    });
                      pass.accumulate(0, std::move(dq));
                      Tensor<T> sum(Shape{n.A});
                      std::ranges::transform(dv, sum.data(), [](double x) { return static_cast<T>(x); });
                      pass.accumulate(2, std::move(sum));
                  });
}

template Variable<float> masked_softmax(const Variable<float>&, const Mask*);
template Variable<double> masked_softmax(const Variable<double>&, const Mask*);
template Variable<float> dot_scores(const Variable<float>&, const Variable<float>&);
template Variable<double> dot_scores(const Variable<double>&, const Variable<double>&);
template Variable<float> additive_scores(const Variable<float>&, const Variable<float>&,
                                         const Variable<float>&);
template Variable<double> additive_scores(const Variable<double>&, const Variable<double>&,
                                          const Variable<double>&);

}  // namespace seqgrad
