#pragma once

// What the cells of the recurrent layers do with one register of units of one sample. Included only by the
// translation units that are compiled once for each instruction set.
//
// A cell has
//   gates       groups of recurrent weights for every unit
//   columns     groups of columns in the gate buffer
//   inputs      of those, how many have an input side, in the order of Keras's kernel
//   first_input the first of these
//   keras_gate  keras_gate[g]: where group g of the recurrent product stands in Keras's kernel
//   passes_dh   whether h_{t-1} reaches h_t beside the recurrent product
//   has_cell_state  whether there is a c beside h
//   activates   whether activate comes before output
//   activate    from the recurrent product to the gates; each waits for nothing but its own product, so that
//               the processor can work on many rows at a time if all of them come before any output
//   output      from the gates (or, without activate, from the product) to the new state
//   backward    from the gradient of h_t to that of the gates
// `lanes` are Lanes or AllLanes. Row pointers point to the first unit of the register; group g of the gate
// buffer and of the bias is at [g * units], the g-th input side at [g * input_stride].

#include <array>
#include <cstddef>
#include <limits>

#include "seqgrad/core/kernels/lanes.hpp"
#include "seqgrad/core/kernels/math.hpp"

namespace seqgrad::kernels {

/// One sample's rows at one step, at the register's first unit. Before and after the step: h0 and h1, c0 and
/// c1.
template <class T>
struct ForwardRow {
    T* gates;
    const T* input;
    std::size_t input_stride;
    const T* h0;
    const T* c0;
    T* h1;
    T* c1;
};

template <class T>
struct BackwardRow {
    T* gates;
    const T* h0;
    const T* h1;
    const T* c0;
    T* dh;
    T* dc;
};

/// What an activation is of: the recurrent product, the input side and the bias.
template <class B, class L, class T = typename B::value_type>
inline B before_activation(L lanes, const T* product, const T* input, const T* bias) {
    return B::load_aligned(product) + lanes.load(input) + lanes.load(bias);
}

/// h = tanh(x W_x + h W_h + b)
template <class B>
struct SimpleRnnCell {
    using T = typename B::value_type;
    static constexpr std::size_t gates = 1, columns = 1, inputs = 1, first_input = 0;
    static constexpr std::array<std::size_t, 1> keras_gate{0};
    static constexpr bool passes_dh = false, has_cell_state = false, activates = false;

    template <class L>
    static B output(L lanes, std::size_t, const T* product, const T* bias, ForwardRow<T> row) {
        return math::tanh(before_activation<B>(lanes, product, row.input, bias));
    }

    template <class L>
    static void backward(L lanes, std::size_t, B dh, BackwardRow<T> row, B* sums) {
        const B h = lanes.load(row.h1);
        const B da = fnma(dh * h, h, dh);
        lanes.store(row.gates, da);
        sums[0] += da;
    }
};

/// i, f, o = sigmoid(x W + h W + b), g = tanh(x W + h W + b), c = f c + i g, h = o tanh(c): Hochreiter and
/// Schmidhuber 1997, with the forget gate of Gers, Schmidhuber and Cummins 2000.
template <class B>
struct LstmCell {
    using T = typename B::value_type;
    static constexpr std::size_t gates = 4, columns = 4, inputs = 4, first_input = 0;
    static constexpr std::array<std::size_t, 4> keras_gate{0, 1, 2, 3};
    static constexpr bool passes_dh = false, has_cell_state = true, activates = true;

    template <class L>
    static void activate(L lanes, std::size_t units, const T* product, const T* bias, ForwardRow<T> row) {
        const auto sum = [&](std::size_t g) {
            return before_activation<B>(lanes, product + g * B::size, row.input + g * row.input_stride,
                                        bias + g * units);
        };
        lanes.store(row.gates, math::gate(sum(0)));
        lanes.store(row.gates + units, math::gate(sum(1)));
        lanes.store(row.gates + 2 * units, math::tanh(sum(2)));
        lanes.store(row.gates + 3 * units, math::gate(sum(3)));
    }

    template <class L>
    static B output(L lanes, std::size_t units, const T*, const T*, ForwardRow<T> row) {
        const B i = lanes.load(row.gates);
        const B f = lanes.load(row.gates + units);
        const B g = lanes.load(row.gates + 2 * units);
        const B o = lanes.load(row.gates + 3 * units);
        const B c = fma(f, lanes.load(row.c0), i * g);
        lanes.store(row.c1, c);
        return o * math::tanh(c);
    }

    template <class L>
    static void backward(L lanes, std::size_t units, B dh, BackwardRow<T> row, B* sums) {
        const B one(T(1));
        const B i = lanes.load(row.gates);
        const B f = lanes.load(row.gates + units);
        const B g = lanes.load(row.gates + 2 * units);
        const B o = lanes.load(row.gates + 3 * units);
        const B h = lanes.load(row.h1);
        // h / o is tanh(c), without its arithmetic; where o is zero in double precision, h is too.
        const B tanh_c = h / math::at_least(std::numeric_limits<T>::min(), o);
        const B dc = fma(dh, fnma(h, tanh_c, o), lanes.load(row.dc));
        const B di = dc * g * i * (one - i);
        const B df = dc * lanes.load(row.c0) * f * (one - f);
        const B dg = dc * i * fnma(g, g, one);
        const B d_o = dh * h * (one - o);
        lanes.store(row.gates, di);
        lanes.store(row.gates + units, df);
        lanes.store(row.gates + 2 * units, dg);
        lanes.store(row.gates + 3 * units, d_o);
        lanes.store(row.dc, dc * f);
        sums[0] += di;
        sums[1] += df;
        sums[2] += dg;
        sums[3] += d_o;
    }
};

/// z, r = sigmoid(x W + h W + b), g = tanh(x W + b + r (h W + b')), h = z h + (1 - z) g: Cho et al. 2014 with
/// the reset gate after the product, which is Keras's reset_after.
template <class B>
struct GruCell {
    using T = typename B::value_type;
    static constexpr std::size_t gates = 3, columns = 4, inputs = 3, first_input = 1;
    static constexpr std::array<std::size_t, 3> keras_gate{2, 0, 1};
    static constexpr bool passes_dh = true, has_cell_state = false, activates = true;

    template <class L>
    static void activate(L lanes, std::size_t units, const T* product, const T* bias, ForwardRow<T> row) {
        const auto sum = [&](std::size_t g) {
            return before_activation<B>(lanes, product + g * B::size,
                                        row.input + (g - first_input) * row.input_stride, bias + g * units);
        };
        lanes.store(row.gates, B::load_aligned(product) + lanes.load(bias));
        lanes.store(row.gates + units, math::gate(sum(1)));
        lanes.store(row.gates + 2 * units, math::gate(sum(2)));
    }

    template <class L>
    static B output(L lanes, std::size_t units, const T*, const T* bias, ForwardRow<T> row) {
        const B recurrent = lanes.load(row.gates);
        const B z = lanes.load(row.gates + units);
        const B r = lanes.load(row.gates + 2 * units);
        const B input =
            lanes.load(row.input + (3 - first_input) * row.input_stride) + lanes.load(bias + 3 * units);
        const B g = math::tanh(fma(r, recurrent, input));
        lanes.store(row.gates + 3 * units, g);
        return fma(z, lanes.load(row.h0) - g, g);
    }

    template <class L>
    static void backward(L lanes, std::size_t units, B dh, BackwardRow<T> row, B* sums) {
        const B one(T(1));
        const B recurrent = lanes.load(row.gates);
        const B z = lanes.load(row.gates + units);
        const B r = lanes.load(row.gates + 2 * units);
        const B g = lanes.load(row.gates + 3 * units);
        const B d_input = dh * (one - z) * fnma(g, g, one);
        const B d_recurrent = d_input * r;
        const B dz = dh * (lanes.load(row.h0) - g) * z * (one - z);
        const B dr = d_input * recurrent * r * (one - r);
        lanes.store(row.gates, d_recurrent);
        lanes.store(row.gates + units, dz);
        lanes.store(row.gates + 2 * units, dr);
        lanes.store(row.gates + 3 * units, d_input);
        lanes.store(row.dh, dh * z);
        sums[0] += d_recurrent;
        sums[1] += dz;
        sums[2] += dr;
        sums[3] += d_input;
    }
};

}  // namespace seqgrad::kernels
