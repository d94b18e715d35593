#include "seqgrad/core/kernels/product.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "core/kernels/available.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/kernels/scratch.hpp"
#include "seqgrad/core/kernels/tables.hpp"

using namespace seqgrad;
using namespace seqgrad::kernels;

namespace {

/// A matrix inside a buffer that begins `offset` elements before it, its rows `gap` elements apart.
template <class T>
struct Matrix {
    std::size_t rows, columns, gap, offset;
    std::vector<T> buffer;

    Matrix(std::size_t rows, std::size_t columns, std::size_t gap, std::size_t offset, std::mt19937& random)
        : rows(rows), columns(columns), gap(gap), offset(offset), buffer(offset + rows * stride() + 3) {
        std::uniform_real_distribution<T> uniform(-1, 1);
        for (T& v : buffer) v = uniform(random);
    }
    std::size_t stride() const { return columns + gap; }
    T* data() { return buffer.data() + offset; }
};

/// How a product is laid out and who packs what.
struct Variant {
    bool turn_a, turn_b, packs_rows, packs_panel;
    double alpha, beta;
};

/// The largest difference from the definition in double, in units of T's epsilon; infinite where anything
/// around C was touched or where the result depends on how the work is shared.
template <class T>
double worst_difference(const ProductKernels<T>& kernels, std::size_t m, std::size_t n, std::size_t k,
                        const Variant& v, std::mt19937& random) {
    Matrix<T> a(v.turn_a ? k : m, v.turn_a ? m : k, 3, 1, random);
    Matrix<T> b(v.turn_b ? n : k, v.turn_b ? k : n, 2, 1, random);
    const Matrix<T> before(m, n, 5, 1, random);
    Matrix<T> c = before;
    // A product that is not to read C must not pass a NaN on.
    if (v.beta == 0) {
        for (std::size_t i = 0; i < m; ++i) {
            std::fill_n(c.data() + i * c.stride(), n, std::numeric_limits<T>::quiet_NaN());
        }
    }
    Product<T> product{.m = m,
                       .n = n,
                       .k = k,
                       .a = a.data(),
                       .a_row = v.turn_a ? 1 : a.stride(),
                       .a_column = v.turn_a ? a.stride() : 1,
                       .b = b.data(),
                       .b_row = v.turn_b ? 1 : b.stride(),
                       .b_column = v.turn_b ? b.stride() : 1,
                       .alpha = T(v.alpha),
                       .beta = T(v.beta),
                       .c = c.data(),
                       .c_row = c.stride()};
    const std::size_t tiles = (m + kernels.tile_rows - 1) / kernels.tile_rows;
    const std::size_t panels = (n + kernels.panel_columns - 1) / kernels.panel_columns;
    Scratch<T> rows(v.packs_rows ? tiles * kernels.tile_rows * k : 0);
    Scratch<T> panel(v.packs_panel ? kernels.panel_columns * k : 0);
    if (v.packs_rows) {
        kernels.pack_rows(product, 0, tiles / 2, rows.data());
        kernels.pack_rows(product, tiles / 2, tiles, rows.data());
    }
    const T* packed_rows = v.packs_rows ? rows.data() : nullptr;
    T* room = v.packs_panel ? panel.data() : nullptr;
    Matrix<T> shared = c;
    kernels.multiply(product, packed_rows, 0, panels * tiles, room);
    product.c = shared.data();
    const std::size_t cut = panels * tiles / 3;
    kernels.multiply(product, packed_rows, cut, panels * tiles, room);
    kernels.multiply(product, packed_rows, 0, cut, room);
    const auto same = [](T x, T y) { return x == y; };
    if (!std::ranges::equal(c.buffer, shared.buffer, same)) return std::numeric_limits<double>::infinity();

    double worst = 0;
    std::vector<bool> written(c.buffer.size(), false);
    for (std::size_t i = 0; i < m; ++i) {
        for (std::size_t j = 0; j < n; ++j) {
            const std::size_t at = c.offset + i * c.stride() + j;
            written[at] = true;
            double sum = 0;
            for (std::size_t p = 0; p < k; ++p) {
                sum += double(a.data()[v.turn_a ? p * a.stride() + i : i * a.stride() + p]) *
                       double(b.data()[v.turn_b ? j * b.stride() + p : p * b.stride() + j]);
            }
            const double want = v.alpha * sum + v.beta * double(before.buffer[at]);
            const double difference = std::abs(double(c.buffer[at]) - want);
            if (!(difference <= worst)) worst = difference;
        }
    }
    for (std::size_t i = 0; i < c.buffer.size(); ++i) {
        if (!written[i] && c.buffer[i] != before.buffer[i]) return std::numeric_limits<double>::infinity();
    }
    return worst / double(std::numeric_limits<T>::epsilon());
}

}  // namespace

TEST_CASE_TEMPLATE("products of any size agree with the definition, whoever shares them and however packed",
                   T, float, double) {
    std::mt19937 random(3);
    std::size_t tested = 0;
    for (const InstructionSet set : test::available_instruction_sets()) {
        const ProductKernels<T>* kernels = table<T>(set).product;
        if (kernels == nullptr) continue;
        for (const Variant& v :
             {Variant{false, false, false, true, 1, 0}, Variant{true, false, false, true, 1, 1},
              Variant{true, false, true, true, -1.5, 0.5}, Variant{false, true, false, true, 1, 0},
              Variant{true, true, true, true, 2, 1}}) {
            // Each size in turn over everything up to more than a panel of the narrow sets.
            for (std::size_t size = 1; size <= 67; ++size) {
                for (const std::size_t axis : {0u, 1u, 2u}) {
                    const std::size_t m = axis == 0 ? size : 7, n = axis == 1 ? size : 9,
                                      k = axis == 2 ? size : 5;
                    CAPTURE(m);
                    CAPTURE(n);
                    CAPTURE(k);
                    CHECK(worst_difference(*kernels, m, n, k, v, random) <= 4. * double(k) + 8);
                    ++tested;
                }
            }
            CHECK(worst_difference(*kernels, 19, 2 * kernels->panel_columns + 3, 70, v, random) <= 300);
        }
        // Whole registers may be left where they are.
        for (const Variant& v :
             {Variant{false, false, false, false, 1, 0}, Variant{true, false, false, false, 2, -1}}) {
            for (std::size_t m = 1; m <= 67; ++m) {
                CAPTURE(m);
                const std::size_t n = (m % 19 + 1) * kernels->register_columns;
                CAPTURE(n);
                CHECK(worst_difference(*kernels, m, n, 11, v, random) <= 60);
            }
        }
    }
    CHECK((tested > 0) == (is_available(InstructionSet::avx2) || is_available(InstructionSet::emulated512)));
}
