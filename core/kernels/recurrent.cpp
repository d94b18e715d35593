#include "seqgrad/core/kernels/recurrent.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "seqgrad/core/kernels/gemm.hpp"
#include "seqgrad/core/kernels/tables.hpp"
#include "seqgrad/core/memory_pool.hpp"

namespace seqgrad::kernels {
namespace {

/// Pooled storage for the duration of a pass.
template <class T>
class Scratch {
  public:
    explicit Scratch(std::size_t n) : size_(n), data_(PoolAllocator<T>().allocate(n)) {}
    ~Scratch() { PoolAllocator<T>().deallocate(data_, size_); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    T* data() { return data_; }
    std::size_t size() const { return size_; }

  private:
    std::size_t size_;
    T* data_;
};

/// A run of columns that gate buffer and weights have in common, in groups of U.
struct Columns {
    std::size_t gates, weights, count;
};

/// Where a cell's columns stand (see recurrent_steps.hpp).
struct Layout {
    Columns input;
    std::array<Columns, 2> recurrent;
};

Layout layout(Cell cell) {
    switch (cell) {
        case Cell::lstm:
            return {{0, 0, 4}, {{{0, 0, 4}, {}}}};
        case Cell::gru:
            return {{1, 0, 3}, {{{1, 0, 2}, {0, 2, 1}}}};
        default:
            return {{0, 0, 1}, {{{0, 0, 1}, {}}}};
    }
}

/// The time loops for a layer of `units`.
template <class T>
const RecurrentSteps<T>& steps_of(Cell cell, std::size_t units, InstructionSet set) {
    // Units that fit one AVX2 register would leave half of a wider one empty; what runs AVX-512 runs AVX2
    // too.
    constexpr std::size_t avx2_width = 32 / sizeof(T);
    if (set == InstructionSet::avx512 && units <= avx2_width) set = InstructionSet::avx2;
    const RecurrentTable<T>& cells = *table<T>(set).recurrent;
    switch (cell) {
        case Cell::lstm:
            return cells.lstm;
        case Cell::gru:
            return cells.gru;
        default:
            return cells.simple_rnn;
    }
}

/// Steps taken at a time: enough rows for efficient products, few enough for the gates to stay in cache.
std::size_t steps_at_a_time(const RecurrentSizes& sizes) {
    constexpr std::size_t rows = 1024;
    return std::clamp<std::size_t>(rows / std::max<std::size_t>(sizes.batch, 1), 1,
                                   std::max<std::size_t>(sizes.steps, 1));
}

/// Steps [first, first + count) of a batch-major array [B, T, D], made time-major [count, B, D].
template <class T>
const T* time_major(const RecurrentSizes& s, const T* x, std::size_t first, std::size_t count, T* target) {
    if (s.batch == 1 || s.steps == 1) return x + first * s.features;
    for (std::size_t t = 0; t < count; ++t) {
        for (std::size_t b = 0; b < s.batch; ++b) {
            const T* row = x + (b * s.steps + first + t) * s.features;
            std::copy(row, row + s.features, target + (t * s.batch + b) * s.features);
        }
    }
    return target;
}

/// The way back.
template <class T>
void add_batch_major(const RecurrentSizes& s, const T* source, std::size_t first, std::size_t count,
                     GradientTarget<T> target) {
    for (std::size_t b = 0; b < s.batch; ++b) {
        for (std::size_t t = 0; t < count; ++t) {
            const T* from = source + (t * s.batch + b) * s.features;
            T* to = target.data + (b * s.steps + first + t) * s.features;
            if (target.beta == T(0)) {
                std::copy(from, from + s.features, to);
            } else {
                for (std::size_t i = 0; i < s.features; ++i) to[i] = target.beta * to[i] + from[i];
            }
        }
    }
}

template <class T>
void copy_or_zero(std::size_t n, const T* source, T* target) {
    if (source) {
        std::copy(source, source + n, target);
    } else {
        std::fill(target, target + n, T(0));
    }
}

template <class T>
void write(std::size_t n, const T* source, GradientTarget<T> target) {
    if (!target.data) return;
    for (std::size_t i = 0; i < n; ++i) {
        target.data[i] = target.beta == T(0) ? source[i] : target.beta * target.data[i] + source[i];
    }
}

/// The bias in the order of the gate buffer. gru's z and r add both sides, the candidate keeps them apart.
template <class T>
void arrange_bias(Cell cell, std::size_t units, const T* bias, T* arranged) {
    if (!bias || cell != Cell::gru) return copy_or_zero(gate_groups(cell) * units, bias, arranged);
    const T* recurrent = bias + 3 * units;
    for (std::size_t u = 0; u < units; ++u) {
        arranged[u] = recurrent[2 * units + u];
        arranged[units + u] = bias[u] + recurrent[u];
        arranged[2 * units + u] = bias[units + u] + recurrent[units + u];
        arranged[3 * units + u] = bias[2 * units + u];
    }
}

template <class T>
void write_bias_grad(Cell cell, std::size_t units, const T* sums, GradientTarget<T> target) {
    if (!target.data) return;
    if (cell != Cell::gru) return write(gate_groups(cell) * units, sums, target);
    const auto at = [&](std::size_t group) {
        return GradientTarget<T>{target.data + group * units, target.beta};
    };
    write(3 * units, sums + units, at(0));  // z, r, h of the input side
    write(2 * units, sums + units, at(3));  // z, r of the recurrent side
    write(units, sums, at(5));
}

}  // namespace

std::size_t weight_groups(Cell cell) noexcept {
    return layout(cell).input.count;
}

std::size_t gate_groups(Cell cell) noexcept {
    return cell == Cell::simple_rnn ? 1 : 4;
}

template <class T>
void recurrent_forward(const RecurrentForward<T>& pass, InstructionSet set) {
    const RecurrentSizes& s = pass.sizes;
    const RecurrentSteps<T>& steps = steps_of<T>(pass.cell, s.units, set);
    const Columns input = layout(pass.cell).input;
    const bool has_c = pass.cell == Cell::lstm, keep = pass.saved.h != nullptr;
    const std::size_t state = s.batch * s.units, columns = gate_groups(pass.cell) * s.units;
    const std::size_t chunk = steps_at_a_time(s);

    Scratch<T> packed(steps.packed_size(s.units));
    steps.pack_forward(s.units, pass.weights.recurrent_kernel, packed.data());
    Scratch<T> bias(columns);
    arrange_bias(pass.cell, s.units, pass.weights.bias, bias.data());
    Scratch<T> x_steps(chunk * s.batch * s.features);
    Scratch<T> gate_steps(pass.saved.gates ? 0 : chunk * s.batch * columns);
    Scratch<T> h_steps(keep ? 0 : (chunk + 1) * state);
    Scratch<T> c_steps(keep || !has_c ? 0 : (chunk + 1) * state);

    T* h = keep ? pass.saved.h : h_steps.data();
    T* c = !has_c ? nullptr : keep ? pass.saved.c : c_steps.data();
    copy_or_zero(state, pass.initial_h, h);
    if (has_c) copy_or_zero(state, pass.initial_c, c);
    for (std::size_t first = 0; first < s.steps; first += chunk) {
        const std::size_t count = std::min(chunk, s.steps - first), rows = count * s.batch;
        T* gates = pass.saved.gates ? pass.saved.gates + first * s.batch * columns : gate_steps.data();
        const T* x = time_major(s, pass.x, first, count, x_steps.data());
        gemm(Transpose::no, Transpose::no, rows, input.count * s.units, s.features, T(1), x, s.features,
             pass.weights.kernel, input.count * s.units, T(0), gates + input.gates * s.units, columns);
        steps.forward({.batch = s.batch,
                       .steps = count,
                       .units = s.units,
                       .packed = packed.data(),
                       .bias = bias.data(),
                       .gates = gates,
                       .h = h,
                       .c = c,
                       .sequence = pass.sequence ? pass.sequence + first * s.units : nullptr,
                       .sequence_stride = s.steps * s.units});
        if (keep) {
            h += count * state;
            if (has_c) c += count * state;
        } else {
            std::copy(h + count * state, h + (count + 1) * state, h);
            if (has_c) std::copy(c + count * state, c + (count + 1) * state, c);
        }
    }
    std::copy(h, h + state, pass.final_h);
    if (has_c) std::copy(c, c + state, pass.final_c);
}

template <class T>
void recurrent_backward(const RecurrentBackward<T>& pass, InstructionSet set) {
    const RecurrentSizes& s = pass.sizes;
    const RecurrentSteps<T>& steps = steps_of<T>(pass.cell, s.units, set);
    const Layout where = layout(pass.cell);
    const bool has_c = pass.cell == Cell::lstm;
    const std::size_t state = s.batch * s.units, columns = gate_groups(pass.cell) * s.units;
    const std::size_t weight_columns = where.input.count * s.units;
    const std::size_t chunk = steps_at_a_time(s);

    Scratch<T> packed(steps.packed_size(s.units));
    steps.pack_backward(s.units, pass.weights.recurrent_kernel, packed.data());
    Scratch<T> x_steps(chunk * s.batch * s.features);
    Scratch<T> gate_steps(pass.saved.gates ? 0 : chunk * s.batch * columns);
    Scratch<T> dh(state), dc(has_c ? state : 0), bias_sums(columns);
    copy_or_zero(state, pass.d_final_h, dh.data());
    if (has_c) copy_or_zero(state, pass.d_final_c, dc.data());
    std::fill(bias_sums.data(), bias_sums.data() + columns, T(0));

    // A sequence without steps still writes its weights' gradients, which are zero.
    T kernel_beta = pass.kernel_grad.beta, recurrent_beta = pass.recurrent_kernel_grad.beta;
    for (std::size_t end = s.steps, count = 0; end > 0 || s.steps == 0; end -= count) {
        count = std::min(chunk, end);
        const std::size_t first = end - count, rows = count * s.batch;
        T* gates = pass.saved.gates ? pass.saved.gates + first * s.batch * columns : gate_steps.data();
        const T* h = pass.saved.h + first * state;
        steps.backward({.batch = s.batch,
                        .steps = count,
                        .units = s.units,
                        .packed = packed.data(),
                        .gates = gates,
                        .h = h,
                        .c = has_c ? pass.saved.c + first * state : nullptr,
                        .d_sequence = pass.d_sequence ? pass.d_sequence + first * s.units : nullptr,
                        .sequence_stride = s.steps * s.units,
                        .dh = dh.data(),
                        .dc = dc.data(),
                        .d_bias = bias_sums.data()});
        const T* input_gates = gates + where.input.gates * s.units;
        if (pass.kernel_grad.data) {
            gemm(Transpose::yes, Transpose::no, s.features, weight_columns, rows, T(1),
                 time_major(s, pass.x, first, count, x_steps.data()), s.features, input_gates, columns,
                 kernel_beta, pass.kernel_grad.data, weight_columns);
            kernel_beta = T(1);
        }
        if (pass.recurrent_kernel_grad.data) {
            for (const Columns& run : where.recurrent) {
                gemm(Transpose::yes, Transpose::no, s.units, run.count * s.units, rows, T(1), h, s.units,
                     gates + run.gates * s.units, columns, recurrent_beta,
                     pass.recurrent_kernel_grad.data + run.weights * s.units, weight_columns);
            }
            recurrent_beta = T(1);
        }
        if (pass.x_grad.data) {
            gemm(Transpose::no, Transpose::yes, rows, s.features, weight_columns, T(1), input_gates, columns,
                 pass.weights.kernel, weight_columns, T(0), x_steps.data(), s.features);
            add_batch_major(s, x_steps.data(), first, count, pass.x_grad);
        }
        if (s.steps == 0) break;
    }
    write_bias_grad(pass.cell, s.units, bias_sums.data(), pass.bias_grad);
    write(state, dh.data(), pass.initial_h_grad);
    if (has_c) write(state, dc.data(), pass.initial_c_grad);
}

template void recurrent_forward(const RecurrentForward<float>&, InstructionSet);
template void recurrent_forward(const RecurrentForward<double>&, InstructionSet);
template void recurrent_backward(const RecurrentBackward<float>&, InstructionSet);
template void recurrent_backward(const RecurrentBackward<double>&, InstructionSet);

}  // namespace seqgrad::kernels
