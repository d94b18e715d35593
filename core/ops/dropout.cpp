#include "seqgrad/core/ops/dropout.hpp"

#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/broadcast.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad {

using detail::accumulate_map;
using detail::map;

template <class T>
Variable<T> dropout(const Variable<T>& x, double rate, Generator& generator, const Shape& noise_shape) {
    if (!(rate >= 0 && rate < 1)) {
        throw ValueError(fmt::format("dropout: rate must lie in [0, 1), got {}", rate));
    }
    if (broadcast_shape("dropout", x.shape(), noise_shape) != x.shape()) {
        throw ShapeError(fmt::format("dropout: noise_shape {} does not broadcast to x's shape {}",
                                     to_string(noise_shape), to_string(x.shape())));
    }
    Tensor<bool> dropped = cast<bool>(generator.bernoulli<T>(noise_shape, rate));
    const T scale = static_cast<T>(1 / (1 - rate));
    const auto mask = [scale](T v, bool drop) {
        const T kept = v * scale;
        return drop ? T{0} : kept;
    };
    Tensor<T> value = map("dropout", mask, x.value(), dropped);
    return record("dropout", std::move(value), {x}, [dropped = std::move(dropped), mask](Backward<T>& pass) {
        accumulate_map(pass, 0, mask, pass.grad(), dropped);
    });
}

template <class T>
Variable<T> dropout(const Variable<T>& x, double rate, Generator& generator) {
    return dropout(x, rate, generator, x.shape());
}

template Variable<float> dropout(const Variable<float>&, double, Generator&, const Shape&);
template Variable<double> dropout(const Variable<double>&, double, Generator&, const Shape&);
template Variable<float> dropout(const Variable<float>&, double, Generator&);
template Variable<double> dropout(const Variable<double>&, double, Generator&);

}  // namespace seqgrad
