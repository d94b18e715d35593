#include "seqgrad/optim/optimizer.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/optim/adam.hpp"
#include "seqgrad/optim/sgd.hpp"

using namespace seqgrad;

namespace {

using Parameters = std::vector<Variable<double>>;

Parameters two_parameters() {
    return {parameter(tensor<double>({2}, {1, -2})), parameter(tensor<double>({1, 3}, {0.5, 0, 4}))};
}

/// Gradients that differ from step to step.
void give_gradients(Parameters& parameters, int step) {
    for (std::size_t k = 0; k < parameters.size(); ++k) {
        Tensor<double> g(parameters[k].shape());
        for (std::size_t i = 0; i < g.size(); ++i)
            g.data()[i] = std::sin(1.0 + static_cast<double>(k) + 0.7 * static_cast<double>(i) + 0.3 * step);
        parameters[k].set_grad(g);
    }
}

/// A user's rule.
class SignDescent : public Optimizer<double> {
  public:
    explicit SignDescent(LearningRate rate) : Optimizer(std::move(rate), {}) {}
    std::string type() const override { return "SignDescent"; }

  protected:
    void update(const ParameterUpdate<double>& u) override {
        for (std::size_t i = 0; i < u.value.size(); ++i)
            u.value[i] -= std::copysign(u.learning_rate, u.gradient[i]);
    }
};

}  // namespace

TEST_CASE("a rule of one's own needs an update and a name") {
    Parameters w{parameter(tensor<double>({2}, {1, 1}))};
    w[0].set_grad(tensor<double>({2}, {30, -0.1}));
    SignDescent rule(0.25);
    rule.apply(w);
    CHECK(w[0].value() == tensor<double>({2}, {0.75, 1.25}));
    CHECK(rule.iterations() == 1);
}

TEST_CASE("a learning rate may be a function of the updates already made") {
    Parameters w{parameter(tensor<double>({1}, {0}))};
    w[0].set_grad(tensor<double>({1}, {-1}));
    std::vector<std::int64_t> asked;
    SGD<double> sgd({.learning_rate = [&](std::int64_t t) {
        asked.push_back(t);
        return t == 0 ? 1.0 : 0.25;
    }});
    CHECK(asked.empty());
    sgd.apply(w);
    sgd.apply(w);
    sgd.apply(w);
    CHECK(asked == std::vector<std::int64_t>{0, 1, 2});
    CHECK(w[0].item() == 1.5);
    CHECK_FALSE(sgd.state().learning_rate.has_value());
    CHECK_THROWS_WITH_AS(sgd.set_learning_rate(0.5),
                         "SGD: the learning rate is a function of the iterations and cannot be set to 0.5",
                         ValueError);
}

TEST_CASE("a learning rate that is not a finite number >= 0 is refused") {
    CHECK_THROWS_WITH_AS(SGD<double>({.learning_rate = -0.1}),
                         "optimizer: the learning rate must be a finite number >= 0, got -0.1", ValueError);
    CHECK_THROWS_AS(SGD<double>({.learning_rate = std::numeric_limits<double>::infinity()}), ValueError);
    SGD<double> sgd;
    CHECK_THROWS_AS(sgd.set_learning_rate(std::nan("")), ValueError);
    CHECK(sgd.learning_rate() == 0.01);
    sgd.set_learning_rate(0.5);
    CHECK(sgd.learning_rate() == 0.5);
    Parameters w = two_parameters();
    give_gradients(w, 0);
    SGD<double> schedule({.learning_rate = [](std::int64_t) { return std::nan(""); }});
    CHECK_THROWS_AS(schedule.apply(w), ValueError);
    CHECK(w[0].value() == two_parameters()[0].value());
    CHECK(schedule.iterations() == 0);
}

TEST_CASE("what is frozen or has no gradient stays, with all that is remembered of it") {
    Parameters w = two_parameters();
    Adam<double> adam({.learning_rate = 0.1});
    give_gradients(w, 0);
    adam.apply(w);
    const Tensor<double> value = w[1].value();
    const Tensor<double> momentum = adam.state().slots[2].value;
    const auto unchanged = [&] {
        CHECK(adam.state().slots[2].name == "1.momentum");
        CHECK(adam.state().slots[2].value == momentum);
        CHECK(w[1].value() == value);
        CHECK(adam.iterations() == 2);
    };
    give_gradients(w, 1);
    SUBCASE("frozen") {
        w[1].set_requires_grad(false);
        adam.apply(w);
        unchanged();
    }
    SUBCASE("no gradient") {
        w[1].clear_grad();
        adam.apply(w);
        unchanged();
    }
    SUBCASE("none has one") {
        w[0].clear_grad();
        w[1].clear_grad();
        CHECK_THROWS_WITH_AS(adam.apply(w),
                             "Adam: none of the 2 parameters has a gradient; call backward before apply",
                             ValueError);
        CHECK(adam.iterations() == 1);
    }
}

TEST_CASE("a gradient that is not finite changes nothing and is named") {
    Parameters w = two_parameters();
    Adam<double> adam({.learning_rate = 0.1, .global_clipnorm = 1.0});
    const std::vector<std::string> names{"dense.kernel", "dense.bias"};
    adam.build(w, names);
    give_gradients(w, 0);
    adam.apply(w);
    const Tensor<double> first = w[0].value();
    const auto before = adam.state();
    give_gradients(w, 1);
    Tensor<double> g = w[1].grad();
    const auto check_refused = [&](const char* message) {
        w[1].set_grad(g);
        CHECK_THROWS_WITH_AS(adam.apply(w), message, ValueError);
        CHECK(w[0].value() == first);
        CHECK(adam.iterations() == 1);
        CHECK(adam.state().slots[0].value == before.slots[0].value);
        CHECK(adam.state().slots[3].value == before.slots[3].value);
    };
    g.data()[2] = std::nan("");
    check_refused(
        "Adam: the gradient of parameter 1 \"dense.bias\" is not finite: element 2 of [1, 3] is nan");
    g.data()[2] = -std::numeric_limits<double>::infinity();
    check_refused(
        "Adam: the gradient of parameter 1 \"dense.bias\" is not finite: element 2 of [1, 3] is -inf");
    g.data()[2] = 1e200;
    check_refused("Adam: the norm of the gradient of parameter 1 \"dense.bias\" is too large for a number");
}

TEST_CASE("a float gradient whose square overflows is refused unless clipping makes it small") {
    std::vector<Variable<float>> w{parameter(tensor<float>({1}, {1.0f}))};
    w[0].set_grad(tensor<float>({1}, {1e25f}));
    Adam<float> adam({.learning_rate = 0.5});
    CHECK_THROWS_AS(adam.apply(w), ValueError);
    CHECK(w[0].item() == 1.0f);
    Adam<float> clipped({.learning_rate = 0.5, .global_clipnorm = 1.0});
    clipped.apply(w);
    CHECK(w[0].item() == doctest::Approx(0.5));
    Adam<float> limited({.learning_rate = 0.5, .clipvalue = 1.0});
    limited.apply(w);
    CHECK(w[0].item() == doctest::Approx(0.0));
}

TEST_CASE("another list of parameters is refused") {
    Parameters w = two_parameters();
    give_gradients(w, 0);
    Adam<double> adam;
    adam.apply(w);
    Parameters one{w[0]};
    CHECK_THROWS_WITH_AS(
        adam.apply(one),
        "Adam: was set up for 2 parameters, got 1; another list of parameters needs an optimizer of "
        "its own",
        ShapeError);
    Parameters swapped{w[1], w[0]};
    CHECK_THROWS_WITH_AS(adam.apply(swapped),
                         "Adam: parameter 0 had the shape [2] when the optimizer was set up, now it has [1, "
                         "3]; another list of "
                         "parameters needs an optimizer of its own",
                         ShapeError);
    CHECK(adam.iterations() == 1);
}

TEST_CASE("a list with results, twins or empty handles is refused") {
    Parameters w = two_parameters();
    give_gradients(w, 0);
    Adam<double> adam;
    Parameters twins{w[0], w[1], w[0]};
    CHECK_THROWS_WITH_AS(adam.apply(twins), "Adam: parameters 0 and 2 are the same one", ValueError);
    Parameters results{w[0], w[1] + 1.0};
    CHECK_THROWS_WITH_AS(adam.apply(results), "Adam: parameter 1 is a result of add, not a leaf", ValueError);
    Parameters empty(2);
    CHECK_THROWS_AS(adam.apply(empty), ValueError);
    adam.apply(w);
    results[1] = w[1] * 1.0;
    const Tensor<double> first = w[0].value();
    CHECK_THROWS_AS(adam.apply(results), ValueError);
    CHECK(w[0].value() == first);
}

TEST_CASE("names given once must stay") {
    Parameters w = two_parameters();
    Adam<double> adam;
    const std::vector<std::string> names{"kernel", "bias"};
    const std::vector<std::string> others{"kernel", "beta"};
    const std::vector<std::string> few{"kernel"};
    CHECK_THROWS_WITH_AS(adam.build(w, few), "Adam: 1 names given for 2 parameters", ValueError);
    adam.build(w, names);
    adam.build(w, names);
    adam.build(w);
    CHECK(adam.state().slots[3].name == "bias.velocity");
    CHECK_THROWS_WITH_AS(
        adam.build(w, others),
        "Adam: parameter 1 \"bias\" is now named \"beta\"; another list of parameters needs an "
        "optimizer of its own",
        ValueError);
}

TEST_CASE("an update invalidates graphs that saved the old value") {
    Parameters w = two_parameters();
    const Variable<double> y = w[0] * w[0];
    give_gradients(w, 0);
    SGD<double>().apply(w);
    CHECK_THROWS_AS(backward(y, ones<double>({2})), ValueError);
}

TEST_CASE_TEMPLATE("a run that is saved and restored goes on bit for bit", Rule, SGD<double>, Adam<double>) {
    const auto make = [] {
        if constexpr (std::is_same_v<Rule, Adam<double>>) {
            return Rule({.learning_rate = 0.1, .global_clipnorm = 0.5});
        } else {
            return Rule({.learning_rate = 0.1, .momentum = 0.9, .nesterov = true});
        }
    };
    Parameters w = two_parameters();
    Rule whole = make();
    Rule restored = make();
    OptimizerState<double> state;
    Parameters copy;
    for (int step = 0; step < 10; ++step) {
        if (step == 4) {
            whole.set_learning_rate(0.03125);
            state = whole.state();
            for (const auto& p : w) copy.push_back(parameter(p.value()));
        }
        give_gradients(w, step);
        whole.apply(w);
    }
    CHECK(state.iterations == 4);
    CHECK(state.learning_rate == 0.03125);
    SUBCASE("before the first update") {}
    SUBCASE("after others") {
        Parameters elsewhere = two_parameters();
        give_gradients(elsewhere, 7);
        restored.apply(elsewhere);
    }
    restored.set_state(state);
    for (int step = 4; step < 10; ++step) {
        give_gradients(copy, step);
        restored.apply(copy);
    }
    CHECK(copy[0].value() == w[0].value());
    CHECK(copy[1].value() == w[1].value());
    CHECK(restored.iterations() == 10);
    for (std::size_t i = 0; i < state.slots.size(); ++i) {
        CHECK(restored.state().slots[i].name == whole.state().slots[i].name);
        CHECK(restored.state().slots[i].value == whole.state().slots[i].value);
    }
}

TEST_CASE("a state that does not fit is refused and changes nothing") {
    Parameters w = two_parameters();
    const std::vector<std::string> names{"kernel", "bias"};
    Adam<double> adam({.learning_rate = 0.1});
    adam.build(w, names);
    give_gradients(w, 0);
    adam.apply(w);
    const OptimizerState<double> good = adam.state();
    const auto refused = [&](const OptimizerState<double>& state) {
        try {
            adam.set_state(state);
        } catch (const Error& error) {
            CHECK(adam.iterations() == 1);
            CHECK(adam.learning_rate() == 0.1);
            for (std::size_t i = 0; i < good.slots.size(); ++i)
                CHECK(adam.state().slots[i].value == good.slots[i].value);
            return std::string(error.what());
        }
        return std::string("accepted");
    };
    OptimizerState<double> bad = good;
    bad.iterations = 9;
    bad.learning_rate = 0.7;
    SUBCASE("another rule's") {
        bad.optimizer = "SGD";
        CHECK(refused(bad) == "Adam: this is the state of \"SGD\"");
    }
    SUBCASE("negative iterations") {
        bad.iterations = -1;
        CHECK(refused(bad) == "Adam: a state after -1 iterations");
    }
    SUBCASE("more iterations than can be counted on from") {
        bad.iterations = std::numeric_limits<std::int64_t>::max();
        CHECK(refused(bad) == "Adam: a state after 9223372036854775807 iterations");
    }
    SUBCASE("learning rate") {
        bad.learning_rate = -2.0;
        CHECK(refused(bad) == "Adam: the learning rate must be a finite number >= 0, got -2");
    }
    SUBCASE("too few tensors") {
        bad.slots.pop_back();
        CHECK(refused(bad) == "Adam: a state of 3 tensors, expected 2 for each of 2 parameters");
    }
    SUBCASE("another name") {
        bad.slots[2].name = "beta.momentum";
        CHECK(refused(bad) ==
              "Adam: tensor 2 of the state is named \"beta.momentum\", expected \"bias.momentum\"");
    }
    SUBCASE("another shape") {
        bad.slots[3].value = zeros<double>({3});
        CHECK(refused(bad) == "Adam: \"bias.velocity\" has the shape [3], its parameter [1, 3]");
    }
    SUBCASE("not finite") {
        bad.slots[3].value.data()[1] = std::nan("");
        CHECK(refused(bad) == "Adam: \"bias.velocity\" is not finite: element 1 is nan");
    }
}

TEST_CASE("a state restored before the first update fixes the list of parameters") {
    Parameters w = two_parameters();
    const std::vector<std::string> names{"kernel", "bias"};
    const std::vector<std::string> others{"kernel", "beta"};
    Adam<double> saved;
    saved.build(w, names);
    Adam<double> adam;
    adam.set_state(saved.state());
    CHECK_THROWS_AS(adam.build(w, others), ValueError);
    Parameters swapped{w[1], w[0]};
    CHECK_THROWS_AS(adam.build(swapped), ShapeError);
    adam.build(w, names);
    OptimizerState<double> odd = saved.state();
    odd.slots.pop_back();
    Adam<double> fresh;
    CHECK_THROWS_WITH_AS(fresh.set_state(odd), "Adam: a state of 3 tensors, expected 2 for each parameter",
                         ValueError);
    odd = saved.state();
    odd.slots[1].name = "kernel.average";
    CHECK_THROWS_AS(fresh.set_state(odd), ValueError);
    fresh.set_state(Adam<double>().state());
    fresh.build(w, others);
}

TEST_CASE("copies of an optimizer remember separately") {
    Parameters w = two_parameters();
    Adam<double> a;
    give_gradients(w, 0);
    a.apply(w);
    Adam<double> b = a;
    b.apply(w);
    CHECK(a.iterations() == 1);
    CHECK(b.iterations() == 2);
    CHECK(a.state().slots[0].value != b.state().slots[0].value);
}
