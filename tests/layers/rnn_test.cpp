// RNN over cells, users' own among them; states that outlive a call; dropout; both directions.

#include "seqgrad/layers/rnn.hpp"

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/gradcheck.hpp"
#include "seqgrad/core/ops/activations.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/dropout.hpp"
#include "seqgrad/core/ops/join.hpp"
#include "seqgrad/core/ops/matmul.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/core/ops/shape.hpp"
#include "seqgrad/core/ops/slice.hpp"
#include "seqgrad/core/random.hpp"
#include "seqgrad/layers/bidirectional.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/model.hpp"
#include "seqgrad/layers/sequential.hpp"
#include "seqgrad/layers/simple_rnn.hpp"
#include "seqgrad/layers/stacked_rnn_cells.hpp"

using namespace seqgrad;

namespace {

/// A user's cell: h leaks by half in every step and is driven by tanh(x W); its output is another size.
class LeakyCell : public RecurrentCell<double> {
  public:
    explicit LeakyCell(std::size_t units) : units_(units) {}
    std::string type() const override { return "LeakyCell"; }
    std::vector<std::size_t> state_size() const override { return {units_, 1}; }
    std::size_t output_size() const override { return 2 * units_; }
    States get_initial_state(std::size_t batch) const override {
        return {constant(ones<double>({batch, units_})), constant(zeros<double>({batch, 1}))};
    }
    Variable<double> kernel;

  protected:
    void members(Members<double>& m) override { m.parameter("kernel", kernel); }
    void build_parameters(const PartialShape& input_shape) override {
        kernel = parameter(Generator(3).normal<double>({static_cast<std::size_t>(input_shape[1]), units_}));
    }
    RecurrentOutput<double> step(const Variable<double>& x, const States& states) override {
        const Variable<double> h = 0.5 * states[0] + tanh(matmul(x, kernel));
        return {concatenate({h, -h}, -1), {h, states[1] + 1}};
    }

  private:
    std::size_t units_;
};

/// Names two states and gives one.
class ForgetfulCell : public RecurrentCell<double> {
  public:
    std::string type() const override { return "ForgetfulCell"; }
    std::vector<std::size_t> state_size() const override { return {2, 2}; }

  protected:
    RecurrentOutput<double> step(const Variable<double>&, const States& states) override {
        return {states[0], {states[0]}};
    }
};

/// Says that it has 2 units, and gives what it is told to.
class WrongCell : public RecurrentCell<double> {
  public:
    WrongCell(Shape output, Shape state) : output_(std::move(output)), state_(std::move(state)) {}
    std::string type() const override { return "WrongCell"; }
    std::vector<std::size_t> state_size() const override { return {2}; }
    States get_initial_state(std::size_t batch) const override {
        return {constant(zeros<double>({batch, initial}))};
    }
    std::size_t initial = 2;

  protected:
    RecurrentOutput<double> step(const Variable<double>&, const States&) override {
        return {constant(ones<double>(output_)), {constant(ones<double>(state_))}};
    }

  private:
    Shape output_, state_;
};

/// A cell with a layer inside, which only its step knows the input of.
class LayeredCell : public RecurrentCell<double> {
  public:
    std::string type() const override { return "LayeredCell"; }
    std::vector<std::size_t> state_size() const override { return {2}; }

  protected:
    void members(Members<double>& m) override { m.child("dense", dense_); }
    RecurrentOutput<double> step(const Variable<double>& x, const States& states) override {
        const Variable<double> h = tanh(dense_(concatenate({x, states[0]}, -1)));
        return {h, {h}};
    }

  private:
    Dense<double> dense_{{.units = 2}};
};

/// Counts steps, and throws in every step once it is told to.
class CountingCell : public RecurrentCell<double> {
  public:
    explicit CountingCell(const bool* fails = nullptr) : fails_(fails) {}
    std::string type() const override { return "CountingCell"; }
    std::vector<std::size_t> state_size() const override { return {1}; }

  protected:
    RecurrentOutput<double> step(const Variable<double>&, const States& states) override {
        if (fails_ != nullptr && *fails_) throw ValueError("CountingCell: told to fail");
        const Variable<double> h = states[0] + 1;
        return {h, {h}};
    }

  private:
    const bool* fails_;
};

/// A model of two stateful layers, of which the second fails when it is told to.
class TwoCounters : public Model<double> {
  public:
    explicit TwoCounters(const bool* fails) : second(CountingCell(fails), {.stateful = true}) {}
    RNN<double> first{CountingCell(), {.return_sequences = true, .stateful = true}};
    RNN<double> second;
    bool resets = false;

  protected:
    void members(Members<double>& m) override {
        m.child("first", first);
        m.child("second", second);
    }
    Variable<double> call(const Variable<double>& x) override {
        // A layer that is gone when the call fails has no states to get back.
        RNN<double> passing(CountingCell(), {.return_sequences = true, .stateful = true});
        if (resets) first.reset_state();
        return second(first(first(passing(x))));
    }
};

double counted(const RNN<double>& layer) {
    return layer.states().empty() ? 0.0 : layer.states()[0](0, 0);
}

Variable<double> random(const Shape& shape, std::int64_t seed) {
    return constant(Generator(seed).normal<double>(shape));
}

template <class Layer>
Layer seeded(typename Layer::Config config) {
    config.kernel_initializer = GlorotUniform{.seed = 1};
    config.recurrent_initializer = Orthogonal{.seed = 2};
    return Layer(config);
}

}  // namespace

TEST_CASE("a user's own cell runs over sequences and is differentiated through time") {
    RNN<double> layer(LeakyCell(3), {.return_sequences = true, .return_state = true});
    const auto x = random({2, 4, 5}, 1);
    const std::vector<Variable<double>> out = layer({x});
    REQUIRE(out.size() == 3);
    CHECK(out[0].shape() == Shape{2, 4, 6});
    CHECK(layer.compute_output_shape({unknown, 4, 5}) == PartialShape{unknown, 4, 6});
    CHECK(out[1].shape() == Shape{2, 3});
    CHECK(out[2].value() == full<double>({2, 1}, 4.0));
    CHECK(layer.parameters()[0].name == "kernel");
    const auto report = gradcheck(
        [&](std::span<const Variable<double>> in) {
            const auto y = layer.run(in[0], {in[1], constant(zeros<double>({2, 1}))});
            return y.output * y.output;
        },
        {parameter(x.value()), parameter(random({2, 3}, 2).value())});
    CHECK_MESSAGE(report.passed, report.message());
    backward(sum(out[0]));
    CHECK(layer.parameters()[0].variable.has_grad());
}

TEST_CASE("a masked step leaves a user's cell as it was") {
    RNN<double> layer(LeakyCell(1), {.return_sequences = true});
    const auto x = random({1, 3, 2}, 1).with_mask(tensor<bool>({1, 3}, {false, true, false}));
    const auto out = layer.run(x);
    CHECK(out.states[1].value()(0, 0) == 1.0);
    CHECK(out.output.value()(0, 0, 0) == 0.0);
    CHECK(out.output.value()(0, 2, 0) == out.output.value()(0, 1, 0));
    CHECK(out.output.mask() == x.mask());
}

TEST_CASE("a cell's output and states have the shapes that it says") {
    const auto x = random({3, 4, 2}, 1), masked = x.with_mask(ones<bool>({3, 4}));
    const auto refusal = [&](const Shape& output, const Shape& state) {
        std::string message;
        for (const Variable<double>& input : {x, masked}) {
            RNN<double> layer(WrongCell(output, state));
            try {
                layer(input);
                return std::string("nothing");
            } catch (const ShapeError& error) {
                message = error.what();
            }
        }
        return message;
    };
    CHECK(refusal({3, 2}, {3, 2}) == "nothing");
    CHECK(refusal({}, {3, 2}) ==
          "WrongCell: its step gave an output of shape [], expected [batch=3, output_size=2]");
    CHECK(refusal({3, 4}, {3, 2}) ==
          "WrongCell: its step gave an output of shape [3, 4], expected [batch=3, output_size=2]");
    CHECK(refusal({1, 2}, {3, 2}).find("[1, 2]") != std::string::npos);
    CHECK(refusal({3, 2}, {}) ==
          "WrongCell: its step gave a state 0 of shape [], expected [batch=3, state_size=2]");
    CHECK(refusal({3, 2}, {3, 4}).find("a state 0 of shape [3, 4]") != std::string::npos);
    WrongCell wrong_start({3, 2}, {3, 2});
    wrong_start.initial = 5;
    RNN<double> layer(std::move(wrong_start));
    CHECK_THROWS_WITH_AS(layer(random({3, 0, 2}, 1)),
                         "WrongCell: expected initial state 0 of shape [batch=3, units=2], got [3, 5]",
                         ShapeError);
}

TEST_CASE("a cell is built with the layers inside") {
    RNN<double> built{LayeredCell()}, called{LayeredCell()};
    built.build({unknown, 4, 3});
    REQUIRE(built.parameters().size() == 2);
    CHECK(built.parameters()[0].variable.shape() == Shape{5, 2});
    called(random({2, 4, 3}, 1));
    CHECK(called.parameters()[0].variable.shape() == Shape{5, 2});
}

TEST_CASE("wrong cells and states are named") {
    CHECK_THROWS_WITH_AS(RNN<double>(std::shared_ptr<RecurrentCell<double>>()),
                         "RNN: expected a cell, got none", ValueError);
    RNN<double> forgetful((ForgetfulCell()));
    CHECK_THROWS_WITH_AS(forgetful(random({1, 2, 2}, 1)),
                         "ForgetfulCell: its step gave 1 states, its state_size names 2", ValueError);
    LSTMCell<double> cell({.units = 3});
    const auto x = random({2, 4}, 1);
    const auto state = random({2, 3}, 2);
    CHECK_THROWS_WITH_AS(cell(x, {state}), "LSTMCell: expected 2 states, got 1", ValueError);
    CHECK_THROWS_WITH_AS(cell(x, {state, random({2, 4}, 3)}),
                         "LSTMCell: expected state 1 of shape [batch=2, units=3], got [2, 4]", ShapeError);
    CHECK(cell(x, {state, state}).output.shape() == Shape{2, 3});
    LSTM<double> layer({.units = 3});
    const auto y = random({2, 5, 4}, 1);
    CHECK_THROWS_WITH_AS(layer(y.with_mask(ones<bool>({2}))),
                         "LSTM: expected a mask [batch=2, time=5], got [2]", ShapeError);
    CHECK_THROWS_WITH_AS(LSTM<double>({.units = 3, .dropout = 1.0}), "LSTM: dropout must be in [0, 1), got 1",
                         ValueError);
    CHECK_THROWS_WITH_AS(GRU<double>({.units = 3, .recurrent_dropout = -0.5, .name = "g"}),
                         "GRU \"g\": recurrent_dropout must be in [0, 1), got -0.5", ValueError);
}

TEST_CASE("stacked cells are stacked layers") {
    RNN<double> stack(StackedRNNCells<double>(LSTMCell<double>({.units = 3}), GRUCell<double>({.units = 4})),
                      {.return_sequences = true});
    LSTM<double> first({.units = 3, .return_sequences = true});
    GRU<double> second({.units = 4, .return_sequences = true});
    const auto x = random({2, 5, 2}, 1);
    stack.build({unknown, unknown, 2});
    first.build({unknown, unknown, 2});
    second.build({unknown, unknown, 3});
    const auto parameters = stack.parameters();
    REQUIRE(parameters.size() == 6);
    CHECK(parameters[0].name == "cells.0.kernel");
    CHECK(parameters[5].name == "cells.1.bias");
    for (std::size_t i = 0; i < 3; ++i) {
        first.parameters()[i].variable.assign(parameters[i].variable.value());
        second.parameters()[i].variable.assign(parameters[i + 3].variable.value());
    }
    const auto together = stack.run(x);
    const auto apart = second.run(first(x));
    CHECK(together.states.size() == 3);
    for (std::size_t i = 0; i < apart.output.size(); ++i)
        CHECK(together.output.value().data()[i] ==
              doctest::Approx(apart.output.value().data()[i]).epsilon(1e-12));
    CHECK_THROWS_WITH_AS(StackedRNNCells<double>(std::vector<std::shared_ptr<RecurrentCell<double>>>{}),
                         "StackedRNNCells: expected a cell, got none", ValueError);
}

TEST_CASE("a stateful layer remembers, and forgets what it is told to") {
    auto layer = seeded<GRU<double>>({.units = 3, .stateful = true, .name = "memory"});
    auto fresh = seeded<GRU<double>>({.units = 3});
    const auto x = random({2, 4, 5}, 1);
    const Tensor<double> start = fresh(x).value();
    CHECK(layer.states().empty());
    CHECK(layer(x).value() == start);
    CHECK(layer.states()[0] == start);
    const Tensor<double> second = layer(x).value();
    CHECK(second != start);

    CHECK_THROWS_WITH_AS(
        layer(random({3, 4, 5}, 1)),
        "GRU \"memory\": is stateful and holds states of a batch of 2, got a batch of 3; call "
        "reset_state() before another batch size",
        ValueError);
    CHECK(layer.states()[0] == second);
    CHECK_THROWS_WITH_AS(layer.reset_state({0, 2}),
                         "GRU \"memory\": reset_state: sample 2 asked for, the batch has 2", ValueError);
    CHECK(layer.states()[0] == second);
    CHECK_THROWS_AS(fresh.reset_state({0}), ValueError);

    layer.reset_state({1});
    const Tensor<double> mixed = layer(x).value();
    for (std::size_t u = 0; u < 3; ++u) {
        CHECK(mixed(0, u) != start(0, u));
        CHECK(mixed(1, u) == start(1, u));
    }
    Sequential<double> model;
    model.add(std::shared_ptr<Module<double>>(std::shared_ptr<void>(), &layer));
    model.reset_state();
    CHECK(layer.states().empty());
    CHECK(model(x).value() == start);
}

TEST_CASE("a call that fails leaves the states of all layers as they were") {
    bool fails = false;
    const auto x = random({1, 3, 1}, 1);
    SUBCASE("both directions") {
        Bidirectional<double> layer(
            RNN<double>(CountingCell(), {.stateful = true}),
            RNN<double>(CountingCell(&fails), {.go_backwards = true, .stateful = true}));
        const auto check = [&](double count) {
            CHECK(counted(layer.forward_layer()) == count);
            CHECK(counted(layer.backward_layer()) == count);
        };
        layer(x);
        check(3);
        fails = true;
        CHECK_THROWS_AS(layer(x), ValueError);
        CHECK_THROWS_AS(layer({x}), ValueError);
        CHECK_THROWS_AS(layer.run(x), ValueError);
        check(3);
        fails = false;
        layer.run(x);
        check(6);
        layer.reset_state();
        fails = true;
        CHECK_THROWS_AS(layer(x), ValueError);
        check(0);
    }
    SUBCASE("initial states that do not fit") {
        Bidirectional<double> layer(RNN<double>(CountingCell(), {.stateful = true}),
                                    RNN<double>(CountingCell(), {.go_backwards = true, .stateful = true}));
        layer.run(x);
        CHECK_THROWS_AS(layer.run(x, {random({1, 1}, 1)}), ValueError);
        CHECK_THROWS_AS(layer.run(x, {random({1, 1}, 1), random({1, 2}, 1)}), ShapeError);
        CHECK(counted(layer.forward_layer()) == 3);
        CHECK(counted(layer.backward_layer()) == 3);
    }
    SUBCASE("layers one after another") {
        auto first = std::make_shared<RNN<double>>(CountingCell(),
                                                   RNNConfig{.return_sequences = true, .stateful = true});
        auto second = std::make_shared<RNN<double>>(CountingCell(&fails), RNNConfig{.stateful = true});
        Sequential<double> inner;
        inner.add(first);
        Sequential<double> model;
        model.add(std::make_shared<Sequential<double>>(std::move(inner)));
        model.add(second);
        model(x);
        fails = true;
        CHECK_THROWS_AS(model(x), ValueError);
        CHECK(counted(*first) == 3);
        CHECK(counted(*second) == 3);
        fails = false;
        model(x);
        CHECK(counted(*first) == 6);
    }
    SUBCASE("cells one above another") {
        RNN<double> layer(StackedRNNCells<double>(CountingCell(), CountingCell(&fails)), {.stateful = true});
        layer(x);
        fails = true;
        CHECK_THROWS_AS(layer(x), ValueError);
        CHECK(counted(layer) == 3);
        CHECK(layer.states()[1](0, 0) == 3);
    }
    SUBCASE("a user's model, which calls a layer twice, or resets it") {
        TwoCounters model(&fails);
        model(x);
        CHECK(counted(model.first) == 6);
        CHECK(counted(model.second) == 3);
        fails = true;
        for (const bool resets : {false, true}) {
            model.resets = resets;
            CHECK_THROWS_AS(model(x), ValueError);
            CHECK_THROWS_AS(model({x}), ValueError);
            CHECK(counted(model.first) == 6);
            CHECK(counted(model.second) == 3);
        }
        // The reset is part of a call that succeeds.
        fails = false;
        model(x);
        CHECK(counted(model.first) == 6);
        CHECK(counted(model.second) == 6);
    }
}

TEST_CASE("a stateful layer takes back no states of other numbers or shapes") {
    Sequential<float> model{LSTM<float>({.units = 2, .return_sequences = true, .stateful = true}),
                            GRU<float>({.units = 3, .stateful = true})};
    model(zeros<float>({4, 2, 1}));
    const ModuleState<float> good = model.state();
    const auto with = [&](std::vector<Tensor<float>> states) {
        ModuleState<float> state = good;
        state.states.at("lstm.states") = std::move(states);
        state.states.at("gru.states") = {ones<float>({4, 3})};
        return state;
    };
    CHECK_THROWS_WITH_AS(model.set_state(with({zeros<float>({4, 2})})),
                         "Sequential: \"lstm.states\": expected 2 states or none, got 1", ShapeError);
    CHECK_THROWS_WITH_AS(model.set_state(with({zeros<float>({4, 2}), zeros<float>({4, 3})})),
                         "Sequential: \"lstm.states\": expected state 1 of shape [batch=4, 2], got [4, 3]",
                         ShapeError);
    CHECK_THROWS_AS(model.set_state(with({zeros<float>({4, 2}), zeros<float>({5, 2})})), ShapeError);
    CHECK_THROWS_AS(model.set_state(with({zeros<float>({}), zeros<float>({})})), ShapeError);
    CHECK(model.state().states.at("gru.states")[0] == good.states.at("gru.states")[0]);
    model.set_state(with({}));
    CHECK(model.state().states.at("lstm.states").empty());
    model.set_state(with({zeros<float>({7, 2}), zeros<float>({7, 2})}));
}

TEST_CASE("gradients do not flow from one call of a stateful layer to the one before") {
    auto layer = seeded<SimpleRNN<double>>({.units = 2, .stateful = true});
    const auto x = parameter(random({1, 3, 2}, 1).value());
    const auto first = layer(x);
    backward(sum(layer(random({1, 3, 2}, 2))));
    CHECK_FALSE(x.has_grad());
}

TEST_CASE_TEMPLATE("dropout has one mask for a call, the same at every step, and rests in inference", Layer,
                   SimpleRNN<double>, LSTM<double>, GRU<double>) {
    const auto x = constant(ones<double>({4, 6, 5}));
    auto plain = seeded<Layer>({.units = 3, .return_sequences = true});
    auto layer = seeded<Layer>({.units = 3, .dropout = 0.5, .seed = 7, .return_sequences = true});
    CHECK(layer(x).value() == plain(x).value());

    layer.set_training(true);
    const Tensor<double> dropped = layer(x).value();
    CHECK(dropped != plain(x).value());
    // The same as a plain layer on an input whose features are dropped for all steps at once.
    Generator generator(7);
    const Tensor<double> mask = dropout(constant(ones<double>({4, 5})), 0.5, generator).value();
    const Tensor<double> expected = plain(x * expand_dims(constant(mask), {1})).value();
    CHECK(dropped == expected);
    CHECK(layer(x).value() != dropped);

    auto again = seeded<Layer>({.units = 3, .dropout = 0.5, .seed = 7, .return_sequences = true});
    again.set_training(true);
    CHECK(again(x).value() == dropped);
}

TEST_CASE_TEMPLATE("recurrent dropout acts on the state only", Layer, SimpleRNN<double>, LSTM<double>,
                   GRU<double>) {
    const auto x = random({3, 5, 2}, 1);
    auto plain = seeded<Layer>({.units = 4, .return_sequences = true});
    auto layer = seeded<Layer>({.units = 4, .recurrent_dropout = 0.5, .seed = 7, .return_sequences = true});
    CHECK(layer(x).value() == plain(x).value());
    layer.set_training(true);
    const Variable<double> dropped = layer(x), whole = plain(x);
    // There is no state before the first step.
    const auto first = [](const Variable<double>& y) { return select(y, 1, 0).value(); };
    for (std::size_t i = 0; i < first(whole).size(); ++i)
        CHECK(first(dropped).data()[i] == doctest::Approx(first(whole).data()[i]).epsilon(1e-12));
    CHECK(dropped.value() != whole.value());
}

TEST_CASE("a Bidirectional layer has its two layers' parameters, states and outputs") {
    Bidirectional<double> layer(LSTM<double>({.units = 3, .return_sequences = true, .return_state = true}),
                                {.merge_mode = MergeMode::none, .name = "both"});
    const auto x = random({2, 4, 5}, 1);
    const auto outputs = layer({x});
    REQUIRE(outputs.size() == 6);
    CHECK(outputs[0].shape() == Shape{2, 4, 3});
    CHECK(outputs[1].shape() == Shape{2, 4, 3});
    CHECK(outputs[5].shape() == Shape{2, 3});
    CHECK(layer.parameters()[0].name == "forward_layer.kernel");
    CHECK(layer.parameters()[3].name == "backward_layer.kernel");
    CHECK(layer.parameters()[0].variable.value() != layer.parameters()[3].variable.value());
    CHECK_THROWS_WITH_AS(
        layer(x),
        "Bidirectional \"both\": has two outputs without a merge_mode; call it with a list of "
        "inputs",
        ValueError);
    const auto state = random({2, 3}, 2);
    CHECK_THROWS_WITH_AS(layer({x, state, state}),
                         "Bidirectional \"both\": expected 4 initial states, 2 of each layer, got 2",
                         ValueError);
    CHECK(layer({x, state, state, state, state})[0].value() != outputs[0].value());
}

TEST_CASE("a Bidirectional layer takes another layer for the way back") {
    Bidirectional layer(GRU<double>({.units = 3, .return_sequences = true}),
                        SimpleRNN<double>({.units = 2, .return_sequences = true, .go_backwards = true}));
    CHECK(layer(random({2, 4, 5}, 1)).shape() == Shape{2, 4, 5});
    CHECK(layer.has_own_backward_layer());
}

TEST_CASE("layers that do not go together are refused") {
    using Both = Bidirectional<double>;
    CHECK_THROWS_WITH_AS(
        Both(GRU<double>({.units = 3, .go_backwards = true})),
        "Bidirectional: the layer goes backwards already; give a backward_layer that does not, "
        "or a layer without go_backwards",
        ValueError);
    CHECK_THROWS_WITH_AS(Both(GRU<double>({.units = 3}), GRU<double>({.units = 3})),
                         "Bidirectional: one of the layers must have go_backwards, none has", ValueError);
    CHECK_THROWS_WITH_AS(
        Both(GRU<double>({.units = 3}),
             GRU<double>({.units = 3, .return_sequences = true, .go_backwards = true})),
        "Bidirectional: both layers must have the same return_sequences, got false forward and true backward",
        ValueError);
    CHECK_THROWS_WITH_AS(
        Both(GRU<double>({.units = 3}), GRU<double>({.units = 2, .go_backwards = true}),
             {.merge_mode = MergeMode::sum}),
        "Bidirectional: merge_mode sum needs outputs of one size, got 3 forward and 2 backward", ValueError);
    CHECK_THROWS_WITH_AS(Both(RNN<double>(LeakyCell(2))),
                         "RNN: LeakyCell does not offer clone(), give a backward_layer instead", ValueError);
    CHECK_THROWS_WITH_AS(merge_mode("average"),
                         "Bidirectional: merge_mode must be concat, sum, mul, ave or None, got \"average\"",
                         ValueError);
}

TEST_CASE("a mask goes through layers that return sequences and ends where one does not") {
    const auto x =
        random({2, 3, 4}, 1).with_mask(tensor<bool>({2, 3}, {true, true, false, true, false, false}));
    Sequential<double> sequences{Bidirectional<double>(GRU<double>({.units = 2, .return_sequences = true})),
                                 LSTM<double>({.units = 2, .return_sequences = true})};
    CHECK(sequences(x).mask() == x.mask());
    Sequential<double> last{LSTM<double>({.units = 2, .return_sequences = true}), LSTM<double>({.units = 2})};
    CHECK(last(x).mask() == nullptr);
}

TEST_CASE("the summary of a recurrent layer is one line") {
    LSTM<float> layer({.units = 4});
    layer(constant(ones<float>({2, 3, 5})));
    const std::string summary = layer.summary();
    CHECK(summary.find("LSTMCell") == std::string::npos);
    CHECK(summary.find("Total params: 160 (640 bytes)") != std::string::npos);
}
