#include "golden_check/training.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "golden_check/layers.hpp"

#include "seqgrad/core/backward.hpp"
#include "seqgrad/layers/sequential.hpp"
#include "seqgrad/optim/adadelta.hpp"
#include "seqgrad/optim/adagrad.hpp"
#include "seqgrad/optim/adam.hpp"
#include "seqgrad/optim/adamax.hpp"
#include "seqgrad/optim/adamw.hpp"
#include "seqgrad/optim/ftrl.hpp"
#include "seqgrad/optim/lion.hpp"
#include "seqgrad/optim/nadam.hpp"
#include "seqgrad/optim/rmsprop.hpp"
#include "seqgrad/optim/schedules.hpp"
#include "seqgrad/optim/sgd.hpp"
#include "seqgrad/train/losses.hpp"

namespace seqgrad::test {
namespace {

template <class T>
Loss<T> build_loss(const std::string& name, const Json& json) {
    Config config(json);
    config.expect("reduction", "sum_over_batch_size");
    // Reads the arguments that the loss has: any other is left unread, and so refused.
    const auto make = [&]<class L>(L loss) -> Loss<T> {
        if constexpr (requires { loss.from_logits; }) config.read("from_logits", loss.from_logits);
        if constexpr (requires { loss.label_smoothing; })
            config.read("label_smoothing", loss.label_smoothing);
        if constexpr (requires { loss.delta; }) config.read("delta", loss.delta);
        if constexpr (requires { loss.ignore_class; }) config.read("ignore_class", loss.ignore_class);
        config.finish();
        return loss;
    };
    if (name == "MeanSquaredError") return make(MeanSquaredError{});
    if (name == "MeanAbsoluteError") return make(MeanAbsoluteError{});
    if (name == "MeanAbsolutePercentageError") return make(MeanAbsolutePercentageError{});
    if (name == "MeanSquaredLogarithmicError") return make(MeanSquaredLogarithmicError{});
    // Keras's Huber leaves its delta out of its config: this is the one that make_golden.py gives.
    if (name == "Huber") return make(Huber{.delta = 0.7});
    if (name == "LogCosh") return make(LogCosh{});
    if (name == "CosineSimilarity") return make(CosineSimilarity{});
    if (name == "CTC") return make(CTC{});
    if (name == "BinaryCrossentropy") return make(BinaryCrossentropy{});
    if (name == "CategoricalCrossentropy") return make(CategoricalCrossentropy{});
    if (name == "SparseCategoricalCrossentropy") return make(SparseCategoricalCrossentropy{});
    if (name == "KLDivergence") return make(KLDivergence{});
    throw Unsupported("loss " + name);
}

template <class T>
std::unique_ptr<Optimizer<T>> build_optimizer(const std::string& name, const Json& json) {
    Config config(json);
    // Reads the arguments that Rule has: any other is left unread, and so refused.
    const auto make = [&]<class Rule>(typename Rule::Config c) -> std::unique_ptr<Optimizer<T>> {
        double rate = c.learning_rate.at(0);
        config.read("learning_rate", rate);
        c.learning_rate = rate;
        config.read("weight_decay", c.weight_decay);
        config.read("clipnorm", c.clipnorm);
        config.read("clipvalue", c.clipvalue);
        config.read("global_clipnorm", c.global_clipnorm);
        config.read("use_ema", c.use_ema);
        config.read("ema_momentum", c.ema_momentum);
        config.read("ema_overwrite_frequency", c.ema_overwrite_frequency);
        config.read("gradient_accumulation_steps", c.gradient_accumulation_steps);
        if constexpr (requires { c.momentum; }) config.read("momentum", c.momentum);
        if constexpr (requires { c.nesterov; }) config.read("nesterov", c.nesterov);
        if constexpr (requires { c.rho; }) config.read("rho", c.rho);
        if constexpr (requires { c.centered; }) config.read("centered", c.centered);
        if constexpr (requires { c.beta_1; }) config.read("beta_1", c.beta_1);
        if constexpr (requires { c.beta_2; }) config.read("beta_2", c.beta_2);
        if constexpr (requires { c.amsgrad; }) config.read("amsgrad", c.amsgrad);
        if constexpr (requires { c.epsilon; }) config.read("epsilon", c.epsilon);
        if constexpr (requires { c.initial_accumulator_value; })
            config.read("initial_accumulator_value", c.initial_accumulator_value);
        if constexpr (requires { c.learning_rate_power; }) {
            config.read("learning_rate_power", c.learning_rate_power);
            config.read("l1_regularization_strength", c.l1_regularization_strength);
            config.read("l2_regularization_strength", c.l2_regularization_strength);
            config.read("l2_shrinkage_regularization_strength", c.l2_shrinkage_regularization_strength);
            config.read("beta", c.beta);
        }
        config.finish();
        return std::make_unique<Rule>(c);
    };
    if (name == "SGD") return make.template operator()<SGD<T>>({});
    if (name == "RMSprop") return make.template operator()<RMSprop<T>>({});
    if (name == "Adam") return make.template operator()<Adam<T>>({});
    if (name == "AdamW") return make.template operator()<AdamW<T>>({});
    if (name == "Nadam") return make.template operator()<Nadam<T>>({});
    if (name == "Adamax") return make.template operator()<Adamax<T>>({});
    if (name == "Adagrad") return make.template operator()<Adagrad<T>>({});
    if (name == "Adadelta") return make.template operator()<Adadelta<T>>({});
    if (name == "Lion") return make.template operator()<Lion<T>>({});
    if (name == "Ftrl") return make.template operator()<Ftrl<T>>({});
    throw Unsupported("optimizer " + name);
}

LearningRate build_schedule(const std::string& name, const Json& json) {
    Config config(json);
    // Reads the arguments that the schedule has: any other is left unread, and so refused.
    const auto make = [&]<class Schedule>(Schedule s) -> LearningRate {
        if constexpr (requires { s.initial_learning_rate; })
            config.read("initial_learning_rate", s.initial_learning_rate);
        if constexpr (requires { s.decay_steps; }) config.read("decay_steps", s.decay_steps);
        if constexpr (requires { s.decay_rate; }) config.read("decay_rate", s.decay_rate);
        if constexpr (requires { s.staircase; }) config.read("staircase", s.staircase);
        if constexpr (requires { s.boundaries; }) {
            config.read("boundaries", s.boundaries);
            config.read("values", s.values);
        }
        if constexpr (requires { s.power; }) {
            config.read("end_learning_rate", s.end_learning_rate);
            config.read("power", s.power);
            config.read("cycle", s.cycle);
        }
        if constexpr (requires { s.alpha; }) config.read("alpha", s.alpha);
        if constexpr (requires { s.warmup_target; }) {
            config.read("warmup_target", s.warmup_target);
            config.read("warmup_steps", s.warmup_steps);
        }
        if constexpr (requires { s.t_mul; }) {
            config.read("first_decay_steps", s.first_decay_steps);
            config.read("t_mul", s.t_mul);
            config.read("m_mul", s.m_mul);
        }
        config.finish();
        return s;
    };
    if (name == "ExponentialDecay") return make(ExponentialDecay{});
    if (name == "PiecewiseConstantDecay") return make(PiecewiseConstantDecay{});
    if (name == "PolynomialDecay") return make(PolynomialDecay{});
    if (name == "InverseTimeDecay") return make(InverseTimeDecay{});
    if (name == "CosineDecay") return make(CosineDecay{});
    if (name == "CosineDecayRestarts") return make(CosineDecayRestarts{});
    throw Unsupported("schedule " + name);
}

/// Elements [index] of the first axis: one of a trajectory's batches.
template <class T>
Tensor<T> at_first_axis(const Tensor<T>& t, std::size_t index) {
    const Shape shape(t.shape().begin() + 1, t.shape().end());
    Tensor<T> part(shape);
    std::copy_n(t.data() + index * part.size(), part.size(), part.data());
    return part;
}

}  // namespace

template <class T>
Comparison check_loss(const Json& fixture) {
    const Loss<T> loss = build_loss<T>(fixture.at("loss"), fixture.at("config"));
    LossWeights<T> weights;
    if (!fixture.at("sample_weight").is_null())
        weights.sample_weight = to_tensor<T>(fixture.at("sample_weight"));
    const Variable<T> predictions = parameter(to_tensor<T>(fixture.at("y_pred")));
    const Variable<T> value = loss(to_tensor<T>(fixture.at("y_true")), predictions, weights);
    backward(value);
    Comparison comparison;
    comparison.add("value", static_cast<double>(value.item()), fixture.at("value").get<double>(),
                   golden_tolerance<T>);
    comparison.add("gradient", predictions.grad(), fixture.at("gradient"), golden_tolerance<T>);
    return comparison;
}

template <class T>
Comparison check_optimizer(const Json& fixture) {
    const auto optimizer = build_optimizer<T>(fixture.at("optimizer"), fixture.at("config"));
    std::vector<Variable<T>> variables;
    for (const Json& start : fixture.at("variables")) variables.push_back(parameter(to_tensor<T>(start)));
    Comparison comparison;
    for (std::size_t step = 0; step < fixture.at("gradients").size(); ++step) {
        for (std::size_t v = 0; v < variables.size(); ++v) {
            variables[v].set_grad(to_tensor<T>(fixture.at("gradients")[step][v]));
        }
        optimizer->apply(variables);
        for (std::size_t v = 0; v < variables.size(); ++v) {
            comparison.add("variable " + std::to_string(v) + " after update " + std::to_string(step + 1),
                           variables[v].value(), fixture.at("after")[step][v], golden_tolerance<T>);
        }
    }
    return comparison;
}

template <class T>
Comparison check_schedule(const Json& fixture) {
    const LearningRate rate = build_schedule(fixture.at("schedule"), fixture.at("config"));
    Comparison comparison;
    const Json& steps = fixture.at("steps");
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const double value = rate.at(steps[i].get<std::int64_t>());
        comparison.add("value at step " + steps[i].dump(), static_cast<double>(static_cast<T>(value)),
                       fixture.at("values").at(i).get<double>(), golden_tolerance<T>);
    }
    return comparison;
}

template <class T>
Comparison check_trajectory(const Json& fixture) {
    Sequential<T> model;
    for (const Json& layer : fixture.at("model"))
        model.add(build_layer<T>(layer.at("layer"), layer.at("config")));
    const auto loss = build_loss<T>(fixture.at("loss").at("loss"), fixture.at("loss").at("config"));
    const auto optimizer =
        build_optimizer<T>(fixture.at("optimizer").at("optimizer"), fixture.at("optimizer").at("config"));
    const auto x = to_tensor<T>(fixture.at("batches").at("x"));
    const auto y = to_tensor<T>(fixture.at("batches").at("y"));
    const std::size_t batches = x.shape()[0];

    model.build(any_batch(at_first_axis(x, 0).shape()));
    for (std::size_t n = 0; n < model.size(); ++n) {
        assign_weights(model[n], fixture.at("start"), "layers." + std::to_string(n) + ".");
    }
    model.set_training(true);
    std::vector<Variable<T>> parameters;
    for (const NamedParameter<T>& p : model.parameters()) parameters.push_back(p.variable);

    Comparison comparison;
    for (std::size_t step = 0; step < fixture.at("losses").size(); ++step) {
        for (Variable<T>& p : parameters) p.clear_grad();
        const Variable<T> value =
            loss(at_first_axis(y, step % batches), model(constant(at_first_axis(x, step % batches))));
        backward(value);
        optimizer->apply(parameters);
        comparison.add("loss of step " + std::to_string(step), static_cast<double>(value.item()),
                       fixture.at("losses")[step].get<double>(), golden_tolerance<T>);
    }
    for (std::size_t n = 0; n < model.size(); ++n) {
        const std::string prefix = "layers." + std::to_string(n) + ".";
        for (const NamedParameter<T>& p : model[n].parameters()) {
            comparison.add(prefix + p.name, p.variable.value(), fixture.at("end").at(prefix + p.name),
                           golden_tolerance<T>);
        }
    }
    return comparison;
}

template Comparison check_loss<float>(const Json&);
template Comparison check_loss<double>(const Json&);
template Comparison check_optimizer<float>(const Json&);
template Comparison check_optimizer<double>(const Json&);
template Comparison check_schedule<float>(const Json&);
template Comparison check_schedule<double>(const Json&);
template Comparison check_trajectory<float>(const Json&);
template Comparison check_trajectory<double>(const Json&);

}  // namespace seqgrad::test
