#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "seqgrad/core/random.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/data/batch_source.hpp"
#include "seqgrad/data/dataset.hpp"
#include "seqgrad/layers/module.hpp"
#include "seqgrad/optim/optimizer.hpp"
#include "seqgrad/train/callbacks.hpp"
#include "seqgrad/train/history.hpp"
#include "seqgrad/train/losses.hpp"
#include "seqgrad/train/metrics.hpp"
#include "seqgrad/train/progress.hpp"
#include "seqgrad/train/report.hpp"

namespace seqgrad {

/// Samples computed at once where nobody says otherwise.
inline constexpr std::size_t default_batch_size = 32;

/// How to train; Keras's names and defaults.
template <class T>
struct FitOptions {
    /// Passes over the data; at least 0.
    std::int64_t epochs = 1;
    /// Samples per step; the last step of an epoch takes what is left. Of a Dataset, as `shuffle` is.
    std::size_t batch_size = default_batch_size;
    /// Whether every epoch takes the samples in a new random order.
    bool shuffle = true;
    /// Evaluated after every `validation_freq`-th epoch.
    std::optional<Dataset<T>> validation_data = {};
    /// Instead of `validation_data`: this part of the samples, the last ones before any shuffling, is not
    /// trained on but evaluated; in [0, 1). Of a Dataset.
    double validation_split = 0.0;
    /// Instead of both: the batches of a pass over this source, which must outlive the run and, with
    /// `steps_per_epoch`, is another than the one that is trained on.
    BatchSource<T>* validation_source = nullptr;
    std::int64_t validation_freq = 1;
    /// `batch_size` where not given.
    std::optional<std::size_t> validation_batch_size = {};
    /// Batches to evaluate, at least 1; all where not given.
    std::optional<std::size_t> validation_steps = {};
    /// Steps of an epoch, at least 1; all batches of a pass over the data where not given. An epoch then goes
    /// on where the one before ended, and a new pass begins when all batches were taken.
    std::optional<std::size_t> steps_per_epoch = {};
    /// How much what is of a class counts in the loss while training: 1 for classes that are not named. A
    /// sample's class is y [B] or [B, 1]. With predictions [B, ..., V], a class for each step is y [B, ...]
    /// or [B, ..., 1], or the place of the largest number of each row of probabilities y [B, ..., V]. `fit`
    /// throws ValueError if y says classes in none of these ways. Not beside a data set's sample weights.
    std::map<std::int64_t, double> class_weight = {};
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
    /// What is told after the first step which parameters get no gradient, and which ones the loss depends on
    /// that the model does not name.
    Report report = report_to_cerr;
};

/// Trains a model with an optimizer and a loss.
///
///     Trainer trainer(model, Adam<float>({.learning_rate = 1e-3}), SparseCategoricalCrossentropy{},
///                     {SparseCategoricalAccuracy{}});
///     History history = trainer.fit(train, {.epochs = 10, .validation_data = valid});
///
/// As in Keras every loss includes the penalties of the model's regularizers, its constraints are applied
/// after every update, what the mask of the model's output leaves out does not count (losses.hpp), and
/// metrics look away from sample weights.
///
/// Of a model with several outputs the first one is trained and measured. What leads to the others alone gets
/// no gradient and stays as it is; `fit` reports such parameters by name (FitOptions::report).
///
/// The model stays the user's and must outlive the Trainer. While fitting it is in training mode, otherwise
/// in inference mode; afterwards it is in the mode in which it was.
template <class T>
class Trainer {
  public:
    /// `loss` is one of losses.hpp or a callable, see Loss; `metrics` are some of metrics.hpp, see Metric.
    template <std::derived_from<Optimizer<T>> O>
    Trainer(Module<T>& model, O optimizer, Loss<T> loss, std::vector<Metric<T>> metrics = {})
        : Trainer(model, std::make_unique<O>(std::move(optimizer)), std::move(loss), std::move(metrics)) {}
    /// The same for a rule chosen at run time. Throws ValueError when it is null, and for two metrics of one
    /// name or one that is called "loss".
    Trainer(Module<T>& model, std::unique_ptr<Optimizer<T>> optimizer, Loss<T> loss,
            std::vector<Metric<T>> metrics = {});

    /// Trains on all samples `epochs` times.
    ///
    /// An epoch's "loss" is the mean over its batches as they were when trained on, weighted by their numbers
    /// of samples, and a metric that of all its samples; "val_loss" and the like are those of the validation
    /// data after the epoch. At the end an optimizer with `use_ema` gives the parameters their means. The
    /// same seed, weights and data give the same history, apart from its times, and the same weights.
    ///
    /// Throws ValueError for no samples, a batch size of 0, other options out of their range, both a seed and
    /// a generator, several of validation data, split and source, validation steps that are not there, a
    /// split without samples in one part, a validation_source that is the one trained on, both class and
    /// sample weights, a model without parameters to train, and where a checkpoint to go on from belongs to
    /// another run; NonFiniteError when a loss or gradient is not finite, naming epoch and step and the first
    /// layer, with the model and the optimizer as they were before that step. Throws ShapeError when x and y
    /// differ in length, and what model, loss, metrics and callbacks throw.
    History fit(const Dataset<T>& train, const FitOptions<T>& options = {});
    /// The same with batches of any source. What a batch says of states is done before it.
    History fit(BatchSource<T>& train, const FitOptions<T>& options = {});

    /// Makes one update, in training mode, and returns the loss before it. Ids and labels may be integers.
    /// Throws as `fit` does, and ValueError for an integer that T cannot hold exactly. Nothing changes then.
    double train_on_batch(const Tensor<T>& x, const Tensor<T>& y, const LossWeights<T>& weights = {});
    /// The same for samples with several inputs or weights of their own.
    double train_on_batch(const Dataset<T>& batch);

    /// The loss, as "loss", the mean over batches weighted by their numbers of samples, and the metrics of
    /// all samples. Stateful layers begin afresh, and have afterwards the states that they had before. Throws
    /// ValueError for no samples, ShapeError when x and y differ in length.
    Logs evaluate(const Dataset<T>& data, std::size_t batch_size = default_batch_size);
    /// The same for a pass over a source, or its first `steps` batches. Throws ValueError where it has fewer.
    Logs evaluate(BatchSource<T>& source, std::optional<std::size_t> steps = {});

    /// The model's output for all samples x [N, ...]: [N, ...]. Stateful layers carry their states on, from
    /// call to call. Ids may be integers. Throws ValueError for no samples and for an integer that T cannot
    /// hold exactly, ShapeError when the model's output has not one row per sample.
    Tensor<T> predict(const Tensor<T>& x, std::size_t batch_size = default_batch_size);
    /// The same for a model of several inputs [N, ...], of which it gives the first output.
    Tensor<T> predict(const std::vector<Tensor<T>>& inputs, std::size_t batch_size = default_batch_size);

    Module<T>& model() const noexcept { return *model_; }
    Optimizer<T>& optimizer() const noexcept { return *optimizer_; }
    const Loss<T>& loss() const noexcept { return loss_; }

  private:
    class Fit;

    History fit(BatchSource<T>& train, BatchSource<T>* validation, const FitOptions<T>& options);
    void find_parameters();
    bool has_same_parameters() const;
    void check_trainable(bool output_has_parameters) const;
    double train_once(const Dataset<T>& batch, const LossWeights<T>& weights);
    using ClassWeight = std::map<std::int64_t, double>;
    double step(const Dataset<T>& batch, const LossWeights<T>& weights,
                const ClassWeight* class_weight = nullptr);
    double update(const Dataset<T>& batch, const LossWeights<T>& weights, const ClassWeight* class_weight);
    Tensor<T> predict(const std::vector<const Tensor<T>*>& inputs, std::size_t batch_size);
    Tensor<T> predict(const std::vector<const Tensor<T>*>& inputs, std::size_t samples,
                      std::size_t batch_size);
    Logs evaluate(BatchSource<T>& source, std::optional<std::size_t> steps, const char* function,
                  Progress* progress);

    Module<T>* model_;
    std::unique_ptr<Optimizer<T>> optimizer_;
    Loss<T> loss_;
    std::vector<Metric<T>> metrics_;
    // The model's, found when it has been called for the first time.
    std::vector<Variable<T>> parameters_;
    // The shapes of those that the loss depends on besides, and that nobody trains.
    std::vector<Shape> unnamed_;
    // Whether something else than this Trainer had the model since the step before, and may have given it
    // other layers.
    bool may_have_grown_ = true;
    // Whether the model may have regularizers, constraints, and what it remembers from call to call: a step
    // looks for them only then.
    bool regularized_ = true;
    bool constrained_ = true;
    bool remembers_ = true;
};

template <class Model, class O, class L>
Trainer(Model&, O, L) -> Trainer<typename Model::value_type>;
template <class Model, class O, class L>
Trainer(Model&, O, L, std::vector<Metric<typename Model::value_type>>) -> Trainer<typename Model::value_type>;

extern template class Trainer<float>;
extern template class Trainer<double>;

}  // namespace seqgrad
