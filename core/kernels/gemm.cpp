#include "seqgrad/core/kernels/gemm.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <new>
#include <utility>

#include <cblas.h>
#ifdef SEQGRAD_ONEDNN
#include <dnnl.h>
#endif
#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/parallel.hpp"

// Only OpenBLAS has it; with another BLAS the address is null.
extern "C" __attribute__((weak)) void openblas_set_num_threads(int count);
// Only a oneDNN that works with OpenMP brings them.
extern "C" __attribute__((weak)) int omp_get_max_threads();
extern "C" __attribute__((weak)) void omp_set_num_threads(int count);

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

// BLAS's own threads make the products of a training step slower, and their results depend on how many there
// are: the library cuts products itself.
void use_one_blas_thread() {
    static const bool done = [] {
        if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
        return true;
    }();
    static_cast<void>(done);
}

#ifdef SEQGRAD_ONEDNN
/// One product by oneDNN, which cuts them for its OpenMP threads unless that would be one. How many OpenMP
/// may use belongs to the caller: it is as before afterwards.
void onednn_gemm(char a, char b, BlasInteger m, BlasInteger n, BlasInteger k, float alpha, const float* A,
                 BlasInteger lda, const float* B, BlasInteger ldb, float beta, float* C, BlasInteger ldc) {
    const int threads = omp_get_max_threads != nullptr ? omp_get_max_threads() : 1;
    if (threads > 1) omp_set_num_threads(1);
    const dnnl_status_t status = dnnl_sgemm(a, b, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc);
    if (threads > 1) omp_set_num_threads(threads);
    if (status == dnnl_out_of_memory) throw std::bad_alloc();
    if (status != dnnl_success) {
        throw Error(fmt::format("matrix product [{}, {}] x [{}, {}]: oneDNN failed with status {}", m, k, k,
                                n, static_cast<int>(status)));
    }
}
#endif

void blas_gemm(CBLAS_TRANSPOSE a, CBLAS_TRANSPOSE b, BlasInteger m, BlasInteger n, BlasInteger k, float alpha,
               const float* A, BlasInteger lda, const float* B, BlasInteger ldb, float beta, float* C,
               BlasInteger ldc) {
#ifdef SEQGRAD_ONEDNN
    // Of small products OpenBLAS makes less ado.
    constexpr std::int64_t least_work = 1 << 18;
    if (std::int64_t{m} * n >= least_work / k) {
        return onednn_gemm(a == CblasTrans ? 'T' : 'N', b == CblasTrans ? 'T' : 'N', m, n, k, alpha, A, lda,
                           B, ldb, beta, C, ldc);
    }
#endif
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

/// Parts that the longer side of C is cut into, whatever the number of threads, so that results do not depend
/// on it. Each part's product prepares the other operand again, which small ones would not be worth.
std::size_t parts_of(std::size_t m, std::size_t n, std::size_t k) {
    constexpr std::size_t least_work = std::size_t{1} << 21, least_side = 128, most_parts = 8;
    const std::size_t parts =
        std::min({most_parts, std::max(m, n) / least_side, m * n / (least_work / k + 1)});
    return std::max<std::size_t>(1, parts - parts % 2);
}

/// Begin and end of a part, in whole registers.
std::pair<std::size_t, std::size_t> part_of(std::size_t side, std::size_t parts, std::size_t part) {
    constexpr std::size_t whole = 16;
    const auto begin = [&](std::size_t i) { return i == parts ? side : i * (side / whole) / parts * whole; };
    return {begin(part), begin(part + 1)};
}

}  // namespace

template <class T>
void gemm(Transpose a, Transpose b, std::size_t m, std::size_t n, std::size_t k, T alpha, const T* A,
          std::size_t lda, const T* B, std::size_t ldb, T beta, T* C, std::size_t ldc) {
    if (m == 0 || n == 0) return;
    if (k == 0) return scale(m, n, beta, C, ldc);
    use_one_blas_thread();
    const bool turn_a = a == Transpose::yes, turn_b = b == Transpose::yes, by_columns = n >= m;
    const BlasInteger depth = blas_integer(k), c_stride = blas_integer(ldc);
    const BlasInteger a_stride = blas_integer(std::max<std::size_t>(lda, 1));
    const BlasInteger b_stride = blas_integer(std::max<std::size_t>(ldb, 1));
    const BlasInteger rows = blas_integer(m), columns = blas_integer(n);
    const std::size_t parts = parts_of(m, n, k);
    detail::parallel_for(parts, [&](std::size_t part) {
        const auto [begin, end] = part_of(std::max(m, n), parts, part);
        const auto length = static_cast<BlasInteger>(end - begin);
        const std::size_t row = by_columns ? 0 : begin, column = by_columns ? begin : 0;
        blas_gemm(turn_a ? CblasTrans : CblasNoTrans, turn_b ? CblasTrans : CblasNoTrans,
                  by_columns ? rows : length, by_columns ? length : columns, depth, alpha,
                  A + row * (turn_a ? 1 : lda), a_stride, B + column * (turn_b ? ldb : 1), b_stride, beta,
                  C + row * ldc + column, c_stride);
    });
}

template void gemm(Transpose, Transpose, std::size_t, std::size_t, std::size_t, float, const float*,
                   std::size_t, const float*, std::size_t, float, float*, std::size_t);
template void gemm(Transpose, Transpose, std::size_t, std::size_t, std::size_t, double, const double*,
                   std::size_t, const double*, std::size_t, double, double*, std::size_t);

}  // namespace seqgrad::kernels
