#include "seqgrad/core/kernels/recurrent.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "seqgrad/core/kernels/cell.hpp"
#include "seqgrad/core/kernels/copy_rows.hpp"
#include "seqgrad/core/kernels/gemm.hpp"
#include "seqgrad/core/kernels/recurrent_input.hpp"
#include "seqgrad/core/kernels/scratch.hpp"

namespace seqgrad::kernels {
namespace {

using Chunk = Timeline::Chunk;

/// Rows taken at a time: few enough for their gates to stay in the second-level cache, and enough for
/// efficient products.
std::size_t rows_at_a_time(std::size_t columns) {
    constexpr std::size_t gates_in_cache = std::size_t{1} << 17, fewest = 512, most = 1024;
    return std::clamp(gates_in_cache / std::max<std::size_t>(columns, 1), fewest, most);
}

/// Of all chunks, the largest number of rows, and of rows and the states before them.
struct Largest {
    std::size_t rows = 0, states = 0;
};

Largest largest(const Timeline& time, const std::vector<Chunk>& chunks) {
    Largest most;
    for (const Chunk& chunk : chunks) {
        most.rows = std::max(most.rows, chunk.rows);
        most.states = std::max(most.states, time.active_before(chunk.round) + chunk.rows);
    }
    return most;
}

/// Zeros in place of the outputs before each sample's first counted position.
template <class T>
void clear_first_outputs(const Timeline& time, std::size_t units, T* sequence) {
    for (std::size_t slot = 0; slot < time.batch(); ++slot) {
        const std::size_t end = time.length(slot) == 0 ? time.steps() : time.position(0, slot);
        T* first = sequence + time.place(time.sample(slot), 0) * units;
        std::fill(first, first + end * units, T(0));
    }
}

/// Writes a chunk's outputs, and what stands in the place of those that do not count, to [B, T, U].
template <class T>
void scatter_outputs(const Timeline& time, const Chunk& chunk, std::size_t units, const T* h, T* sequence) {
    copy_rows(time, chunk, units, [&](const Timeline::Row& row) {
        const T* from = h + row.index * units;
        T* to = sequence + time.place(row.sample, row.position) * units;
        const std::size_t last = time.output_end(row.round, row.slot);
        for (std::size_t p = row.position; p < last; ++p) to = std::copy_n(from, units, to);
        std::fill_n(to, (time.next_position(row.round, row.slot) - last) * units, T(0));
    });
}

/// The way back: a row's gradient is the sum over all places that its output was written to.
template <class T>
void gather_output_gradients(const Timeline& time, const Chunk& chunk, std::size_t units, const T* sequence,
                             T* target) {
    copy_rows(time, chunk, units, [&](const Timeline::Row& row) {
        const T* from = sequence + time.place(row.sample, row.position) * units;
        T* to = target + row.index * units;
        std::copy_n(from, units, to);
        for (std::size_t p = row.position + 1; p < time.output_end(row.round, row.slot); ++p) {
            from += units;
            for (std::size_t u = 0; u < units; ++u) to[u] += from[u];
        }
    });
}

/// From [B, U] to the order of slots; null: zeros.
template <class T>
void gather_states(const Timeline& time, std::size_t units, const T* source, T* target) {
    if (!source) {
        std::fill(target, target + time.batch() * units, T(0));
        return;
    }
    for (std::size_t slot = 0; slot < time.batch(); ++slot) {
        const T* from = source + time.sample(slot) * units;
        std::copy(from, from + units, target + slot * units);
    }
}

/// The states of slots [first, last) to their samples.
template <class T>
void scatter_states(const Timeline& time, std::size_t units, std::size_t first, std::size_t last,
                    const T* source, T* target) {
    for (std::size_t slot = first; slot < last; ++slot) {
        const T* from = source + slot * units;
        std::copy(from, from + units, target + time.sample(slot) * units);
    }
}

/// The final states of the samples that end in a chunk. `states` are those before the chunk and of its rows.
template <class T>
void scatter_final_states(const Timeline& time, const Chunk& chunk, std::size_t units, const T* states,
                          T* target) {
    for (std::size_t round = chunk.round; round < chunk.round + chunk.rounds; ++round) {
        states += time.active_before(round) * units;
        const std::size_t going_on = round + 1 < time.rounds() ? time.active(round + 1) : 0;
        scatter_states(time, units, going_on, time.active(round), states, target);
    }
}

/// The states before each row of a chunk, one after the other; `states` as above.
template <class T>
const T* gather_states_before(const Timeline& time, const Chunk& chunk, std::size_t units, const T* states,
                              T* target) {
    // The rows of one round stand together, so only a sample's end, seen from a later round, leaves a gap.
    if (chunk.rounds <= 1 || time.active_before(chunk.round) == time.active(chunk.round + chunk.rounds - 2)) {
        return states;
    }
    T* to = target;
    for (std::size_t round = chunk.round; round < chunk.round + chunk.rounds; ++round) {
        to = std::copy(states, states + time.active(round) * units, to);
        states += time.active_before(round) * units;
    }
    return target;
}

/// The states before a chunk and those of its rows, from the initial ones and the outputs, where every step
/// of every sample counts.
template <class T>
void gather_states_from_outputs(const Timeline& time, const Chunk& chunk, std::size_t units, const T* initial,
                                const T* sequence, T* target) {
    const auto output = [&](std::size_t sample, std::size_t position) {
        return sequence + time.place(sample, position) * units;
    };
    const std::size_t batch = time.batch();
    for (std::size_t sample = 0; sample < batch; ++sample) {
        std::copy_n(chunk.round == 0 ? initial + sample * units : output(sample, chunk.round - 1), units,
                    target + sample * units);
    }
    copy_rows(time, chunk, units, [&](const Timeline::Row& row) {
        std::copy_n(output(row.sample, row.position), units, target + (batch + row.index) * units);
    });
}

/// A chunk's forward time loop without its input side, from the states before it; its outputs are wanted
/// nowhere else.
template <class T>
ForwardSteps<T> forward_steps(const Timeline& time, const Chunk& chunk, std::size_t units,
                              const ForwardWeights<T>& weights, T* gates, T* h, T* c) {
    return {.batch = time.active_before(chunk.round),
            .steps = chunk.rounds,
            .units = units,
            .active = time.active_from(chunk.round),
            .packed = weights.packed(),
            .bias = weights.bias(),
            .gates = gates,
            .h = h,
            .c = c,
            .sequence = nullptr,
            .sequence_stride = 0};
}

/// The gradients where there are no units: x reaches nothing, and all others have no elements.
template <class T>
void without_units(const RecurrentBackward<T>& pass) {
    if (!pass.x_grad.data || pass.x_grad.beta != T(0)) return;
    const RecurrentSizes& s = pass.sizes;
    const std::size_t rows = pass.x.ids ? pass.x.table_rows : s.batch * s.steps;
    std::fill_n(pass.x_grad.data, rows * s.features, T(0));
}

template <class T>
void write_states(const Timeline& time, std::size_t units, const T* source, GradientTarget<T> target) {
    if (!target.data) return;
    for (std::size_t slot = 0; slot < time.batch(); ++slot) {
        write(units, source + slot * units, {target.data + time.sample(slot) * units, target.beta});
    }
}

}  // namespace

template <class T>
void recurrent_forward(const RecurrentForward<T>& pass, InstructionSet set) {
    const RecurrentSizes& s = pass.sizes;
    if (s.units == 0) return;  // results without elements
    const Timeline& time = pass.timeline;
    const RecurrentSteps<T>& steps = steps_of<T>(pass.cell, s.units, set);
    const bool has_c = pass.cell == Cell::lstm, keep_c = has_c && pass.saved.c != nullptr;
    const bool keep_h = pass.saved.h != nullptr && pass.saved.h_kept;
    const std::size_t columns = gate_groups(pass.cell) * s.units;
    const std::vector<Chunk> chunks = time.chunks(rows_at_a_time(columns));
    const Largest most = largest(time, chunks);
    const SampleTiles tiles(s.batch, steps.tile_rows);

    ForwardWeights<T> weights(pass.cell, s.units, steps, pass.weights);
    RecurrentInput<T> input(pass.cell, s, steps, time, pass.x, pass.weights.kernel, most.rows);
    Scratch<T> gate_rows(pass.saved.gates ? 0 : most.rows * columns);
    Scratch<T> h_rows(keep_h ? 0 : most.states * s.units);
    Scratch<T> c_rows(keep_c || !has_c ? 0 : most.states * s.units);

    T* h = keep_h ? pass.saved.h : h_rows.data();
    T* c = !has_c ? nullptr : keep_c ? pass.saved.c : c_rows.data();
    gather_states(time, s.units, pass.initial_h, h);
    if (pass.saved.h != nullptr && !keep_h) std::copy_n(h, s.batch * s.units, pass.saved.h);
    if (has_c) gather_states(time, s.units, pass.initial_c, c);
    // Samples without a counted step end where they begin.
    const std::size_t begun = time.rounds() == 0 ? 0 : time.active(0);
    scatter_states(time, s.units, begun, s.batch, h, pass.final_h);
    if (has_c) scatter_states(time, s.units, begun, s.batch, c, pass.final_c);
    if (pass.sequence && !time.whole()) clear_first_outputs(time, s.units, pass.sequence);

    for (const Chunk& chunk : chunks) {
        if (chunk.rounds == 0) break;
        T* gates = pass.saved.gates ? pass.saved.gates + chunk.row * columns : gate_rows.data();
        const bool direct = pass.sequence && time.whole();
        ForwardSteps<T> call = forward_steps(time, chunk, s.units, weights, gates, h, c);
        if (direct) {
            call.sequence = pass.sequence + chunk.round * s.units;
            call.sequence_stride = s.steps * s.units;
        }
        input.give(chunk, call);
        run_forward(steps, tiles, chunk.rows, call);
        if (pass.sequence && !direct) {
            scatter_outputs(time, chunk, s.units, h + time.active_before(chunk.round) * s.units,
                            pass.sequence);
        }
        scatter_final_states(time, chunk, s.units, h, pass.final_h);
        if (has_c) scatter_final_states(time, chunk, s.units, c, pass.final_c);

        // On to the states that the next chunk starts from.
        const std::size_t end = chunk.round + chunk.rounds;
        const std::size_t done = (time.first_state(end) - time.first_state(chunk.round)) * s.units;
        const auto go_on = [&](bool keep, T*& states) {
            if (keep) {
                states += done;
            } else {
                std::copy_n(states + done, time.active_before(end) * s.units, states);
            }
        };
        go_on(keep_h, h);
        if (has_c) go_on(keep_c, c);
    }
}

template <class T>
void recurrent_backward(const RecurrentBackward<T>& pass, InstructionSet set) {
    const RecurrentSizes& s = pass.sizes;
    if (s.units == 0) return without_units(pass);
    const Timeline& time = pass.timeline;
    const RecurrentSteps<T>& steps = steps_of<T>(pass.cell, s.units, set);
    const Layout where = layout(pass.cell);
    const bool has_c = pass.cell == Cell::lstm;
    const bool recompute = pass.cell != Cell::simple_rnn && !pass.gates_kept;
    const std::size_t state = s.batch * s.units, columns = gate_groups(pass.cell) * s.units;
    const std::size_t weight_columns = where.input.count * s.units;
    const std::vector<Chunk> chunks = time.chunks(rows_at_a_time(columns));
    const Largest most = largest(time, chunks);
    const SampleTiles tiles(s.batch, steps.tile_rows);

    Scratch<T> packed(steps.packed_size(s.units));
    steps.pack_backward(s.units, pass.weights.recurrent_kernel, packed.data());
    std::optional<ForwardWeights<T>> forward_weights;
    if (recompute) forward_weights.emplace(pass.cell, s.units, steps, pass.weights);
    RecurrentInput<T> input(pass.cell, s, steps, time, pass.x, pass.weights.kernel, most.rows);
    RecurrentInputGradient<T> input_gradient(input, pass.kernel_grad, pass.x_grad);
    Scratch<T> gate_rows(pass.saved.gates ? 0 : most.rows * columns);
    Scratch<T> gradient_rows(time.whole() || !pass.d_sequence ? 0 : most.rows * s.units);
    Scratch<T> state_rows(pass.saved.h_kept ? 0 : most.states * s.units);
    Scratch<T> h_rows(time.whole() ? 0 : most.rows * s.units);
    Scratch<bool> cuts(time.truncated() ? most.rows : 0);
    Scratch<T> dh(state), dc(has_c ? state : 0), bias_sums(tiles.count() * columns);
    gather_states(time, s.units, pass.d_final_h, dh.data());
    if (has_c) gather_states(time, s.units, pass.d_final_c, dc.data());
    for (std::size_t slot = 0; slot < s.batch; ++slot) {
        if (!time.cut_at_end(slot)) continue;
        std::fill_n(dh.data() + slot * s.units, s.units, T(0));
        if (has_c) std::fill_n(dc.data() + slot * s.units, s.units, T(0));
    }
    std::fill(bias_sums.data(), bias_sums.data() + bias_sums.size(), T(0));

    // Without any step there is still one chunk, whose products write zeros to the weights' gradients.
    T recurrent_beta = pass.recurrent_kernel_grad.beta;
    for (auto it = chunks.rbegin(); it != chunks.rend(); ++it) {
        const Chunk& chunk = *it;
        T* gates = pass.saved.gates ? pass.saved.gates + chunk.row * columns : gate_rows.data();
        const std::size_t before = time.active_before(chunk.round);
        T* h = state_rows.data();
        if (pass.saved.h_kept) {
            h = pass.saved.h + time.first_state(chunk.round) * s.units;
        } else {
            gather_states_from_outputs(time, chunk, s.units, pass.saved.h, pass.sequence, h);
        }
        T* c = has_c ? pass.saved.c + time.first_state(chunk.round) * s.units : nullptr;
        if (recompute) {
            // Writes the states again as well, with the values they have.
            ForwardSteps<T> call = forward_steps(time, chunk, s.units, *forward_weights, gates, h, c);
            input.give(chunk, call);
            run_forward(steps, tiles, chunk.rows, call);
        }
        const T* d_sequence = nullptr;
        if (pass.d_sequence && time.whole()) d_sequence = pass.d_sequence + chunk.round * s.units;
        if (pass.d_sequence && !time.whole()) {
            gather_output_gradients(time, chunk, s.units, pass.d_sequence, gradient_rows.data());
            d_sequence = gradient_rows.data();
        }
        if (time.truncated()) {
            bool* cut = cuts.data();
            time.for_each_row(chunk, [&](const Timeline::Row& row) {
                cut[row.index] = time.cut_before(row.round, row.slot);
            });
        }
        run_backward(steps, tiles, chunk.rows,
                     {.batch = before,
                      .steps = chunk.rounds,
                      .units = s.units,
                      .active = time.active_from(chunk.round),
                      .packed = packed.data(),
                      .gates = gates,
                      .h = h,
                      .c = c,
                      .d_sequence = d_sequence,
                      .sequence_stride = s.steps * s.units,
                      .cut = time.truncated() ? cuts.data() : nullptr,
                      .dh = dh.data(),
                      .dc = dc.data(),
                      .d_bias = bias_sums.data()});
        input_gradient.add(chunk, gates);
        if (pass.recurrent_kernel_grad.data) {
            const T* h_before = gather_states_before(time, chunk, s.units, h, h_rows.data());
            for (const Columns& run : where.recurrent) {
                gemm(Transpose::yes, Transpose::no, s.units, run.count * s.units, chunk.rows, T(1),
                     run.reset_state ? gates : h_before, run.reset_state ? columns : s.units,
                     gates + run.gates * s.units, columns, recurrent_beta,
                     pass.recurrent_kernel_grad.data + run.weights * s.units, weight_columns);
            }
            recurrent_beta = T(1);
        }
    }
    input_gradient.finish();
    write_bias_grad(pass.cell, s.units, tiles.count(), bias_sums.data(), pass.bias_grad);
    write_states(time, s.units, dh.data(), pass.initial_h_grad);
    if (has_c) write_states(time, s.units, dc.data(), pass.initial_c_grad);
}

template void recurrent_forward(const RecurrentForward<float>&, InstructionSet);
template void recurrent_forward(const RecurrentForward<double>&, InstructionSet);
template void recurrent_backward(const RecurrentBackward<float>&, InstructionSet);
template void recurrent_backward(const RecurrentBackward<double>&, InstructionSet);

}  // namespace seqgrad::kernels
