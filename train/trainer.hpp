#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "seqgrad/core/random.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/data/dataset.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/optim/optimizer.hpp"
#include "seqgrad/train/callbacks.hpp"
#include "seqgrad/train/history.hpp"
#include "seqgrad/train/losses.hpp"
#include "seqgrad/train/progress.hpp"

namespace seqgrad {

/// Samples computed at once where nobody says otherwise.
inline constexpr std::size_t default_batch_size = 32;

/// How to train; Keras's names and defaults.
template <class T>
struct FitOptions {
    /// Passes over the data; at least 0.
    std::int64_t epochs = 1;
    /// Samples per step; the last step of an epoch takes what is left.
    std::size_t batch_size = default_batch_size;
    /// Whether every epoch takes the samples in a new random order.
    bool shuffle = true;
    /// Evaluated after every `validation_freq`-th epoch.
    std::optional<Dataset<T>> validation_data = {};
    /// Instead of `validation_data`: this part of the samples, the last ones before any shuffling, is not
    /// trained on but evaluated; in [0, 1).
    double validation_split = 0.0;
    std::int64_t validation_freq = 1;
    /// `batch_size` where not given.
    std::optional<std::size_t> validation_batch_size = {};
    /// 0 silent, 1 a bar (lines where the output is no terminal), 2 one line per epoch.
    int verbose = 1;
    /// What is called between the steps, in this order (callbacks.hpp).
    std::vector<AnyCallback<T>> callbacks = {};
    /// Epochs that an earlier run made already, counted among `epochs`; at least 0.
    std::int64_t initial_epoch = 0;
    /// Seed of the order of samples.
    std::optional<std::int64_t> seed = {};
    /// Draws the order of samples instead; default_generator() does where neither is given.
    Generator* generator = nullptr;
    /// Where and how progress is shown.
    ProgressOptions progress = {};
};

/// Trains a model with an optimizer and a loss.
///
///     Trainer trainer(model, Adam<float>({.learning_rate = 1e-3}), MeanSquaredError{});
///     History history = trainer.fit(train, {.epochs = 10, .validation_data = valid});
///
/// As in Keras every loss includes the penalties of the model's regularizers, its constraints are applied
/// after every update, and what the mask of the model's output leaves out does not count (losses.hpp).
///
/// The model stays the user's and must outlive the Trainer. While fitting it is in training mode, otherwise
/// in inference mode; afterwards it is in the mode in which it was.
template <class T>
class Trainer {
  public:
    /// `loss` is one of losses.hpp or a callable, see Loss.
    template <std::derived_from<Optimizer<T>> O>
    Trainer(Module<T>& model, O optimizer, Loss<T> loss)
        : Trainer(model, std::make_unique<O>(std::move(optimizer)), std::move(loss)) {}
    /// The same for a rule chosen at run time. Throws ValueError when it is null.
    Trainer(Module<T>& model, std::unique_ptr<Optimizer<T>> optimizer, Loss<T> loss);

    /// Trains on all samples `epochs` times.
    ///
    /// An epoch's "loss" is the mean over its batches as they were when trained on, weighted by their numbers
    /// of samples; "val_loss" is that of the validation data after the epoch. At the end an optimizer with
    /// `use_ema` gives the parameters their means. The same seed, weights and data
    /// give the same history, apart from its times, and the same weights.
    ///
    /// Throws ValueError for no samples, a batch size of 0, other options out of their range, both a seed and
    /// a generator, both validation_data and a split; NonFiniteError when a loss or gradient is not finite,
    /// naming epoch and step, with weights and optimizer as they were before that step. Throws ShapeError
    /// when x and y differ in length, and what model, loss and callbacks throw.
    History fit(const Dataset<T>& train, const FitOptions<T>& options = {});

    /// Makes one update, in training mode, and returns the loss before it. Throws as `fit` does.
    double train_on_batch(const Tensor<T>& x, const Tensor<T>& y, const LossWeights<T>& weights = {});

    /// The loss, as "loss", over all samples: the mean over batches weighted by their numbers of samples.
    /// Throws ValueError for no samples, ShapeError when x and y differ in length.
    Logs evaluate(const Dataset<T>& data, std::size_t batch_size = default_batch_size);

    /// The model's output for all samples x [N, ...]: [N, ...]. Throws ValueError for no samples, ShapeError
    /// when the model's output has not one row per sample.
    Tensor<T> predict(const Tensor<T>& x, std::size_t batch_size = default_batch_size);

    Module<T>& model() const noexcept { return *model_; }
    Optimizer<T>& optimizer() const noexcept { return *optimizer_; }
    const Loss<T>& loss() const noexcept { return loss_; }

  private:
    void train(const Dataset<T>& data, const Dataset<T>* validation, const FitOptions<T>& options,
               History& history);
    void find_parameters();
    double step(const Tensor<T>& x, const Tensor<T>& y, const LossWeights<T>& weights);
    double evaluate(const Dataset<T>& data, std::size_t batch_size, Progress* progress);

    Module<T>* model_;
    std::unique_ptr<Optimizer<T>> optimizer_;
    Loss<T> loss_;
    // The model's, found when it has been called for the first time.
    std::vector<Variable<T>> parameters_;
    // Whether the model may have regularizers and constraints: a step looks for them only then.
    bool regularized_ = true;
    bool constrained_ = true;
};

template <class Model, class O, class L>
Trainer(Model&, O, L) -> Trainer<typename Model::value_type>;

extern template class Trainer<float>;
extern template class Trainer<double>;

}  // namespace seqgrad
