#include "seqgrad/core/ops/index.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/lookup.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad {
namespace {

using Indices = Tensor<std::int64_t>;

/// "[0, 3]": the position of element i in a tensor of this shape.
std::string position(const Shape& shape, std::size_t i) {
    Shape at(shape.size(), std::size_t{0});
    for (std::size_t k = shape.size(); k > 0; --k) {
        at[k - 1] = i % shape[k - 1];
        i /= shape[k - 1];
    }
    return to_string(at);
}

void check_indices(const char* op, const char* what, const Indices& indices, std::size_t size) {
    const auto bad = std::ranges::find_if(
        elements(indices), [size](std::int64_t i) { return i < 0 || static_cast<std::uint64_t>(i) >= size; });
    const auto i = static_cast<std::size_t>(bad - elements(indices).begin());
    if (i == indices.size()) return;
    throw ValueError(fmt::format("{}: {} {} at position {} lies outside [0, {})", op, what, *bad,
                                 position(indices.shape(), i), size));
}

/// A tensor around one of its axes: [before, size, run].
struct AroundAxis {
    AroundAxis(const Shape& shape, std::size_t axis)
        : before(element_count(Shape(shape.begin(), at(shape, axis)))),
          size(shape[axis]),
          run(element_count(Shape(at(shape, axis + 1), shape.end()))) {}

    static Shape::const_iterator at(const Shape& shape, std::size_t axis) {
        return shape.begin() + static_cast<std::ptrdiff_t>(axis);
    }

    std::size_t before, size, run;
};

/// Calls f(place in x, place in the taken tensor) for every run of `around.run` elements.
template <class F>
void for_each_run(const AroundAxis& around, const Indices& indices, F&& f) {
    std::size_t taken = 0;
    for (std::size_t b = 0; b < around.before; ++b) {
        for (const std::int64_t i : elements(indices)) {
            f((b * around.size + static_cast<std::size_t>(i)) * around.run, taken);
            taken += around.run;
        }
    }
}

template <class T>
void take_runs(const AroundAxis& around, const Indices& indices, const T* x, T* taken) {
    for_each_run(around, indices,
                 [&](std::size_t from, std::size_t to) { std::copy_n(x + from, around.run, taken + to); });
}

template <class T>
void add_runs(const AroundAxis& around, const Indices& indices, T* x, const T* taken) {
    for_each_run(around, indices, [&, n = around.run](std::size_t to, std::size_t from) {
        for (std::size_t i = 0; i < n; ++i) x[to + i] += taken[from + i];
    });
}

/// An operand's gradient to add to.
template <class T>
T* zeroed(const GradientBuffer<T>& buffer) {
    if (buffer.first_write()) buffer.tensor.fill(T{0});
    return buffer.tensor.data();
}

Shape taken_shape(const char* op, const Shape& x, const Indices& indices, std::size_t axis) {
    Shape shape(x.begin(), AroundAxis::at(x, axis));
    shape.insert(shape.end(), indices.shape().begin(), indices.shape().end());
    shape.insert(shape.end(), AroundAxis::at(x, axis + 1), x.end());
    return detail::checked(op, shape);
}

/// The value of take, once everything is checked.
template <class T>
Tensor<T> taken_value(const char* op, const Variable<T>& x, const Indices& indices, std::size_t axis) {
    Tensor<T> value(taken_shape(op, x.shape(), indices, axis));
    if (value.size() > 0) {
        take_runs(AroundAxis(x.shape(), axis), indices, x.value().data(), value.data());
    }
    return value;
}

template <class T>
void add_taken_gradient(Backward<T>& pass, const AroundAxis& around, const Indices& indices) {
    if (!pass.wants(0)) return;
    T* dx = zeroed(pass.buffer(0));
    if (pass.grad().size() > 0) add_runs(around, indices, dx, pass.grad().data());
}

/// The way back of embedding_lookup, which operations that can do better with table and ids ask for them.
template <class T>
class LookupBackward {
  public:
    LookupBackward(const Variable<T>& table, const Indices& ids)
        : around_(table.shape(), 0), lookup_{table, table.value_ref()->version, ids} {}
    void operator()(Backward<T>& pass) const { add_taken_gradient(pass, around_, lookup_.ids); }
    const detail::Lookup<T>& lookup() const { return lookup_; }

  private:
    AroundAxis around_;
    detail::Lookup<T> lookup_;
};

/// Calls f(place in x, place in the result) for every element of `indices`, which has x's shape but for the
/// axis.
template <class F>
void for_each_along(const AroundAxis& x, const AroundAxis& result, const Indices& indices, F&& f) {
    std::size_t i = 0;
    for (std::size_t b = 0; b < result.before; ++b) {
        for (std::size_t j = 0; j < result.size; ++j) {
            for (std::size_t r = 0; r < result.run; ++r, ++i) {
                f((b * x.size + static_cast<std::size_t>(indices.data()[i])) * x.run + r, i);
            }
        }
    }
}

}  // namespace

template <class T>
Variable<T> take(const Variable<T>& x, const Indices& indices, std::ptrdiff_t axis) {
    const std::size_t a = normalize_axis("take", axis, x.rank());
    check_indices("take", "index", indices, x.shape()[a]);
    return record("take", taken_value("take", x, indices, a), {x},
                  [around = AroundAxis(x.shape(), a), indices](Backward<T>& pass) {
                      add_taken_gradient(pass, around, indices);
                  });
}

template <class T>
Variable<T> embedding_lookup(const Variable<T>& table, const Indices& ids) {
    if (table.rank() != 2) {
        throw ShapeError(
            fmt::format("embedding_lookup: expected a table [V, D], got {}", to_string(table.shape())));
    }
    check_indices("embedding_lookup", "id", ids, table.shape()[0]);
    return record("embedding_lookup", taken_value("embedding_lookup", table, ids, 0), {table},
                  LookupBackward<T>(table, ids));
}

template <class T>
Variable<T> take_along_axis(const Variable<T>& x, const Indices& indices, std::ptrdiff_t axis) {
    const std::size_t a = normalize_axis("take_along_axis", axis, x.rank());
    Shape expected = x.shape();
    if (indices.dimension() == expected.size()) expected[a] = indices.shape()[a];
    if (indices.shape() != expected) {
        throw ShapeError(
            fmt::format("take_along_axis: x and the indices must agree in every axis but axis {}: {} and {}",
                        a, to_string(x.shape()), to_string(indices.shape())));
    }
    check_indices("take_along_axis", "index", indices, x.shape()[a]);
    const AroundAxis around(x.shape(), a);
    const AroundAxis result(expected, a);
    Tensor<T> value(detail::checked("take_along_axis", expected));
    for_each_along(
        around, result, indices,
        [to = value.data(), from = x.value().data()](std::size_t at, std::size_t i) { to[i] = from[at]; });
    return record("take_along_axis", std::move(value), {x}, [around, result, indices](Backward<T>& pass) {
        if (!pass.wants(0)) return;
        for_each_along(around, result, indices,
                       [to = zeroed(pass.buffer(0)), from = pass.grad().data()](
                           std::size_t at, std::size_t i) { to[at] += from[i]; });
    });
}

template <class T>
Variable<T> scatter_add(const Variable<T>& x, const Indices& indices, const Variable<T>& updates,
                        std::ptrdiff_t axis) {
    const std::size_t a = normalize_axis("scatter_add", axis, x.rank());
    const Shape expected = taken_shape("scatter_add", x.shape(), indices, a);
    if (updates.shape() != expected) {
        throw ShapeError(
            fmt::format("scatter_add: for x {}, indices {} and axis {} the updates must be {}, got {}",
                        to_string(x.shape()), to_string(indices.shape()), a, to_string(expected),
                        to_string(updates.shape())));
    }
    check_indices("scatter_add", "index", indices, x.shape()[a]);
    const AroundAxis around(x.shape(), a);
    Tensor<T> value = x.value();
    if (updates.size() > 0) add_runs(around, indices, value.data(), updates.value().data());
    return record("scatter_add", std::move(value), {x, updates}, [around, indices](Backward<T>& pass) {
        if (pass.wants(1)) {
            Tensor<T> gradient(pass.input_shape(1));
            if (gradient.size() > 0) take_runs(around, indices, pass.grad().data(), gradient.data());
            pass.accumulate(1, std::move(gradient));
        }
        pass.pass_on(0);
    });
}

template <class T>
Tensor<T> one_hot(const Indices& ids, std::size_t num_classes) {
    check_indices("one_hot", "id", ids, num_classes);
    Shape shape = ids.shape();
    shape.push_back(num_classes);
    Tensor<T> rows = zeros<T>(detail::checked("one_hot", shape));
    T* row = rows.data();
    for (const std::int64_t id : elements(ids)) {
        row[id] = T{1};
        row += num_classes;
    }
    return rows;
}

template Variable<float> take(const Variable<float>&, const Indices&, std::ptrdiff_t);
template Variable<double> take(const Variable<double>&, const Indices&, std::ptrdiff_t);
template Variable<float> embedding_lookup(const Variable<float>&, const Indices&);
template Variable<double> embedding_lookup(const Variable<double>&, const Indices&);
template Variable<float> take_along_axis(const Variable<float>&, const Indices&, std::ptrdiff_t);
template Variable<double> take_along_axis(const Variable<double>&, const Indices&, std::ptrdiff_t);
template Variable<float> scatter_add(const Variable<float>&, const Indices&, const Variable<float>&,
                                     std::ptrdiff_t);
template Variable<double> scatter_add(const Variable<double>&, const Indices&, const Variable<double>&,
                                      std::ptrdiff_t);
template Tensor<float> one_hot(const Indices&, std::size_t);
template Tensor<double> one_hot(const Indices&, std::size_t);

}  // namespace seqgrad
