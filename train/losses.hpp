#pragma once

// A loss is a function of targets and predictions, and a value: `SparseCategoricalCrossentropy{.from_logits =
// true}` can be called, copied and handed to a Trainer. Each comes in two parts: a function that gives one
// number per sample or time step, and its reduction to one number for the batch, which is the same for all.
// Predictions are [B, ...]; where a loss has one number per row of the last axis, that axis is F or V here.
//
// As in Keras, the mask of the predictions (Variable::mask) says what is padding, unless LossWeights does.
// What stands in padding of targets and predictions, NaN or a label of -1, changes neither loss nor
// gradients. A prediction that has no time axis any more has no mask either: every sample counts.

#include "seqgrad/train/losses/crossentropy.hpp"
#include "seqgrad/train/losses/ctc.hpp"
#include "seqgrad/train/losses/loss.hpp"
#include "seqgrad/train/losses/reduction.hpp"
#include "seqgrad/train/losses/regression.hpp"
