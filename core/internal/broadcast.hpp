#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "seqgrad/core/op.hpp"
#include "seqgrad/core/tensor.hpp"

// Elementwise loops over broadcast operands. Every tensor is dense and row-major, so that after adjacent axes
// are merged an operand's innermost step is 1, or 0 where it is stretched.

namespace seqgrad::detail {

/// Equality of shapes, for the paths that tiny operations take: without a call.
inline bool same_shape(const Shape& a, const Shape& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (a[i] != b[i]) return false;
    }
    return true;
}

/// How K operands are walked together over a common shape.
template <std::size_t K>
class BroadcastLoop {
  public:
    /// The shapes must broadcast to `shape`.
    BroadcastLoop(const Shape& shape, const std::array<const Shape*, K>& operands) {
        std::array<std::size_t, K> stride;
        stride.fill(1);
        for (std::size_t i = 1; i <= shape.size(); ++i) {
            const std::size_t n = shape[shape.size() - i];
            std::array<std::size_t, K> step{};
            for (std::size_t k = 0; k < K; ++k) {
                const Shape& s = *operands[k];
                const std::size_t nk = i <= s.size() ? s[s.size() - i] : 1;
                step[k] = nk == 1 ? 0 : stride[k];
                stride[k] *= nk;
            }
            if (n != 1) push(n, step);
        }
        if (sizes_.empty()) push(1, {});
    }

    /// Calls f(offsets, n, steps) for every innermost run: n elements, operand k from offsets[k] on with
    /// steps[k] (0 or 1).
    template <class F>
    void for_each_run(F&& f) const {
        for (const std::size_t n : sizes_) {
            if (n == 0) return;
        }
        Shape index(sizes_.size(), std::size_t{0});
        std::array<std::size_t, K> offset{};
        while (true) {
            f(offset, sizes_[0], steps_[0]);
            std::size_t axis = 1;
            for (; axis < sizes_.size(); ++axis) {
                for (std::size_t k = 0; k < K; ++k) offset[k] += steps_[axis][k];
                if (++index[axis] < sizes_[axis]) break;
                for (std::size_t k = 0; k < K; ++k) offset[k] -= steps_[axis][k] * sizes_[axis];
                index[axis] = 0;
            }
            if (axis >= sizes_.size()) return;
        }
    }

  private:
    void push(std::size_t n, const std::array<std::size_t, K>& step) {
        if (!sizes_.empty()) {
            bool merges = true;
            for (std::size_t k = 0; k < K; ++k)
                merges = merges && step[k] == steps_.back()[k] * sizes_.back();
            if (merges) {
                sizes_.back() *= n;
                return;
            }
        }
        sizes_.push_back(n);
        steps_.push_back(step);
    }

    Shape sizes_;  // innermost first
    xt::svector<std::array<std::size_t, K>, 4> steps_;
};

/// Elements handled at a time where an operand is stretched over the innermost axis: its one value is
/// repeated into a buffer of this length, so that there is a single vectorisable inner loop.
inline constexpr std::size_t broadcast_chunk = 256;

/// What an operand's elements are read as: g++ vectorises no loop that reads bool.
template <class T>
using ReadAs = std::conditional_t<std::is_same_v<T, bool>, unsigned char, T>;

template <class T>
const ReadAs<T>* read_elements(const Tensor<T>& t) {
    if constexpr (std::is_same_v<T, bool>) {
        return reinterpret_cast<const unsigned char*>(t.data());
    } else {
        return t.data();
    }
}

template <class T>
const T* repeat_into(std::array<T, broadcast_chunk>& buffer, const T* source, std::size_t step,
                     std::size_t n) {
    if (step == 1) return source;
    std::fill_n(buffer.begin(), std::min(n, broadcast_chunk), *source);
    return buffer.data();
}

/// out[i] = f(operands[i]...), or out[i] += where `add`, over `out_shape`, to which every operand broadcasts.
template <bool add, class R, class F, class... Ts>
void broadcast_apply(R* out, const Shape& out_shape, F&& f, const Tensor<Ts>&... operands) {
    const auto apply = [&](R* to, std::size_t n, const ReadAs<Ts>*... from) {
        for (std::size_t i = 0; i < n; ++i) {
            if constexpr (add) {
                to[i] += f(from[i]...);
            } else {
                to[i] = f(from[i]...);
            }
        }
    };
    if ((same_shape(operands.shape(), out_shape) && ...)) {
        apply(out, std::min({operands.size()...}), read_elements(operands)...);  // all the same
        return;
    }
    constexpr std::size_t K = sizeof...(Ts);
    const BroadcastLoop<K> loop(out_shape, {&operands.shape()...});
    std::tuple<std::array<ReadAs<Ts>, broadcast_chunk>...> buffers;
    R* to = out;
    loop.for_each_run(
        [&](const std::array<std::size_t, K>& offset, std::size_t n, const std::array<std::size_t, K>& step) {
            [&]<std::size_t... k>(std::index_sequence<k...>) {
                const std::tuple<const ReadAs<Ts>*...> from{
                    repeat_into(std::get<k>(buffers), read_elements(operands) + offset[k], step[k], n)...};
                for (std::size_t i = 0; i < n; i += broadcast_chunk) {
                    apply(to + i, std::min(broadcast_chunk, n - i),
                          (std::get<k>(from) + (step[k] == 1 ? i : 0))...);
                }
            }
            (std::index_sequence_for<Ts...>{});
            to += n;
        });
}

/// Calls use(shape) with the shape that the operands broadcast to.
template <class Use, class T, class... Ts>
auto with_common_shape([[maybe_unused]] const char* op, const Use& use, const Tensor<T>& first,
                       const Tensor<Ts>&... rest) {
    if ((same_shape(first.shape(), rest.shape()) && ...)) return use(first.shape());
    Shape shape = first.shape();
    ((shape = broadcast_shape(op, shape, rest.shape())), ...);
    return use(shape);
}

/// value, or 0 if a gradient g is exactly 0, also for a value that is infinite or NaN.
///
/// By bits instead of by a choice, which would keep g++ from vectorising the loop around it.
template <class T>
T unless_zero(T g, T value) {
    using Bits = std::conditional_t<sizeof(T) == sizeof(std::uint32_t), std::uint32_t, std::uint64_t>;
    const Bits kept = g == 0 ? Bits{0} : ~Bits{0};
    return std::bit_cast<T>(std::bit_cast<Bits>(value) & kept);
}

/// An elementwise backward function f(g, operands...) by whose result a gradient g of exactly 0 stays 0: what
/// was not chosen further on takes no part, although its derivative may be infinite or NaN.
template <class T, class F>
auto keeping_zeros(const F& f) {
    return [f](T g, auto... operands) { return unless_zero<T>(g, f(g, operands...)); };
}

/// Whether a row of gradients is all 0, so that nothing goes on from it.
template <class T>
bool all_zero(const T* g, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
        if (g[i] != 0) return false;
    }
    return true;
}

/// f over the elements of operands of one type, broadcast against each other: map("add", f, a, b).
/// Throws ShapeError naming `op`.
template <class F, class T, class... Ts>
Tensor<std::invoke_result_t<F, T, Ts...>> map(const char* op, F&& f, const Tensor<T>& first,
                                              const Tensor<Ts>&... rest) {
    return with_common_shape(
        op,
        [&](const Shape& shape) {
            Tensor<std::invoke_result_t<F, T, Ts...>> out(shape);
            broadcast_apply<false>(out.data(), shape, std::forward<F>(f), first, rest...);
            return out;
        },
        first, rest...);
}

/// The same as a constant for `record`, made in its place.
template <class F, class T, class... Ts>
Variable<T> map_constant(const char* op, F&& f, const Tensor<T>& first, const Tensor<Ts>&... rest) {
    return with_common_shape(
        op,
        [&](const Shape& shape) {
            ValueRef<T> value(new Value<T>(shape));
            broadcast_apply<false>(value->tensor.data(), shape, std::forward<F>(f), first, rest...);
            return Variable<T>(std::move(value), {});
        },
        first, rest...);
}

/// Adds f over the operands' elements to operand i's gradient, in place if that has the result's shape:
/// `accumulate_map(pass, 0, [](T g, T y) { return g * y; }, pass.grad(), b.value())`. An element whose `grad`
/// is exactly 0 adds 0, whatever f makes of it.
template <class T, class F, class... Ts>
void accumulate_map(Backward<T>& pass, std::size_t i, const F& f, const Tensor<T>& grad,
                    const Tensor<Ts>&... rest) {
    if (!pass.wants(i)) return;
    const auto g = keeping_zeros<T>(f);
    if (!same_shape(pass.input_shape(i), grad.shape())) {
        pass.accumulate(i, map("backward", g, grad, rest...));
        return;
    }
    const GradientBuffer<T> to = pass.buffer(i);
    if (to.first_write()) {
        broadcast_apply<false>(to.tensor.data(), grad.shape(), g, grad, rest...);
    } else {
        broadcast_apply<true>(to.tensor.data(), grad.shape(), g, grad, rest...);
    }
}

/// Sum of n numbers. Pairwise over blocks: the rounding error grows with log n, not n.
template <class T>
T pairwise_sum(const T* x, std::size_t n) {
    constexpr std::size_t block = 512;
    constexpr std::size_t lanes = 16;
    if (n > block) {
        const std::size_t half = n / 2 / block * block + (n / 2 < block ? block : 0);
        return pairwise_sum(x, half) + pairwise_sum(x + half, n - half);
    }
    std::array<T, lanes> partial{};
    std::size_t i = 0;
    for (; i + lanes <= n; i += lanes) {
        for (std::size_t j = 0; j < lanes; ++j) partial[j] += x[i + j];
    }
    T tail{};
    for (; i < n; ++i) tail += x[i];
    for (std::size_t width = lanes / 2; width > 0; width /= 2) {
        for (std::size_t j = 0; j < width; ++j) partial[j] += partial[j + width];
    }
    return partial[0] + tail;
}

/// a += b for tensors of one shape.
template <class T>
void add_to(Tensor<T>& a, const Tensor<T>& b);

/// Sums over the axes along which `shape` was stretched to t's shape: the adjoint of broadcasting.
/// Throws ShapeError naming `op` when `shape` does not broadcast to t's.
template <class T>
Tensor<T> sum_to_shape(const char* op, const Tensor<T>& t, const Shape& shape);

}  // namespace seqgrad::detail
