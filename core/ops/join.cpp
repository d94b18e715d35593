#include "seqgrad/core/ops/join.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/broadcast.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/internal/strided.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad {
namespace {

using detail::Steps;

std::size_t count_before(const Shape& shape, std::size_t axis) {
    return element_count(Shape(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(axis)));
}

std::size_t count_from(const Shape& shape, std::size_t axis) {
    return element_count(Shape(shape.begin() + static_cast<std::ptrdiff_t>(axis), shape.end()));
}

/// Tensors side by side: row r of the result is row r of every part, one after the other. Part k's rows have
/// columns[k] elements.
template <class T>
Variable<T> joined(const char* op, std::span<const Variable<T>> parts, std::size_t rows,
                   std::vector<std::size_t> columns, const Shape& shape) {
    Tensor<T> value(detail::checked(op, shape));
    const std::size_t width = rows == 0 ? 0 : value.size() / rows;
    const auto steps_of = [](std::size_t row) { return Steps{static_cast<std::ptrdiff_t>(row), 1}; };
    std::size_t offset = 0;
    for (std::size_t k = 0; k < parts.size(); ++k) {
        detail::strided_copy({rows, columns[k]}, value.data() + offset, steps_of(width),
                             parts[k].value().data(), steps_of(columns[k]));
        if (rows > 0) offset += columns[k];
    }
    return record(op, std::move(value), parts,
                  [rows, width, columns = std::move(columns), steps_of](Backward<T>& pass) {
                      const T* grad = pass.grad().data();
                      std::size_t first = 0;
                      for (std::size_t k = 0; k < columns.size(); ++k) {
                          detail::accumulate_part(pass, k, {rows, columns[k]}, 0, steps_of(columns[k]),
                                                  grad + first, steps_of(width));
                          if (rows > 0) first += columns[k];
                      }
                  });
}

/// x stretched from `narrow` to `wide`, which are shapes of one rank, seen as `shape`.
template <class T>
Variable<T> stretched(const char* op, const Variable<T>& x, const Shape& narrow, const Shape& wide,
                      const Shape& shape) {
    detail::checked(op, shape);
    detail::checked(op, wide);
    Steps steps = detail::dense_steps(narrow);
    for (std::size_t k = 0; k < steps.size(); ++k) {
        if (narrow[k] == 1) steps[k] = 0;
    }
    Tensor<T> value(shape);
    detail::strided_copy(wide, value.data(), detail::dense_steps(wide), x.value().data(), steps);
    return record(op, std::move(value), {x}, [op, narrow, wide](Backward<T>& pass) {
        if (!pass.wants(0)) return;
        Tensor<T> grad = pass.take_grad();
        grad.reshape(wide);
        grad = detail::sum_to_shape(op, grad, narrow);
        grad.reshape(pass.input_shape(0));
        pass.accumulate(0, std::move(grad));
    });
}

}  // namespace

template <class T>
Variable<T> concatenate(std::span<const Variable<T>> parts, std::ptrdiff_t axis) {
    if (parts.empty()) throw ValueError("concatenate: no tensors to join");
    Shape shape = parts[0].shape();
    if (shape.empty())
        throw ShapeError("concatenate: a tensor of rank 0 has no axis to join along; stack makes one");
    const std::size_t a = normalize_axis("concatenate", axis, shape.size());
    shape[a] = 0;
    std::vector<std::size_t> columns;
    columns.reserve(parts.size());
    for (std::size_t k = 0; k < parts.size(); ++k) {
        Shape others = parts[k].shape();
        if (others.size() == shape.size()) others[a] = shape[a];
        if (others != shape) {
            throw ShapeError(
                fmt::format("concatenate: tensors 0 and {} must agree in every axis but axis {}: {} and {}",
                            k, a, to_string(parts[0].shape()), to_string(parts[k].shape())));
        }
        shape[a] = detail::added("concatenate", shape[a], parts[k].shape()[a]);
        columns.push_back(count_from(parts[k].shape(), a));
    }
    return joined("concatenate", parts, count_before(shape, a), std::move(columns), shape);
}

template <class T>
Variable<T> stack(std::span<const Variable<T>> parts, std::ptrdiff_t axis) {
    if (parts.empty()) throw ValueError("stack: no tensors to join");
    const Shape& part = parts[0].shape();
    const std::size_t a = normalize_axis("stack", axis, part.size() + 1);
    for (std::size_t k = 1; k < parts.size(); ++k) {
        if (parts[k].shape() != part) {
            throw ShapeError(fmt::format("stack: tensors 0 and {} must have one shape: {} and {}", k,
                                         to_string(part), to_string(parts[k].shape())));
        }
    }
    Shape shape(part.size() + 1, parts.size());
    for (std::size_t k = 0; k < part.size(); ++k) shape[k < a ? k : k + 1] = part[k];
    return joined("stack", parts, count_before(part, a),
                  std::vector<std::size_t>(parts.size(), count_from(part, a)), shape);
}

template <class T>
Variable<T> pad(const Variable<T>& x, std::span<const Padding> widths, std::type_identity_t<T> value) {
    if (widths.size() != x.rank()) {
        throw ShapeError(fmt::format("pad: {} widths for the {} axes of {}", widths.size(), x.rank(),
                                     to_string(x.shape())));
    }
    Shape shape = x.shape();
    for (std::size_t k = 0; k < shape.size(); ++k) {
        shape[k] = detail::added("pad", shape[k], detail::added("pad", widths[k].before, widths[k].after));
    }
    detail::checked("pad", shape);
    const Steps steps = detail::dense_steps(shape);
    std::ptrdiff_t first = 0;
    for (std::size_t k = 0; k < shape.size() && x.size() > 0; ++k) {
        first += static_cast<std::ptrdiff_t>(widths[k].before) * steps[k];
    }

    Tensor<T> padded = full<T>(shape, value);
    detail::strided_copy(x.shape(), padded.data() + first, steps, x.value().data(),
                         detail::dense_steps(x.shape()));
    return record("pad", std::move(padded), {x}, [steps, first](Backward<T>& pass) {
        if (!pass.wants(0)) return;
        const Shape& inner = pass.input_shape(0);
        detail::accumulate_part(pass, 0, inner, 0, detail::dense_steps(inner), pass.grad().data() + first,
                                steps);
    });
}

template <class T>
Variable<T> repeat(const Variable<T>& x, std::size_t repeats, std::ptrdiff_t axis) {
    const std::size_t a = normalize_axis("repeat", axis, x.rank());
    Shape shape = x.shape();
    shape[a] = detail::multiplied("repeat", shape[a], repeats);
    const std::size_t before = count_before(x.shape(), a + 1);
    const std::size_t after = count_from(x.shape(), a + 1);
    return stretched("repeat", x, {before, 1, after}, {before, repeats, after}, shape);
}

template <class T>
Variable<T> tile(const Variable<T>& x, const IntList& repeats) {
    const std::size_t rank = std::max(x.rank(), repeats.size());
    Shape narrow, wide, shape;
    for (std::size_t k = 0; k < rank; ++k) {
        const std::size_t size = k < rank - x.rank() ? 1 : x.shape()[k - (rank - x.rank())];
        const std::ptrdiff_t times = k < rank - repeats.size() ? 1 : repeats[k - (rank - repeats.size())];
        if (times < 0) throw ValueError(fmt::format("tile: {} repeats in {}", times, to_string(repeats)));
        narrow.push_back(1);
        narrow.push_back(size);
        wide.push_back(static_cast<std::size_t>(times));
        wide.push_back(size);
        shape.push_back(detail::multiplied("tile", static_cast<std::size_t>(times), size));
    }
    return stretched("tile", x, narrow, wide, shape);
}

template Variable<float> concatenate(std::span<const Variable<float>>, std::ptrdiff_t);
template Variable<double> concatenate(std::span<const Variable<double>>, std::ptrdiff_t);
template Variable<float> stack(std::span<const Variable<float>>, std::ptrdiff_t);
template Variable<double> stack(std::span<const Variable<double>>, std::ptrdiff_t);
template Variable<float> pad(const Variable<float>&, std::span<const Padding>, float);
template Variable<double> pad(const Variable<double>&, std::span<const Padding>, double);
template Variable<float> repeat(const Variable<float>&, std::size_t, std::ptrdiff_t);
template Variable<double> repeat(const Variable<double>&, std::size_t, std::ptrdiff_t);
template Variable<float> tile(const Variable<float>&, const IntList&);
template Variable<double> tile(const Variable<double>&, const IntList&);

}  // namespace seqgrad
