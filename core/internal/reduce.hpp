#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>

#include "seqgrad/core/internal/broadcast.hpp"
#include "seqgrad/core/tensor.hpp"

// Reductions along any axes of dense row-major tensors. Everything is combined pairwise, so that rounding
// errors grow with the logarithm of the number of elements whichever axes are reduced.

namespace seqgrad::detail {

// What elements are combined to: of none of them, of two, and of a run in memory.

template <class T>
struct SumOf {
    static constexpr T of_none = T{0};
    static T both(T a, T b) { return a + b; }
    static T of_run(const T* x, std::size_t n) {
        constexpr std::size_t short_run = 16;
        if (n > short_run) return pairwise_sum(x, n);
        T total{};
        for (std::size_t i = 0; i < n; ++i) total += x[i];
        return total;
    }
};

/// The largest or the smallest element; NaN where there is one.
template <class T, bool largest>
struct ExtremeOf {
    static constexpr T of_none = (largest ? -1 : 1) * std::numeric_limits<T>::infinity();
    static T both(T a, T b) { return (largest ? b > a : b < a) || b != b ? b : a; }
    static T of_run(const T* x, std::size_t n) {
        // As many as g++ still leaves in a loop; unrolled they would not be vectorised.
        constexpr std::size_t lanes = 32;
        T result = of_none;
        std::size_t i = 0;
        if (n >= lanes) {
            std::array<T, lanes> partial;
            std::copy_n(x, lanes, partial.begin());
            for (i = lanes; i + lanes <= n; i += lanes) {
                for (std::size_t j = 0; j < lanes; ++j) partial[j] = both(partial[j], x[i + j]);
            }
            for (const T v : partial) result = both(result, v);
        }
        for (; i < n; ++i) result = both(result, x[i]);
        return result;
    }
};
template <class T>
using MaxOf = ExtremeOf<T, true>;
template <class T>
using MinOf = ExtremeOf<T, false>;

/// A walk over a tensor that combines what lies along the reduced axes. `Of` says how.
template <class Of, class T>
class ReduceLoop {
  public:
    /// `to` broadcasts to `from`; the axes that stretches are the reduced ones.
    ReduceLoop(const Shape& from, const Shape& to) : results_(element_count(to)) {
        empty_ = results_ != 0 && element_count(from) == 0;
        if (empty_ || results_ == 0) return;
        for (std::size_t axis = 0; axis < from.size(); ++axis) {
            const std::size_t n = from[axis];
            if (n == 1) continue;
            const bool reduced = axis + to.size() < from.size() || to[axis + to.size() - from.size()] == 1;
            if (!levels_.empty() && levels_.back().reduced == reduced) {
                levels_.back().n *= n;
            } else {
                levels_.push_back({.n = n, .reduced = reduced});
            }
        }
        std::size_t step = 1;
        std::size_t results = 1;
        for (std::size_t k = levels_.size(); k-- > 0;) {
            levels_[k].step = step;
            levels_[k].inner_results = results;
            step *= levels_[k].n;
            if (!levels_[k].reduced) results *= levels_[k].n;
        }
    }

    /// Writes one element of `out` for every element of the shape reduced to.
    void run(const T* x, T* out) const {
        if (empty_) {
            std::fill_n(out, results_, Of::of_none);
        } else if (results_ != 0) {
            run(0, x, out);
        }
    }

  private:
    /// Adjacent axes of one kind, merged; kinds alternate from level to level, outermost first.
    struct Level {
        std::size_t n;
        bool reduced;
        /// Elements from one index to the next, and results that the levels inside have.
        std::size_t step = 0, inner_results = 0;
    };

    static constexpr std::size_t column_tile = 512;
    static constexpr std::size_t narrow = 64;
    static constexpr std::size_t sequential_rows = 32;

    void run(std::size_t k, const T* x, T* out) const {
        if (k == levels_.size()) {
            *out = *x;
            return;
        }
        const Level& level = levels_[k];
        const std::size_t inside = levels_.size() - k - 1;
        if (level.reduced) {
            if (inside == 0) {
                *out = Of::of_run(x, level.n);
            } else if (inside == 1) {
                columns(x, level.n, level.step, out);
            } else {
                blocks(k, x, level.n, out);
            }
        } else if (inside == 0) {
            std::copy_n(x, level.n, out);
        } else if (inside == 1) {
            for (std::size_t i = 0; i < level.n; ++i) out[i] = Of::of_run(x + i * level.step, level.step);
        } else {
            for (std::size_t i = 0; i < level.n; ++i) {
                run(k + 1, x + i * level.step, out + i * level.inner_results);
            }
        }
    }

    static void combine(T* out, const T* other, std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) out[i] = Of::both(out[i], other[i]);
    }

    /// Over the rows of a matrix [n, m].
    static void columns(const T* x, std::size_t n, std::size_t m, T* out) {
        const std::size_t group = narrow / m;
        if (group >= 2 && n >= 2 * group) {
            // Several narrow rows are taken as one, so that inner loops are long enough to be vectorised.
            std::array<T, narrow> wide;
            tile(x, n / group, group * m, group * m, wide.data());
            std::copy_n(wide.data(), m, out);
            for (std::size_t i = 1; i < group; ++i) combine(out, wide.data() + i * m, m);
            for (std::size_t row = n / group * group; row < n; ++row) combine(out, x + row * m, m);
            return;
        }
        for (std::size_t j = 0; j < m; j += column_tile) {
            tile(x + j, n, m, std::min(column_tile, m - j), out + j);
        }
    }

    /// Over n rows of `width` columns that stand `step` elements apart.
    static void tile(const T* x, std::size_t n, std::size_t step, std::size_t width, T* out) {
        if (n > sequential_rows) {
            std::array<T, column_tile> other;
            tile(x, n / 2, step, width, out);
            tile(x + n / 2 * step, n - n / 2, step, width, other.data());
            combine(out, other.data(), width);
            return;
        }
        std::copy_n(x, width, out);
        for (std::size_t row = 1; row < n; ++row) combine(out, x + row * step, width);
    }

    /// Over n blocks, each of which is itself reduced by the levels inside.
    void blocks(std::size_t k, const T* x, std::size_t n, T* out) const {
        if (n == 1) {
            run(k + 1, x, out);
            return;
        }
        blocks(k, x, n / 2, out);
        Tensor<T> other(Shape{levels_[k].inner_results});
        blocks(k, x + n / 2 * levels_[k].step, n - n / 2, other.data());
        combine(out, other.data(), other.size());
    }

    xt::svector<Level, 4> levels_;
    std::size_t results_;
    bool empty_;
};

/// x reduced to a shape that broadcasts to x's.
template <template <class> class Of, class T>
Tensor<T> reduce_to(const Tensor<T>& x, const Shape& shape) {
    Tensor<T> out(shape);
    ReduceLoop<Of<T>, T>(x.shape(), shape).run(x.data(), out.data());
    return out;
}

}  // namespace seqgrad::detail
