#include "seqgrad/optim/schedules.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "support/fixture.hpp"
#include "support/golden.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/optim/sgd.hpp"

using namespace seqgrad;

namespace {

/// Compares a schedule with the fixture of this name in golden/schedules.
void follows(const LearningRate& rate, const std::string& name) {
    CAPTURE(name);
    const auto fixture = test::read_fixture(test::golden_path("schedules/" + name + ".json"));
    const auto& steps = fixture.at("steps");
    REQUIRE(steps.size() > 1);
    for (std::size_t i = 0; i < steps.size(); ++i) {
        CAPTURE(steps[i].get<std::int64_t>());
        // Both are float32 numbers; these have to be the same ones.
        CHECK(rate.at(steps[i].get<std::int64_t>()) == fixture.at("values").at(i).get<double>());
    }
}

constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("schedules have Keras's numbers") {
    follows(ExponentialDecay{.initial_learning_rate = 0.1, .decay_steps = 10, .decay_rate = 0.9},
            "ExponentialDecay");
    follows(
        ExponentialDecay{
            .initial_learning_rate = 0.1, .decay_steps = 10, .decay_rate = 0.9, .staircase = true},
        "ExponentialDecay_staircase");
    follows(PiecewiseConstantDecay{.boundaries = {5, 20}, .values = {1.0, 0.5, 0.1}},
            "PiecewiseConstantDecay");
    follows(
        PolynomialDecay{
            .initial_learning_rate = 0.1, .decay_steps = 50, .end_learning_rate = 0.001, .power = 2.0},
        "PolynomialDecay");
    follows(
        PolynomialDecay{
            .initial_learning_rate = 0.1, .decay_steps = 20, .end_learning_rate = 0.001, .cycle = true},
        "PolynomialDecay_cycle");
    follows(InverseTimeDecay{.initial_learning_rate = 0.1, .decay_steps = 10, .decay_rate = 0.5},
            "InverseTimeDecay");
    follows(CosineDecay{.initial_learning_rate = 0.0,
                        .decay_steps = 50,
                        .alpha = 0.1,
                        .warmup_target = 0.1,
                        .warmup_steps = 10},
            "CosineDecay");
    follows(
        CosineDecayRestarts{
            .initial_learning_rate = 0.1, .first_decay_steps = 20, .t_mul = 2.0, .m_mul = 0.9, .alpha = 0.05},
        "CosineDecayRestarts");
}

TEST_CASE("schedules go where their arguments say") {
    const PolynomialDecay line{.initial_learning_rate = 1.0, .decay_steps = 4, .end_learning_rate = 0.0};
    CHECK(line(0) == 1.0);
    CHECK(line(1) == 0.75);
    CHECK(line(9) == 0.0);
    const PiecewiseConstantDecay steady{.values = {0.25}};
    CHECK(steady(0) == 0.25);
    CHECK(steady(1'000'000) == 0.25);
    const InverseTimeDecay steps{
        .initial_learning_rate = 1.0, .decay_steps = 10, .decay_rate = 1.0, .staircase = true};
    CHECK(steps(9) == 1.0);
    CHECK(steps(10) == 0.5);
    CHECK(steps(39) == 0.25);
    const CosineDecay plain{.initial_learning_rate = 2.0, .decay_steps = 8};
    CHECK(plain(0) == 2.0);
    CHECK(plain(4) == doctest::Approx(1.0).epsilon(1e-7));
    CHECK(plain(8) == 0.0);
    CHECK(plain(100) == 0.0);
    const CosineDecayRestarts even{
        .initial_learning_rate = 1.0, .first_decay_steps = 8, .t_mul = 1.0, .m_mul = 0.5};
    CHECK(even(0) == 1.0);
    CHECK(even(8) == 0.5);
    CHECK(even(16) == 0.25);
    CHECK(even(20) == doctest::Approx(0.125).epsilon(1e-6));
}

TEST_CASE("OneCycle has PyTorch's numbers") {
    // torch.optim.lr_scheduler.OneCycleLR of PyTorch 2.15.0 with total_steps = 20, cycle_momentum = False.
    const std::vector<std::int64_t> steps{0, 1, 2, 4, 5, 6, 9, 10, 11, 14, 19};
    const auto check = [&](const OneCycle& cycle, const std::vector<double>& expected) {
        for (std::size_t i = 0; i < steps.size(); ++i) {
            CAPTURE(steps[i]);
            CHECK(std::abs(cycle(steps[i]) - expected[i]) <= 1e-15);
        }
        CHECK(cycle(20) == cycle(19));
        CHECK(cycle(1'000'000) == cycle(19));
    };
    check({.max_lr = 0.1, .total_steps = 20},
          {0.0040000000000000036, 0.013167184270002533, 0.037167184270002526, 0.09083281572999748, 0.1,
           0.09874640062350874, 0.0811745653949763, 0.07169430017913009, 0.06112620219362893,
           0.028306099820869922, 4e-07});
    check({.max_lr = 0.1,
           .total_steps = 20,
           .pct_start = 0.25,
           .anneal_strategy = AnnealStrategy::linear,
           .div_factor = 10.0,
           .final_div_factor = 100.0},
          {0.01, 0.0325, 0.05500000000000001, 0.1, 0.09334, 0.08668000000000001, 0.06670000000000001, 0.06004,
           0.053380000000000004, 0.03340000000000001, 0.00010000000000000286});
    check({.max_lr = 0.1, .total_steps = 20, .three_phase = true},
          {0.0040000000000000036, 0.013167184270002533, 0.037167184270002526, 0.09083281572999748, 0.1,
           0.09083281572999748, 0.013167184270002527, 0.004, 0.003879397303047659, 0.0023474616256983273,
           4e-07});
}

TEST_CASE("OneCycle is finite for runs of any length and any share of the way up") {
    for (const bool three : {false, true}) {
        for (std::int64_t total = 1; total <= 12; ++total) {
            for (int tenths = 0; tenths <= (three ? 5 : 10); ++tenths) {
                const OneCycle cycle{
                    .max_lr = 1.0, .total_steps = total, .pct_start = tenths / 10.0, .three_phase = three};
                for (std::int64_t t = 0; t <= total; ++t) {
                    CAPTURE(total);
                    CAPTURE(tenths);
                    CAPTURE(t);
                    const double rate = cycle(t);
                    REQUIRE(rate >= 0.0);
                    REQUIRE(rate <= 1.0 + 1e-15);
                }
            }
        }
    }
}

TEST_CASE("a schedule stands where a learning rate is asked for") {
    std::vector<Variable<double>> w{parameter(tensor<double>({1}, {0}))};
    w[0].set_grad(tensor<double>({1}, {1}));
    SGD<double> sgd(
        {.learning_rate = PiecewiseConstantDecay{.boundaries = {0, 2}, .values = {4.0, 2.0, 1.0}}});
    std::vector<double> rates;
    for (int step = 0; step < 4; ++step) {
        rates.push_back(sgd.learning_rate());
        sgd.apply(w);
    }
    CHECK(rates == std::vector<double>{4, 2, 2, 1});
    CHECK(w[0].item() == -9.0);
}

TEST_CASE("schedules are checked when they become a learning rate, and when they are called") {
    const ExponentialDecay forgotten{.initial_learning_rate = 0.1, .decay_rate = 0.9};
    CHECK_THROWS_WITH_AS(LearningRate{forgotten}, "ExponentialDecay: decay_steps must be above 0, got 0",
                         ValueError);
    CHECK_THROWS_AS(forgotten(3), ValueError);
    CHECK_THROWS_WITH_AS(LearningRate(ExponentialDecay{.decay_steps = 5, .decay_rate = 0.9}),
                         "ExponentialDecay: initial_learning_rate must be a finite number >= 0, got nan",
                         ValueError);
}

TEST_CASE("arguments of schedules out of range are refused") {
    CHECK_THROWS_WITH_AS(
        (ExponentialDecay{.initial_learning_rate = 0.1, .decay_steps = 5, .decay_rate = -1.0}.check()),
        "ExponentialDecay: decay_rate must be a finite number >= 0, got -1", ValueError);
    CHECK_THROWS_WITH_AS(
        (PiecewiseConstantDecay{.boundaries = {1, 2}, .values = {1.0, 2.0}}.check()),
        "PiecewiseConstantDecay: 2 values for 2 boundaries, expected one more than boundaries", ValueError);
    CHECK_THROWS_AS(PiecewiseConstantDecay{}.check(), ValueError);
    CHECK_THROWS_WITH_AS((PiecewiseConstantDecay{.boundaries = {7, 7}, .values = {1.0, 2.0, 3.0}}.check()),
                         "PiecewiseConstantDecay: boundaries must increase, got 7 after 7", ValueError);
    CHECK_THROWS_AS((PiecewiseConstantDecay{.boundaries = {7}, .values = {1.0, infinity}}.check()),
                    ValueError);
    PolynomialDecay polynomial{.initial_learning_rate = 0.1, .decay_steps = 5};
    polynomial.check();
    polynomial.power = -1.0;
    CHECK_THROWS_AS(polynomial.check(), ValueError);
    polynomial = {.initial_learning_rate = 0.1, .decay_steps = 5, .end_learning_rate = infinity};
    CHECK_THROWS_AS(polynomial.check(), ValueError);
    CHECK_THROWS_AS(
        (InverseTimeDecay{.initial_learning_rate = 0.1, .decay_steps = -1, .decay_rate = 0.5}.check()),
        ValueError);
    CHECK_THROWS_AS((InverseTimeDecay{.initial_learning_rate = 0.1, .decay_steps = 1}.check()), ValueError);
    CosineDecay cosine{.initial_learning_rate = 0.1, .decay_steps = 5};
    cosine.check();
    cosine.alpha = 1.5;
    CHECK_THROWS_WITH_AS(cosine.check(), "CosineDecay: alpha must lie in [0, 1], got 1.5", ValueError);
    cosine = {.initial_learning_rate = 0.1, .decay_steps = 5, .warmup_steps = 3};
    CHECK_THROWS_WITH_AS(cosine.check(), "CosineDecay: warmup_steps = 3 needs a warmup_target to go to",
                         ValueError);
    cosine = {.initial_learning_rate = 0.1, .decay_steps = 5, .warmup_target = 0.2, .warmup_steps = -3};
    CHECK_THROWS_AS(cosine.check(), ValueError);
    cosine = {.initial_learning_rate = 0.1, .decay_steps = 5, .warmup_target = -0.2};
    CHECK_THROWS_AS(cosine.check(), ValueError);
    CosineDecayRestarts restarts{.initial_learning_rate = 0.1, .first_decay_steps = 5};
    restarts.check();
    restarts.t_mul = 0.5;
    CHECK_THROWS_WITH_AS(restarts.check(), "CosineDecayRestarts: t_mul must be a finite number >= 1, got 0.5",
                         ValueError);
    restarts = {.initial_learning_rate = 0.1, .first_decay_steps = 5, .m_mul = -1.0};
    CHECK_THROWS_AS(restarts.check(), ValueError);
    OneCycle cycle{.max_lr = 0.1, .total_steps = 5, .pct_start = 0.6};
    cycle.check();
    cycle.three_phase = true;
    CHECK_THROWS_WITH_AS(cycle.check(), "OneCycle: pct_start must lie in [0, 0.5], got 0.6", ValueError);
    CHECK_THROWS_AS((OneCycle{.max_lr = 0.1, .total_steps = 0}.check()), ValueError);
    CHECK_THROWS_AS((OneCycle{.total_steps = 9}.check()), ValueError);
    CHECK_THROWS_AS((OneCycle{.max_lr = 0.1, .total_steps = 9, .div_factor = 0.0}.check()), ValueError);
    CHECK_THROWS_AS((OneCycle{.max_lr = 0.1, .total_steps = 9, .final_div_factor = -1.0}.check()),
                    ValueError);
}
