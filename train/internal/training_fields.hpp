#pragma once

#include <concepts>
#include <type_traits>

#include "seqgrad/train/training_state.hpp"

namespace seqgrad::detail {

// The members of what is saved, in the order of the file: fields(visitor, value) calls visitor(name, member)
// for each. Reading and writing go over the same list.

/// S itself or const S.
template <class Given, class S>
concept Same = std::same_as<std::remove_const_t<Given>, S>;

template <class Given, template <class> class S>
concept SameTemplate = Same<Given, S<float>> || Same<Given, S<double>>;

template <class S>
concept AnySlot = Same<S, OptimizerState<float>::Slot> || Same<S, OptimizerState<double>::Slot>;

template <class V>
void fields(V& v, Same<GeneratorState> auto& s) {
    v("seed", s.seed);
    v("counter", s.counter);
}

template <class V>
void fields(V& v, SameTemplate<ModuleState> auto& s) {
    v("generators", s.generators);
    v("states", s.states);
}

template <class V>
void fields(V& v, AnySlot auto& s) {
    v("name", s.name);
    v("value", s.value);
}

template <class V>
void fields(V& v, SameTemplate<OptimizerState> auto& s) {
    v("optimizer", s.optimizer);
    v("iterations", s.iterations);
    v("learning_rate", s.learning_rate);
    v("slots", s.slots);
}

template <class V>
void fields(V& v, SameTemplate<CallbackState> auto& s) {
    v("numbers", s.numbers);
    v("tensors", s.tensors);
}

template <class V>
void fields(V& v, Same<Epoch> auto& s) {
    v("epoch", s.epoch);
    v("seconds", s.seconds);
    v("logs", s.logs);
}

template <class V>
void fields(V& v, SameTemplate<TrainingState> auto& s) {
    v("setup", s.setup);
    v("epoch", s.epoch);
    v("step", s.step);
    v("samples", s.samples);
    v("seconds", s.seconds);
    v("finished", s.finished);
    v("loss", s.loss);
    v("metrics", s.metrics);
    v("order", s.order);
    v("batches", s.batches);
    v("generator", s.generator);
    v("weights", s.weights);
    v("model", s.model);
    v("optimizer", s.optimizer);
    v("callbacks", s.callbacks);
    v("history", s.history);
}

}  // namespace seqgrad::detail
