#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"
#include "seqgrad/train/losses/crossentropy.hpp"
#include "seqgrad/train/losses/reduction.hpp"

namespace seqgrad {

/// A sum of doubles of which rounding takes hardly more than the last digit, however many there are
/// (Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen", 1974).
class CompensatedSum {
  public:
    CompensatedSum() = default;
    /// The sum that has these two parts.
    CompensatedSum(double sum, double rest) noexcept : sum_(sum), rest_(rest) {}

    void add(double term) noexcept {
        const double next = sum_ + term;
        rest_ += std::abs(sum_) >= std::abs(term) ? (sum_ - next) + term : (term - next) + sum_;
        sum_ = next;
    }
    /// The sum; of infinite terms it is infinite or NaN, as that of doubles.
    double value() const noexcept { return std::isfinite(sum_) ? sum_ + rest_ : sum_; }

    /// What plain addition gives.
    double sum() const noexcept { return sum_; }
    /// What it lost.
    double rest() const noexcept { return rest_; }

  private:
    double sum_ = 0;
    double rest_ = 0;
};

/// What a metric may gather into: it begins empty when default-constructed, `numbers` is all it has gathered,
/// and `set_numbers` makes it that state again, or returns false, unchanged, for what is not such a state.
template <class S>
concept MetricState = std::default_initializable<S> && std::copyable<S> &&
    requires(S& state, std::span<const double> numbers) {
    { std::as_const(state).numbers() } -> std::convertible_to<std::vector<double>>;
    { state.set_numbers(numbers) } -> std::convertible_to<bool>;
};

/// What a weighted mean has gathered.
struct MeanState {
    CompensatedSum total;   ///< values times weights
    CompensatedSum weight;  ///< weights

    /// Adds values [B, ...], as many as `weights` say; a single number counts for all `samples`. `metric` is
    /// named by errors. Throws ShapeError when the weights do not fit.
    template <class T>
    void add(const std::string& metric, const Tensor<T>& values, const LossWeights<T>& weights,
             std::size_t samples);
    /// The weighted mean; 0 of nothing, as in Keras.
    double mean() const noexcept;

    std::vector<double> numbers() const;
    bool set_numbers(std::span<const double> numbers);
};

/// One state for every column of the last axis.
template <MetricState S>
struct PerColumn {
    std::vector<S> columns;

    std::vector<double> numbers() const {
        std::vector<double> all;
        for (const S& column : columns) {
            const std::vector<double> of_column = column.numbers();
            all.insert(all.end(), of_column.begin(), of_column.end());
        }
        return all;
    }
    bool set_numbers(std::span<const double> numbers) {
        const std::size_t size = S{}.numbers().size();
        if (numbers.size() % size != 0) return false;
        std::vector<S> read(numbers.size() / size);
        for (std::size_t i = 0; i < read.size(); ++i) {
            if (!read[i].set_numbers(numbers.subspan(i * size, size))) return false;
        }
        columns = std::move(read);
        return true;
    }
};

/// A metric with a State of its own: `update` gathers a batch, of which `weights` and the predictions' mask
/// say what counts, `result` says what was gathered.
template <class M, class T>
concept MetricOf = std::copy_constructible<M> && MetricState<typename M::State> &&
    requires(const M& metric, typename M::State& state, const Tensor<T>& y_true, const Variable<T>& y_pred,
             const LossWeights<T>& weights) {
    { metric.name } -> std::convertible_to<std::string>;
    metric.update(state, y_true, y_pred, weights);
    { metric.result(std::as_const(state)) } -> std::convertible_to<double>;
};

/// A metric that is a mean: `values` gives [B, ...], one per sample, step or element.
///
/// y_true and y_pred come with 0 in padding, whose values are then left out. A member `result(double)`, where
/// there is one, turns the mean into the result. With a member `ignore_class`, a std::optional, y_true are
/// labels, and what has that label is left out as well.
template <class M, class T>
concept MeanMetricOf = std::copy_constructible<M> &&
    requires(const M& metric, const Tensor<T>& y_true, const Variable<T>& y_pred) {
    { metric.name } -> std::convertible_to<std::string>;
    { metric.values(y_true, y_pred) } -> std::convertible_to<Tensor<T>>;
};

/// A loss with a reduction, such as those of losses.hpp: as a metric, the mean of what it gives per sample or
/// step.
template <class L, class T>
concept ReducedLoss = std::copy_constructible<L> &&
    requires(L loss, const Tensor<T>& y_true, const Variable<T>& y_pred, const LossWeights<T>& weights) {
    loss.reduction = Reduction::none;
    { loss(y_true, y_pred, weights) } -> std::convertible_to<Variable<T>>;
};

/// A function of y_true and y_pred, both Tensors or both Variables, or a Tensor and a Variable; of one rank
/// as those of a loss that is a function: y [B] beside [B, 1] comes as [B, 1]. It gives a Tensor or a
/// Variable of a number per sample, step or element, or a single number.
template <class F, class T>
concept MetricFunction = std::copy_constructible<F> &&
    (std::is_invocable_v<const F&, const Tensor<T>&, const Tensor<T>&> ||
     std::is_invocable_v<const F&, const Variable<T>&, const Variable<T>&> ||
     std::is_invocable_v<const F&, const Tensor<T>&, const Variable<T>&>)&&!std::
        is_invocable_v<const F&, const Tensor<T>&, const Variable<T>&, const LossWeights<T>&>;

namespace detail {

/// The weights with the predictions' mask among them, without what has the label that `metric` ignores.
template <class M, class T>
LossWeights<T> counted(const M& metric, const Tensor<T>& y_true, const Variable<T>& y_pred,
                       const LossWeights<T>& weights) {
    if constexpr (requires { *metric.ignore_class; }) {
        if (metric.ignore_class) return leave_out_label(y_true, *metric.ignore_class, y_pred, weights);
    }
    LossWeights<T> all = weights;
    if (!all.mask && y_pred.mask() != nullptr) all.mask = *y_pred.mask();
    return all;
}

/// The mask of what is true anywhere along the axes that values of this shape lack; itself where they lack
/// none.
Mask reduced_mask(const Mask& mask, const Shape& values);

template <class T>
std::size_t sample_count(const Variable<T>& y_pred) {
    return y_pred.rank() == 0 ? 1 : y_pred.shape()[0];
}

/// The mean of the values of a MeanMetricOf as a MetricOf.
template <class T, class M>
struct MeanMetric {
    using State = MeanState;
    std::string name;
    M metric;

    void update(MeanState& state, const Tensor<T>& y_true, const Variable<T>& y_pred,
                const LossWeights<T>& weights) const {
        LossWeights<T> all = counted(metric, y_true, y_pred, weights);
        const Tensor<T> values =
            all.mask ? metric.values(blank_padding(y_true, *all.mask), blank_padding(y_pred, *all.mask))
                     : metric.values(y_true, y_pred);
        // A number for the whole batch has dealt with padding itself, unless it was told of it here.
        if (values.dimension() == 0 && !weights.mask) all.mask.reset();
        state.add(name, values, all, sample_count(y_pred));
    }
    double result(const MeanState& state) const {
        if constexpr (requires { metric.result(0.0); }) {
            return metric.result(state.mean());
        } else {
            return state.mean();
        }
    }
};

/// A ReducedLoss as a MetricOf.
template <class T, class L>
struct LossMetric {
    using State = MeanState;
    std::string name;
    L loss;

    void update(MeanState& state, const Tensor<T>& y_true, const Variable<T>& y_pred,
                const LossWeights<T>& weights) const {
        L each = loss;
        each.reduction = Reduction::none;
        LossWeights<T> all = counted(loss, y_true, y_pred, weights);
        const Tensor<T> losses = each(y_true, y_pred, LossWeights<T>{.mask = all.mask}).value();
        // The loss took the mask: one of steps, for a loss per sample, leaves out samples without any.
        if (all.mask) all.mask = reduced_mask(*all.mask, losses.shape());
        state.add(name, losses, all, sample_count(y_pred));
    }
    double result(const MeanState& state) const { return state.mean(); }
};

/// A MetricFunction as a MeanMetricOf.
template <class T, class F>
struct FunctionValues {
    std::string name;
    F function;

    Tensor<T> values(const Tensor<T>& y_given, const Variable<T>& p_given) const {
        const auto [y_true, y_pred] = of_one_rank(y_given, p_given);
        if constexpr (std::is_invocable_v<const F&, const Tensor<T>&, const Tensor<T>&>) {
            return as_tensor(function(y_true, y_pred.value()));
        } else if constexpr (std::is_invocable_v<const F&, const Variable<T>&, const Variable<T>&>) {
            return as_tensor(function(constant(y_true), y_pred));
        } else {
            return as_tensor(function(y_true, y_pred));
        }
    }

  private:
    template <class V>
    static Tensor<T> as_tensor(const V& value) {
        if constexpr (std::is_arithmetic_v<V>) {
            return full<T>({}, static_cast<T>(value));
        } else if constexpr (std::same_as<V, Variable<T>>) {
            return value.value();
        } else {
            return value;
        }
    }
};

/// What a Metric holds: a metric and what it has gathered.
template <class T>
class AnyMetric {
  public:
    virtual ~AnyMetric() = default;
    virtual std::unique_ptr<AnyMetric> copy() const = 0;
    virtual void reset() = 0;
    virtual void update(const Tensor<T>& y_true, const Variable<T>& y_pred,
                        const LossWeights<T>& weights) = 0;
    virtual double result() const = 0;
    virtual std::vector<double> numbers() const = 0;
    virtual bool set_numbers(std::span<const double> numbers) = 0;
};

template <class T, MetricOf<T> M>
class HeldMetric final : public AnyMetric<T> {
  public:
    explicit HeldMetric(M metric) : metric_(std::move(metric)) {}

    std::unique_ptr<AnyMetric<T>> copy() const override { return std::make_unique<HeldMetric>(*this); }
    void reset() override { state_ = State(); }
    void update(const Tensor<T>& y_true, const Variable<T>& y_pred, const LossWeights<T>& weights) override {
        // A copy, so that a batch that is refused half-way has changed nothing.
        State next = state_;
        metric_.update(next, y_true, y_pred, weights);
        state_ = std::move(next);
    }
    double result() const override { return metric_.result(state_); }
    std::vector<double> numbers() const override { return state_.numbers(); }
    bool set_numbers(std::span<const double> numbers) override { return state_.set_numbers(numbers); }

  private:
    using State = typename M::State;

    M metric_;
    State state_{};
};

/// The metric that M is or stands for, under this name.
template <class T, class M>
std::unique_ptr<AnyMetric<T>> held_metric(const std::string& name, M metric) {
    // Errors name the metric as the user does.
    if constexpr (requires { metric.name = name; }) metric.name = name;
    if constexpr (MetricOf<M, T>) {
        return std::make_unique<HeldMetric<T, M>>(std::move(metric));
    } else if constexpr (MeanMetricOf<M, T>) {
        return std::make_unique<HeldMetric<T, MeanMetric<T, M>>>(MeanMetric<T, M>{name, std::move(metric)});
    } else if constexpr (ReducedLoss<M, T>) {
        return std::make_unique<HeldMetric<T, LossMetric<T, M>>>(LossMetric<T, M>{name, std::move(metric)});
    } else {
        return held_metric<T>(name, FunctionValues<T, M>{name, std::move(metric)});
    }
}

}  // namespace detail

/// Any metric with what it has gathered: one of metrics.hpp, a loss, a function, or a user's own type. A copy
/// goes on by itself.
///
///     Metric<float> accuracy = SparseCategoricalAccuracy{};
///     Metric<float> mse = MeanSquaredError{};
///     Metric<float> largest("max_error", [](const Tensor<float>& y, const Tensor<float>& p) {
///         return Tensor<float>(xt::amax(xt::abs(y - p), {1}));
///     });
///
/// The result is a mean over what counts: every sample, or every step where there is one value per step, as
/// much as its weight. A function that gives a single number for a batch is the exception: its mean is one
/// over samples of that of their batches, and depends on how they were split.
template <class T>
class Metric {
  public:
    template <class M>
    requires(!std::same_as<M, Metric> && (MetricOf<M, T> || MeanMetricOf<M, T>)) Metric(M metric)
        : name_(metric.name), held_(detail::held_metric<T>(name_, std::move(metric))) {}
    /// A loss: its reduction does not matter.
    template <class L>
    requires(!std::same_as<L, Metric> && !MetricOf<L, T> && !MeanMetricOf<L, T> && ReducedLoss<L, T>)
        Metric(L loss)
        : name_(L::name), held_(detail::held_metric<T>(name_, std::move(loss))) {}
    /// The same under another name, or a function.
    template <class M>
    requires(MetricOf<M, T> || MeanMetricOf<M, T> || ReducedLoss<M, T> || MetricFunction<M, T>)
        Metric(std::string name, M metric)
        : name_(std::move(name)), held_(detail::held_metric<T>(name_, std::move(metric))) {}

    Metric(const Metric& other) : name_(other.name_), held_(other.held_->copy()) {}
    Metric(Metric&&) noexcept = default;
    Metric& operator=(const Metric& other) {
        if (this != &other) *this = Metric(other);
        return *this;
    }
    Metric& operator=(Metric&&) noexcept = default;
    ~Metric() = default;

    /// As which it is reported: "accuracy".
    const std::string& name() const noexcept { return name_; }

    /// Forgets what was gathered.
    void reset() { held_->reset(); }

    /// Gathers a batch: y_true and y_pred [B, ...]. What the mask leaves out, that of `weights` or else the
    /// predictions' own, does not count, NaN or not. Throws what the metric throws, and ShapeError when the
    /// weights do not fit; nothing of the batch is then gathered.
    void update(const Tensor<T>& y_true, const Variable<T>& y_pred, const LossWeights<T>& weights = {});
    void update(const Tensor<T>& y_true, const Tensor<T>& y_pred, const LossWeights<T>& weights = {}) {
        update(y_true, constant(y_pred), weights);
    }

    /// Of everything gathered since the beginning or the last reset.
    double result() const { return held_->result(); }

    /// All that was gathered. With it another Metric of the same kind goes on to the same bits.
    std::vector<double> state() const { return held_->numbers(); }
    /// Replaces what was gathered. Throws ValueError for what is not a state of such a metric.
    void set_state(std::span<const double> state);

  private:
    std::string name_;
    std::unique_ptr<detail::AnyMetric<T>> held_;
};

extern template class Metric<float>;
extern template class Metric<double>;

}  // namespace seqgrad
