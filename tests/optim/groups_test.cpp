#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/optim/adam.hpp"
#include "seqgrad/optim/sgd.hpp"

using namespace seqgrad;

namespace {

using Parameters = std::vector<Variable<double>>;

const std::vector<std::string> names{"embedding.embeddings", "lstm.kernel", "head.kernel"};

Parameters three() {
    Parameters w;
    for (int i = 0; i < 3; ++i) {
        w.push_back(parameter(tensor<double>({1}, {8})));
        w.back().set_grad(tensor<double>({1}, {1}));
    }
    return w;
}

std::vector<double> values(const Parameters& w) {
    std::vector<double> all;
    for (const auto& p : w) all.push_back(p.item());
    return all;
}

/// The parameters after one update.
std::vector<double> updated(const SGDConfig& config) {
    Parameters w = three();
    SGD<double> sgd(config);
    sgd.build(w, names);
    sgd.apply(w);
    return values(w);
}

}  // namespace

TEST_CASE("a group's parameters have a learning rate of their own") {
    CHECK(updated({.learning_rate = 1.0,
                   .groups = {{.names = {"^embedding"}, .learning_rate_multiplier = 0.25},
                              {.names = {"head"}, .learning_rate_multiplier = 2.0}}}) ==
          std::vector<double>{7.75, 7, 6});
}

TEST_CASE("a group's parameters have a weight decay of their own") {
    CHECK(updated({.learning_rate = 1.0,
                   .weight_decay = 0.5,
                   .groups = {{.names = {"embedding"}, .weight_decay = 0.0},
                              {.names = {"head"}, .weight_decay = 0.25}}}) == std::vector<double>{7, 3, 5});
    CHECK(updated({.learning_rate = 1.0, .groups = {{.names = {"head"}, .weight_decay = 0.25}}}) ==
          std::vector<double>{7, 7, 5});
    // The decay is one of the group's rate.
    CHECK(updated({.learning_rate = 1.0,
                   .groups = {{.names = {"head"}, .learning_rate_multiplier = 0.5, .weight_decay = 0.25}}}) ==
          std::vector<double>{7, 7, 6.5});
    // What is excluded does not decay in a group either.
    CHECK(updated({.learning_rate = 1.0,
                   .exclude_from_weight_decay = {"head"},
                   .groups = {{.names = {"kernel"}, .weight_decay = 0.25}}}) == std::vector<double>{7, 5, 7});
}

TEST_CASE("a frozen group stays, and its gradients count nothing") {
    CHECK(updated({.learning_rate = 1.0, .groups = {{.names = {"kernel"}, .frozen = true}}}) ==
          std::vector<double>{7, 8, 8});
    CHECK(updated({.learning_rate = 1.0,
                   .weight_decay = 0.5,
                   .global_clipnorm = 1.0,
                   .use_ema = true,
                   .ema_overwrite_frequency = 1,
                   .groups = {{.names = {"kernel"}, .frozen = true}}}) == std::vector<double>{3, 8, 8});
    Parameters w = three();
    SGD<double> sgd({.groups = {{.names = {"."}, .frozen = true}}});
    sgd.build(w, names);
    CHECK_THROWS_AS(sgd.apply(w), ValueError);
}

TEST_CASE("parameters belong to a group by handle, by name, or by either") {
    Parameters w = three();
    SGD<double> sgd({.learning_rate = 1.0});
    SUBCASE("handle") {
        sgd.add_group({w[2], w[0]}, {.learning_rate_multiplier = 2.0});
        sgd.apply(w);
        CHECK(values(w) == std::vector<double>{6, 7, 6});
    }
    SUBCASE("either") {
        sgd.add_group({w[2], w[1]}, {.names = {"embed", "lstm"}, .frozen = true});
        w[1].set_grad(tensor<double>({1}, {3}));
        sgd.build(w, names);
        CHECK_THROWS_AS(sgd.apply(w), ValueError);
        CHECK(values(w) == std::vector<double>{8, 8, 8});
    }
    SUBCASE("too late") {
        sgd.apply(w);
        CHECK_THROWS_WITH_AS(sgd.add_group({w[0]}, {}),
                             "SGD: groups can be added only before the optimizer is set up", ValueError);
    }
}

TEST_CASE("groups that do not fit the parameters are refused and set nothing up") {
    Parameters w = three();
    SGDConfig config{.learning_rate = 1.0};
    std::string message;
    bool named = true;
    SUBCASE("two of one parameter") {
        config.groups = {{.names = {"kernel"}}, {.names = {"lstm"}}};
        message = "SGD: parameter 1 \"lstm.kernel\" belongs to two groups";
    }
    SUBCASE("none in it") {
        config.groups = {{.names = {"gru", "bias"}}};
        message = "SGD: no parameter belongs to a group of names \"gru\" \"bias\"";
    }
    SUBCASE("no name in it") {
        config.groups = {{.frozen = true}};
        message = "SGD: no parameter belongs to a group";
    }
    SUBCASE("names where there are none") {
        config.groups = {{.names = {"kernel"}}};
        message = "SGD: groups go by the parameters' names, and these have none; give them to build";
        named = false;
    }
    SGD<double> sgd(config);
    CHECK_THROWS_WITH_AS(sgd.build(w, named ? names : std::vector<std::string>{}), message.c_str(),
                         ValueError);
    CHECK(sgd.state().slots.empty());
    CHECK(sgd.iterations() == 0);
}

TEST_CASE("a handle of another model is refused") {
    Parameters w = three();
    SGD<double> sgd;
    sgd.add_group({parameter(ones<double>({1}))}, {});
    CHECK_THROWS_WITH_AS(sgd.build(w), "SGD: a parameter of a group is none of the 3 parameters given",
                         ValueError);
}

TEST_CASE("a group's settings out of range are refused") {
    CHECK_THROWS_WITH_AS(SGD<float>({.groups = {{.names = {"a"}, .learning_rate_multiplier = -1.0}}}),
                         "optimizer: a group's learning_rate_multiplier must be a finite number >= 0, got -1",
                         ValueError);
    CHECK_THROWS_WITH_AS(SGD<float>({.groups = {{.names = {"a"}, .weight_decay = -1.0}}}),
                         "optimizer: a group's weight_decay must be a finite number >= 0, got -1",
                         ValueError);
    CHECK_THROWS_AS(SGD<float>({.groups = {{.names = {"a["}}}}), ValueError);
    SGD<double> sgd;
    CHECK_THROWS_AS(sgd.add_group({}, {.learning_rate_multiplier = std::numeric_limits<double>::infinity()}),
                    ValueError);
}

TEST_CASE("groups and all that is remembered survive saving at any call") {
    const auto make = [] {
        return Adam<double>(
            {.learning_rate = [](std::int64_t call) { return 0.1 / (1.0 + 0.1 * double(call)); },
             .amsgrad = true,
             .weight_decay = 0.01,
             .global_clipnorm = 0.5,
             .use_ema = true,
             .ema_momentum = 0.9,
             .ema_overwrite_frequency = 2,
             .gradient_accumulation_steps = 3,
             .exclude_from_weight_decay = {"head"},
             .groups = {{.names = {"embedding"}, .learning_rate_multiplier = 0.5}}});
    };
    const auto train = [](Adam<double>& adam, Parameters& w, int from, int to) {
        for (int call = from; call < to; ++call) {
            for (std::size_t i = 0; i < w.size(); ++i)
                w[i].set_grad(full<double>({1}, std::sin(1.0 + call + 3.0 * static_cast<double>(i))));
            adam.apply(w);
        }
    };
    const int calls = 14;
    Parameters whole = three();
    Adam<double> uninterrupted = make();
    uninterrupted.build(whole, names);
    train(uninterrupted, whole, 0, calls);
    for (int at = 0; at <= calls; ++at) {
        CAPTURE(at);
        Parameters w = three();
        Adam<double> first = make();
        first.build(w, names);
        train(first, w, 0, at);
        const OptimizerState<double> state = first.state();
        CHECK(state.iterations == at);
        Adam<double> second = make();
        second.set_state(state);
        train(second, w, at, calls);
        CHECK(values(w) == values(whole));
        for (std::size_t i = 0; i < state.slots.size(); ++i)
            CHECK(second.state().slots[i].value == uninterrupted.state().slots[i].value);
    }
}
