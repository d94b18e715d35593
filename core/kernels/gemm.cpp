#include "seqgrad/core/kernels/gemm.hpp"

#include <algorithm>
#include <limits>

#include <cblas.h>
#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

// Only OpenBLAS has it; with another BLAS the address is null.
extern "C" __attribute__((weak)) void openblas_set_num_threads(int count);

namespace seqgrad::kernels {
namespace {

using BlasInteger = int;

BlasInteger blas_integer(std::size_t n) {
    if (n > static_cast<std::size_t>(std::numeric_limits<BlasInteger>::max())) {
        throw ValueError(fmt::format("matrix product: size {} does not fit BLAS's integers (at most {})", n,
                                     std::numeric_limits<BlasInteger>::max()));
    }
    return static_cast<BlasInteger>(n);
}

// The products of a training step are too small for BLAS's own threads, which make them slower.
void use_one_blas_thread() {
    static const bool done = [] {
        if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
        return true;
    }();
    static_cast<void>(done);
}

void blas_gemm(CBLAS_TRANSPOSE a, CBLAS_TRANSPOSE b, BlasInteger m, BlasInteger n, BlasInteger k, float alpha,
               const float* A, BlasInteger lda, const float* B, BlasInteger ldb, float beta, float* C,
               BlasInteger ldc) {
    cblas_sgemm(CblasRowMajor, a, b, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc);
}

void blas_gemm(CBLAS_TRANSPOSE a, CBLAS_TRANSPOSE b, BlasInteger m, BlasInteger n, BlasInteger k,
               double alpha, const double* A, BlasInteger lda, const double* B, BlasInteger ldb, double beta,
               double* C, BlasInteger ldc) {
    cblas_dgemm(CblasRowMajor, a, b, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc);
}

template <class T>
void scale(std::size_t m, std::size_t n, T beta, T* C, std::size_t ldc) {
    for (std::size_t i = 0; i < m; ++i) {
        T* row = C + i * ldc;
        // Not a multiplication by zero: C may hold anything, NaN included.
        if (beta == T{0}) {
            std::fill(row, row + n, T{0});
        } else {
            for (std::size_t j = 0; j < n; ++j) row[j] *= beta;
        }
    }
}

}  // namespace

template <class T>
void gemm(Transpose a, Transpose b, std::size_t m, std::size_t n, std::size_t k, T alpha, const T* A,
          std::size_t lda, const T* B, std::size_t ldb, T beta, T* C, std::size_t ldc) {
    if (m == 0 || n == 0) return;
    if (k == 0) return scale(m, n, beta, C, ldc);
    use_one_blas_thread();
    blas_gemm(a == Transpose::yes ? CblasTrans : CblasNoTrans,
              b == Transpose::yes ? CblasTrans : CblasNoTrans, blas_integer(m), blas_integer(n),
              blas_integer(k), alpha, A, blas_integer(std::max<std::size_t>(lda, 1)), B,
              blas_integer(std::max<std::size_t>(ldb, 1)), beta, C, blas_integer(ldc));
}

template void gemm(Transpose, Transpose, std::size_t, std::size_t, std::size_t, float, const float*,
                   std::size_t, const float*, std::size_t, float, float*, std::size_t);
template void gemm(Transpose, Transpose, std::size_t, std::size_t, std::size_t, double, const double*,
                   std::size_t, const double*, std::size_t, double, double*, std::size_t);

}  // namespace seqgrad::kernels
