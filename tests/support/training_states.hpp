#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/edge_numbers.hpp"

#include "seqgrad/train/training_state.hpp"

namespace seqgrad::test {

/// Whether everything in two values is the same, bit for bit.
struct SameBits {
    bool operator()(std::integral auto a, std::integral auto b) const { return a == b; }
    bool operator()(float a, float b) const {
        return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
    }
    bool operator()(double a, double b) const {
        return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
    }
    bool operator()(const std::string& a, const std::string& b) const { return a == b; }
    bool operator()(const GeneratorState& a, const GeneratorState& b) const { return a == b; }
    template <Real T>
    bool operator()(const Tensor<T>& a, const Tensor<T>& b) const {
        return a.shape() == b.shape() && ranges(elements(a), elements(b));
    }
    template <class V>
    bool operator()(const std::optional<V>& a, const std::optional<V>& b) const {
        return a.has_value() == b.has_value() && (!a || (*this)(*a, *b));
    }
    template <class A, class B>
    bool operator()(const std::pair<A, B>& a, const std::pair<A, B>& b) const {
        return (*this)(a.first, b.first) && (*this)(a.second, b.second);
    }
    template <class V>
    bool operator()(const std::vector<V>& a, const std::vector<V>& b) const {
        return ranges(a, b);
    }
    template <class V>
    bool operator()(const std::map<std::string, V>& a, const std::map<std::string, V>& b) const {
        return ranges(a, b);
    }
    bool operator()(const Epoch& a, const Epoch& b) const {
        return a.epoch == b.epoch && (*this)(a.seconds, b.seconds) && ranges(a.logs, b.logs);
    }
    template <class T>
    bool operator()(const CallbackState<T>& a, const CallbackState<T>& b) const {
        return (*this)(a.numbers, b.numbers) && (*this)(a.tensors, b.tensors);
    }
    template <class T>
    bool operator()(const TrainingState<T>& a, const TrainingState<T>& b) const {
        const auto slot = [&](const auto& x, const auto& y) {
            return x.name == y.name && (*this)(x.value, y.value);
        };
        return (*this)(a.setup, b.setup) && a.epoch == b.epoch && a.step == b.step &&
               a.samples == b.samples && (*this)(a.seconds, b.seconds) && a.finished == b.finished &&
               (*this)(a.loss, b.loss) && (*this)(a.metrics, b.metrics) && a.order == b.order &&
               a.batches == b.batches && a.generator == b.generator && (*this)(a.weights, b.weights) &&
               (*this)(a.model.generators, b.model.generators) && (*this)(a.model.states, b.model.states) &&
               a.optimizer.optimizer == b.optimizer.optimizer &&
               a.optimizer.iterations == b.optimizer.iterations &&
               (*this)(a.optimizer.learning_rate, b.optimizer.learning_rate) &&
               std::ranges::equal(a.optimizer.slots, b.optimizer.slots, slot) &&
               (*this)(a.callbacks, b.callbacks) && ranges(a.history.epochs(), b.history.epochs());
    }

  private:
    bool ranges(const auto& a, const auto& b) const {
        return std::equal(a.begin(), a.end(), b.begin(), b.end(), *this);
    }
};
inline constexpr SameBits same{};

/// A state in which everything is there, with the numbers that are the hardest to write down.
template <class T>
TrainingState<T> awkward_state() {
    using Limits = std::numeric_limits<T>;
    using Wide = std::numeric_limits<double>;
    constexpr auto smallest = std::numeric_limits<std::int64_t>::min();
    constexpr auto largest = std::numeric_limits<std::int64_t>::max();
    std::vector<T> numbers = edge_numbers<T>();
    numbers.insert(numbers.end(), {T(-7), Limits::quiet_NaN(), std::copysign(Limits::quiet_NaN(), T{-1}),
                                   Limits::infinity(), -Limits::infinity()});
    const Tensor<T> edges = tensor<T>({4, 5}, numbers);
    TrainingState<T> s;
    s.setup = {{"samples", 1000}, {"", smallest}, {"samples", largest}, {"a \"name\"\n\\ é 漢 \x01", -1}};
    s.epoch = largest;
    s.step = std::numeric_limits<std::size_t>::max();
    s.samples = 12345;
    s.seconds = 0.1;
    s.finished = true;
    s.loss = {Wide::denorm_min(), -0.0, Wide::quiet_NaN(), Wide::infinity(), Wide::max(), 1.0 / 3, 1e17};
    s.metrics = {{}, {0.1, 9007199254740993.0, 18446744073709551616.0}, {-1e-300}};
    s.order = {.seed = smallest, .counter = largest};
    s.batches = 7;
    s.generator = {.seed = -1, .counter = 4611686018427387905};
    s.weights = {{"data", edges},
                 {"scalar", tensor<T>({}, {T(-0.0)})},
                 {"empty", zeros<T>({0})},
                 {"empty too", zeros<T>({3, 0, 2})},
                 {"scalar too", tensor<T>({1}, {T(0.3)})}};
    s.model.generators = {{"dropout.generator", {.seed = 3, .counter = smallest}}, {"z", {}}};
    s.model.states = {{"lstm.states", {tensor<T>({1, 2}, {T(0.1), T(-0.2)}), zeros<T>({1, 0})}},
                      {"none", {}}};
    s.optimizer = {.optimizer = "Adam",
                   .iterations = 41,
                   .learning_rate = 2e-3,
                   .slots = {{"lstm.kernel.momentum", edges}, {"", zeros<T>({2})}}};
    CallbackState<T> callback;
    callback.numbers = {
        {"best", Wide::infinity()}, {"data", -Wide::infinity()}, {"dtype", Wide::quiet_NaN()}};
    callback.tensors = {{"best_weights", {edges, zeros<T>({})}}, {"data", {zeros<T>({1})}}, {"dtype", {}}};
    s.callbacks = {{"EarlyStopping", callback}, {"CSVLogger", {}}, {"EarlyStopping", {}}};
    Logs logs;
    logs.set("loss", 0.1);
    logs.set("accuracy", std::copysign(Wide::quiet_NaN(), -1.0));
    logs.set("", -0.0);
    s.history.append({.epoch = 1, .seconds = 1.5, .logs = {}});
    s.history.append({.epoch = 2, .seconds = 0.0, .logs = logs});
    return s;
}

/// A small state, all of whose numbers follow from one.
template <class T>
TrainingState<T> numbered_state(std::size_t number, std::size_t size = 3) {
    TrainingState<T> s;
    s.setup = {{"samples", 10}};
    s.step = number;
    s.loss = {static_cast<double>(number) / 7};
    s.order = {.seed = static_cast<std::int64_t>(number) * 5, .counter = 9};
    Tensor<T> weights = zeros<T>({size});
    for (std::size_t i = 0; i < size; ++i) weights.data()[i] = static_cast<T>(number) / static_cast<T>(i + 3);
    s.weights = {{"w", weights}};
    s.optimizer.optimizer = "SGD";
    s.optimizer.iterations = static_cast<std::int64_t>(number);
    return s;
}

}  // namespace seqgrad::test
