#include "seqgrad/train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/grad_mode.hpp"
#include "seqgrad/core/internal/finite.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/train/internal/building.hpp"
#include "seqgrad/train/internal/class_weight.hpp"
#include "seqgrad/train/internal/model_call.hpp"
#include "seqgrad/train/internal/modes.hpp"

namespace seqgrad {

using detail::check_sizes;
using detail::Remembered;
using detail::TrainingMode;

namespace {

/// What a step throws whose loss is not finite, until it is known why.
class LossNotFinite : public NonFiniteError {
    using NonFiniteError::NonFiniteError;
};

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
Trainer<T>::Trainer(Module<T>& model, std::unique_ptr<Optimizer<T>> optimizer, Loss<T> loss,
                    std::vector<Metric<T>> metrics)
    : model_(&model), optimizer_(std::move(optimizer)), loss_(std::move(loss)), metrics_(std::move(metrics)) {
    if (!optimizer_) throw ValueError("trainer: there is no optimizer");
    std::set<std::string> names{"loss"};
    for (const Metric<T>& metric : metrics_) {
        if (!names.insert(metric.name()).second)
            throw ValueError(fmt::format("trainer: two numbers would be called \"{}\"", metric.name()));
    }
}

template <class T>
void Trainer<T>::find_parameters() {
    parameters_ = detail::build_optimizer(*optimizer_, *model_);
}

template <class T>
double Trainer<T>::step(const Dataset<T>& batch, const LossWeights<T>& weights,
                        const ClassWeight* class_weight) {
    const Remembered<T> before(*model_, remembers_);
    remembers_ = static_cast<bool>(before);
    std::vector<Metric<T>> gathered = metrics_;
    const auto take_back = [&] {
        before.give_back();
        metrics_ = std::move(gathered);
    };
    // In the state in which the step began, so that dropout drops the same.
    const auto diagnose = [&] {
        before.give_back();
        return detail::diagnose_non_finite(*model_, batch, weights.sample_weight);
    };
    constexpr const char* unchanged = "model and optimizer are as they were before this step";
    try {
        return update(batch, weights, class_weight);
    } catch (const LossNotFinite& error) {
        const std::string cause =
            diagnose().value_or("the outputs of all layers are finite, the loss of them is not");
        take_back();
        throw NonFiniteError(fmt::format("{}: {}; {}", error.what(), cause, unchanged));
    } catch (const NonFiniteError& error) {
        const std::optional<std::string> cause = anomaly_detection_enabled() ? diagnose() : std::nullopt;
        take_back();
        throw NonFiniteError(fmt::format("{}; {}", cause.value_or(error.what()), unchanged));
    } catch (...) {
        take_back();
        throw;
    }
}

template <class T>
double Trainer<T>::update(const Dataset<T>& batch, const LossWeights<T>& weights,
                          const ClassWeight* class_weight) {
    const Variable<T> output = detail::output_of(*model_, batch);
    if (may_have_grown_ && !parameters_.empty() && !has_same_parameters()) {
        parameters_.clear();
        regularized_ = constrained_ = remembers_ = true;
    }
    LossWeights<T> all = weights;
    // What is a class follows from the shape of the predictions.
    if (class_weight != nullptr && !class_weight->empty())
        all.sample_weight = detail::class_weights(*class_weight, batch.y, output);
    Variable<T> loss = loss_(batch.y, output, all);
    const Variable<T> penalty = regularized_ ? model_->regularization_loss() : Variable<T>();
    if (penalty) loss = loss + penalty;
    const auto value = static_cast<double>(loss.item());
    if (!std::isfinite(value))
        throw LossNotFinite(fmt::format("the loss is {}", detail::non_finite_name(value)));
    // Many models have no parameters before they have been called.
    if (parameters_.empty()) {
        find_parameters();
        unnamed_ = detail::unnamed_parameters(loss, parameters_);
    }
    check_trainable(output.requires_grad());
    // One that is frozen may be thawed before the next step.
    const bool frozen = std::ranges::any_of(parameters_, [](const auto& p) { return !p.requires_grad(); });
    regularized_ = penalty || (regularized_ && frozen);
    for (Variable<T>& p : parameters_) p.clear_grad();
    backward(loss);
    // Before the update, since it may throw; `step` takes it back where the update does.
    for (Metric<T>& metric : metrics_) metric.update(batch.y, output.detach(), {.mask = weights.mask});
    optimizer_->apply(parameters_);
    if (constrained_) constrained_ = model_->apply_constraints() || frozen;
    return value;
}

/// Whether the parameters found are still the model's.
template <class T>
bool Trainer<T>::has_same_parameters() const {
    return std::ranges::equal(
        model_->parameters(), parameters_,
        [](const NamedParameter<T>& p, const Variable<T>& known) { return p.variable.same_as(known); });
}

/// Refuses to train where nothing can change.
template <class T>
void Trainer<T>::check_trainable(bool output_has_parameters) const {
    const std::string model = model_->description();
    if (parameters_.empty()) {
        throw ValueError(fmt::format("trainer: {} has no parameters to train{}", model,
                                     output_has_parameters
                                         ? "; its output depends on parameters that it does not name: name "
                                           "the layers that it holds in `members`"
                                         : ""));
    }
    if (std::ranges::none_of(parameters_, &Variable<T>::requires_grad))
        throw ValueError(
            fmt::format("trainer: all {} parameters of {} are frozen", parameters_.size(), model));
}

template <class T>
double Trainer<T>::train_on_batch(const Tensor<T>& x, const Tensor<T>& y, const LossWeights<T>& weights) {
    return train_once({.x = x, .y = y}, weights);
}

template <class T>
double Trainer<T>::train_on_batch(const Dataset<T>& batch) {
    return train_once(batch, {.sample_weight = batch.sample_weight});
}

template <class T>
double Trainer<T>::train_once(const Dataset<T>& batch, const LossWeights<T>& weights) {
    if (batch.size() == 0) throw ValueError("train_on_batch: the batch has no samples");
    const TrainingMode<T> mode(*model_, true);
    may_have_grown_ = true;
    return step(batch, weights);
}

template <class T>
Logs Trainer<T>::evaluate(const Dataset<T>& data, std::size_t batch_size) {
    check_sizes("evaluate", data.size(), batch_size);
    DatasetBatches<T> batches(data, batch_size, false);
    return evaluate(batches, std::nullopt, "evaluate", nullptr);
}

template <class T>
Logs Trainer<T>::evaluate(BatchSource<T>& source, std::optional<std::size_t> steps) {
    return evaluate(source, steps, "evaluate", nullptr);
}

template <class T>
Logs Trainer<T>::evaluate(BatchSource<T>& source, std::optional<std::size_t> steps, const char* function,
                          Progress* progress) {
    if (steps == std::size_t{0})
        throw ValueError(fmt::format("{}: steps must be at least 1, got 0", function));
    const NoGrad no_grad;
    const TrainingMode<T> mode(*model_, false);
    const Remembered<T> training(*model_, model_->find_stateful() != nullptr);
    if (training) model_->reset_state();
    const std::size_t known = steps ? *steps : source.size().value_or(0);
    std::vector<Metric<T>> metrics = metrics_;
    for (Metric<T>& metric : metrics) metric.reset();
    double total = 0.0, penalty = 0.0;
    std::size_t samples = 0;
    try {
        Generator generator;
        source.start(generator);
        for (std::size_t k = 0; !steps || k < *steps; ++k) {
            const std::optional<Batch<T>> batch = source.next();
            if (!batch && steps) {
                throw ValueError(
                    fmt::format("{}: {} steps asked for, the source has {} batches", function, *steps, k));
            }
            if (!batch) break;
            if (batch->reset_state) model_->reset_state();
            const Dataset<T>& data = batch->samples;
            const std::size_t rows = detail::samples_of(*batch);
            const Variable<T> output = detail::output_of(*model_, data);
            total +=
                static_cast<double>(loss_(data.y, output, {.sample_weight = data.sample_weight}).item()) *
                static_cast<double>(rows);
            samples += rows;
            for (Metric<T>& metric : metrics) metric.update(data.y, output);
            if (k == 0) {  // before the first call there may be no parameters
                const Variable<T> regularization = model_->regularization_loss();
                if (regularization) penalty = static_cast<double>(regularization.item());
            }
            if (progress != nullptr) progress->validate(k + 1, known);
        }
    } catch (...) {
        training.give_back();
        throw;
    }
    training.give_back();
    if (samples == 0) throw ValueError(fmt::format("{}: the source has no batches", function));
    Logs logs;
    logs.set("loss", total / static_cast<double>(samples) + penalty);
    for (const Metric<T>& metric : metrics) logs.set(metric.name(), metric.result());
    return logs;
}

template <class T>
Tensor<T> Trainer<T>::predict(const Tensor<T>& x, std::size_t batch_size) {
    return predict(std::vector<const Tensor<T>*>{&x}, batch_size);
}

template <class T>
Tensor<T> Trainer<T>::predict(const std::vector<Tensor<T>>& inputs, std::size_t batch_size) {
    std::vector<const Tensor<T>*> all(inputs.size());
    std::ranges::transform(inputs, all.begin(), [](const Tensor<T>& input) { return &input; });
    return predict(all, batch_size);
}

template <class T>
Tensor<T> Trainer<T>::predict(const std::vector<const Tensor<T>*>& inputs, std::size_t batch_size) {
    if (inputs.empty()) throw ValueError("predict: there are no inputs");
    for (const Tensor<T>* input : inputs) {
        if (input->dimension() == 0 || input->shape(0) != inputs[0]->shape(0)) {
            throw ShapeError(
                fmt::format("predict: expected inputs [N, ...], got {}{}", to_string(input->shape()),
                            input == inputs[0] ? "" : " beside " + to_string(inputs[0]->shape())));
        }
    }
    const std::size_t samples = inputs[0]->shape(0);
    check_sizes("predict", samples, batch_size);
    const NoGrad no_grad;
    const TrainingMode<T> mode(*model_, false);
    const Remembered<T> before(*model_, model_->find_stateful() != nullptr);
    try {
        return predict(inputs, samples, batch_size);
    } catch (...) {
        before.give_back();
        throw;
    }
}

template <class T>
Tensor<T> Trainer<T>::predict(const std::vector<const Tensor<T>*>& inputs, std::size_t samples,
                              std::size_t batch_size) {
    Tensor<T> out;
    for (std::size_t begin = 0; begin < samples; begin += batch_size) {
        const std::size_t end = std::min(samples, begin + batch_size);
        std::vector<Variable<T>> batch(inputs.size());
        std::ranges::transform(inputs, batch.begin(),
                               [&](const Tensor<T>* input) { return constant(rows(*input, begin, end)); });
        const Variable<T> y = detail::output_of(*model_, batch);
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
