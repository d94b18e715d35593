#include "seqgrad/core/kernels/gemm.hpp"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;
using kernels::Transpose;

namespace {

template <class T>
std::vector<T> draw(std::size_t n, std::mt19937& random) {
    std::uniform_real_distribution<T> uniform(-1, 1);
    std::vector<T> out(n);
    for (T& v : out) v = uniform(random);
    return out;
}

}  // namespace

TEST_CASE_TEMPLATE("gemm agrees with the definition, whatever is transposed, strided or empty", T, float,
                   double) {
    std::mt19937 random(7);
    const std::size_t sizes[] = {0, 1, 2, 5, 17};
    const double tolerance = 40 * std::numeric_limits<T>::epsilon();
    for (const auto a : {Transpose::no, Transpose::yes}) {
        for (const auto b : {Transpose::no, Transpose::yes}) {
            for (const std::size_t m : sizes) {
                for (const std::size_t n : sizes) {
                    for (const std::size_t k : sizes) {
                        for (const T beta : {T(0), T(1), T(-0.5)}) {
                            const bool ta = a == Transpose::yes, tb = b == Transpose::yes;
                            const std::size_t lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 1, ldc = n + 2;
                            const T alpha = T(1.5);
                            const auto A = draw<T>((ta ? k : m) * lda, random);
                            const auto B = draw<T>((tb ? n : k) * ldb, random);
                            const auto before = draw<T>(m * ldc, random);
                            auto C = before;
                            kernels::gemm(a, b, m, n, k, alpha, A.data(), lda, B.data(), ldb, beta, C.data(),
                                          ldc);
                            double worst = 0;
                            for (std::size_t i = 0; i < m; ++i) {
                                for (std::size_t j = 0; j < ldc; ++j) {
                                    double want = double(before[i * ldc + j]);
                                    if (j < n) {
                                        want *= double(beta);
                                        for (std::size_t l = 0; l < k; ++l) {
                                            want += double(alpha) *
                                                    double(ta ? A[l * lda + i] : A[i * lda + l]) *
                                                    double(tb ? B[j * ldb + l] : B[l * ldb + j]);
                                        }
                                    }
                                    worst = std::max(worst, std::abs(double(C[i * ldc + j]) - want));
                                }
                            }
                            CAPTURE(m);
                            CAPTURE(n);
                            CAPTURE(k);
                            CHECK(worst <= tolerance);
                        }
                    }
                }
            }
        }
    }
}

TEST_CASE_TEMPLATE("with beta = 0 gemm does not read C", T, float, double) {
    const T nan = std::numeric_limits<T>::quiet_NaN();
    for (const std::size_t k : {0u, 3u}) {
        std::vector<T> A(2 * 3, T(1)), B(3 * 2, T(2)), C(4, nan);
        kernels::gemm(Transpose::no, Transpose::no, 2, 2, k, T(1), A.data(), 3, B.data(), 2, T(0), C.data(),
                      2);
        for (const T c : C) CHECK(c == T(2) * T(k));
    }
}

TEST_CASE("gemm refuses sizes that BLAS cannot hold") {
    const std::size_t huge = std::size_t{1} << 31;
    float one = 1;
    CHECK_THROWS_WITH_AS(
        kernels::gemm(Transpose::no, Transpose::no, 1, 1, huge, 1.f, &one, huge, &one, 1, 0.f, &one, 1),
        "matrix product: size 2147483648 does not fit BLAS's integers (at most 2147483647)", ValueError);
}
