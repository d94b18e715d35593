// What does not compile, one piece for each SEQGRAD_PIECE; without one, what does. Run by
// refused_by_compiler.cmake.
#include <cstddef>
#include <cstdint>

#include "seqgrad/core/tensor.hpp"

using namespace seqgrad;

[[maybe_unused]] static void pieces(std::size_t n, std::int64_t m) {
#if SEQGRAD_PIECE == 0
    const Tensor<float> rows{{1, 2}, {3, 4}};
    const Tensor<float> values{0.5F, 1.5F};
    const Tensor<double> sum = rows + values;
    const Tensor<float> sizes(Shape{n, static_cast<std::size_t>(m)});
    const Tensor<bool> marks{true, false};
#elif SEQGRAD_PIECE == 1
    const Tensor<float> x({2, 3});
#elif SEQGRAD_PIECE == 2
    const Tensor<float> x({n, 3});
#elif SEQGRAD_PIECE == 3
    const Tensor<double> x{m, m};
#elif SEQGRAD_PIECE == 4
    const Tensor<std::int64_t> x({n, n});
#elif SEQGRAD_PIECE == 5
    const Tensor<bool> x({2, 3});
#elif SEQGRAD_PIECE == 6
    const Tensor<float> x(n);
#elif SEQGRAD_PIECE == 7
    const Tensor<float> x = {2, 3};
#else
#error "no such piece"
#endif
}
