#include "seqgrad/data/tasks.hpp"

#include <cmath>
#include <numeric>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

namespace {

/// How often each of `values` different outcomes may differ from its expectation: five standard deviations.
double allowance(double draws, double probability) {
    return 5 * std::sqrt(draws * probability * (1 - probability));
}

}  // namespace

TEST_CASE_TEMPLATE("adding: every target is the sum of one marked number in each half", T, float, double) {
    for (const std::size_t steps : {std::size_t{2}, std::size_t{3}, std::size_t{10}, std::size_t{101}}) {
        CAPTURE(steps);
        Generator generator(3);
        const Dataset<T> d = adding_problem<T>({.samples = 200, .steps = steps}, generator);
        REQUIRE(d.x.shape() == Shape{200, steps, 2});
        REQUIRE(d.y.shape() == Shape{200, 1});
        for (std::size_t n = 0; n < 200; ++n) {
            double expected = 0;
            std::size_t marks[2] = {0, 0};
            for (std::size_t t = 0; t < steps; ++t) {
                const T number = d.x(n, t, 0);
                const T mark = d.x(n, t, 1);
                REQUIRE(number >= 0);
                REQUIRE(number < 1);
                REQUIRE((mark == 0 || mark == 1));
                expected += static_cast<double>(number * mark);
                if (mark == 1) ++marks[t < steps / 2 ? 0 : 1];
            }
            CHECK(marks[0] == 1);
            CHECK(marks[1] == 1);
            CHECK(d.y(n, 0) == doctest::Approx(expected).epsilon(1e-6));
        }
    }
}

TEST_CASE("adding: numbers, marks and the baseline have the statistics they should") {
    constexpr std::size_t N = 20'000;
    constexpr std::size_t steps = 9;
    Generator generator(11);
    const Dataset<double> d = adding_problem<double>({.samples = N, .steps = steps}, generator);
    double sum = 0;
    double squares = 0;
    double error = 0;
    std::vector<double> marks(steps, 0);
    for (std::size_t n = 0; n < N; ++n) {
        for (std::size_t t = 0; t < steps; ++t) {
            sum += d.x(n, t, 0);
            squares += d.x(n, t, 0) * d.x(n, t, 0);
            marks[t] += d.x(n, t, 1);
        }
        error += (d.y(n, 0) - 1) * (d.y(n, 0) - 1);
    }
    const double numbers = static_cast<double>(N * steps);
    // Standard deviations of the means: of u sqrt(1/12), of u^2 sqrt(4/45), of (u + v - 1)^2 sqrt(7/180).
    CHECK(std::abs(sum / numbers - 1.0 / 2) < 5 * std::sqrt(1.0 / 12 / numbers));
    CHECK(std::abs(squares / numbers - 1.0 / 3) < 5 * std::sqrt(4.0 / 45 / numbers));
    CHECK(std::abs(error / N - adding_baseline) < 5 * std::sqrt(7.0 / 180 / N));
    for (std::size_t t = 0; t < steps; ++t) {
        const double probability = t < 4 ? 1.0 / 4 : 1.0 / 5;
        CHECK(std::abs(marks[t] - N * probability) < allowance(N, probability));
    }
}

TEST_CASE_TEMPLATE("copying: the symbols stand again at the end, all else is blank", T, float, double) {
    for (const CopyingOptions& options :
         {CopyingOptions{.samples = 50}, CopyingOptions{.samples = 20, .delay = 1},
          CopyingOptions{.samples = 30, .delay = 7, .symbols = 3, .remember = 2}}) {
        Generator generator(5);
        const Dataset<T> d = copying_task<T>(options, generator);
        const std::size_t steps = options.delay + 2 * options.remember;
        const T blank = static_cast<T>(options.symbols);
        REQUIRE(d.x.shape() == Shape{options.samples, steps});
        REQUIRE(d.y.shape() == Shape{options.samples, steps});
        for (std::size_t n = 0; n < options.samples; ++n) {
            for (std::size_t t = 0; t < steps; ++t) {
                CAPTURE(t);
                if (t < options.remember) {
                    CHECK(d.x(n, t) >= 0);
                    CHECK(d.x(n, t) < blank);
                    CHECK(d.x(n, t) == std::floor(d.x(n, t)));
                    CHECK(d.y(n, t + options.remember + options.delay) == d.x(n, t));
                } else {
                    CHECK(d.x(n, t) == (t + 1 == options.remember + options.delay ? blank + 1 : blank));
                }
                if (t < options.remember + options.delay) CHECK(d.y(n, t) == blank);
            }
        }
    }
}

TEST_CASE("copying: symbols are uniform, and guessing them costs the baseline") {
    constexpr std::size_t N = 2'000;
    Generator generator(7);
    const Dataset<double> d = copying_task<double>({.samples = N, .delay = 50}, generator);
    std::vector<double> counts(8, 0);
    double nats = 0;
    for (std::size_t n = 0; n < N; ++n) {
        for (std::size_t t = 0; t < 10; ++t) counts[static_cast<std::size_t>(d.x(n, t))] += 1;
        for (std::size_t t = 0; t < 70; ++t) nats += d.y(n, t) == 8 ? 0.0 : std::log(8.0);
    }
    for (const double count : counts) CHECK(std::abs(count - 10 * N / 8) < allowance(10 * N, 1.0 / 8));
    CHECK(copying_baseline({.delay = 50}) == doctest::Approx(nats / (70 * N)).epsilon(1e-12));
    CHECK(copying_baseline({.delay = 1000}) == doctest::Approx(10 * std::log(8.0) / 1020).epsilon(1e-12));
    CHECK(copying_baseline({.delay = 1, .symbols = 2, .remember = 3}) ==
          doctest::Approx(3 * std::log(2.0) / 7).epsilon(1e-12));
}

TEST_CASE_TEMPLATE("parity: every target counts the ones so far", T, float, double) {
    for (const std::size_t steps : {std::size_t{1}, std::size_t{2}, std::size_t{33}}) {
        Generator generator(9);
        const Dataset<T> d = sequential_parity<T>({.samples = 100, .steps = steps}, generator);
        generator = Generator(9);
        const Dataset<T> last =
            sequential_parity<T>({.samples = 100, .steps = steps, .every_step = false}, generator);
        REQUIRE(d.x.shape() == Shape{100, steps, 1});
        REQUIRE(d.y.shape() == Shape{100, steps, 1});
        REQUIRE(last.y.shape() == Shape{100, 1});
        CHECK(last.x == d.x);
        for (std::size_t n = 0; n < 100; ++n) {
            for (std::size_t t = 0; t < steps; ++t) {
                const T* bits = d.x.data() + n * steps;
                const int count = static_cast<int>(std::accumulate(bits, bits + t + 1, T{0}));
                CHECK((bits[t] == 0 || bits[t] == 1));
                CHECK(d.y(n, t, 0) == static_cast<T>(count % 2));
            }
            CHECK(last.y(n, 0) == d.y(n, steps - 1, 0));
        }
    }
}

TEST_CASE("parity: bits and targets are balanced and tell nothing about each other") {
    constexpr std::size_t N = 1'000;
    constexpr std::size_t steps = 20;
    Generator generator(13);
    const Dataset<float> d = sequential_parity<float>({.samples = N, .steps = steps}, generator);
    double ones = 0;
    double odd = 0;
    double equal = 0;  // after the first step, where the target is the bit
    for (std::size_t n = 0; n < N; ++n) {
        for (std::size_t t = 0; t < steps; ++t) {
            ones += d.x(n, t, 0);
            odd += d.y(n, t, 0);
            if (t > 0 && d.x(n, t, 0) == d.y(n, t, 0)) ++equal;
        }
    }
    CHECK(std::abs(ones - N * steps / 2) < allowance(N * steps, 0.5));
    CHECK(std::abs(odd - N * steps / 2) < allowance(N * steps, 0.5));
    CHECK(std::abs(equal - N * (steps - 1) / 2) < allowance(N * (steps - 1), 0.5));
    CHECK(parity_baseline == std::log(2.0));
}

TEST_CASE("tasks repeat with the generator's state and go on with it") {
    const auto check = [](auto make) {
        Generator a(1);
        Generator b(1);
        const Dataset<float> first = make(a);
        const Dataset<float> again = make(b);
        CHECK(first.x == again.x);
        CHECK(first.y == again.y);
        CHECK(a.state() == b.state());
        CHECK(make(a).x != first.x);
        Generator other(2);
        CHECK(make(other).x != first.x);
    };
    check([](Generator& g) { return adding_problem<float>({.samples = 5}, g); });
    check([](Generator& g) { return copying_task<float>({.samples = 5}, g); });
    check([](Generator& g) { return sequential_parity<float>({.samples = 5}, g); });
}

TEST_CASE("tasks of no samples have shapes, those of no steps are refused") {
    Generator generator(1);
    CHECK(adding_problem<float>({.samples = 0, .steps = 4}, generator).x.shape() == Shape{0, 4, 2});
    CHECK(copying_task<float>({.samples = 0, .delay = 4}, generator).x.shape() == Shape{0, 24});
    CHECK(sequential_parity<float>({.samples = 0, .steps = 4}, generator).y.shape() == Shape{0, 4, 1});
    const GeneratorState before = generator.state();
    CHECK_THROWS_WITH_AS(adding_problem<float>({.steps = 1}, generator),
                         "adding_problem: expected 2 steps or more, one for each mark, got 1", ValueError);
    CHECK_THROWS_WITH_AS(copying_task<float>({.delay = 0}, generator),
                         "copying_task: expected a delay, symbols and remember of 1 or more, got 0, 8 and 10",
                         ValueError);
    CHECK_THROWS_AS(copying_task<float>({.symbols = 0}, generator), ValueError);
    CHECK_THROWS_AS(copying_task<float>({.remember = 0}, generator), ValueError);
    const std::size_t half = std::size_t{1} << 63;
    CHECK_THROWS_WITH_AS(copying_task<float>({.samples = 0, .remember = half}, generator),
                         "copying_task: the sizes 2 and 9223372036854775808 are too large to be multiplied",
                         ShapeError);
    CHECK_THROWS_AS(copying_task<float>({.samples = 0, .delay = static_cast<std::size_t>(-3)}, generator),
                    ShapeError);
    CHECK_THROWS_AS(adding_problem<float>({.samples = 4, .steps = half / 2}, generator), ShapeError);
    CHECK_THROWS_AS(sequential_parity<float>({.samples = half, .steps = 2}, generator), ShapeError);
    CHECK_THROWS_WITH_AS(
        copying_baseline({.delay = 0}),
        "copying_baseline: expected a delay, symbols and remember of 1 or more, got 0, 8 and 10", ValueError);
    CHECK_THROWS_WITH_AS(sequential_parity<float>({.steps = 0}, generator),
                         "sequential_parity: expected 1 step or more, got 0", ValueError);
    CHECK(generator.state() == before);
}
