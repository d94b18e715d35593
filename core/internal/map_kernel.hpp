#pragma once

#include <cstddef>
#include <utility>

#include "seqgrad/core/kernels/elementwise.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

namespace seqgrad::detail {

/// A function over the elements by a kernel of kernels/elementwise.hpp, as a constant:
/// `map_kernel(kernels::exp<T>, x)`.
template <class T>
Variable<T> map_kernel(void (*kernel)(std::size_t, const T*, T*), const Tensor<T>& x) {
    ValueRef<T> y(new Value<T>(x.shape()));
    kernel(x.size(), x.data(), y->tensor.data());
    return Variable<T>(std::move(y), {});
}

}  // namespace seqgrad::detail
