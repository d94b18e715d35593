#pragma once

#include <cstddef>

#include "seqgrad/core/kernels/recurrent.hpp"
#include "seqgrad/core/kernels/recurrent_steps.hpp"
#include "seqgrad/core/kernels/scratch.hpp"
#include "seqgrad/core/kernels/timeline.hpp"

namespace seqgrad::kernels {

/// The input's side of a recurrent layer, x W for all rows of the timeline, in chunks of them.
///
/// The time loop multiplies x itself, so that the products need not go to memory and back, where a step has
/// rows enough for every time W is read. Otherwise they are made before it. Where x is a lookup, its table is
/// multiplied instead, once: rows of a product are products of rows.
template <class T>
class RecurrentInput {
  public:
    /// `steps` are those of the cell. No chunk has more than `most_rows` rows.
    RecurrentInput(Cell cell, const RecurrentSizes& sizes, const RecurrentSteps<T>& steps,
                   const Timeline& timeline, RecurrentX<T> x, const T* kernel, std::size_t most_rows);

    /// Gives the input of a chunk to its time loop, which has everything else: x and W, or x W in the input's
    /// columns of its gate buffer. Valid until the next call.
    void give(const Timeline::Chunk& chunk, ForwardSteps<T>& call);

  private:
    template <class>
    friend class RecurrentInputGradient;

    /// Rows of x W are this long.
    std::size_t width() const { return groups_ * sizes_.units; }
    /// Writes x W of a chunk's rows to the input's columns of its gate buffer.
    void project(const Timeline::Chunk& chunk, T* gates);
    /// The id of every row of a chunk, in their order: f(id, row).
    template <class F>
    void for_each_id(const Timeline::Chunk& chunk, const F& f) const;

    RecurrentSizes sizes_;
    const RecurrentSteps<T>& steps_;
    const Timeline& time_;
    RecurrentX<T> x_;
    const T* kernel_;
    /// Of the gate buffer: where the input's columns begin, how many groups of units they are, and its rows'
    /// length.
    std::size_t first_, groups_, columns_;
    Scratch<T> rows_;       ///< [rows, D]: of x
    Scratch<T> packed_;     ///< W, for the time loop
    Scratch<T> projected_;  ///< [V, g U]: of a table
};

/// The way back: the gradients of the kernel, and of x or its table, from those of the gates.
template <class T>
class RecurrentInputGradient {
  public:
    RecurrentInputGradient(RecurrentInput<T>& input, GradientTarget<T> kernel, GradientTarget<T> x);

    /// Adds what a chunk's gate gradients bring. Chunks may come in any order.
    void add(const Timeline::Chunk& chunk, const T* gates);
    /// After the last chunk.
    void finish();

  private:
    RecurrentInput<T>& input_;
    GradientTarget<T> kernel_, x_;
    Scratch<T> sums_;  ///< [V, g U]: the gate gradients of every row of a table
};

}  // namespace seqgrad::kernels
