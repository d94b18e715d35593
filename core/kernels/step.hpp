#pragma once

// Where the steps of a time loop stand in its arrays. Included only by the translation units that are
// compiled once for each instruction set; functions that do not depend on it must not be left for the linker
// to choose among, so they are always inlined.

#include <cstddef>

#include "seqgrad/core/kernels/recurrent_steps.hpp"

namespace seqgrad::kernels {

/// Samples of step t; Call is ForwardSteps or BackwardSteps.
template <class Call>
[[gnu::always_inline]] inline std::size_t samples(const Call& s, std::size_t t) {
    return s.active ? s.active[t] : s.batch;
}

/// A step in an array of rows, and of states, for loops that go back through time.
struct Step {
    std::size_t index;
    /// Its samples, and those of the next step.
    std::size_t batch, later;
    /// Its first row in the gates, and those of the states before and after it.
    std::size_t row, before, after;
};

/// Behind the last step.
template <class T>
[[gnu::always_inline]] inline Step end_of(const BackwardSteps<T>& s) {
    Step end{.index = s.steps, .batch = 0, .later = 0, .row = 0, .before = 0, .after = 0};
    for (std::size_t t = 0; t < s.steps; ++t) end.row += samples(s, t);
    return end;
}

/// Step t, given the one after it.
template <class T>
[[gnu::always_inline]] inline Step step_before(const BackwardSteps<T>& s, const Step& next, std::size_t t) {
    const std::size_t batch = samples(s, t), row = next.row - batch, after = s.batch + row;
    return {.index = t,
            .batch = batch,
            .later = next.batch,
            .row = row,
            .before = after - (t == 0 ? s.batch : samples(s, t - 1)),
            .after = after};
}

/// The gradient of a sample's output at a step.
template <class T>
[[gnu::always_inline]] inline const T* output_gradient(const BackwardSteps<T>& s, const Step& step,
                                                       std::size_t sample) {
    return s.d_sequence +
           (s.active ? (step.row + sample) * s.units : sample * s.sequence_stride + step.index * s.units);
}

}  // namespace seqgrad::kernels
