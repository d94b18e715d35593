#pragma once

#include <cstddef>
#include <cstdint>

#include "seqgrad/core/random.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/data/dataset.hpp"

// Problems made to measure how far back a recurrent layer remembers. The same options and state of the
// generator give the same samples; `Generator(seed)` makes them from a seed.

namespace seqgrad {

/// What adding_problem makes.
struct AddingOptions {
    std::size_t samples = 1;  ///< N
    std::size_t steps = 100;  ///< T, at least 2
};

/// The adding problem: the sum of the two numbers of a sequence that are marked.
///
/// x is [N, T, 2]: a number uniform in [0, 1), and 1 where it is marked, otherwise 0. One mark stands in the
/// steps [0, T/2) and one in [T/2, T), each uniformly. y is [N, 1]: x[i,0] + x[j,0] of the marked steps i and
/// j. Predicting 1 whatever the input has a mean squared error of adding_baseline.
///
/// Throws ValueError for fewer than 2 steps.
///
/// Hochreiter & Schmidhuber, "Long short-term memory", Neural Computation 9 (1997), section 5.4, in the form
/// of Arjovsky et al., "Unitary evolution recurrent neural networks", arXiv 1511.06464, section 4.2.
template <Real T>
Dataset<T> adding_problem(const AddingOptions& options, Generator& generator);

/// Mean squared error of the best constant prediction of the adding problem, which is 1: the variance of the
/// sum of two numbers uniform in [0, 1).
inline constexpr double adding_baseline = 1.0 / 6.0;

/// What copying_task makes. Its vocabulary has `symbols` + 2 tokens.
struct CopyingOptions {
    std::size_t samples = 1;    ///< N
    std::size_t delay = 50;     ///< steps from the end of what is to be remembered to where it is written, at
                                ///< least 1
    std::size_t symbols = 8;    ///< different ones, at least 1
    std::size_t remember = 10;  ///< symbols to remember, at least 1
};

/// The copying task: repeat symbols after a delay.
///
/// x and y are [N, T] with T = delay + 2 remember, token numbers: 0 ... symbols-1 are symbols, `symbols` is a
/// blank and `symbols` + 1 the sign to begin. x is `remember` symbols, uniform and independent, delay - 1
/// blanks, the sign, and `remember` blanks; y is delay + remember blanks and then the symbols again. What
/// remembers nothing reaches copying_baseline, at best.
///
/// Throws ValueError for a delay, symbols or remember of 0.
///
/// Arjovsky et al., "Unitary evolution recurrent neural networks", arXiv 1511.06464, section 4.1, after
/// Hochreiter & Schmidhuber (1997).
template <Real T>
Dataset<T> copying_task(const CopyingOptions& options, Generator& generator);

/// Cross-entropy of the copying task in nats per step without memory, where blanks are certain and symbols
/// guessed: remember ln(symbols) / (delay + 2 remember). Throws ValueError as copying_task does.
double copying_baseline(const CopyingOptions& options);

/// What sequential_parity makes.
struct ParityOptions {
    std::size_t samples = 1;  ///< N
    std::size_t steps = 50;   ///< T, at least 1
    bool every_step = true;   ///< whether there is a target at every step, or at the last alone
};

/// Sequential parity: whether the number of ones so far is odd.
///
/// x is [N, T, 1], zeros and ones with probability 1/2 each. y is [N, T, 1], y_t = x_0 xor ... xor x_t, or,
/// without `every_step`, [N, 1], that of all steps. Every bit changes all targets after it, and no part of
/// the input tells more than chance: what misses one bit has a binary cross-entropy of parity_baseline.
///
/// Throws ValueError for no steps.
///
/// Bengio, Simard & Frasconi, "Learning long-term dependencies with gradient descent is difficult", IEEE
/// Transactions on Neural Networks 5 (1994), the parity problem.
template <Real T>
Dataset<T> sequential_parity(const ParityOptions& options, Generator& generator);

/// Binary cross-entropy of parity by chance, in nats per target: ln 2.
inline constexpr double parity_baseline = 0.693147180559945309417;

}  // namespace seqgrad
