#pragma once

// Builds the time loops of one instruction set; included by that set's translation unit only.

#include <algorithm>
#include <cstddef>

#include "seqgrad/core/kernels/cells.hpp"
#include "seqgrad/core/kernels/recurrent_steps.hpp"
#include "seqgrad/core/kernels/reset_before_steps_impl.hpp"
#include "seqgrad/core/kernels/step.hpp"
#include "seqgrad/core/kernels/tile.hpp"

namespace seqgrad::kernels {

/// The time loops of one cell in registers of B.
///
/// The recurrent weights are packed once in a pass, so that the time loop reads them in the order of their
/// use, a block of units after the other. Forward a block holds all gates of its units, and the cell's
/// arithmetic follows on the tile of results while it is in cache; backward it holds units of dh_{t-1} =
/// dgates_t W_h^T.
template <class B, template <class> class CellOf>
struct Steps {
    using T = typename B::value_type;
    using Cell = CellOf<B>;

    static constexpr std::size_t width = B::size;
    static constexpr std::size_t forward_vectors = block_vectors<B>(Cell::gates);
    static constexpr std::size_t backward_vectors = tile_vectors<B>;
    static_assert(blocks_join<B>(backward_vectors, 1), "blocks of dh are multiplied at once");

    static std::size_t min(std::size_t a, std::size_t b) { return a < b ? a : b; }
    static std::size_t registers(std::size_t units) { return (units + width - 1) / width; }

    static std::size_t packed_size(std::size_t units) {
        return registers(units) * width * Cell::gates * units;
    }
    static std::size_t packed_input_size(std::size_t units, std::size_t features) {
        return registers(units) * width * Cell::inputs * features;
    }

    static std::size_t parts(std::size_t units, std::size_t batch) {
        constexpr std::size_t vectors = std::max(forward_vectors, backward_vectors);
        const std::size_t block = vectors * blocks_at_once(batch);
        return (registers(units) + block - 1) / block;
    }

    static void pack_forward(std::size_t units, const T* kernel, T* packed) {
        pack_blocks<Cell::gates>(
            units, units, kernel, [](std::size_t gate) { return Cell::keras_gate[gate]; }, packed);
    }
    static void pack_input(std::size_t units, std::size_t features, const T* kernel, T* packed) {
        pack_blocks<Cell::inputs>(
            units, features, kernel, [](std::size_t input) { return input; }, packed);
    }

    /// [block of units], k < gates U in the order of the gate buffer, columns as multiply takes them.
    static void pack_backward(std::size_t units, const T* kernel, T* packed) {
        for (std::size_t first = 0; first < units; first += backward_vectors * width) {
            const std::size_t vectors = min(backward_vectors, registers(units - first));
            for (std::size_t g = 0; g < Cell::gates; ++g) {
                const T* gate = kernel + (first * Cell::gates + Cell::keras_gate[g]) * units;
                pack_long_columns<B>(
                    units - first, vectors, units,
                    [&](std::size_t j) { return gate + j * Cell::gates * units; }, packed);
                packed += units * vectors * width;
            }
        }
    }

    static void forward(const ForwardSteps<T>& s) {
        const std::size_t units = s.units, columns = Cell::columns * units;
        const std::size_t block = forward_vectors * blocks_at_once(s.batch);
        alignas(64) T tile[tile_blocks * forward_vectors * Cell::gates * width];
        alignas(64) T input_tile[tile_blocks * forward_vectors * Cell::inputs * width];
        const bool far = s.steps * s.batch * columns > near;
        T* gates = s.gates;
        const T* x = s.x;
        std::size_t before = 0;  // row of the states before the step
        std::size_t after = s.batch;
        for (std::size_t t = 0; t < s.steps; ++t) {
            const std::size_t batch = samples(s, t);
            const T* h0 = s.h + before * units;
            T* h1 = s.h + after * units;
            const T* c0 = cell_state(s.c, before * units);
            T* c1 = cell_state(s.c, after * units);
            for_each_block(s, block, t, [&](std::size_t first, std::size_t vectors, std::size_t next) {
                const T* packed = s.packed + first * Cell::gates * units;
                const auto ahead = next_weights(s, s.packed, Cell::gates, units, first, next);
                const auto input_ahead =
                    next_weights(s, s.packed_input, Cell::inputs, s.features, first, next);
                for (std::size_t i = s.tiles.first; i < s.tiles.last && s.tiles.starts[i] < batch; ++i) {
                    const std::size_t b = s.tiles.starts[i], count = min(s.tiles.starts[i + 1], batch) - b;
                    if (far) {
                        if (Cell::activates || s.x == nullptr)
                            fetch_gates(gates + b * columns + first, count, units);
                        fetch(h1 + b * units + first, count, units);
                        if (Cell::has_cell_state) fetch(c1 + b * units + first, count, units);
                        if (s.sequence)
                            fetch(s.sequence + b * s.sequence_stride + t * units + first, count,
                                  s.sequence_stride);
                    }
                    if (s.x != nullptr) {
                        multiply<B>(count, vectors * Cell::inputs, s.features, x + b * s.features, s.features,
                                    s.packed_input + first * Cell::inputs * s.features, input_tile,
                                    input_ahead(i));
                    }
                    multiply<B>(count, vectors * Cell::gates, units, h0 + b * units, units, packed, tile,
                                ahead(i));
                    // f(lanes, unit, product, m, row) for every register of units of every row m of the tile.
                    const auto for_each_register = [&](const auto& f) {
                        for (std::size_t v = 0; v < vectors; ++v) {
                            const std::size_t u = first + v * width;
                            with_lanes<B>(units - u, [&](auto lanes) {
                                for (std::size_t m = 0; m < count; ++m) {
                                    const std::size_t at = (b + m) * units + u;
                                    T* row = gates + (b + m) * columns + u;
                                    const std::size_t in_tile = (m * vectors + v) * width;
                                    f(lanes, u, tile + in_tile * Cell::gates, m,
                                      ForwardRow<T>{row,
                                                    s.x != nullptr ? input_tile + in_tile * Cell::inputs
                                                                   : row + Cell::first_input * units,
                                                    s.x != nullptr ? width : units, h0 + at,
                                                    cell_state(c0, at), h1 + at, cell_state(c1, at)});
                                }
                            });
                        }
                    };
                    if constexpr (Cell::activates) {
                        for_each_register([&](auto lanes, std::size_t u, const T* product, std::size_t,
                                              const ForwardRow<T>& row) {
                            Cell::activate(lanes, units, product, s.bias + u, row);
                        });
                    }
                    for_each_register([&](auto lanes, std::size_t u, const T* product, std::size_t m,
                                          const ForwardRow<T>& row) {
                        const B h = Cell::output(lanes, units, product, s.bias + u, row);
                        lanes.store(row.h1, h);
                        if (s.sequence)
                            lanes.store(s.sequence + (b + m) * s.sequence_stride + t * units + u, h);
                    });
                }
            });
            meet(s.part);
            gates += batch * columns;
            x += s.x != nullptr ? batch * s.features : 0;
            before = after;
            after += batch;
        }
    }

    static void backward(const BackwardSteps<T>& s) {
        if (s.steps == 0) return;
        Step step = end_of(s);
        for (std::size_t t = s.steps; t-- > 0;) {
            step = step_before(s, step, t);
            backward_step(s, step);
            meet(s.part);
        }
        finish(s);
    }

  private:
    /// [block of units], columns as multiply takes them: [register of the block][group][unit of the
    /// register], zeros after the last unit; given which of the kernel's groups stands there.
    template <std::size_t groups, class KerasGroup>
    static void pack_blocks(std::size_t units, std::size_t depth, const T* kernel, const KerasGroup& group,
                            T* packed) {
        static_assert(blocks_join<B>(forward_vectors, groups), "blocks of gates are multiplied at once");
        for (std::size_t first = 0; first < units; first += forward_vectors * width) {
            const std::size_t vectors = min(forward_vectors, registers(units - first)) * groups;
            pack_columns<B>(
                vectors, depth,
                [&](std::size_t k, std::size_t v) {
                    const std::size_t u = first + v / groups * width;
                    const T* row = kernel + (k * groups + group(v % groups)) * units;
                    return Lanes<B>(units - u).load(row + u);
                },
                packed);
            packed += vectors * width * depth;
        }
    }

    /// Elements of gates up to which what a step works on is taken to be in a cache that is near.
    static constexpr std::size_t near = std::size_t{1} << 16;

    /// Asks for a block of units of so many rows, which the cell will read or write, while their product is
    /// computed: a few elements of every row are no pattern that the processor sees, and in arrays of many
    /// steps they are far away.
    static void fetch(const T* p, std::size_t rows, std::size_t stride) {
        for (std::size_t m = 0; m < rows; ++m) __builtin_prefetch(p + m * stride, 1);
    }
    /// The same for all gates of the units.
    static void fetch_gates(const T* p, std::size_t rows, std::size_t units) {
        for (std::size_t m = 0; m < rows; ++m) {
            for (std::size_t g = 0; g < Cell::columns; ++g)
                __builtin_prefetch(p + (m * Cell::columns + g) * units, 1);
        }
    }

    /// Waits for the other parts of the units.
    static void meet(const UnitsPart& part) {
        if (part.count > 1) part.meet(part.crew, part.index);
    }

    /// f(first unit, registers, first unit of the next block) for every block of a call's units in a step.
    /// Every other step begins with the last one: what the step before it has left in the caches is read
    /// first, so that the last block of a step is also its next.
    template <class Call, class F>
    static void for_each_block(const Call& s, std::size_t block, std::size_t step, const F& f) {
        const std::size_t size = block * width, blocks = (s.units + size - 1) / size;
        const std::size_t begin = s.part.index * blocks / s.part.count;
        const std::size_t last = (s.part.index + 1) * blocks / s.part.count - 1;
        for (std::size_t i = begin; i <= last; ++i) {
            const auto first = [&](std::size_t n) { return (step % 2 == 0 ? n : begin + last - n) * size; };
            f(first(i), min(block, registers(s.units - first(i))), first(min(i + 1, last)));
        }
    }

    /// ahead(i): the part of the next block's weights that a call asks for during its tile i, where they are
    /// too many to be in a near cache. Of every unit there are so many columns, each `depth` long.
    template <class Call>
    static auto next_weights(const Call& s, const T* packed, std::size_t columns, std::size_t depth,
                             std::size_t first, std::size_t next) {
        const std::size_t size = (next > first ? next - first : first - next) * columns;
        const std::size_t pass = tile_vectors<B> * width, passes = size < pass ? 1 : size / pass;
        const std::size_t shares = (s.tiles.last - s.tiles.first) * passes;
        const bool far = s.batch > few_rows && packed_size(s.units) > near;
        const T* begin = packed + (far ? next : first) * columns * depth;
        const std::size_t step = far ? (size + shares - 1) / shares : 0;
        return [=, tile = s.tiles.first, each = passes * depth * step](std::size_t i) {
            return Ahead<T>{begin + (i - tile) * each, step};
        };
    }

    /// `p + n` for cells with a second state, null for the others.
    template <class P>
    static P* cell_state(P* p, std::size_t n) {
        return Cell::has_cell_state ? p + n : nullptr;
    }

    static void backward_step(const BackwardSteps<T>& s, const Step& step) {
        const std::size_t units = s.units, columns = Cell::columns * units;
        T* gates = s.gates + step.row * columns;
        const T* later = gates + step.batch * columns;
        const T* h0 = s.h + step.before * units;
        const T* h1 = s.h + step.after * units;
        const T* c0 = cell_state(s.c, step.before * units);
        const std::size_t block = backward_vectors * blocks_at_once(s.batch);
        const bool far = s.steps * s.batch * columns > near;
        alignas(64) T tile[tile_blocks * backward_vectors * width];
        for_each_block(s, block, step.index, [&](std::size_t first, std::size_t vectors, std::size_t next) {
            const T* packed = s.packed + first * Cell::gates * units;
            const auto ahead = next_weights(s, s.packed, 1, Cell::gates * units, first, next);
            for (std::size_t i = s.tiles.first; i < s.tiles.last && s.tiles.starts[i] < step.batch; ++i) {
                const std::size_t b = s.tiles.starts[i], count = min(s.tiles.starts[i + 1], step.batch) - b;
                T* d_bias = s.d_bias + i * columns;
                if (far) {
                    fetch_gates(gates + b * columns + first, count, units);
                    fetch(h0 + b * units + first, count, units);
                    fetch(h1 + b * units + first, count, units);
                    if (Cell::has_cell_state) fetch(c0 + b * units + first, count, units);
                    if (s.d_sequence) {
                        for (std::size_t m = 0; m < count; ++m)
                            __builtin_prefetch(output_gradient(s, step, b + m) + first);
                    }
                }
                // Samples whose last step this is have their gradient in dh already.
                const std::size_t going_on = step.later > b ? min(count, step.later - b) : 0;
                if (going_on > 0) {
                    multiply<B>(going_on, vectors, Cell::gates * units, later + b * columns, columns, packed,
                                tile, ahead(i));
                }
                for (std::size_t v = 0; v < vectors; ++v) {
                    const std::size_t u = first + v * width;
                    with_lanes<B>(units - u, [&](auto lanes) {
                        B sums[Cell::columns];
                        for (std::size_t g = 0; g < Cell::columns; ++g)
                            sums[g] = lanes.load(d_bias + g * units + u);
                        for (std::size_t m = 0; m < count; ++m) {
                            const std::size_t at = (b + m) * units + u;
                            B dh = m < going_on ? from_later(s, lanes, step.row + step.batch + b + m, at,
                                                             tile + (m * vectors + v) * width)
                                                : lanes.load(s.dh + at);
                            if (s.d_sequence) {
                                dh += lanes.load(output_gradient(s, step, b + m) + u);
                            }
                            Cell::backward(lanes, units, dh,
                                           {gates + (b + m) * columns + u, h0 + at, h1 + at,
                                            cell_state(c0, at), s.dh + at, cell_state(s.dc, at)},
                                           sums);
                        }
                        for (std::size_t g = 0; g < Cell::columns; ++g)
                            lanes.store(d_bias + g * units + u, sums[g]);
                    });
                }
            }
        });
    }

    /// What reaches h_t from the next step, `row`, given its gates' gradients times the weights.
    template <class L>
    static B from_later(const BackwardSteps<T>& s, L lanes, std::size_t row, std::size_t at,
                        const T* product) {
        if (s.cut && s.cut[row]) {
            if (Cell::has_cell_state) lanes.store(s.dc + at, B(T(0)));
            return B(T(0));
        }
        const B dh = B::load_aligned(product);
        return Cell::passes_dh ? dh + lanes.load(s.dh + at) : dh;
    }

    /// dh_0 from the gate gradients of the first step.
    static void finish(const BackwardSteps<T>& s) {
        const std::size_t units = s.units, columns = Cell::columns * units, batch = samples(s, 0);
        const std::size_t block = backward_vectors * blocks_at_once(s.batch);
        alignas(64) T tile[tile_blocks * backward_vectors * width];
        for_each_block(s, block, 0, [&](std::size_t first, std::size_t vectors, std::size_t) {
            const T* packed = s.packed + first * Cell::gates * units;
            for (std::size_t i = s.tiles.first; i < s.tiles.last && s.tiles.starts[i] < batch; ++i) {
                const std::size_t b = s.tiles.starts[i], count = min(s.tiles.starts[i + 1], batch) - b;
                multiply<B>(count, vectors, Cell::gates * units, s.gates + b * columns, columns, packed,
                            tile);
                for (std::size_t m = 0; m < count; ++m) {
                    for (std::size_t v = 0; v < vectors; ++v) {
                        const std::size_t u = first + v * width, at = (b + m) * units + u;
                        const Lanes<B> lanes(units - u);
                        lanes.store(s.dh + at,
                                    from_later(s, lanes, b + m, at, tile + (m * vectors + v) * width));
                    }
                }
            }
        });
    }
};

template <class StepsOfCell>
inline constexpr RecurrentSteps<typename StepsOfCell::T> recurrent_steps{
    .tile_rows = tile_rows,
    .parts = StepsOfCell::parts,
    .packed_size = StepsOfCell::packed_size,
    .pack_forward = StepsOfCell::pack_forward,
    .pack_backward = StepsOfCell::pack_backward,
    .packed_input_size = StepsOfCell::packed_input_size,
    .pack_input = StepsOfCell::pack_input,
    .forward = StepsOfCell::forward,
    .backward = StepsOfCell::backward,
};

template <class B, class T = typename B::value_type>
inline constexpr RecurrentTable<T> recurrent_table{
    .simple_rnn = recurrent_steps<Steps<B, SimpleRnnCell>>,
    .lstm = recurrent_steps<Steps<B, LstmCell>>,
    .gru = recurrent_steps<Steps<B, GruCell>>,
    .gru_reset_before = recurrent_steps<ResetBeforeSteps<B>>,
};

}  // namespace seqgrad::kernels
