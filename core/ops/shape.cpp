#include "seqgrad/core/ops/shape.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/axes.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/internal/strided.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad {
namespace {

using detail::complete_shape;
using detail::named_axes;
using detail::Steps;

/// x's elements in another shape that holds as many.
template <class T>
Variable<T> reshaped(const char* op, const Variable<T>& x, const Shape& shape) {
    Tensor<T> value(detail::checked(op, shape));
    std::copy_n(x.value().data(), value.size(), value.data());
    return record(op, std::move(value), {x}, [](Backward<T>& pass) {
        if (!pass.wants(0)) return;
        Tensor<T> gradient = pass.take_grad();
        gradient.reshape(pass.input_shape(0));
        pass.accumulate(0, std::move(gradient));
    });
}

template <class T>
Variable<T> permuted(const char* op, const Variable<T>& x, const Shape& axes) {
    const Steps x_steps = detail::dense_steps(x.shape());
    Shape shape(axes.size(), std::size_t{0});
    Steps steps(axes.size(), std::ptrdiff_t{0});
    for (std::size_t k = 0; k < axes.size(); ++k) {
        shape[k] = x.shape()[axes[k]];
        steps[k] = x_steps[axes[k]];
    }
    Tensor<T> value(detail::checked(op, shape));
    detail::strided_copy(shape, value.data(), detail::dense_steps(shape), x.value().data(), steps);
    return record(op, std::move(value), {x}, [steps](Backward<T>& pass) {
        const Tensor<T>& grad = pass.grad();
        detail::accumulate_part(pass, 0, grad.shape(), 0, steps, grad.data(),
                                detail::dense_steps(grad.shape()));
    });
}

template <class T>
Variable<T> flipped(const Variable<T>& x, const xt::svector<bool, 8>& reversed) {
    const Shape& shape = x.shape();
    Tensor<T> value(shape);
    const Steps forwards = detail::dense_steps(shape);
    Steps steps = forwards;
    std::ptrdiff_t first = 0;
    for (std::size_t k = 0; k < shape.size(); ++k) {
        if (!reversed[k] || shape[k] == 0) continue;
        first += steps[k] * static_cast<std::ptrdiff_t>(shape[k] - 1);
        steps[k] = -steps[k];
    }
    if (value.size() > 0) {
        detail::strided_copy(shape, value.data(), forwards, x.value().data() + first, steps);
    }
    return record("flip", std::move(value), {x}, [steps, first](Backward<T>& pass) {
        const Tensor<T>& grad = pass.grad();
        detail::accumulate_part(pass, 0, grad.shape(), first, steps, grad.data(),
                                detail::dense_steps(grad.shape()));
    });
}

}  // namespace

template <class T>
Variable<T> reshape(const Variable<T>& x, const IntList& shape) {
    return reshaped("reshape", x, complete_shape(x.shape(), shape));
}

template <class T>
Variable<T> flatten(const Variable<T>& x, std::ptrdiff_t start_axis) {
    const Shape& from = x.shape();
    const std::size_t start = normalize_axis("flatten", start_axis, std::max<std::size_t>(x.rank(), 1));
    const auto kept = from.begin() + static_cast<std::ptrdiff_t>(start);
    Shape shape(from.begin(), kept);
    shape.push_back(element_count(Shape(kept, from.end())));
    return reshaped("flatten", x, shape);
}

template <class T>
Variable<T> expand_dims(const Variable<T>& x, const IntList& axes) {
    const auto inserted = named_axes("expand_dims", axes, x.rank() + axes.size());
    Shape shape(inserted.size(), std::size_t{1});
    auto size = x.shape().begin();
    for (std::size_t k = 0; k < shape.size(); ++k) {
        if (!inserted[k]) shape[k] = *size++;
    }
    return reshaped("expand_dims", x, shape);
}

template <class T>
Variable<T> squeeze(const Variable<T>& x, const IntList& axes) {
    const auto removed = named_axes("squeeze", axes, x.rank());
    Shape shape;
    for (std::size_t k = 0; k < x.rank(); ++k) {
        if (!removed[k]) {
            shape.push_back(x.shape()[k]);
        } else if (x.shape()[k] != 1) {
            throw ShapeError(fmt::format("squeeze: axis {} of {} has size {}, not 1", k, to_string(x.shape()),
                                         x.shape()[k]));
        }
    }
    return reshaped("squeeze", x, shape);
}

template <class T>
Variable<T> squeeze(const Variable<T>& x) {
    Shape shape;
    std::ranges::copy_if(x.shape(), std::back_inserter(shape), [](std::size_t n) { return n != 1; });
    return reshaped("squeeze", x, shape);
}

template <class T>
Variable<T> transpose(const Variable<T>& x) {
    return permuted("transpose", x, detail::reversed_axes(x.rank()));
}

template <class T>
Variable<T> transpose(const Variable<T>& x, const IntList& axes) {
    return permuted("transpose", x, detail::permutation(x.shape(), axes));
}

template <class T>
Variable<T> swapaxes(const Variable<T>& x, std::ptrdiff_t axis1, std::ptrdiff_t axis2) {
    Shape axes(x.rank(), std::size_t{0});
    for (std::size_t k = 0; k < axes.size(); ++k) axes[k] = k;
    std::swap(axes[normalize_axis("swapaxes", axis1, x.rank())],
              axes[normalize_axis("swapaxes", axis2, x.rank())]);
    return permuted("swapaxes", x, axes);
}

template <class T>
Variable<T> broadcast_to(const Variable<T>& x, const Shape& shape) {
    if (x.rank() > shape.size() || broadcast_shape("broadcast_to", x.shape(), shape) != shape) {
        throw ShapeError(
            fmt::format("broadcast_to: {} does not broadcast to {}", to_string(x.shape()), to_string(shape)));
    }
    const Steps x_steps = detail::dense_steps(x.shape());
    Steps steps(shape.size(), std::ptrdiff_t{0});
    for (std::size_t i = 1; i <= x.rank(); ++i) {
        if (x.shape()[x.rank() - i] != 1) steps[shape.size() - i] = x_steps[x.rank() - i];
    }
    Tensor<T> value(shape);
    detail::strided_copy(shape, value.data(), detail::dense_steps(shape), x.value().data(), steps);
    return record("broadcast_to", std::move(value), {x}, [](Backward<T>& pass) { pass.pass_on(0); });
}

template <class T>
Variable<T> flip(const Variable<T>& x, const IntList& axes) {
    return flipped(x, named_axes("flip", axes, x.rank()));
}

template <class T>
Variable<T> flip(const Variable<T>& x) {
    return flipped(x, xt::svector<bool, 8>(x.rank(), true));
}

template Variable<float> reshape(const Variable<float>&, const IntList&);
template Variable<double> reshape(const Variable<double>&, const IntList&);
template Variable<float> flatten(const Variable<float>&, std::ptrdiff_t);
template Variable<double> flatten(const Variable<double>&, std::ptrdiff_t);
template Variable<float> expand_dims(const Variable<float>&, const IntList&);
template Variable<double> expand_dims(const Variable<double>&, const IntList&);
template Variable<float> squeeze(const Variable<float>&, const IntList&);
template Variable<double> squeeze(const Variable<double>&, const IntList&);
template Variable<float> squeeze(const Variable<float>&);
template Variable<double> squeeze(const Variable<double>&);
template Variable<float> transpose(const Variable<float>&);
template Variable<double> transpose(const Variable<double>&);
template Variable<float> transpose(const Variable<float>&, const IntList&);
template Variable<double> transpose(const Variable<double>&, const IntList&);
template Variable<float> swapaxes(const Variable<float>&, std::ptrdiff_t, std::ptrdiff_t);
template Variable<double> swapaxes(const Variable<double>&, std::ptrdiff_t, std::ptrdiff_t);
template Variable<float> broadcast_to(const Variable<float>&, const Shape&);
template Variable<double> broadcast_to(const Variable<double>&, const Shape&);
template Variable<float> flip(const Variable<float>&, const IntList&);
template Variable<double> flip(const Variable<double>&, const IntList&);
template Variable<float> flip(const Variable<float>&);
template Variable<double> flip(const Variable<double>&);

}  // namespace seqgrad
