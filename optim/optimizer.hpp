#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"
#include "seqgrad/optim/clipping.hpp"
#include "seqgrad/optim/learning_rate.hpp"

namespace seqgrad {

/// Everything an optimizer remembers from one update to the next.
template <class T>
struct OptimizerState {
    /// What it remembers of one parameter: Adam's "momentum", say.
    struct Slot {
        std::string name;  ///< "<parameter>.<slot>": "lstm.kernel.momentum", "0.momentum" without names
        Tensor<T> value;   ///< of the parameter's shape
    };

    std::string optimizer;                     ///< `Optimizer::type()`
    std::int64_t iterations = 0;               ///< calls of `apply`, also those that only gathered gradients
    std::optional<double> learning_rate = {};  ///< none where it is a function of the iterations
    std::vector<Slot> slots = {};              ///< parameter by parameter, in the order of `apply`
};

/// Settings of some of the parameters. A parameter belongs to one group at most.
struct ParameterGroup {
    /// Regular expressions (ECMAScript): parameters in whose name one of them is found belong to the group.
    std::vector<std::string> names = {};
    double learning_rate_multiplier = 1.0;    ///< their rate is the optimizer's times this; finite, >= 0
    std::optional<double> weight_decay = {};  ///< instead of the optimizer's, 0 for none; finite, >= 0
    bool frozen = false;                      ///< leaves them as they are, whatever their gradient
};

/// Arguments that every rule has, with Keras's names and defaults.
struct OptimizerOptions {
    std::optional<double> weight_decay = {};  ///< d: w <- w - d r w before each update; finite, >= 0
    Clipping clipping = {};
    /// Keeps a mean of each parameter: a <- m a + (1 - m) w after every call of `apply`, m = 0 before the
    /// second update. `finalize_variable_values` puts the means in the parameters' places.
    bool use_ema = false;
    double ema_momentum = 0.99;  ///< m, in [0, 1]
    /// After every so many updates parameters take the value of their mean; >= 1. None: never by itself.
    std::optional<std::int64_t> ema_overwrite_frequency = {};
    /// Only every so many calls of `apply` make an update, by the mean of the gradients given since the last
    /// one;
    /// >= 2. A learning rate that is a function is one of the calls.
    std::optional<std::int64_t> gradient_accumulation_steps = {};
    /// Regular expressions (ECMAScript): a parameter in whose name one of them is found does not decay.
    std::vector<std::string> exclude_from_weight_decay = {};
    std::vector<ParameterGroup> groups = {};  ///< parameters with settings of their own, by name
};

/// One parameter's part in an update, or a piece of it.
template <class T>
struct ParameterUpdate {
    std::span<T> value;                   ///< the parameter's elements, to be changed
    ClippedGradient<T> gradient;          ///< of the same length; `gradient[i]` is clipped already
    std::span<const std::span<T>> slots;  ///< in the order of `slot_names()`, each of the same length
    double learning_rate;
    std::int64_t step;  ///< 1 for the first update
};

/// Base of the rules by which parameters follow their gradients.
///
///     backward(loss);
///     optimizer.apply(parameters);
///
/// What an optimizer remembers belongs to the position of a parameter in the list given to `apply`, which
/// must stay the same from the first time on. A rule of one's own derives from Optimizer, names its slots and
/// says in `update` what happens to one parameter, in one pass over its memory:
///
///     class SignDescent : public Optimizer<float> {
///       public:
///         explicit SignDescent(double rate) : Optimizer(rate, {}) {}
///         std::string type() const override { return "SignDescent"; }
///       protected:
///         void update(const ParameterUpdate<float>& u) override {
///             const auto rate = static_cast<float>(u.learning_rate);
///             for (std::size_t i = 0; i < u.value.size(); ++i)
///                 u.value[i] -= std::copysign(rate, u.gradient[i]);
///         }
///     };
template <class T>
class Optimizer {
  public:
    using value_type = T;

    virtual ~Optimizer() = default;

    /// Keras's name of the rule: "Adam".
    virtual std::string type() const = 0;

    /// Changes every parameter by its gradient, all of them clipped as configured.
    ///
    /// Frozen parameters and, as in Keras, parameters without a gradient are left alone, and so is what the
    /// rule remembers of them. With `gradient_accumulation_steps` it is the call that makes the update whose
    /// gradients decide: what was gathered for a parameter that has none then is dropped, as in Keras. Throws
    /// NonFiniteError when a gradient is not finite (naming the parameter); ValueError when no parameter has
    /// one, when the learning rate is not a finite number >= 0, and when a parameter is not a leaf;
    /// ShapeError when the list is not the one of the first update. Nothing changes when it throws.
    void apply(std::span<Variable<T>> parameters);

    /// Sets the optimizer up for these parameters, which `apply` does by itself: give them here to have their
    /// names in messages and in `state()`. When that was done already it checks that they are the same.
    /// Throws ShapeError for another number of parameters or other shapes; ValueError for other names, for a
    /// parameter that is not a leaf, and for one that is given twice.
    void build(std::span<const Variable<T>> parameters, std::span<const std::string> names = {});

    /// Exempts these parameters, besides those that the configuration names, from weight decay. Throws
    /// ValueError once the optimizer is set up for its parameters, which `build` and `apply` do; these throw
    /// ValueError for an exempted parameter that is not one of theirs.
    void exclude_from_weight_decay(std::vector<Variable<T>> parameters);

    /// Gives these parameters settings of their own, besides those that belong to the group by name. Throws
    /// ValueError for settings out of their range, and once the optimizer is set up for its parameters, which
    /// `build` and `apply` do; these throw ValueError for a parameter that is not one of theirs or belongs to
    /// two groups, and for a group without parameters.
    void add_group(std::vector<Variable<T>> parameters, ParameterGroup group);

    /// With `use_ema`, gives every parameter that is not frozen the value of its mean, which is what Keras's
    /// training ends with. Without, and before the first call of `apply`, nothing changes. Throws ShapeError
    /// when the list is not the one of `apply`.
    void finalize_variable_values(std::span<Variable<T>> parameters);

    /// Number of updates made.
    std::int64_t iterations() const noexcept { return calls_ / accumulation(); }

    /// The rate of the next update.
    double learning_rate() const { return learning_rate_.at(calls_); }
    /// Whether the rate is a function of the iterations, a schedule, and cannot be set.
    bool has_schedule() const noexcept { return learning_rate_.is_schedule(); }
    /// Throws ValueError when the rate is a function of the iterations, or unless `rate` is finite and >= 0.
    void set_learning_rate(double rate);

    const OptimizerOptions& options() const noexcept { return options_; }

    /// A copy of all that the optimizer remembers.
    OptimizerState<T> state() const;
    /// Goes on from a saved state, as if the updates before had been made by this object. A rate that is a
    /// function stays. Throws ValueError unless the state is one of this rule, of the parameters the
    /// optimizer is built for (where it is) and finite; ShapeError where a shape differs. Nothing changes
    /// when it throws.
    void set_state(const OptimizerState<T>& state);

  protected:
    /// Throws ValueError for a rate or weight decay below 0 or not finite, for a clipping limit that is not a
    /// finite number above 0, when more than one is given, for other options out of their range, and for what
    /// is not a regular expression.
    explicit Optimizer(LearningRate learning_rate, OptimizerOptions options = {});
    Optimizer(const Optimizer&) = default;
    Optimizer(Optimizer&&) noexcept = default;
    Optimizer& operator=(const Optimizer&) = default;
    Optimizer& operator=(Optimizer&&) noexcept = default;

    /// Names of what is remembered of each parameter; always the same ones.
    virtual std::vector<std::string_view> slot_names() const { return {}; }

    /// What a slot's elements are at first.
    virtual double slot_start(std::size_t /*slot*/) const { return 0.0; }

    /// Whether each element's update depends on that element alone. A parameter then comes in pieces, so that
    /// all that happens to a piece happens while it is in the processor's cache.
    virtual bool elementwise() const { return false; }

    /// Changes one parameter, or a piece of it, and its slots. Throws nothing.
    virtual void update(const ParameterUpdate<T>& update) = 0;

  private:
    /// What the options come to for one parameter.
    struct Settings {
        double rate_multiplier = 1.0;
        std::optional<double> weight_decay;
        bool frozen = false;
    };

    struct GroupOfHandles {
        ParameterGroup group;
        std::vector<Variable<T>> parameters;
    };

    void check_same(std::span<const Variable<T>> parameters) const;
    std::vector<Settings> settings_for(std::span<const Variable<T>> parameters,
                                       const std::vector<std::string>& names, bool named) const;
    std::string described(std::size_t parameter) const;
    void check_not_set_up(const char* what) const;
    std::vector<std::string_view> all_slot_names() const;
    std::int64_t accumulation() const noexcept { return options_.gradient_accumulation_steps.value_or(1); }
    bool may_change(const Variable<T>& p, std::size_t i) const {
        return p.requires_grad() && !settings_[i].frozen;
    }
    void update_mean(Variable<T>& p, std::size_t i, Tensor<T>& mean, T momentum, bool overwrite);

    LearningRate learning_rate_;
    OptimizerOptions options_;
    std::vector<Variable<T>> not_decaying_;
    std::vector<GroupOfHandles> groups_;
    std::int64_t calls_ = 0;
    bool built_ = false;
    bool named_ = false;
    std::vector<std::string> names_;
    std::vector<Shape> shapes_;
    std::vector<Tensor<T>> slots_;    // parameter by parameter
    std::vector<Settings> settings_;  // none until the parameters themselves were given
};

namespace detail {

/// The part of an optimizer's configuration that all rules have.
template <class Config>
OptimizerOptions options_of(const Config& config) {
    return {.weight_decay = config.weight_decay,
            .clipping = {.clipnorm = config.clipnorm,
                         .clipvalue = config.clipvalue,
                         .global_clipnorm = config.global_clipnorm},
            .use_ema = config.use_ema,
            .ema_momentum = config.ema_momentum,
            .ema_overwrite_frequency = config.ema_overwrite_frequency,
            .gradient_accumulation_steps = config.gradient_accumulation_steps,
            .exclude_from_weight_decay = config.exclude_from_weight_decay,
            .groups = config.groups};
}

/// A constant of an update rule where Keras rounds it to float32. On TensorFlow it does so in every dtype
/// where it casts a Python number to the variable's dtype, and the difference shows in double (Adam's first
/// steps become 6e-6 shorter).
inline double keras_cast(double constant) {
    return static_cast<float>(constant);
}

/// Throws ValueError unless the configured number lies in [low, high], or in [low, high) when `open`.
void check_range(const char* type, const char* name, double value, double low, double high,
                 bool open = false);

/// Throws ValueError unless the configured number is finite and >= 0.
void check_not_negative(const char* type, const char* name, double value);

/// Throws ValueError unless `epsilon` is a finite number above 0, in T too: without it a parameter whose
/// gradients are all 0 would become 0 / 0.
template <class T>
void check_epsilon(const char* type, double epsilon);

}  // namespace detail

extern template class Optimizer<float>;
extern template class Optimizer<double>;

}  // namespace seqgrad
