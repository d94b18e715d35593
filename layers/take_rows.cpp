#include "seqgrad/layers/take_rows.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/index.hpp"

namespace seqgrad {

template <class T>
Tensor<T> take_rows(const Tensor<T>& x, const Tensor<std::int64_t>& rows) {
    if (x.dimension() == 0) throw ShapeError("take_rows: a tensor of rank 0 has no rows");
    Shape shape(x.shape().begin(), x.shape().end());
    const std::size_t row_size = element_count(Shape(shape.begin() + 1, shape.end()));
    const auto B = static_cast<std::int64_t>(shape[0]);
    shape[0] = rows.size();
    Tensor<T> taken(shape);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::int64_t row = rows.data()[i];
        if (row < 0 || row >= B) throw ValueError(fmt::format("take_rows: no row {} among {}", row, B));
        std::copy_n(x.data() + static_cast<std::size_t>(row) * row_size, row_size,
                    taken.data() + i * row_size);
    }
    return taken;
}

template <class T>
Variable<T> take_rows(const Variable<T>& x, const Tensor<std::int64_t>& rows) {
    if (!x) return x;
    const Variable<T> taken = take(x, rows, 0);
    return x.mask() == nullptr ? taken : taken.with_mask(take_rows(*x.mask(), rows));
}

template Tensor<float> take_rows(const Tensor<float>&, const Tensor<std::int64_t>&);
template Tensor<double> take_rows(const Tensor<double>&, const Tensor<std::int64_t>&);
template Tensor<std::int64_t> take_rows(const Tensor<std::int64_t>&, const Tensor<std::int64_t>&);
template Tensor<bool> take_rows(const Tensor<bool>&, const Tensor<std::int64_t>&);
template Variable<float> take_rows(const Variable<float>&, const Tensor<std::int64_t>&);
template Variable<double> take_rows(const Variable<double>&, const Tensor<std::int64_t>&);

}  // namespace seqgrad
