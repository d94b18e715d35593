#pragma once

#include <cstddef>

namespace seqgrad::kernels {

enum class Transpose : bool { no, yes };

/// C = alpha op(A) op(B) + beta C, for row-major matrices: op(A) is [m, k], op(B) is [k, n], C is [m, n].
///
/// `lda`, `ldb`, `ldc` are the distances between rows of A, B and C as they are stored, in elements: lda >=
/// k, or m where A is transposed; ldb >= n, or k; ldc >= n. C overlaps neither A nor B. With beta == 0 C need
/// not be initialised. With k == 0 the product is zero; with m == 0 or n == 0 nothing is done. Large products
/// run on several threads (threads.hpp). Throws ValueError when a size does not fit BLAS's integers.
template <class T>
void gemm(Transpose a, Transpose b, std::size_t m, std::size_t n, std::size_t k, T alpha, const T* A,
          std::size_t lda, const T* B, std::size_t ldb, T beta, T* C, std::size_t ldc);

}  // namespace seqgrad::kernels
