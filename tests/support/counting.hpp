#pragma once

#include <numeric>

#include "seqgrad/core/tensor.hpp"

namespace support {

/// The numbers 1, 2, 3, ... in row-major order.
template <class T>
seqgrad::Tensor<T> counting(const seqgrad::Shape& shape) {
    seqgrad::Tensor<T> t(shape);
    std::iota(t.data(), t.data() + t.size(), T{1});
    return t;
}

}  // namespace support
