#include "seqgrad/core/kernels/gemm.hpp"

#include <algorithm>
#include <limits>

#include <cblas.h>
#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/parallel.hpp"
#include "seqgrad/core/kernels/instruction_set.hpp"
#include "seqgrad/core/kernels/scratch.hpp"
#include "seqgrad/core/kernels/tables.hpp"

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

// BLAS's own threads make the products of a training step slower, and their results depend on how many there
// are: the library cuts products itself.
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

/// Whether B can be read as it stands: rows of whole registers.
template <class T>
bool has_whole_registers(const Product<T>& product, const ProductKernels<T>& kernels) {
    return product.b_column == 1 && product.n % kernels.register_columns == 0;
}

/// Whether the library's own kernels take over: of products that do not fill a few tiles, BLAS makes less
/// ado, and of small ones where B cannot be read as it stands.
template <class T>
bool takes_over(const Product<T>& product, const ProductKernels<T>& kernels) {
    const auto is_at_least = [&](std::size_t side, std::size_t work) {
        return product.m >= side && product.n >= side && product.m * product.n >= work / product.k;
    };
    constexpr std::size_t large_side = 16, large_work = std::size_t{1} << 18;
    constexpr std::size_t least_side = 8, least_work = std::size_t{1} << 14;
    return is_at_least(large_side, large_work) ||
           (has_whole_registers(product, kernels) && is_at_least(least_side, least_work));
}

/// Packing a panel of B pays for so many rows of A, and packing A, where it is transposed, for so many rows
/// and columns of C.
constexpr std::size_t rows_worth_packing = 33, columns_worth_packing = 128;

/// What packing an element costs, in multiplications and additions.
constexpr std::size_t packing_work = 16;

template <class T>
void multiply(Product<T> product, const ProductKernels<T>& kernels) {
    const std::size_t depth = product.k, blocks = (depth + kernels.depth - 1) / kernels.depth;
    const std::size_t tiles = (product.m + kernels.tile_rows - 1) / kernels.tile_rows;
    const std::size_t panels = (product.n + kernels.panel_columns - 1) / kernels.panel_columns;
    const bool packs_panels = product.m >= rows_worth_packing || !has_whole_registers(product, kernels);
    const bool packs_rows =
        product.a_column != 1 && product.m >= rows_worth_packing && product.n >= columns_worth_packing;
    Scratch<T> rows(packs_rows ? tiles * kernels.tile_rows * ((depth + blocks - 1) / blocks) : 0);
    const T *a = product.a, *b = product.b;
    for (std::size_t i = 0; i < blocks; ++i) {
        const std::size_t begin = i * depth / blocks;
        product.k = (i + 1) * depth / blocks - begin;
        product.a = a + begin * product.a_column;
        product.b = b + begin * product.b_row;
        if (i > 0) product.beta = T(1);
        if (packs_rows) {
            detail::parallel_runs(tiles, product.m * product.k * packing_work,
                                  [&](std::size_t first, std::size_t last) {
                                      kernels.pack_rows(product, first, last, rows.data());
                                  });
        }
        detail::parallel_runs(panels * tiles, product.m * product.n * product.k,
                              [&](std::size_t first, std::size_t last) {
                                  Scratch<T> panel(packs_panels ? kernels.panel_columns * product.k : 0);
                                  kernels.multiply(product, packs_rows ? rows.data() : nullptr, first, last,
                                                   packs_panels ? panel.data() : nullptr);
                              });
    }
}

}  // namespace

template <class T>
void gemm(Transpose a, Transpose b, std::size_t m, std::size_t n, std::size_t k, T alpha, const T* A,
          std::size_t lda, const T* B, std::size_t ldb, T beta, T* C, std::size_t ldc) {
    if (m == 0 || n == 0) return;
    if (k == 0) return scale(m, n, beta, C, ldc);
    const bool turn_a = a == Transpose::yes, turn_b = b == Transpose::yes;
    const ProductKernels<T>* kernels = table<T>(instruction_set()).product;
    const Product<T> product{.m = m,
                             .n = n,
                             .k = k,
                             .a = A,
                             .a_row = turn_a ? 1 : lda,
                             .a_column = turn_a ? lda : 1,
                             .b = B,
                             .b_row = turn_b ? 1 : ldb,
                             .b_column = turn_b ? ldb : 1,
                             .alpha = alpha,
                             .beta = beta,
                             .c = C,
                             .c_row = ldc};
    if (kernels != nullptr && takes_over(product, *kernels)) return multiply(product, *kernels);
    use_one_blas_thread();
    blas_gemm(turn_a ? CblasTrans : CblasNoTrans, turn_b ? CblasTrans : CblasNoTrans, blas_integer(m),
              blas_integer(n), blas_integer(k), alpha, A, blas_integer(std::max<std::size_t>(lda, 1)), B,
              blas_integer(std::max<std::size_t>(ldb, 1)), beta, C, blas_integer(ldc));
}

template void gemm(Transpose, Transpose, std::size_t, std::size_t, std::size_t, float, const float*,
                   std::size_t, const float*, std::size_t, float, float*, std::size_t);
template void gemm(Transpose, Transpose, std::size_t, std::size_t, std::size_t, double, const double*,
                   std::size_t, const double*, std::size_t, double, double*, std::size_t);

}  // namespace seqgrad::kernels
