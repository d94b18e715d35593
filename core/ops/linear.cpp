#include "seqgrad/core/ops/linear.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/broadcast.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/internal/unchosen.hpp"
#include "seqgrad/core/kernels/gemm.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad {
namespace {

using detail::columns_of;
using detail::rows_of;
using detail::without_unchosen;
using kernels::gemm;
using kernels::Transpose;

template <class T>
void check_shapes(const Variable<T>& x, const Variable<T>& kernel, const Variable<T>& bias) {
    if (x.rank() == 0 || kernel.rank() != 2 || x.shape().back() != kernel.shape()[0]) {
        throw ShapeError(fmt::format("linear: expected x [..., D] and kernel [D, U], got {} and {}",
                                     to_string(x.shape()), to_string(kernel.shape())));
    }
    if (bias && bias.shape() != Shape{kernel.shape()[1]}) {
        throw ShapeError(
            fmt::format("linear: expected bias [U={}], got {}", kernel.shape()[1], to_string(bias.shape())));
    }
}

}  // namespace

template <class T>
Variable<T> linear(const Variable<T>& x, const Variable<T>& kernel, const Variable<T>& bias) {
    check_shapes(x, kernel, bias);
    const std::size_t D = kernel.shape()[0];
    const std::size_t U = kernel.shape()[1];
    Shape shape = x.shape();
    shape.back() = U;
    Tensor<T> y(detail::checked("linear", shape));
    const std::size_t rows = element_count(Shape(shape.begin(), shape.end() - 1));
    if (bias) {
        for (std::size_t r = 0; r < rows; ++r) std::ranges::copy(elements(bias.value()), y.data() + r * U);
    }
    gemm(Transpose::no, Transpose::no, rows, U, D, T{1}, x.value().data(), D, kernel.value().data(), U,
         bias ? T{1} : T{0}, y.data(), U);

    std::vector<Variable<T>> operands{x, kernel};
    if (bias) operands.push_back(bias);
    return record(
        "linear", std::move(y), std::span<const Variable<T>>(operands),
        [x = save(x), kernel = save(kernel), rows, D, U,
         biased = static_cast<bool>(bias)](Backward<T>& pass) {
            const T* dy = pass.grad().data();
            std::vector<T> storage;
            if (pass.wants(0)) {
                const auto dx = pass.buffer(0);
                gemm(Transpose::no, Transpose::yes, rows, D, U, T{1}, dy, U,
                     without_unchosen(kernel.value().data(), columns_of(D, U), dy, columns_of(rows, U),
                                      storage),
                     U, dx.beta(), dx.tensor.data(), D);
            }
            if (pass.wants(1)) {
                const auto dw = pass.buffer(1);
                gemm(Transpose::yes, Transpose::no, D, U, rows, T{1},
                     without_unchosen(x.value().data(), rows_of(rows, D), dy, rows_of(rows, U), storage), D,
                     dy, U, dw.beta(), dw.tensor.data(), U);
            }
            if (biased && pass.wants(2)) {
                pass.accumulate(2, detail::sum_to_shape("linear", pass.grad(), Shape{U}));
            }
        });
}

template Variable<float> linear(const Variable<float>&, const Variable<float>&, const Variable<float>&);
template Variable<double> linear(const Variable<double>&, const Variable<double>&, const Variable<double>&);

}  // namespace seqgrad
