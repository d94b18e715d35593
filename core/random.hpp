#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "seqgrad/core/tensor.hpp"

namespace seqgrad {

/// Everything a Generator remembers: save these two integers, and set_state() goes on from the same draw.
struct GeneratorState {
    std::int64_t seed = 0;     ///< First word of the seed pair.
    std::int64_t counter = 0;  ///< Second word of the seed pair; every draw adds 1.

    friend bool operator==(const GeneratorState&, const GeneratorState&) = default;
};

/// A source of random tensors whose numbers are those of Keras on TensorFlow.
///
/// The state is a pair (seed, counter). A draw takes its numbers from TensorFlow's stateless Philox 4x32-10
/// stream of the current pair (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), then
/// adds 1 to the counter, as `keras.random.SeedGenerator` does: the n-th draw of `Generator(seed)` equals the
/// n-th draw that Keras makes with `seed=SeedGenerator(seed)`, and the first one equals a draw with
/// `seed=seed`.
///
/// Uniform draws and integers are equal to TensorFlow's bit for bit. Normal ones go through the C library's
/// log, sin and cos, and may differ by 2 units in the last place where that library rounds otherwise. The
/// float and double streams of one state hold different numbers.
///
/// Every draw is one call: `uniform<float>({4})` is not two calls of `uniform<float>({2})`. A call that
/// throws leaves the state as it was. A Generator is not synchronised: give each thread its own, see split().
class Generator {
  public:
    /// Starts at the pair (seed mod 2147483646, 0), Keras's way to fold any integer into the seeds TensorFlow
    /// takes.
    explicit Generator(std::int64_t seed = 0);

    /// Goes on from a saved state.
    explicit Generator(const GeneratorState& state) : state_(state) {}

    /// Numbers uniform in [minval, maxval): u (maxval - minval) + minval with u in [0, 1), rounded to T at
    /// each step. The bounds are rounded to T first, as TensorFlow does (Keras rounds them to float32 even
    /// when T is double). u has 23 random bits for float and 52 for double. Throws ValueError unless minval
    /// <= maxval and their difference is finite in T.
    template <Real T>
    Tensor<T> uniform(const Shape& shape, double minval = 0.0, double maxval = 1.0);

    /// Numbers of a normal distribution: n stddev + mean with n by Box and Muller's transform (1958).
    /// Throws ValueError unless both arguments are finite and stddev >= 0.
    template <Real T>
    Tensor<T> normal(const Shape& shape, double mean = 0.0, double stddev = 1.0);

    /// Numbers of a normal distribution of which everything two or more standard deviations from the mean is
    /// drawn again. What is left has a standard deviation of 0.8796 stddev. Throws ValueError unless both
    /// arguments are finite and stddev >= 0.
    template <Real T>
    Tensor<T> truncated_normal(const Shape& shape, double mean = 0.0, double stddev = 1.0);

    /// Integers in [low, high): low + word mod (high - low), with a 32-bit word each (TensorFlow's int32
    /// stream) while the range fits 32 bits, a 64-bit word each (its int64 stream) beyond. The remainder
    /// makes small values likelier by a factor of at most 1 + (high - low) / 2^32. Throws ValueError unless
    /// low < high.
    Tensor<std::int64_t> integers(const Shape& shape, std::int64_t low, std::int64_t high);

    /// The integers 0 ... n-1 in random order, shape [n]: `keras.random.shuffle(arange(n))`, which sorts by a
    /// uniform float per element and keeps the order of equal ones.
    Tensor<std::int64_t> permutation(std::size_t n);

    /// Ones with probability p, zeros otherwise: 1 where the draw of uniform<T>() is less than p rounded to
    /// T. `keras.random.dropout` with rate p zeroes exactly the elements that are 1 here. Throws ValueError
    /// unless p is in [0, 1].
    template <Real T>
    Tensor<T> bernoulli(const Shape& shape, double p);

    /// n generators with streams of their own, one draw of this one: TensorFlow's stateless_split, so that
    /// every child's seed pair is two words of the current stream.
    std::vector<Generator> split(std::size_t n);

    const GeneratorState& state() const { return state_; }
    void set_state(const GeneratorState& state) { state_ = state; }

  private:
    GeneratorState state_;
};

/// The calling thread's generator, used wherever neither a generator nor a seed is given. It starts as
/// Generator(0).
Generator& default_generator();

/// Restarts the calling thread's default_generator() as Generator(seed), the counterpart of
/// `keras.utils.set_random_seed`.
void set_random_seed(std::int64_t seed);

/// A seed for an object that was given none: an integer in [1, 10^9], the range Keras uses, from
/// default_generator().
std::int64_t make_default_seed();

/// What `tf.random.normal(shape)` returns as the first draw after `tf.random.set_seed(seed)`.
///
/// This is TensorFlow's stateful generator, apart from the streams of Generator: its second seed is the first
/// `randint(0, 2^31 - 1)` of Python's Mersenne Twister seeded with `seed`.
template <Real T>
Tensor<T> tensorflow_normal(const Shape& shape, std::int64_t seed);

}  // namespace seqgrad
