#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "seqgrad/core/kernels/recurrent.hpp"
#include "seqgrad/core/kernels/recurrent_steps.hpp"
#include "seqgrad/core/kernels/scratch.hpp"

// What drives the time loops of recurrent_steps.hpp: where a cell's columns stand, and its weights and bias
// in their order.

namespace seqgrad::kernels {

/// A run of columns that gate buffer and weights have in common, in groups of U.
struct Columns {
    std::size_t gates, weights, count;
    /// Whether the weights are multiplied by the gate buffer's first group instead of h_{t-1}.
    bool reset_state = false;
};

/// Where a cell's columns stand (see recurrent_steps.hpp).
struct Layout {
    Columns input;
    std::array<Columns, 2> recurrent;
};

Layout layout(Cell cell);

/// The time loops for a layer of `units`.
template <class T>
const RecurrentSteps<T>& steps_of(Cell cell, std::size_t units, InstructionSet set);

/// target = source + beta target; nothing where it is not wanted.
template <class T>
void write(std::size_t n, const T* source, GradientTarget<T> target) {
    if (!target.data) return;
    for (std::size_t i = 0; i < n; ++i) {
        target.data[i] = target.beta == T(0) ? source[i] : target.beta * target.data[i] + source[i];
    }
}

/// What the forward time loop needs beside the arrays of its steps.
template <class T>
class ForwardWeights {
  public:
    ForwardWeights(Cell cell, std::size_t units, const RecurrentSteps<T>& steps,
                   const RecurrentWeights<T>& weights);

    const T* packed() const { return packed_.data(); }
    const T* bias() const { return bias_.data(); }

  private:
    Scratch<T> packed_, bias_;
};

/// A batch in tiles for a cell's time loop, all of about the same size. Where there are several there is an
/// even number of them, which two threads share evenly.
class SampleTiles {
  public:
    SampleTiles(std::size_t batch, std::size_t most_rows);

    std::size_t count() const { return starts_.size() - 1; }
    Tiles run(std::size_t first, std::size_t last) const { return {starts_.data(), first, last}; }

  private:
    std::vector<std::size_t> starts_;
};

/// The time loop of a call over all tiles, which it need not name, on several threads where its `rows` are
/// worth it.
template <class T>
void run_forward(const RecurrentSteps<T>& steps, const SampleTiles& tiles, std::size_t rows,
                 const ForwardSteps<T>& call);
template <class T>
void run_backward(const RecurrentSteps<T>& steps, const SampleTiles& tiles, std::size_t rows,
                  const BackwardSteps<T>& call);

/// The gradient of the bias from the tiles' sums over the gate buffer's rows, [tiles, C], which are changed.
template <class T>
void write_bias_grad(Cell cell, std::size_t units, std::size_t tiles, T* sums, GradientTarget<T> target);

}  // namespace seqgrad::kernels
