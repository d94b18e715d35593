#pragma once

#include <cstddef>

#include "seqgrad/core/kernels/elementwise.hpp"
#include "seqgrad/core/tensor.hpp"

namespace seqgrad::detail {

/// A function over the elements by a kernel of kernels/elementwise.hpp: `map_kernel(kernels::exp<T>, x)`.
template <class T>
Tensor<T> map_kernel(void (*kernel)(std::size_t, const T*, T*), const Tensor<T>& x) {
    Tensor<T> y(x.shape());
    kernel(x.size(), x.data(), y.data());
    return y;
}

}  // namespace seqgrad::detail
