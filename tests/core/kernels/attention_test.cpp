#include "seqgrad/core/kernels/attention.hpp"

#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "core/kernels/available.hpp"
#include "core/kernels/definition.hpp"
#include "core/kernels/guarded.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/kernels/tables.hpp"

using namespace seqgrad;
using kernels::AttentionRows;
using test::Array, test::worst_difference;

namespace {

/// What a query does with n rows of d elements; weights stand for scores' gradients too.
template <class S>
struct Attention {
    std::size_t n, d;
    Array<S> rows, query, v, weights;
    /// What the gradients are added to.
    Array<S> d_rows, d_v;

    Attention(std::size_t n_, std::size_t d_, std::mt19937_64& random)
        : n(n_),
          d(d_),
          rows(test::draw<S>(n * d, random)),
          query(test::draw<S>(d, random)),
          v(test::draw<S>(d, random)),
          weights(test::draw<S>(n, random)),
          d_rows(test::draw<S>(n * d, random)),
          d_v(test::draw<S>(d, random)) {}
};

/// The four kernels' results, one after the other.
template <class S>
struct Results {
    Array<S> dots, weighted_sum, scores, d_rows, d_query, d_v;
};

/// The definition, in double.
template <class T>
Results<double> define(const Attention<T>& in) {
    const std::size_t n = in.n, d = in.d;
    Results<double> out{Array<double>(n), Array<double>(d),
                        Array<double>(n), test::cast<double>(in.d_rows),
                        Array<double>(d), test::cast<double>(in.d_v)};
    for (std::size_t i = 0; i < n; ++i) {
        const double w = double(in.weights[i]);
        for (std::size_t j = 0; j < d; ++j) {
            const double row = double(in.rows[i * d + j]), v = double(in.v[j]);
            const double t = std::tanh(double(in.query[j]) + row);
            out.dots[i] += row * v;
            out.weighted_sum[j] += w * row;
            out.scores[i] += v * t;
            out.d_rows[i * d + j] += w * v * (1 - t * t);
            out.d_query[j] += w * v * (1 - t * t);
            out.d_v[j] += w * t;
        }
    }
    return out;
}

template <class T>
void check(const Attention<T>& in, std::size_t offset, kernels::InstructionSet set) {
    const AttentionRows<T>& kernel = *kernels::table<T>(set).attention;
    constexpr T nan = std::numeric_limits<T>::quiet_NaN();
    const Array<T> unset_n(in.n, nan), unset_d(in.d, nan);
    test::GuardedArrays<T> arrays(offset);
    const T *rows = arrays.input(in.rows), *query = arrays.input(in.query), *v = arrays.input(in.v),
            *weights = arrays.input(in.weights);
    T *dots = arrays.output(unset_n), *weighted_sum = arrays.output(unset_d),
      *scores = arrays.output(unset_n), *d_rows = arrays.output(in.d_rows), *d_query = arrays.output(unset_d),
      *d_v = arrays.output(in.d_v);
    kernel.dots(in.n, in.d, rows, v, dots);
    kernel.weighted_sum(in.n, in.d, rows, weights, weighted_sum);
    kernel.additive_scores(in.n, in.d, rows, query, v, scores);
    kernel.additive_scores_backward(in.n, in.d, rows, query, v, weights, d_rows, d_query, d_v);

    // Sums of up to 67 products.
    const double tolerance = 100 * std::numeric_limits<T>::epsilon();
    const Results<double> want = define(in);
    INFO(std::string(kernels::to_string(set)), ", n ", in.n, ", d ", in.d, ", offset ", offset);
    CHECK(worst_difference(arrays.content(dots), want.dots) <= tolerance);
    CHECK(worst_difference(arrays.content(weighted_sum), want.weighted_sum) <= tolerance);
    CHECK(worst_difference(arrays.content(scores), want.scores) <= tolerance);
    CHECK(worst_difference(arrays.content(d_rows), want.d_rows) <= tolerance);
    CHECK(worst_difference(arrays.content(d_query), want.d_query) <= tolerance);
    CHECK(worst_difference(arrays.content(d_v), want.d_v) <= tolerance);
    CHECK(arrays.intact());
}

}  // namespace

TEST_CASE_TEMPLATE("attention kernels agree with the definition for every number of rows and length", T,
                   float, double) {
    std::mt19937_64 random(5);
    for (std::size_t size = 0; size <= 67; ++size) {
        for (const auto& [n, d] : {std::pair{size, 1 + size * 7 % 19}, std::pair{1 + size * 5 % 7, size}}) {
            const Attention<T> in(n, d, random);
            for (const auto set : test::available_instruction_sets()) {
                for (const std::size_t offset : {0u, 1u}) check(in, offset, set);
            }
        }
    }
}
