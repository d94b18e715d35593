#pragma once

// A metric is one number for all samples of an epoch. It is updated with batches and then asked for its
// result, which is that of all samples at once, not a mean of the batches' results: however samples are split
// into consecutive batches, it is the same.
//
// Types such as `BinaryAccuracy{.threshold = 0.3}` are values that say what is measured; Metric<T> holds one
// of them, a loss or a user's function with what was gathered. Names and definitions are Keras's.
//
//     Metric<float> accuracy = Accuracy{};
//     for (const auto& [x, y] : batches) accuracy.update(y, model(constant(x)));
//     accuracy.result();
//
// As for losses, sample weights multiply, and what the mask of LossWeights or else of the predictions leaves
// out does not count. Every step counts the same, also where batches differ in their number of steps; in
// Keras's means it is every sample there. Sums are kept in double.

#include "seqgrad/train/metrics/accuracy.hpp"
#include "seqgrad/train/metrics/classification.hpp"
#include "seqgrad/train/metrics/metric.hpp"
#include "seqgrad/train/metrics/regression.hpp"
#include "seqgrad/train/metrics/text.hpp"
