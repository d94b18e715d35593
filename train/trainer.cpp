#include "seqgrad/train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <tuple>

#include <fmt/format.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/grad_mode.hpp"
#include "seqgrad/core/internal/finite.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"

namespace seqgrad {

namespace {

/// Puts a model into a mode, and back into its former one at the end.
template <class T>
class TrainingMode {
  public:
    TrainingMode(Module<T>& model, bool training) : model_(model), previous_(model.training()) {
        model_.set_training(training);
    }
    ~TrainingMode() { model_.set_training(previous_); }
    TrainingMode(const TrainingMode&) = delete;
    TrainingMode& operator=(const TrainingMode&) = delete;

  private:
    Module<T>& model_;
    bool previous_;
};

std::size_t batches_of(std::size_t samples, std::size_t batch_size) {
    return samples / batch_size + (samples % batch_size == 0 ? 0 : 1);
}

void check_sizes(const char* function, std::size_t samples, std::size_t batch_size) {
    if (samples == 0) throw ValueError(fmt::format("{}: the data set is empty", function));
    if (batch_size == 0)
        throw ValueError(fmt::format("{}: the batch size must be at least 1, got 0", function));
}

/// The rows [begin, end) of the first axis.
template <class T>
Tensor<T> rows(const Tensor<T>& t, std::size_t begin, std::size_t end) {
    Shape shape(t.shape().begin(), t.shape().end());
    const std::size_t size = t.shape(0) == 0 ? 0 : t.size() / t.shape(0);
    shape[0] = end - begin;
    Tensor<T> out(shape);
    std::copy(t.data() + begin * size, t.data() + end * size, out.data());
    return out;
}

}  // namespace

template <class T>
Trainer<T>::Trainer(Module<T>& model, std::unique_ptr<Optimizer<T>> optimizer, Loss<T> loss)
    : model_(&model), optimizer_(std::move(optimizer)), loss_(std::move(loss)) {
    if (!optimizer_) throw ValueError("trainer: there is no optimizer");
}

template <class T>
void Trainer<T>::find_parameters() {
    std::vector<Variable<T>> found;
    std::vector<std::string> names;
    for (auto& [name, variable] : model_->parameters()) {
        names.push_back(std::move(name));
        found.push_back(std::move(variable));
    }
    optimizer_->build(found, names);
    parameters_ = std::move(found);
}

template <class T>
double Trainer<T>::step(const Tensor<T>& x, const Tensor<T>& y, const LossWeights<T>& weights) {
    Variable<T> loss = loss_(y, (*model_)(constant(x)), weights);
    if (regularized_) {
        const Variable<T> penalty = model_->regularization_loss();
        regularized_ = static_cast<bool>(penalty);
        if (regularized_) loss = loss + penalty;
    }
    const auto value = static_cast<double>(loss.item());
    if (!std::isfinite(value)) {
        throw NonFiniteError(
            fmt::format("the loss is {}; weights and optimizer are as they were before this step "
                        "(DetectAnomaly finds the "
                        "operation)",
                        detail::non_finite_name(value)));
    }
    // Many models have no parameters before they have been called.
    if (parameters_.empty()) find_parameters();
    for (Variable<T>& p : parameters_) p.clear_grad();
    backward(loss);
    optimizer_->apply(parameters_);
    if (constrained_) constrained_ = model_->apply_constraints();
    return value;
}

template <class T>
double Trainer<T>::train_on_batch(const Tensor<T>& x, const Tensor<T>& y, const LossWeights<T>& weights) {
    const TrainingMode<T> mode(*model_, true);
    return step(x, y, weights);
}

template <class T>
History Trainer<T>::fit(const Dataset<T>& train, const FitOptions<T>& options) {
    if (!(options.validation_split >= 0.0 && options.validation_split < 1.0)) {
        throw ValueError(
            fmt::format("fit: validation_split must be in [0, 1), got {}", options.validation_split));
    }
    History history;
    if (options.validation_split == 0.0) {
        this->train(train, options.validation_data ? &*options.validation_data : nullptr, options, history);
        return history;
    }
    if (options.validation_data) throw ValueError("fit: give either validation_data or a validation_split");
    const auto split = static_cast<std::size_t>(
        std::floor(static_cast<double>(train.size()) * (1.0 - options.validation_split)));
    const Dataset<T> validation = train.slice(split, train.size());
    this->train(train.slice(0, split), &validation, options, history);
    return history;
}

template <class T>
void Trainer<T>::train(const Dataset<T>& data, const Dataset<T>* validation, const FitOptions<T>& options,
                       History& history) {
    const std::size_t samples = data.size();
    check_sizes("fit", samples, options.batch_size);
    const std::size_t validation_batch_size = options.validation_batch_size.value_or(options.batch_size);
    if (validation != nullptr) check_sizes("fit, validation_data", validation->size(), validation_batch_size);
    for (const auto& [name, value, least] :
         {std::tuple{"epochs", options.epochs, std::int64_t{0}},
          std::tuple{"initial_epoch", options.initial_epoch, std::int64_t{0}},
          std::tuple{"validation_freq", options.validation_freq, std::int64_t{1}}}) {
        if (value < least)
            throw ValueError(fmt::format("fit: {} must be at least {}, got {}", name, least, value));
    }
    if (options.seed && options.generator != nullptr)
        throw ValueError("fit: give either a seed or a generator");

    Generator seeded(options.seed.value_or(0));
    Generator& generator = options.generator != nullptr ? *options.generator
                           : options.seed               ? seeded
                                                        : default_generator();
    const std::size_t steps = batches_of(samples, options.batch_size);
    const TrainingMode<T> mode(*model_, true);
    Progress progress(options.verbose, options.progress);
    parameters_.clear();  // the model may have others than the last time
    regularized_ = constrained_ = true;
    std::vector<std::size_t> order(samples);
    std::iota(order.begin(), order.end(), std::size_t{0});

    TrainingRun<T> run{.model = *model_, .optimizer = *optimizer_};
    std::vector<std::shared_ptr<Callback<T>>> callbacks;
    for (const AnyCallback<T>& callback : options.callbacks) callbacks.push_back(callback.make());
    for (const auto& callback : callbacks) callback->on_train_begin(run);
    for (std::int64_t epoch = options.initial_epoch + 1; epoch <= options.epochs && !run.stop; ++epoch) {
        const double begun = progress.now();
        for (const auto& callback : callbacks) callback->on_epoch_begin(run, epoch);
        progress.begin_epoch(epoch, options.epochs, steps);
        if (options.shuffle) {
            std::ranges::transform(elements(generator.permutation(samples)), order.begin(),
                                   [](std::int64_t i) { return static_cast<std::size_t>(i); });
        }
        Logs logs;
        double total = 0.0;
        for (std::size_t k = 0; k < steps && !run.stop; ++k) {
            const std::size_t begin = k * options.batch_size;
            const std::size_t end = std::min(samples, begin + options.batch_size);
            const Dataset<T> batch =
                data.select(std::span<const std::size_t>(order).subspan(begin, end - begin));
            const auto at = [&](const Error& error) {
                return fmt::format("fit: epoch {}, step {}: {}", epoch, k + 1, error.what());
            };
            try {
                total += step(batch.x, batch.y, {}) * static_cast<double>(end - begin);
            } catch (const NonFiniteError& error) {
                for (const auto& callback : callbacks)
                    if (callback->on_non_finite(run, at(error))) run.stop = true;
                if (!run.stop) throw NonFiniteError(at(error));
                break;
            } catch (const ValueError& error) {
                throw ValueError(at(error));
            }
            logs.set("loss", total / static_cast<double>(end));
            progress.step(k + 1, end, logs);
            for (const auto& callback : callbacks) callback->on_train_batch_end(run, k + 1, logs);
        }
        if (validation != nullptr && epoch % options.validation_freq == 0 && !logs.empty())
            logs.set("val_loss", evaluate(*validation, validation_batch_size, &progress));
        // An epoch that ended before its first update has nothing to tell.
        if (!logs.empty()) {
            for (const auto& callback : callbacks) callback->on_epoch_end(run, epoch, logs);
            history.append({.epoch = epoch, .seconds = progress.now() - begun, .logs = logs});
        }
        progress.end_epoch(logs);
    }
    if (!parameters_.empty()) optimizer_->finalize_variable_values(parameters_);
    for (const auto& callback : callbacks) callback->on_train_end(run);
}

template <class T>
Logs Trainer<T>::evaluate(const Dataset<T>& data, std::size_t batch_size) {
    check_sizes("evaluate", data.size(), batch_size);
    Logs logs;
    logs.set("loss", evaluate(data, batch_size, nullptr));
    return logs;
}

template <class T>
double Trainer<T>::evaluate(const Dataset<T>& data, std::size_t batch_size, Progress* progress) {
    const NoGrad no_grad;
    const TrainingMode<T> mode(*model_, false);
    const std::size_t samples = data.size();
    const std::size_t steps = batches_of(samples, batch_size);
    double total = 0.0, penalty = 0.0;
    for (std::size_t k = 0; k < steps; ++k) {
        const std::size_t begin = k * batch_size;
        const std::size_t end = std::min(samples, begin + batch_size);
        const Dataset<T> batch = data.slice(begin, end);
        const Variable<T> loss = loss_(batch.y, (*model_)(constant(batch.x)), {});
        total += static_cast<double>(loss.item()) * static_cast<double>(end - begin);
        if (k == 0) {  // before the first call there may be no parameters
            const Variable<T> regularization = model_->regularization_loss();
            if (regularization) penalty = static_cast<double>(regularization.item());
        }
        if (progress != nullptr) progress->validate(k + 1, steps);
    }
    return total / static_cast<double>(samples) + penalty;
}

template <class T>
Tensor<T> Trainer<T>::predict(const Tensor<T>& x, std::size_t batch_size) {
    if (x.dimension() == 0) throw ShapeError("predict: expected inputs [N, ...], got []");
    const std::size_t samples = x.shape(0);
    check_sizes("predict", samples, batch_size);
    const NoGrad no_grad;
    const TrainingMode<T> mode(*model_, false);
    Tensor<T> out;
    for (std::size_t begin = 0; begin < samples; begin += batch_size) {
        const std::size_t end = std::min(samples, begin + batch_size);
        const Variable<T> y = (*model_)(constant(rows(x, begin, end)));
        Shape shape(y.shape().begin(), y.shape().end());
        if (shape.empty() || shape[0] != end - begin) {
            throw ShapeError(fmt::format("predict: {} made {} of a batch of {}, not one row per sample",
                                         model_->description(), to_string(y.shape()), end - begin));
        }
        const std::size_t size = y.size() / shape[0];
        shape[0] = samples;
        if (begin == 0) out = Tensor<T>(shape);
        if (out.shape() != shape) {
            throw ShapeError(fmt::format("predict: {} made rows of another shape in a later batch: {} and {}",
                                         model_->description(), to_string(out.shape()), to_string(shape)));
        }
        std::ranges::copy(elements(y.value()), out.data() + begin * size);
    }
    return out;
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace seqgrad
