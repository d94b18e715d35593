#include "seqgrad/core/kernels/gemm.hpp"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "core/kernels/definition.hpp"
#include "core/kernels/guarded.hpp"
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

TEST_CASE_TEMPLATE("gemm agrees with the definition for every size from 1 to 67, aligned or not", T, float,
                   double) {
    std::mt19937_64 random(11);
    const double tolerance = 200 * std::numeric_limits<T>::epsilon();
    const auto check = [&](std::size_t m, std::size_t n, std::size_t k, std::size_t offset) {
        const bool ta = random() % 2 == 0, tb = random() % 2 == 0;
        const T beta = random() % 2 == 0 ? T(0) : T(0.5);
        const auto A = test::draw<T>(m * k, random), B = test::draw<T>(k * n, random),
                   before = test::draw<T>(m * n, random);
        std::vector<double> want(m * n);
        for (std::size_t i = 0; i < m; ++i) {
            for (std::size_t j = 0; j < n; ++j) {
                double& sum = want[i * n + j];
                for (std::size_t l = 0; l < k; ++l) {
                    sum +=
                        double(ta ? A[l * m + i] : A[i * k + l]) * double(tb ? B[j * k + l] : B[l * n + j]);
                }
                sum += double(beta) * double(before[i * n + j]);
            }
        }
        test::GuardedArrays<T> arrays(offset);
        T* C = arrays.output(before);
        kernels::gemm(ta ? Transpose::yes : Transpose::no, tb ? Transpose::yes : Transpose::no, m, n, k, T(1),
                      arrays.input(A), ta ? m : k, arrays.input(B), tb ? k : n, beta, C, n);
        INFO("m ", m, ", n ", n, ", k ", k, ", transposed ", ta, " ", tb, ", offset ", offset);
        CHECK(test::worst_difference(arrays.content(C), want) <= tolerance);
        CHECK(arrays.intact());
    };
    for (std::size_t size = 1; size <= 67; ++size) {
        for (const std::size_t offset : {0u, 1u}) {
            check(size, 5, 7, offset);
            check(5, size, 7, offset);
            check(5, 7, size, offset);
            check(size, 1, 3, offset);
            check(1, size, 3, offset);
        }
    }
    for (const std::size_t offset : {0u, 1u}) {
        check(67, 67, 67, offset);
        for (int i = 0; i < 20; ++i) {
            const auto size = [&] { return 1 + std::size_t(random() % 67); };
            const std::size_t m = size(), n = size(), k = size();
            check(m, n, k, offset);
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
