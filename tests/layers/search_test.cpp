#include "seqgrad/layers/search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/softmax.hpp"
#include "seqgrad/core/random.hpp"

using namespace seqgrad;
using doctest::Approx;

namespace {

using Tokens = std::vector<std::int64_t>;

constexpr double infinite = std::numeric_limits<double>::infinity();

/// A language whose next token depends on the whole sequence before: each sequence ends in one of 97 states,
/// and each state has logits of its own.
class Language {
  public:
    using State = std::pair<Tensor<std::int64_t>, std::vector<Variable<double>>>;

    Language(std::size_t vocabulary, std::int64_t seed, double spread = 1.5)
        : logits_(Generator(seed).normal<double>({states, vocabulary}, 0.0, spread)) {}

    std::size_t vocabulary() const { return logits_.shape(1); }

    /// Each of the samples has a beginning of its own.
    State start(std::size_t first, std::size_t end) const {
        Tensor<std::int64_t> ids(Shape{end - first});
        for (std::size_t i = first; i < end; ++i)
            ids.data()[i - first] = static_cast<std::int64_t>(i * 11 % states);
        return state_of(std::move(ids));
    }

    auto step() const {
        return [this](const Tensor<std::int64_t>& tokens, const State& state) {
            ++steps;
            rows += tokens.size();
            REQUIRE(tokens.size() == state.first.size());
            Tensor<std::int64_t> ids(tokens.shape());
            Tensor<double> logits(Shape{tokens.size(), vocabulary()});
            for (std::size_t i = 0; i < tokens.size(); ++i) {
                // The part of the state that is a Variable is the same as the other one.
                REQUIRE(state.second.at(0).value().data()[i] == static_cast<double>(state.first.data()[i]));
                ids.data()[i] = next(state.first.data()[i], tokens.data()[i]);
                std::copy_n(logits_.data() + static_cast<std::size_t>(ids.data()[i]) * vocabulary(),
                            vocabulary(), logits.data() + i * vocabulary());
            }
            return std::pair(log_softmax(constant(std::move(logits))), state_of(std::move(ids)));
        };
    }

    /// All sequences, with scores by the formula, sorted best first.
    std::vector<Hypothesis> all(std::size_t sample, const SearchConfig& config) const {
        std::vector<Hypothesis> found;
        extend(start(sample, sample + 1).first.data()[0], config.start_token, {}, config, found);
        std::sort(found.begin(), found.end(),
                  [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
        return found;
    }

    /// A beam search that goes on to max_length whatever it has found, one sequence at a time.
    std::vector<Hypothesis> beam_to_the_end(std::size_t sample, const SearchConfig& config) const {
        struct Followed {
            std::int64_t state;
            Hypothesis sequence;
        };
        std::vector<Followed> live = {{start(sample, sample + 1).first.data()[0], {}}};
        std::vector<Hypothesis> results;
        for (std::size_t length = 1; length <= config.max_length; ++length) {
            std::vector<Followed> longer;
            for (const Followed& followed : live) {
                const std::int64_t token = length == 1 ? config.start_token : followed.sequence.tokens.back();
                const std::int64_t state = next(followed.state, token);
                for (std::size_t v = 0; v < vocabulary(); ++v)
                    longer.push_back({state, extended(followed.sequence, state, v, config)});
            }
            std::sort(longer.begin(), longer.end(), [](const Followed& a, const Followed& b) {
                return a.sequence.log_probability > b.sequence.log_probability;
            });
            live.clear();
            for (std::size_t rank = 0; rank < longer.size() && live.size() < config.beam_width; ++rank) {
                const Hypothesis& sequence = longer[rank].sequence;
                if (sequence.ended && rank >= config.beam_width) continue;
                if (sequence.ended || length == config.max_length) {
                    results.push_back(sequence);
                } else {
                    live.push_back(longer[rank]);
                }
            }
        }
        std::sort(results.begin(), results.end(),
                  [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
        if (results.size() > config.beam_width) results.resize(config.beam_width);
        return results;
    }

    mutable std::size_t steps = 0;
    mutable std::size_t rows = 0;

  private:
    static constexpr std::size_t states = 97;

    static State state_of(Tensor<std::int64_t> ids) {
        const auto twin = constant(seqgrad::cast<double>(ids));
        return {std::move(ids), {twin}};
    }

    static std::int64_t next(std::int64_t state, std::int64_t token) {
        return (state * 31 + token * 7 + 5) % static_cast<std::int64_t>(states);
    }

    void extend(std::int64_t state, std::int64_t token, const Hypothesis& before, const SearchConfig& config,
                std::vector<Hypothesis>& found) const {
        state = next(state, token);
        for (std::size_t v = 0; v < vocabulary(); ++v) {
            const Hypothesis longer = extended(before, state, v, config);
            if (longer.ended || longer.tokens.size() == config.max_length) {
                found.push_back(longer);
            } else {
                extend(state, longer.tokens.back(), longer, config, found);
            }
        }
    }

    /// A sequence and one more token, with the score by the formula.
    Hypothesis extended(Hypothesis sequence, std::int64_t state, std::size_t token,
                        const SearchConfig& config) const {
        const double* logits = logits_.data() + static_cast<std::size_t>(state) * vocabulary();
        double total = 0;
        for (std::size_t v = 0; v < vocabulary(); ++v) total += std::exp(logits[v]);
        sequence.tokens.push_back(static_cast<std::int64_t>(token));
        sequence.log_probability += logits[token] - std::log(total);
        sequence.ended = sequence.tokens.back() == config.end_token;
        const auto n = static_cast<double>(sequence.tokens.size());
        sequence.score = sequence.log_probability / std::pow((5 + n) / 6, config.length_penalty);
        return sequence;
    }

    Tensor<double> logits_;
};

/// A step without state that gives the same log-probabilities [V] to every row.
auto always(std::vector<double> log_probabilities) {
    return
        [p = std::move(log_probabilities)](const Tensor<std::int64_t>& tokens, const Tensor<double>& state) {
            Tensor<double> rows(Shape{tokens.size(), p.size()});
            for (std::size_t i = 0; i < tokens.size(); ++i)
                std::copy(p.begin(), p.end(), rows.data() + i * p.size());
            return std::pair(rows, state);
        };
}

Tensor<double> no_state(std::size_t batch) {
    return zeros<double>({batch, 1});
}

void check_same(const std::vector<Hypothesis>& found, const std::vector<Hypothesis>& expected) {
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
        CHECK(found[i].tokens == expected[i].tokens);
        CHECK(found[i].log_probability == Approx(expected[i].log_probability).epsilon(1e-12));
        CHECK(found[i].score == Approx(expected[i].score).epsilon(1e-12));
        CHECK(found[i].ended == expected[i].ended);
    }
}

}  // namespace

TEST_CASE("a greedy search takes the likeliest token of every step") {
    const auto a = std::log(0.5), b = std::log(0.3), c = std::log(0.2);
    const auto found = greedy_search(2, no_state(2), always({b, a, c}), {.start_token = 0, .max_length = 3});
    REQUIRE(found.size() == 2);
    for (const Hypothesis& hypothesis : found) {
        CHECK(hypothesis.tokens == Tokens{1, 1, 1});
        CHECK(hypothesis.log_probability == Approx(3 * a));
        CHECK(hypothesis.score == hypothesis.log_probability);
        CHECK_FALSE(hypothesis.ended);
    }
    const auto ended =
        greedy_search(1, no_state(1), always({b, a, c}),
                      {.start_token = 0, .end_token = 1, .max_length = 3, .length_penalty = 0.5});
    CHECK(ended[0].tokens == Tokens{1});
    CHECK(ended[0].ended);
    CHECK(ended[0].score == Approx(a));
}

TEST_CASE("a beam search of width 1 is a greedy search") {
    std::size_t ended = 0;
    for (const std::int64_t seed : {1, 2, 3}) {
        const Language language(5, seed);
        for (const double penalty : {0.0, 0.7}) {
            // With a penalty a longer sequence may beat the first that ends.
            const SearchConfig config = {
                .start_token = 1,
                .end_token = 2,
                .max_length = 8,
                .beam_width = 1,
                .length_penalty = penalty,
                .early_stopping = penalty == 0.0 ? EarlyStop::never : EarlyStop::always};
            const auto greedy = greedy_search(12, language.start(0, 12), language.step(), config);
            const auto beams = beam_search(12, language.start(0, 12), language.step(), config);
            REQUIRE(beams.size() == 12);
            for (std::size_t b = 0; b < 12; ++b) {
                REQUIRE(beams[b].size() == 1);
                CHECK(beams[b][0] == greedy[b]);
                ended += greedy[b].ended;
            }
        }
    }
    // Both kinds of sequences were among them.
    CHECK(ended > 0);
    CHECK(ended < 72);
}

TEST_CASE("a beam of all sequences is an exhaustive search") {
    for (const double penalty : {0.0, 0.6, 1.0, 3.0}) {
        for (const std::int64_t seed : {1, 2, 3, 4}) {
            for (const bool ends : {true, false}) {
                const Language language(4, seed);
                SearchConfig config = {
                    .start_token = 0, .max_length = 4, .beam_width = 1000, .length_penalty = penalty};
                if (ends) config.end_token = 3;
                const auto beams = beam_search(3, language.start(0, 3), language.step(), config);
                for (std::size_t b = 0; b < 3; ++b) {
                    const auto all = language.all(b, config);
                    CHECK(all.size() == (ends ? 1 + 3 + 9 + 27 * 4 : 256));
                    check_same(beams[b], all);
                }
            }
        }
    }
}

TEST_CASE("a wider beam finds what a greedy search misses") {
    // After 0 all is equally likely, after 1 nearly certain.
    const auto step = [](const Tensor<std::int64_t>& tokens, const Tensor<double>& state) {
        Tensor<double> p(Shape{tokens.size(), 2});
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            const std::int64_t token = tokens.data()[i];
            const double zero = token == 2 ? 0.55 : token == 0 ? 0.5 : 0.01;
            p.data()[2 * i] = std::log(zero);
            p.data()[2 * i + 1] = std::log(1 - zero);
        }
        return std::pair(p, state);
    };
    const SearchConfig config = {.start_token = 2, .max_length = 3, .beam_width = 2};
    CHECK(greedy_search(1, no_state(1), step, config)[0].tokens.front() == 0);
    const auto beams = beam_search(1, no_state(1), step, config);
    CHECK(beams[0][0].tokens == Tokens{1, 1, 1});
    CHECK(beams[0][0].log_probability == Approx(std::log(0.45 * 0.99 * 0.99)));
    CHECK(beams[0][0].score >= beams[0][1].score);
}

TEST_CASE("a beam search goes on while it follows a sequence that is likelier than its results") {
    // Token 2 ends. Of the start A = 0 has 0.5, B = 1 has 0.2 and the end 0.3; A goes on to A, B ends.
    const auto step = [](const Tensor<std::int64_t>& tokens, const Tensor<double>& before) {
        Tensor<double> p(Shape{tokens.size(), 3}), now(Shape{tokens.size(), 1});
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            const std::int64_t token = tokens.data()[i];
            const bool again = token == 0 && before.data()[i] == 0;
            const std::vector<double> row = token == 9   ? std::vector<double>{0.5, 0.2, 0.3}
                                            : token == 1 ? std::vector<double>{0.02, 0.03, 0.95}
                                            : again      ? std::vector<double>{0.005, 0.005, 0.99}
                                                         : std::vector<double>{0.9, 0.05, 0.05};
            for (std::size_t v = 0; v < 3; ++v) p.data()[3 * i + v] = std::log(row[v]);
            now.data()[i] = static_cast<double>(token);
        }
        return std::pair(p, now);
    };
    SearchConfig config = {.start_token = 9, .end_token = 2, .max_length = 5, .beam_width = 2};
    const Tensor<double> state = full<double>({1, 1}, -1.0);
    const Hypothesis greedy = greedy_search(1, state, step, config)[0];
    CHECK(greedy.tokens == Tokens{0, 0, 2});
    for (const EarlyStop stop : {EarlyStop::never, EarlyStop::unlikely}) {
        config.early_stopping = stop;
        const auto beams = beam_search(1, state, step, config)[0];
        CHECK(beams[0] == greedy);
        CHECK(beams[1].tokens == Tokens{2});
    }
    config.early_stopping = EarlyStop::always;
    const auto first = beam_search(1, state, step, config)[0];
    CHECK(first[0].tokens == Tokens{2});
    CHECK(first[1].tokens == Tokens{1, 2});
}

TEST_CASE("a beam search ends no earlier than its results are certain") {
    // Of 400 tables, how often ending earlier gives other results, and the steps that are made.
    std::size_t always_differs = 0, unlikely_differs = 0, steps = 0, most_steps = 0;
    for (std::int64_t seed = 1; seed <= 400; ++seed) {
        const auto pick = [seed](std::int64_t choices, std::int64_t divisor) {
            return static_cast<std::size_t>(seed / divisor % choices);
        };
        const Language language(3 + pick(3, 1), seed, 0.5 + 0.5 * static_cast<double>(pick(4, 3)));
        SearchConfig config = {.start_token = 0,
                               .end_token = 1,
                               .max_length = 3 + pick(5, 7),
                               .beam_width = 1 + pick(4, 2),
                               .length_penalty = 0.6 * static_cast<double>(pick(4, 5))};
        const auto search = [&] { return beam_search(1, language.start(7, 8), language.step(), config)[0]; };
        const auto best = search();
        steps += language.steps;
        most_steps += config.max_length;
        check_same(best, language.beam_to_the_end(7, config));

        config.early_stopping = EarlyStop::unlikely;
        const auto unlikely = search();
        config.early_stopping = EarlyStop::always;
        const auto always = search();
        for (std::size_t i = 0; i < best.size(); ++i) {
            CHECK(best[i].score >= unlikely[i].score);
            CHECK(unlikely[i].score >= always[i].score);
        }
        always_differs += always != best;
        unlikely_differs += unlikely != best;
        if (config.length_penalty == 0) CHECK(unlikely == best);

        config.early_stopping = EarlyStop::never;
        config.max_length = 4;
        config.beam_width = 625;
        check_same(search(), language.all(7, config));
    }
    CHECK(steps < most_steps);
    CHECK(always_differs > 50);
    CHECK(unlikely_differs > 0);
    CHECK(unlikely_differs < always_differs);
}

TEST_CASE("log-probabilities that rounding puts above 0 count as 0") {
    // Otherwise a sequence that gets longer would get likelier, and no result were ever certain.
    const auto step = always({1e-6, std::log(0.5)});
    const SearchConfig config = {.start_token = 0, .end_token = 1, .max_length = 9};
    CHECK(greedy_search(1, no_state(1), step, config)[0].log_probability == 0);
    CHECK(beam_search(1, no_state(1), step, config)[0][0].log_probability == 0);
}

TEST_CASE("the length penalty decides between short and long sequences") {
    // Each further token costs ln 2; ending costs nothing beyond the token itself.
    const auto step = always({std::log(0.5), std::log(0.5)});
    SearchConfig config = {.start_token = 0, .end_token = 1, .max_length = 6, .beam_width = 100};
    CHECK(beam_search(1, no_state(1), step, config)[0][0].tokens == Tokens{1});
    config.length_penalty = 5;
    const auto longest = beam_search(1, no_state(1), step, config)[0][0];
    CHECK(longest.tokens.size() == 6);
    CHECK(longest.score == Approx(6 * std::log(0.5) / std::pow(11.0 / 6.0, 5)));
}

TEST_CASE("a batch gives what its samples give one by one, in float and double") {
    const Language language(6, 5, 0.8);
    const SearchConfig config = {
        .start_token = 0, .end_token = 1, .max_length = 7, .beam_width = 3, .length_penalty = 0.6};
    const auto check = [&](auto step) {
        const auto beams = beam_search(9, language.start(0, 9), step, config);
        const auto greedy = greedy_search(9, language.start(0, 9), step, config);
        REQUIRE(beams.size() == 9);
        for (std::size_t b = 0; b < 9; ++b) {
            CHECK(beams[b] == beam_search(1, language.start(b, b + 1), step, config)[0]);
            CHECK(greedy[b] == greedy_search(1, language.start(b, b + 1), step, config)[0]);
            CHECK(beams[b].size() == 3);
            CHECK(std::is_sorted(beams[b].begin(), beams[b].end(),
                                 [](const Hypothesis& p, const Hypothesis& q) { return p.score > q.score; }));
        }
    };
    check(language.step());
    check([step = language.step()](const Tensor<std::int64_t>& tokens, const Language::State& state) {
        auto [p, next] = step(tokens, state);
        return std::pair(seqgrad::cast<float>(p.value()), next);
    });
    CHECK(beam_search(0, language.start(0, 0), language.step(), config).empty());
    CHECK(greedy_search(0, language.start(0, 0), language.step(), config).empty());
}

TEST_CASE("finished samples take part in no further step") {
    // Row i of the state says when its sample ends.
    const auto run = [](const auto& search) {
        std::vector<std::size_t> rows;
        const auto step = [&](const Tensor<std::int64_t>& tokens, const Tensor<double>& left) {
            rows.push_back(tokens.size());
            Tensor<double> p(Shape{tokens.size(), 2});
            for (std::size_t i = 0; i < tokens.size(); ++i) {
                p.data()[2 * i] = left.data()[i] > 1 ? 0.0 : -infinite;
                p.data()[2 * i + 1] = left.data()[i] > 1 ? -infinite : 0.0;
            }
            return std::pair(p, Tensor<double>(left - 1.0));
        };
        search(step);
        return rows;
    };
    const SearchConfig config = {.start_token = 0, .end_token = 1, .max_length = 9, .beam_width = 1};
    const Tensor<double> lengths = tensor<double>({4}, {3, 1, 4, 1});
    const std::vector<std::size_t> expected = {4, 2, 2, 1};
    CHECK(run([&](const auto& step) {
              const auto found = greedy_search(4, lengths, step, config);
              CHECK(found[0].tokens == Tokens{0, 0, 1});
              CHECK(found[1].tokens == Tokens{1});
              CHECK(found[2].tokens == Tokens{0, 0, 0, 1});
          }) == expected);
    CHECK(run([&](const auto& step) {
              CHECK(beam_search(4, lengths, step, config)[2][0].tokens == Tokens{0, 0, 0, 1});
          }) == expected);
    const Language language(5, 3);
    greedy_search(50, language.start(0, 50), language.step(),
                  {.start_token = 0, .end_token = 0, .max_length = 20});
    CHECK(language.rows < 50 * language.steps);
}

TEST_CASE("ties are broken by the likelier sequence and the smaller token") {
    const double third = std::log(1.0 / 3.0);
    const auto step = always({third, third, third});
    CHECK(greedy_search(1, no_state(1), step, {.start_token = 0, .max_length = 2})[0].tokens == Tokens{0, 0});
    const auto beams =
        beam_search(1, no_state(1), step, {.start_token = 0, .max_length = 2, .beam_width = 4})[0];
    REQUIRE(beams.size() == 4);
    CHECK(beams[0].tokens == Tokens{0, 0});
    CHECK(beams[1].tokens == Tokens{0, 1});
    CHECK(beams[2].tokens == Tokens{0, 2});
    CHECK(beams[3].tokens == Tokens{1, 0});
    const auto ended = beam_search(1, no_state(1), step,
                                   {.start_token = 0, .end_token = 0, .max_length = 2, .beam_width = 2})[0];
    CHECK(ended[0].tokens == Tokens{0});
    CHECK(ended[1].tokens == Tokens{1, 0});
}

TEST_CASE("a token of probability 0 is never taken") {
    const double half = std::log(0.5);
    const auto step = always({half, -infinite, half});
    const auto beams =
        beam_search(1, no_state(1), step, {.start_token = 0, .max_length = 2, .beam_width = 9})[0];
    CHECK(beams.size() == 4);
    for (const Hypothesis& hypothesis : beams) {
        CHECK(std::count(hypothesis.tokens.begin(), hypothesis.tokens.end(), 1) == 0);
    }
    const auto nothing = always({-infinite, -infinite});
    const SearchConfig config = {.start_token = 0, .max_length = 2};
    CHECK_THROWS_WITH_AS(
        greedy_search(1, no_state(1), nothing, config),
        "greedy_search: step 0, sample 0: no token is possible, all have the log-probability -inf",
        ValueError);
    CHECK_THROWS_WITH_AS(
        beam_search(1, no_state(1), nothing, config),
        "beam_search: step 0, sample 0: no token is possible, all have the log-probability -inf", ValueError);
}

TEST_CASE("what is no log-probability is refused, with its place") {
    const SearchConfig config = {.start_token = 0, .end_token = 1, .max_length = 3, .beam_width = 2};
    // From the second step on sample 1, which is the last row, has a bad number.
    const auto with = [](double bad) {
        return [bad](const Tensor<std::int64_t>& tokens, const Tensor<double>& state) {
            const bool first = state.data()[0] == 0.0;
            Tensor<double> p = full<double>({tokens.size(), 3}, std::log(1.0 / 3.0));
            for (std::size_t i = 0; i < tokens.size(); ++i) p.data()[3 * i + 1] = -9;
            if (!first) p.data()[p.size() - 1] = bad;
            return std::pair(p, Tensor<double>(state + 1.0));
        };
    };
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS_WITH_AS(
        greedy_search(2, no_state(2), with(nan), config),
        "greedy_search: step 1, sample 1: token 2 has the log-probability nan, which is not a "
        "number",
        ValueError);
    CHECK_THROWS_WITH_AS(
        beam_search(2, no_state(2), with(nan), config),
        "beam_search: step 1, sample 1: token 2 has the log-probability nan, which is not a number",
        ValueError);
    CHECK_THROWS_WITH_AS(
        beam_search(2, no_state(2), with(2.5), config),
        "beam_search: step 1, sample 1: token 2 has the log-probability 2.5, which lies above 0; "
        "log_softmax makes them of logits",
        ValueError);
    CHECK_THROWS_AS(greedy_search(2, no_state(2), with(infinite), config), ValueError);
    CHECK_NOTHROW(greedy_search(2, no_state(2), with(1e-6), config));
}

TEST_CASE("log-probabilities of another shape are refused") {
    const auto shaped = [](Shape shape) {
        return [shape](const Tensor<std::int64_t>&, const Tensor<double>& state) {
            return std::pair(full<double>(shape, -1.0), state);
        };
    };
    const SearchConfig config = {.start_token = 0, .max_length = 3};
    CHECK_THROWS_WITH_AS(
        greedy_search(2, no_state(2), shaped({3, 4}), config),
        "greedy_search: expected the step to give log-probabilities [rows=2, tokens], got [3, 4]",
        ShapeError);
    CHECK_THROWS_AS(beam_search(2, no_state(2), shaped({2}), config), ShapeError);
    CHECK_THROWS_AS(beam_search(2, no_state(2), shaped({2, 0}), config), ShapeError);
    const auto growing = [](const Tensor<std::int64_t>& tokens, const Tensor<double>& state) {
        return std::pair(full<double>({tokens.size(), state.data()[0] == 0.0 ? 3U : 4U}, -1.0),
                         Tensor<double>(state + 1.0));
    };
    CHECK_THROWS_WITH_AS(
        greedy_search(2, no_state(2), growing, config),
        "greedy_search: expected the step to give log-probabilities [rows=2, tokens=3], got [2, 4]",
        ShapeError);
}

TEST_CASE("settings out of their range are refused before the first step") {
    const auto never = [](const Tensor<std::int64_t>&, const Tensor<double>& state) {
        FAIL("a step was made");
        return std::pair(zeros<double>({1, 1}), state);
    };
    const auto refused = [&](const SearchConfig& config, const std::string& what) {
        CHECK_THROWS_WITH_AS(greedy_search(1, no_state(1), never, config), ("greedy_search: " + what).c_str(),
                             ValueError);
        CHECK_THROWS_WITH_AS(beam_search(1, no_state(1), never, config), ("beam_search: " + what).c_str(),
                             ValueError);
    };
    refused({.max_length = 3}, "start_token must be set to a token, got -1");
    refused({.start_token = 0, .end_token = -2, .max_length = 3}, "end_token must be a token, got -2");
    refused({.start_token = 0}, "max_length must be set to a length of at least 1");
    refused({.start_token = 0, .max_length = 3, .beam_width = 0}, "beam_width must be at least 1");
    refused({.start_token = 0, .max_length = 3, .length_penalty = -0.5},
            "length_penalty must be finite and not below 0, got -0.5");
    refused({.start_token = 0, .max_length = 3, .length_penalty = infinite},
            "length_penalty must be finite and not below 0, got inf");
    refused({.start_token = 0, .max_length = 3, .early_stopping = static_cast<EarlyStop>(3)},
            "early_stopping must be never, unlikely or always, got 3");
    CHECK_THROWS_WITH_AS(
        greedy_search(1, no_state(1), always({-1, -1}), {.start_token = 0, .end_token = 2, .max_length = 3}),
        "greedy_search: end_token 2 is none of the 2 tokens that the step gives log-probabilities "
        "for",
        ValueError);
}

TEST_CASE("rows are taken by a function of the caller's, and nothing is recorded") {
    const Language language(5, 1);
    const SearchConfig config = {.start_token = 0, .end_token = 1, .max_length = 6, .beam_width = 3};
    std::size_t calls = 0;
    const auto reorder = [&](const Language::State& state, const Tensor<std::int64_t>& rows) {
        ++calls;
        return take_rows(state, rows);
    };
    const auto step = [&](const Tensor<std::int64_t>& tokens, const Language::State& state) {
        CHECK_FALSE(grad_enabled());
        return language.step()(tokens, state);
    };
    CHECK(beam_search(4, language.start(0, 4), step, config, reorder) ==
          beam_search(4, language.start(0, 4), step, config));
    CHECK(calls > 0);
    CHECK(grad_enabled());
}
