#pragma once

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "support/dual.hpp"

// Every operation's value once more, as plainly as it can be written: one function from an index of the
// result to its element. No gradient appears here; dual numbers bring it along. Shares nothing with the
// library.

namespace oracle {

using Index = std::vector<std::size_t>;

/// A row-major array.
struct Array {
    Index shape;
    std::vector<Dual> data;

    /// By index; axes of size 1 and missing axes stretch.
    Dual operator()(const Index& i) const;
    std::size_t rank() const { return shape.size(); }
};
using Arrays = std::vector<Array>;

std::size_t count(const Index& shape);
/// The array whose element at index i is f(i).
Array build(const Index& shape, const std::function<Dual(const Index&)>& f);
/// A constant in every place.
Array filled(const Index& shape, Dual value);
Index broadcast(const Index& a, const Index& b);
std::size_t axis_of(std::ptrdiff_t axis, std::size_t rank);

Array map(const Array& x, const std::function<Dual(Dual)>& f);
Array zip(const Array& a, const Array& b, const std::function<Dual(Dual, Dual)>& f);
Array where(const Array& condition, const Array& a, const Array& b);

// Lists to numbers and lists to lists, for reductions and for what goes along an axis.
using List = std::vector<Dual>;
Dual sum(const List& x);
Dual mean(const List& x);
Dual max(const List& x);
Dual min(const List& x);
Dual logsumexp(const List& x);
Dual variance(const List& x);
List softmax(const List& x);
List log_softmax(const List& x);

/// f of every list of elements along the given axes, all of them when there are none.
Array reduce(const Array& x, const std::vector<std::ptrdiff_t>& axes, bool keepdims,
             const std::function<Dual(const List&)>& f);
/// f of every list along one axis, put back along it.
Array along(const Array& x, std::ptrdiff_t axis, const std::function<List(const List&)>& f);

Array matmul(const Array& a, const Array& b);
Array vecdot(const Array& a, const Array& b, std::ptrdiff_t axis);
/// x [..., D] times kernel [D, U] plus bias [U].
Array linear(const Array& x, const Array& kernel, const Array& bias);

Array reshape(const Array& x, const Index& shape);
Array transpose(const Array& x, const std::vector<std::ptrdiff_t>& axes);
Array flip(const Array& x, const std::vector<std::ptrdiff_t>& axes);
Array broadcast_to(const Array& x, const Index& shape);
/// Elements start, start + step, ... of an axis, `length` of them.
Array every(const Array& x, std::ptrdiff_t axis, std::ptrdiff_t start, std::ptrdiff_t step,
            std::size_t length);
/// One index of an axis, which is removed.
Array select(const Array& x, std::ptrdiff_t axis, std::size_t index);
Array concatenate(const Arrays& parts, std::ptrdiff_t axis);
Array stack(const Arrays& parts, std::ptrdiff_t axis);
Array pad(const Array& x, const std::vector<std::pair<std::size_t, std::size_t>>& widths, Real value);
Array repeat(const Array& x, std::size_t repeats, std::ptrdiff_t axis);
Array tile(const Array& x, const Index& repeats);

/// Integers with a shape.
struct Integers {
    Index shape;
    std::vector<std::size_t> data;
};
Array take(const Array& x, const Integers& indices, std::ptrdiff_t axis);
Array take_along_axis(const Array& x, const Integers& indices, std::ptrdiff_t axis);
Array scatter_add(const Array& x, const Integers& indices, const Array& updates, std::ptrdiff_t axis);

/// (x - mean) / sqrt(variance + epsilon) over the axes, times gamma, plus beta.
Array layer_norm(const Array& x, const Array& gamma, const Array& beta,
                 const std::vector<std::ptrdiff_t>& axes, Real epsilon);

/// How the recurrent layers go through time.
struct Walk {
    /// [B, T]: which steps count; empty: all.
    std::vector<bool> mask = {};
    bool go_backwards = false;
    bool zero_output = false;
    /// The states become constants before every so many steps; 0: never.
    std::size_t detach_every = 0;
};

// Recurrent layers by Keras's equations, step by step: h of every step [B, T, U], final h, and lstm's final
// c. A null bias is absent, a null state zero.
Arrays simple_rnn(const Array& x, const Array& w, const Array& r, const Array* bias, const Array* h0,
                  const Walk& walk = {});
Arrays lstm(const Array& x, const Array& w, const Array& r, const Array* bias, const Array* h0,
            const Array* c0, const Walk& walk = {});
Arrays gru(const Array& x, const Array& w, const Array& r, const Array* bias, const Array* h0,
           const Walk& walk = {});
Arrays gru_reset_before(const Array& x, const Array& w, const Array& r, const Array* bias, const Array* h0,
                        const Walk& walk = {});

}  // namespace oracle
