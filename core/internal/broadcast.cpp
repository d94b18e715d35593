#include "seqgrad/core/internal/broadcast.hpp"

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/reduce.hpp"

namespace seqgrad::detail {

template <class T>
void add_to(Tensor<T>& a, const Tensor<T>& b) {
    T* to = a.data();
    const T* from = b.data();
    const std::size_t n = a.size();
    for (std::size_t i = 0; i < n; ++i) to[i] += from[i];
}

template <class T>
Tensor<T> sum_to_shape(const char* op, const Tensor<T>& t, const Shape& shape) {
    if (t.shape() == shape) return t;
    if (broadcast_shape(op, t.shape(), shape) != t.shape()) {
        throw ShapeError(fmt::format("{}: a gradient of shape {} does not fit an operand of shape {}", op,
                                     to_string(t.shape()), to_string(shape)));
    }
    return reduce_to<SumOf>(t, shape);
}

template void add_to(Tensor<float>&, const Tensor<float>&);
template void add_to(Tensor<double>&, const Tensor<double>&);
template Tensor<float> sum_to_shape(const char*, const Tensor<float>&, const Shape&);
template Tensor<double> sum_to_shape(const char*, const Tensor<double>&, const Shape&);

}  // namespace seqgrad::detail
