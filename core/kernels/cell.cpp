#include "seqgrad/core/kernels/cell.hpp"

#include <algorithm>
#include <thread>

#include "seqgrad/core/internal/parallel.hpp"
#include "seqgrad/core/kernels/tables.hpp"

namespace seqgrad::kernels {
namespace {

/// The bias in the order of the gate buffer. gru's z and r add both sides, the candidate keeps them apart.
template <class T>
void arrange_bias(Cell cell, std::size_t units, const T* bias, T* arranged) {
    const std::size_t columns = gate_groups(cell) * units;
    if (!bias) {
        std::fill(arranged, arranged + columns, T(0));
        return;
    }
    if (cell != Cell::gru) {
        const std::size_t skipped = layout(cell).input.gates * units;
        std::fill(arranged, arranged + skipped, T(0));
        std::copy(bias, bias + columns - skipped, arranged + skipped);
        return;
    }
    const T* recurrent = bias + 3 * units;
    for (std::size_t u = 0; u < units; ++u) {
        arranged[u] = recurrent[2 * units + u];
        arranged[units + u] = bias[u] + recurrent[u];
        arranged[2 * units + u] = bias[units + u] + recurrent[units + u];
        arranged[3 * units + u] = bias[2 * units + u];
    }
}

/// How many parts of the units are worth a thread each, in a time loop over so many rows.
template <class T, class Call>
std::size_t worthy_parts(const RecurrentSteps<T>& steps, std::size_t rows, const Call& call) {
    // One whose processor works for another thread would keep all waiting in every step.
    static const std::size_t processors = std::thread::hardware_concurrency();
    // A row times the weights takes twice as long as the same work in a large product.
    constexpr std::size_t least_work = detail::least_parallel_work / 2;
    // Half a microsecond: less is over before the others can have heard of it.
    constexpr std::size_t least_work_of_step = std::size_t{1} << 13;
    const std::size_t weights = steps.packed_size(call.units);
    return std::max<std::size_t>(1,
                                 std::min({steps.parts(call.units, call.batch), weights * rows / least_work,
                                           weights * call.batch / least_work_of_step, processors}));
}

/// Runs a time loop over all tiles, on several threads where its work is worth it. They share the samples,
/// or, where these are a single tile, the units.
template <class T, class Call>
void share(const RecurrentSteps<T>& steps, void (*loop)(const Call&), const SampleTiles& tiles,
           std::size_t rows, const Call& call) {
    if (tiles.count() == 1) {
        return detail::parallel_crew(
            worthy_parts(steps, rows, call), [&](detail::Crew& crew, std::size_t member) noexcept {
                Call part = call;
                part.tiles = tiles.run(0, 1);
                part.part = {.index = member,
                             .count = crew.size(),
                             .meet = [](void* all,
                                        std::size_t index) { static_cast<detail::Crew*>(all)->meet(index); },
                             .crew = &crew};
                loop(part);
            });
    }
    detail::parallel_runs(tiles.count(), steps.packed_size(call.units) * rows,
                          [&](std::size_t first, std::size_t last) {
                              Call part = call;
                              part.tiles = tiles.run(first, last);
                              loop(part);
                          });
}

}  // namespace

Layout layout(Cell cell) {
    switch (cell) {
        case Cell::lstm:
            return {{0, 0, 4}, {{{0, 0, 4}, {}}}};
        case Cell::gru:
            return {{1, 0, 3}, {{{1, 0, 2}, {0, 2, 1}}}};
        case Cell::gru_reset_before:
            return {{1, 0, 3}, {{{1, 0, 2}, {3, 2, 1, true}}}};
        default:
            return {{0, 0, 1}, {{{0, 0, 1}, {}}}};
    }
}

std::size_t weight_groups(Cell cell) noexcept {
    return layout(cell).input.count;
}

std::size_t gate_groups(Cell cell) noexcept {
    return cell == Cell::simple_rnn ? 1 : 4;
}

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
        case Cell::gru_reset_before:
            return cells.gru_reset_before;
        default:
            return cells.simple_rnn;
    }
}

template <class T>
ForwardWeights<T>::ForwardWeights(Cell cell, std::size_t units, const RecurrentSteps<T>& steps,
                                  const RecurrentWeights<T>& weights)
    : packed_(steps.packed_size(units)), bias_(gate_groups(cell) * units) {
    steps.pack_forward(units, weights.recurrent_kernel, packed_.data());
    arrange_bias(cell, units, weights.bias, bias_.data());
}

SampleTiles::SampleTiles(std::size_t batch, std::size_t most_rows) {
    std::size_t tiles = std::max<std::size_t>(1, (batch + most_rows - 1) / most_rows);
    if (tiles > 1) tiles += tiles % 2;
    for (std::size_t i = 0; i <= tiles; ++i) starts_.push_back(i * batch / tiles);
}

template <class T>
void run_forward(const RecurrentSteps<T>& steps, const SampleTiles& tiles, std::size_t rows,
                 const ForwardSteps<T>& call) {
    share(steps, steps.forward, tiles, rows, call);
}

template <class T>
void run_backward(const RecurrentSteps<T>& steps, const SampleTiles& tiles, std::size_t rows,
                  const BackwardSteps<T>& call) {
    share(steps, steps.backward, tiles, rows, call);
}

template <class T>
void write_bias_grad(Cell cell, std::size_t units, std::size_t tiles, T* sums, GradientTarget<T> target) {
    if (!target.data) return;
    const std::size_t columns = gate_groups(cell) * units;
    for (std::size_t i = 1; i < tiles; ++i) {
        for (std::size_t u = 0; u < columns; ++u) sums[u] += sums[i * columns + u];
    }
    const Columns input = layout(cell).input;
    if (cell != Cell::gru) return write(input.count * units, sums + input.gates * units, target);
    const auto at = [&](std::size_t group) {
        return GradientTarget<T>{target.data + group * units, target.beta};
    };
    write(3 * units, sums + units, at(0));  // z, r, h of the input side
    write(2 * units, sums + units, at(3));  // z, r of the recurrent side
    write(units, sums, at(5));
}

template const RecurrentSteps<float>& steps_of(Cell, std::size_t, InstructionSet);
template const RecurrentSteps<double>& steps_of(Cell, std::size_t, InstructionSet);
template class ForwardWeights<float>;
template class ForwardWeights<double>;
template void run_forward(const RecurrentSteps<float>&, const SampleTiles&, std::size_t,
                          const ForwardSteps<float>&);
template void run_forward(const RecurrentSteps<double>&, const SampleTiles&, std::size_t,
                          const ForwardSteps<double>&);
template void run_backward(const RecurrentSteps<float>&, const SampleTiles&, std::size_t,
                           const BackwardSteps<float>&);
template void run_backward(const RecurrentSteps<double>&, const SampleTiles&, std::size_t,
                           const BackwardSteps<double>&);
template void write_bias_grad(Cell, std::size_t, std::size_t, float*, GradientTarget<float>);
template void write_bias_grad(Cell, std::size_t, std::size_t, double*, GradientTarget<double>);

}  // namespace seqgrad::kernels
