#include "seqgrad/core/ops/reduce.hpp"

#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/broadcast.hpp"
#include "seqgrad/core/internal/reduce.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/kernels/elementwise.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad {

using detail::map;
using detail::reduce_to;

namespace {

struct Shapes {
    /// The result's shape with size 1 for every reduced axis, and as it was asked for.
    Shape kept, result;
    /// Elements that make one of the result's.
    std::size_t count;
};

Shapes reduced_shapes(const char* op, const Shape& shape, const ReduceOptions& options) {
    const std::size_t rank = shape.size();
    xt::svector<bool, 4> reduced(rank, options.axis.all());
    if (!options.axis.all()) {
        for (const std::ptrdiff_t given : options.axis.list()) {
            const std::size_t axis = normalize_axis(op, given, rank);
            if (reduced[axis]) {
                throw ShapeError(fmt::format("{}: axis {} of shape {} is named twice in {}", op, axis,
                                             to_string(shape), to_string(options.axis.list())));
            }
            reduced[axis] = true;
        }
    }
    Shapes shapes{.kept = shape, .result = {}, .count = 1};
    for (std::size_t axis = 0; axis < rank; ++axis) {
        if (reduced[axis]) {
            shapes.kept[axis] = 1;
            shapes.count *= shape[axis];
        }
        if (options.keepdims || !reduced[axis]) shapes.result.push_back(shapes.kept[axis]);
    }
    detail::checked(op, shapes.kept);
    return shapes;
}

template <class T>
Tensor<T> with_shape(Tensor<T> t, const Shape& shape) {
    t.reshape(shape);
    return t;
}

/// Adds f over the elements of operands that broadcast to x's shape, a gradient and others, to x's gradient.
/// A gradient of exactly 0 adds 0.
template <class T, class F, class... Ts>
void accumulate_stretched(Backward<T>& pass, const F& f, const Tensor<T>& grad,
                          const Tensor<Ts>&... operands) {
    if (!pass.wants(0)) return;
    const auto g = detail::keeping_zeros<T>(f);
    const GradientBuffer<T> to = pass.buffer(0);
    if (to.first_write()) {
        detail::broadcast_apply<false>(to.tensor.data(), to.tensor.shape(), g, grad, operands...);
    } else {
        detail::broadcast_apply<true>(to.tensor.data(), to.tensor.shape(), g, grad, operands...);
    }
}

template <class T>
Tensor<T> mean_of(const Tensor<T>& x, const Shapes& shapes) {
    Tensor<T> result = reduce_to<detail::SumOf>(x, shapes.kept);
    for (T& v : elements(result)) v /= static_cast<T>(shapes.count);
    return result;
}

}  // namespace

template <class T>
Variable<T> sum(const Variable<T>& x, const ReduceOptions& options) {
    const Shapes shapes = reduced_shapes("sum", x.shape(), options);
    return record("sum", with_shape(reduce_to<detail::SumOf>(x.value(), shapes.kept), shapes.result), {x},
                  [kept = shapes.kept](Backward<T>& pass) {
                      accumulate_stretched(
                          pass, [](T g) { return g; }, with_shape(pass.take_grad(), kept));
                  });
}

template <class T>
Variable<T> mean(const Variable<T>& x, const ReduceOptions& options) {
    const Shapes shapes = reduced_shapes("mean", x.shape(), options);
    return record("mean", with_shape(mean_of(x.value(), shapes), shapes.result), {x},
                  [kept = shapes.kept, count = static_cast<T>(shapes.count)](Backward<T>& pass) {
                      accumulate_stretched(
                          pass, [count](T g) { return g / count; }, with_shape(pass.take_grad(), kept));
                  });
}

namespace {

template <template <class> class Of, class T>
Variable<T> extreme(const char* op, const Variable<T>& x, const ReduceOptions& options) {
    const Shapes shapes = reduced_shapes(op, x.shape(), options);
    if (shapes.count == 0 && element_count(shapes.kept) != 0) {
        std::size_t axis = 0;
        while (x.shape()[axis] != 0) ++axis;
        throw ValueError(fmt::format(
            "{}: axis {} of shape {} is empty, and there is no {} of no elements; reduce an axis that has "
            "elements",
            op, axis, to_string(x.shape()), op));
    }
    const Variable<T> result = constant(with_shape(reduce_to<Of>(x.value(), shapes.kept), shapes.result));
    return record(op, result, {x}, [x = save(x), y = save(result), kept = shapes.kept](Backward<T>& pass) {
        const Tensor<T> extremes = with_shape(y.value(), kept);
        Tensor<T> share = with_shape(pass.take_grad(), kept);
        const Tensor<T> ties = reduce_to<detail::SumOf>(
            map(
                "backward", [](T v, T e) { return v == e ? T{1} : T{0}; }, x.value(), extremes),
            kept);
        for (std::size_t i = 0; i < share.size(); ++i)
            share.data()[i] = detail::unless_zero(share.data()[i], share.data()[i] / ties.data()[i]);
        accumulate_stretched(
            pass, [](T g, T v, T e) { return v == e ? g : T{0}; }, share, x.value(), extremes);
    });
}

}  // namespace

template <class T>
Variable<T> max(const Variable<T>& x, const ReduceOptions& options) {
    return extreme<detail::MaxOf>("max", x, options);
}

template <class T>
Variable<T> min(const Variable<T>& x, const ReduceOptions& options) {
    return extreme<detail::MinOf>("min", x, options);
}

namespace {

/// e^(x - shift)
template <class T>
Tensor<T> shifted_exp(const Tensor<T>& x, const Tensor<T>& shift) {
    Tensor<T> e = map(
        "logsumexp", [](T v, T s) { return v - s; }, x, shift);
    kernels::exp(e.size(), e.data(), e.data());
    return e;
}

}  // namespace

template <class T>
Variable<T> logsumexp(const Variable<T>& x, const ReduceOptions& options) {
    const Shapes shapes = reduced_shapes("logsumexp", x.shape(), options);
    Tensor<T> shift = reduce_to<detail::MaxOf>(x.value(), shapes.kept);
    // An infinite maximum would make NaN of itself.
    for (T& v : elements(shift)) v = std::isfinite(v) ? v : T{0};
    Tensor<T> total = reduce_to<detail::SumOf>(shifted_exp(x.value(), shift), shapes.kept);
    Tensor<T> value(shapes.result);
    kernels::log(value.size(), total.data(), value.data());
    for (std::size_t i = 0; i < value.size(); ++i) value.data()[i] += shift.data()[i];
    // The two parts are saved, not the result: its rounding error, large where x is, would go into e^(x - y).
    return record("logsumexp", std::move(value), {x},
                  [x = save(x), shift = std::move(shift), total = std::move(total)](Backward<T>& pass) {
                      Tensor<T> share = with_shape(pass.take_grad(), total.shape());
                      for (std::size_t i = 0; i < share.size(); ++i) {
                          share.data()[i] =
                              total.data()[i] == 0
                                  ? T{0}
                                  : detail::unless_zero(share.data()[i], share.data()[i] / total.data()[i]);
                      }
                      accumulate_stretched(
                          pass, [](T g, T e) { return g * e; }, share, shifted_exp(x.value(), shift));
                  });
}

template <class T>
Variable<T> variance(const Variable<T>& x, const ReduceOptions& options) {
    const Shapes shapes = reduced_shapes("variance", x.shape(), options);
    Tensor<T> mean = mean_of(x.value(), shapes);
    // What rounding took from the mean is the mean of the deviations, which counts where x is far from zero.
    Tensor<T> deviations = map(
        "variance", [](T v, T m) { return v - m; }, x.value(), mean);
    Tensor<T> rest = mean_of(deviations, shapes);
    const Tensor<T> squares = map(
        "variance", [](T d, T r) { return (d - r) * (d - r); }, deviations, rest);
    return record("variance", with_shape(mean_of(squares, shapes), shapes.result), {x},
                  [x = save(x), mean = std::move(mean), rest = std::move(rest),
                   count = static_cast<T>(shapes.count)](Backward<T>& pass) {
                      accumulate_stretched(
                          pass, [count](T g, T v, T m, T r) { return 2 * g * (v - m - r) / count; },
                          with_shape(pass.take_grad(), mean.shape()), x.value(), mean, rest);
                  });
}

template Variable<float> sum(const Variable<float>&, const ReduceOptions&);
template Variable<double> sum(const Variable<double>&, const ReduceOptions&);
template Variable<float> mean(const Variable<float>&, const ReduceOptions&);
template Variable<double> mean(const Variable<double>&, const ReduceOptions&);
template Variable<float> max(const Variable<float>&, const ReduceOptions&);
template Variable<double> max(const Variable<double>&, const ReduceOptions&);
template Variable<float> min(const Variable<float>&, const ReduceOptions&);
template Variable<double> min(const Variable<double>&, const ReduceOptions&);
template Variable<float> logsumexp(const Variable<float>&, const ReduceOptions&);
template Variable<double> logsumexp(const Variable<double>&, const ReduceOptions&);
template Variable<float> variance(const Variable<float>&, const ReduceOptions&);
template Variable<double> variance(const Variable<double>&, const ReduceOptions&);

}  // namespace seqgrad
