#pragma once

// The time loop of gru with the reset gate before the recurrent product; included by one instruction set's
// translation unit only.

#include <cstddef>

#include "seqgrad/core/kernels/cells.hpp"
#include "seqgrad/core/kernels/lanes.hpp"
#include "seqgrad/core/kernels/math.hpp"
#include "seqgrad/core/kernels/recurrent_steps.hpp"
#include "seqgrad/core/kernels/step.hpp"
#include "seqgrad/core/kernels/tile.hpp"

namespace seqgrad::kernels {

/// z, r = sigmoid(x W + h W + b), g = tanh(x W + b + (r h) W), h = z h + (1 - z) g: Cho et al. 2014 as
/// published, which is Keras's reset_after=False.
///
/// The candidate's product needs r h of all units, so that every step has two products: that of z and r, side
/// by side, then the candidate's. The packed weights hold one after the other.
template <class B>
struct ResetBeforeSteps {
    using T = typename B::value_type;

    static constexpr std::size_t width = B::size;
    static constexpr std::size_t groups = 4;

    static std::size_t min(std::size_t a, std::size_t b) { return a < b ? a : b; }
    static std::size_t registers(std::size_t units) { return (units + width - 1) / width; }

    /// Elements of the packed weights of so many gates.
    static std::size_t packed_gates(std::size_t units, std::size_t gates) {
        return registers(units) * width * gates * units;
    }
    static std::size_t packed_size(std::size_t units) { return packed_gates(units, 3); }
    static constexpr std::nullptr_t packed_input_size = nullptr, pack_input = nullptr;

    /// Never cut: the second product of a step needs the results of the first for all units.
    static std::size_t parts(std::size_t, std::size_t) { return 1; }

    static void pack_forward(std::size_t units, const T* kernel, T* packed) {
        pack(
            units, units, 2,
            [=](std::size_t k, std::size_t g, std::size_t u) { return kernel[(k * 3 + g) * units + u]; },
            packed);
        pack(
            units, units, 1,
            [=](std::size_t k, std::size_t, std::size_t u) { return kernel[(k * 3 + 2) * units + u]; },
            packed + packed_gates(units, 2));
    }

    static void pack_backward(std::size_t units, const T* kernel, T* packed) {
        pack(
            units, 2 * units, 1,
            [=](std::size_t k, std::size_t, std::size_t u) { return kernel[u * 3 * units + k]; }, packed);
        pack(
            units, units, 1,
            [=](std::size_t k, std::size_t, std::size_t u) { return kernel[(u * 3 + 2) * units + k]; },
            packed + packed_gates(units, 2));
    }

    static void forward(const ForwardSteps<T>& s) {
        const std::size_t units = s.units, columns = groups * units;
        T* gates = s.gates;
        std::size_t before = 0;  // row of the states before the step
        std::size_t after = s.batch;
        for (std::size_t t = 0; t < s.steps; ++t) {
            const std::size_t batch = samples(s, t);
            const T* h0 = s.h + before * units;
            T* h1 = s.h + after * units;
            product(s.tiles, units, batch, 2, units, h0, units, s.packed,
                    [&](Lanes<B> lanes, std::size_t, std::size_t b, std::size_t u, const T* product) {
                        T* row = gates + b * columns + u;
                        const auto sum = [&](std::size_t g) {
                            return before_activation<B>(lanes, product + (g - 1) * width, row + g * units,
                                                        s.bias + g * units + u);
                        };
                        const B z = math::gate(sum(1));
                        const B r = math::gate(sum(2));
                        lanes.store(row, r * lanes.load(h0 + b * units + u));
                        lanes.store(row + units, z);
                        lanes.store(row + 2 * units, r);
                    });
            product(s.tiles, units, batch, 1, units, gates, columns, s.packed + packed_gates(units, 2),
                    [&](Lanes<B> lanes, std::size_t, std::size_t b, std::size_t u, const T* product) {
                        T* row = gates + b * columns + u;
                        const B g = math::tanh(
                            before_activation<B>(lanes, product, row + 3 * units, s.bias + 3 * units + u));
                        const B h = fma(lanes.load(row + units), lanes.load(h0 + b * units + u) - g, g);
                        lanes.store(row + 3 * units, g);
                        lanes.store(h1 + b * units + u, h);
                        if (s.sequence) lanes.store(s.sequence + b * s.sequence_stride + t * units + u, h);
                    });
            gates += batch * columns;
            before = after;
            after += batch;
        }
    }

    static void backward(const BackwardSteps<T>& s) {
        if (s.steps == 0) return;
        Step step = end_of(s);
        for (std::size_t t = s.steps; t-- > 0;) {
            step = step_before(s, step, t);
            // Samples whose last step this is have their gradient in dh already.
            from_later(s, step.later, step.row + step.batch);
            backward_step(s, step);
        }
        from_later(s, samples(s, 0), 0);
    }

  private:
    /// [block of units], columns as multiply takes them: [register of the block][gate][unit of the register],
    /// zeros after the last unit.
    template <class Element>
    static void pack(std::size_t units, std::size_t depth, std::size_t gates, const Element& element,
                     T* packed) {
        const std::size_t block = block_vectors<B>(gates);
        for (std::size_t first = 0; first < units; first += block * width) {
            const std::size_t vectors = min(block, registers(units - first)) * gates;
            pack_columns<B>(
                vectors, depth,
                [&](std::size_t k, std::size_t v) {
                    alignas(64) T lanes[width];
                    for (std::size_t i = 0; i < width; ++i) {
                        const std::size_t u = first + v / gates * width + i;
                        lanes[i] = u < units ? element(k, v % gates, u) : T(0);
                    }
                    return B::load_aligned(lanes);
                },
                packed);
            packed += vectors * width * depth;
        }
    }

    /// a [batch, depth] times packed weights: f(lanes, tile, row, unit, product) for every register of units,
    /// with the gates' results at `product`.
    template <class F>
    static void product(const Tiles& tiles, std::size_t units, std::size_t batch, std::size_t gates,
                        std::size_t depth, const T* a, std::size_t lda, const T* packed, const F& f) {
        static_assert(blocks_join<B>(block_vectors<B>(1), 1) && blocks_join<B>(block_vectors<B>(2), 2),
                      "blocks of gates are multiplied at once");
        static_assert(block_vectors<B>(1) <= tile_vectors<B> && 2 * block_vectors<B>(2) <= tile_vectors<B>,
                      "they fit the tile");
        const std::size_t block = block_vectors<B>(gates) * blocks_at_once(batch);
        alignas(64) T tile[tile_blocks * tile_vectors<B> * width];
        for (std::size_t first = 0; first < units; first += block * width) {
            const std::size_t vectors = min(block, registers(units - first));
            for (std::size_t i = tiles.first; i < tiles.last && tiles.starts[i] < batch; ++i) {
                const std::size_t b = tiles.starts[i], count = min(tiles.starts[i + 1], batch) - b;
                multiply<B>(count, vectors * gates, depth, a + b * lda, lda, packed, tile);
                for (std::size_t v = 0; v < vectors; ++v) {
                    const std::size_t u = first + v * width;
                    for (std::size_t m = 0; m < count; ++m) {
                        f(Lanes<B>(units - u), i, b + m, u, tile + (m * vectors + v) * gates * width);
                    }
                }
            }
            packed += vectors * gates * width * depth;
        }
    }

    /// Completes dh of the step before with what comes through z and r of a step, given its first row.
    static void from_later(const BackwardSteps<T>& s, std::size_t batch, std::size_t row) {
        const std::size_t units = s.units, columns = groups * units;
        product(s.tiles, units, batch, 1, 2 * units, s.gates + row * columns + units, columns, s.packed,
                [&](Lanes<B> lanes, std::size_t, std::size_t b, std::size_t u, const T* product) {
                    T* dh = s.dh + b * units + u;
                    const bool cut = s.cut && s.cut[row + b];
                    lanes.store(dh, cut ? B(T(0)) : lanes.load(dh) + B::load_aligned(product));
                });
    }

    /// The gates' gradients, and in dh the part for the step before that z and r have no share in.
    static void backward_step(const BackwardSteps<T>& s, const Step& step) {
        const std::size_t units = s.units, columns = groups * units;
        const B one(T(1));
        T* gates = s.gates + step.row * columns;
        const T* h0 = s.h + step.before * units;
        for (std::size_t i = s.tiles.first; i < s.tiles.last; ++i) {
            T* d_bias = s.d_bias + i * columns;
            for (std::size_t b = s.tiles.starts[i]; b < min(s.tiles.starts[i + 1], step.batch); ++b) {
                for (std::size_t u = 0; u < units; u += width) {
                    const Lanes<B> lanes(units - u);
                    T* row = gates + b * columns + u;
                    B dh = lanes.load(s.dh + b * units + u);
                    if (s.d_sequence) dh += lanes.load(output_gradient(s, step, b) + u);
                    const B z = lanes.load(row + units);
                    const B g = lanes.load(row + 3 * units);
                    const B dz = dh * (lanes.load(h0 + b * units + u) - g) * z * (one - z);
                    const B dg = dh * (one - z) * fnma(g, g, one);
                    lanes.store(row + units, dz);
                    lanes.store(row + 3 * units, dg);
                    lanes.store(s.dh + b * units + u, dh * z);
                    add(lanes, d_bias + units + u, dz);
                    add(lanes, d_bias + 3 * units + u, dg);
                }
            }
        }
        product(s.tiles, units, step.batch, 1, units, gates + 3 * units, columns,
                s.packed + packed_gates(units, 2),
                [&](Lanes<B> lanes, std::size_t i, std::size_t b, std::size_t u, const T* product) {
                    const B d_reset = B::load_aligned(product);
                    T* row = gates + b * columns + u;
                    T* dh = s.dh + b * units + u;
                    const B r = lanes.load(row + 2 * units);
                    const B dr = d_reset * lanes.load(h0 + b * units + u) * r * (one - r);
                    lanes.store(row + 2 * units, dr);
                    lanes.store(dh, fma(d_reset, r, lanes.load(dh)));
                    add(lanes, s.d_bias + i * columns + 2 * units + u, dr);
                });
    }

    static void add(Lanes<B> lanes, T* sum, B term) { lanes.store(sum, lanes.load(sum) + term); }
};

}  // namespace seqgrad::kernels
