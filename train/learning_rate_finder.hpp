#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "seqgrad/data/batch_source.hpp"
#include "seqgrad/data/dataset.hpp"
#include "seqgrad/train/trainer.hpp"

namespace seqgrad {

/// How find_learning_rate goes through the rates.
struct LearningRateFinderOptions {
    double min_rate = 1e-7;   ///< the first one; finite, above 0
    double max_rate = 10.0;   ///< the last one; finite, above min_rate
    std::size_t steps = 100;  ///< updates, each with a rate larger by the same factor; at least 2
    std::size_t batch_size = default_batch_size;  ///< of a Dataset
    double smoothing = 0.9;                       ///< weight of the past in the mean of the losses, in [0, 1)
    /// Ends the test where the smoothed loss is so many times the smallest one; above 1.
    double divergence = 4.0;
    /// Of the order of samples; without it the order is that of default_generator(), which does not move.
    std::optional<std::int64_t> seed = {};
};

/// Losses at growing learning rates.
struct LearningRateCurve {
    std::vector<double> rates;
    std::vector<double> losses;    ///< of the batch, before the update with the rate
    std::vector<double> smoothed;  ///< their exponential mean, corrected for its beginning

    /// The rate at which the smoothed loss falls fastest in terms of log(rate): a good one to train with.
    /// Throws ValueError where it falls nowhere.
    double suggestion() const;
    /// A table for reading, a line for each rate.
    std::string table() const;
};

/// Tries growing learning rates, one in each update, to see which are too small to learn with and which too
/// large: the range test of Smith, "Cyclical learning rates for training neural networks", WACV 2017.
///
/// Model, optimizer and default_generator() are afterwards as they were, gradients and generators of dropout
/// too; but a model that was not built is, from weights that default_generator() drew. The test ends early
/// where the loss diverges or is no longer finite. Throws ValueError for options out of their range, for data
/// without batches and for an optimizer whose rate is a function of its updates, and what
/// Trainer::train_on_batch throws.
template <class T>
LearningRateCurve find_learning_rate(Trainer<T>& trainer, const Dataset<T>& data,
                                     const LearningRateFinderOptions& options = {});
/// The same with batches of any source.
template <class T>
LearningRateCurve find_learning_rate(Trainer<T>& trainer, BatchSource<T>& source,
                                     const LearningRateFinderOptions& options = {});

}  // namespace seqgrad
