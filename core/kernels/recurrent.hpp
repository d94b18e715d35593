#pragma once

#include <cstddef>
#include <cstdint>

#include "seqgrad/core/kernels/instruction_set.hpp"
#include "seqgrad/core/kernels/timeline.hpp"

namespace seqgrad::kernels {

/// The recurrent layers' cells, with tanh and sigmoid as activations. gru has its reset gate after the
/// recurrent product, gru_reset_before before it.
enum class Cell { simple_rnn, lstm, gru, gru_reset_before };

/// Groups of U columns in the weights of a cell (1, 4: i f c o, 3: z r h) and in its gate buffer (1, 4, 4, 4;
/// see recurrent_steps.hpp).
std::size_t weight_groups(Cell cell) noexcept;
std::size_t gate_groups(Cell cell) noexcept;

/// B samples, T steps, D features, U units. B and T are those of the timeline.
struct RecurrentSizes {
    std::size_t batch, steps, features, units;
};

/// The input of a layer: all of x, or where that is a lookup, a table of its rows.
template <class T>
struct RecurrentX {
    const T* data;                      ///< [B, T, D]; table: [V, D]
    const std::int64_t* ids = nullptr;  ///< [B, T]: the table's row at each step; null: there is no table
    std::size_t table_rows = 0;         ///< V
};

/// Weights of a cell with g groups, columns in Keras's order.
template <class T>
struct RecurrentWeights {
    const T* kernel;            ///< [D, gU]
    const T* recurrent_kernel;  ///< [U, gU]
    const T* bias;              ///< [gU]; gru: [2, 3U], the input side's before the recurrent side's; or null
};

/// What a forward pass leaves for the backward pass, in the rows of the timeline (R of them). The caller
/// provides the storage, which the backward pass changes; both passes must be given the same.
template <class T>
struct RecurrentSaved {
    T* gates;  ///< [R, gate_groups U]; null: not kept, and for simple_rnn
    T* h;      ///< [B + R, U]: the initial states, then one for every row
    T* c;      ///< [B + R, U]; lstm only
    /// Where every step of every sample counts, the states are the outputs: h may then have the initial ones
    /// alone, [B, U], and the backward pass be given the sequence.
    bool h_kept = true;
};

/// A recurrent layer over a whole sequence. All arrays are dense and row-major and need no alignment; outputs
/// overlap neither inputs nor each other.
template <class T>
struct RecurrentForward {
    Cell cell;
    RecurrentSizes sizes;
    const Timeline& timeline;
    RecurrentX<T> x;
    RecurrentWeights<T> weights;
    const T* initial_h;  ///< [B, U], or null for zeros
    const T* initial_c;  ///< [B, U], or null for zeros; lstm only
    T* sequence;         ///< [B, T, U], or null
    T* final_h;          ///< [B, U]
    T* final_c;          ///< [B, U]; lstm only
    /// Without h this is inference: then only a few steps are kept at a time.
    RecurrentSaved<T> saved;
};

/// An array that a gradient is written to (beta 0) or added to (beta 1). Null: not wanted.
template <class T>
struct GradientTarget {
    T* data = nullptr;
    T beta = 0;
};

/// Back-propagation through time. x, timeline, weights and saved are those of the forward pass.
template <class T>
struct RecurrentBackward {
    Cell cell;
    RecurrentSizes sizes;
    const Timeline& timeline;
    RecurrentX<T> x;
    RecurrentWeights<T> weights;
    RecurrentSaved<T> saved;
    /// Whether saved.gates has the gates; they are computed again from the states otherwise.
    bool gates_kept;
    const T* sequence;    ///< the outputs [B, T, U] where saved.h is not kept; not read otherwise
    const T* d_sequence;  ///< gradient of the sequence [B, T, U], or null
    const T* d_final_h;   ///< gradient of the final states [B, U], or null
    const T* d_final_c;
    GradientTarget<T> x_grad;                 ///< like x.data
    GradientTarget<T> kernel_grad;            ///< like the weights
    GradientTarget<T> recurrent_kernel_grad;  ///< like the weights
    GradientTarget<T> bias_grad;              ///< like the weights
    GradientTarget<T> initial_h_grad;         ///< [B, U]
    GradientTarget<T> initial_c_grad;         ///< [B, U]; lstm only
};

/// Several threads share the samples in the time loop, and the columns of the products (threads.hpp).
/// Allocates scratch from the pool before and after the time loop, none in it. The one-argument forms use the
/// process's instruction set.
template <class T>
void recurrent_forward(const RecurrentForward<T>& pass, InstructionSet set);
template <class T>
void recurrent_backward(const RecurrentBackward<T>& pass, InstructionSet set);
template <class T>
void recurrent_forward(const RecurrentForward<T>& pass) {
    recurrent_forward(pass, instruction_set());
}
template <class T>
void recurrent_backward(const RecurrentBackward<T>& pass) {
    recurrent_backward(pass, instruction_set());
}

}  // namespace seqgrad::kernels
