#include "seqgrad/layers/attention_decoder.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/difference.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/index.hpp"
#include "seqgrad/core/ops/matmul.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/core/ops/slice.hpp"
#include "seqgrad/core/ops/softmax.hpp"
#include "seqgrad/core/random.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/search.hpp"
#include "seqgrad/layers/simple_rnn.hpp"
#include "seqgrad/layers/stacked_rnn_cells.hpp"

using namespace seqgrad;

namespace {

/// A cell that no operation over whole sequences knows.
class Unknown : public RecurrentCell<double> {
  public:
    explicit Unknown(std::shared_ptr<RecurrentCell<double>> cell) : cell_(std::move(cell)) {}
    std::string type() const override { return "Unknown"; }
    std::vector<std::size_t> state_size() const override { return cell_->state_size(); }

  protected:
    void members(Members<double>& m) override { m.transparent_child(*cell_); }
    void build_parameters(const PartialShape& shape) override { cell_->build(shape); }
    RecurrentOutput<double> step(const Variable<double>& x, const States& states) override {
        return (*cell_)(x, states);
    }

  private:
    std::shared_ptr<RecurrentCell<double>> cell_;
};

Mask mask(std::size_t rows, std::size_t columns, const std::vector<std::size_t>& lengths) {
    Mask out(Shape{rows, columns}, false);
    for (std::size_t b = 0; b < rows; ++b)
        for (std::size_t t = 0; t < lengths[b]; ++t) out(b, t) = true;
    return out;
}

Variable<double> normal(std::int64_t seed, const Shape& shape) {
    return parameter(Generator(seed).normal<double>(shape));
}

/// Outputs, and gradients of a weighted sum of all of them for inputs and parameters.
std::vector<Tensor<double>> everything(AttentionDecoder<double>& decoder, Variable<double> x,
                                       Variable<double> memory, std::vector<Variable<double>> states) {
    const AttentionDecoderOutput<double> out = decoder.run(x, memory, states);
    std::vector<Variable<double>> results{out.sequence, out.attention_weights};
    results.insert(results.end(), out.states.begin(), out.states.end());
    Variable<double> loss;
    std::vector<Tensor<double>> all;
    for (std::size_t k = 0; k < results.size(); ++k) {
        const Variable<double> part =
            sum(results[k] *
                constant(Generator(91 + static_cast<std::int64_t>(k)).normal<double>(results[k].shape())));
        loss = loss ? loss + part : part;
        all.push_back(results[k].value());
    }
    backward(loss);
    for (auto* v : {&x, &memory}) all.push_back(v->grad());
    for (auto& v : states) all.push_back(v.grad());
    for (auto& p : decoder.parameters()) all.push_back(p.variable.grad());
    for (auto* v : {&x, &memory}) v->clear_grad();
    for (auto& v : states) v.clear_grad();
    for (auto& p : decoder.parameters()) p.variable.clear_grad();
    return all;
}

}  // namespace

TEST_CASE("AttentionDecoder: one operation over a sequence equals its steps composed") {
    const std::vector<std::shared_ptr<RecurrentCell<double>>> cells{
        std::make_shared<SimpleRNNCell<double>>(SimpleRNNCellConfig{.units = 4}),
        std::make_shared<LSTMCell<double>>(LSTMCellConfig{.units = 4}),
        std::make_shared<GRUCell<double>>(GRUCellConfig{.units = 4}),
        std::make_shared<GRUCell<double>>(GRUCellConfig{.units = 4, .reset_after = false})};
    const Variable<double> steps = normal(1, {3, 5, 2}), sentences = normal(2, {3, 6, 4});
    std::size_t compared = 0;
    for (const auto& kind : cells) {
        for (const auto score : {AttentionScore::bahdanau, AttentionScore::dot, AttentionScore::general,
                                 AttentionScore::concat}) {
            for (const auto window :
                 {AttentionWindow::global, AttentionWindow::local_m, AttentionWindow::local_p}) {
                if (score == AttentionScore::bahdanau && window != AttentionWindow::global) continue;
                for (const bool luong : {false, true}) {
                    for (const int masks : {0, 1, 2}) {
                        const auto cell = kind->clone();
                        const AttentionDecoderConfig config{
                            .style = luong ? AttentionStyle::luong : AttentionStyle::bahdanau,
                            .score = score,
                            .attention_units = 3,
                            .window = window,
                            .D = 2,
                            .input_feeding = luong && masks != 1};
                        AttentionDecoder<double> fused(cell, config);
                        AttentionDecoder<double> composed(Unknown(cell), config);
                        Variable<double> x = steps, memory = sentences;
                        if (masks > 0) memory = memory.with_mask(mask(3, 6, {6, 3, 0}));
                        if (masks > 1) {
                            Mask counts = mask(3, 5, {5, 2, 4});
                            counts(2, 0) = counts(2, 2) = false;
                            x = x.with_mask(counts);
                        }
                        std::vector<Variable<double>> states;
                        for (std::size_t i = 0; i < cell->state_size().size(); ++i)
                            states.push_back(normal(static_cast<std::int64_t>(7 + i), {3, 4}));
                        const auto got = everything(fused, x, memory, states);
                        composed.build_for({any_batch(x.shape()), any_batch(memory.shape())});
                        const auto from = fused.parameters();
                        auto to = composed.parameters();
                        REQUIRE(from.size() == to.size());
                        for (std::size_t i = 0; i < to.size(); ++i) {
                            CHECK(from[i].name == to[i].name);
                            to[i].variable.assign(from[i].variable.value());
                        }
                        const auto want = everything(composed, x, memory, states);
                        REQUIRE(got.size() == want.size());
                        for (std::size_t i = 0; i < got.size(); ++i) {
                            CAPTURE(i);
                            CHECK(test::largest_difference(got[i], want[i]) < 1e-12);
                            ++compared;
                        }
                    }
                }
            }
        }
    }
    CHECK(compared > 2000);
}

TEST_CASE("AttentionDecoder: steps give what the sequence gives, for stacked cells too") {
    const auto cells = [] {
        return std::vector<std::shared_ptr<RecurrentCell<double>>>{
            std::make_shared<GRUCell<double>>(GRUCellConfig{.units = 3}),
            std::make_shared<StackedRNNCells<double>>(LSTMCell<double>({.units = 2}),
                                                      LSTMCell<double>({.units = 3}))};
    };
    for (const bool feeding : {false, true}) {
        for (const auto& cell : cells()) {
            AttentionDecoder<double> decoder(
                cell, {.style = feeding ? AttentionStyle::luong : AttentionStyle::bahdanau,
                       .score = feeding ? AttentionScore::general : AttentionScore::bahdanau,
                       .input_feeding = feeding});
            const Variable<double> x = normal(1, {2, 4, 2});
            const Variable<double> memory = normal(2, {2, 5, 3}).with_mask(mask(2, 5, {5, 2}));
            const AttentionDecoderOutput<double> whole = decoder.run(x, memory);
            const AttentionMemory<double> prepared = decoder.prepare(memory);
            AttentionDecoderState<double> state = decoder.start(prepared);
            for (std::size_t t = 0; t < 4; ++t) {
                const auto at = static_cast<std::ptrdiff_t>(t);
                const AttentionDecoderStep<double> step = decoder.step(select(x, 1, at), prepared, state);
                CHECK(test::largest_difference(step.output.value(), select(whole.sequence, 1, at).value()) <
                      1e-14);
                CHECK(test::largest_difference(step.attention_weights.value(),
                                               select(whole.attention_weights, 1, at).value()) < 1e-14);
                state = step.state;
            }
            CHECK(state.step == 4);
            for (std::size_t i = 0; i < state.cell.size(); ++i)
                CHECK(test::largest_difference(state.cell[i].value(), whole.states[i].value()) < 1e-14);
        }
    }
}

TEST_CASE("AttentionDecoder: a stack attends with the state of its top cell") {
    AttentionDecoder<double> decoder(
        StackedRNNCells<double>(LSTMCell<double>({.units = 2}), LSTMCell<double>({.units = 3})));
    const Variable<double> x = normal(1, {1, 1, 2}), memory = normal(2, {1, 4, 3});
    std::vector<Variable<double>> states;
    for (const std::size_t size : {2u, 2u, 3u, 3u}) states.push_back(constant(zeros<double>({1, size})));
    const Tensor<double> before = decoder.run(x, memory, states).attention_weights.value();
    for (const std::size_t i : {0u, 1u, 2u, 3u}) {
        auto changed = states;
        changed[i] = constant(ones<double>(states[i].shape()));
        const Tensor<double> after = decoder.run(x, memory, changed).attention_weights.value();
        CHECK((before != after) == (i == 2));
    }
}

TEST_CASE("AttentionDecoder: weights add up to 1 over the memory that counts, and are 0 elsewhere") {
    AttentionDecoder<float> decoder(GRUCell<float>({.units = 3}));
    const Variable<float> x = constant(Generator(1).normal<float>({3, 4, 2}));
    Tensor<float> values = Generator(2).normal<float>({3, 5, 3});
    for (std::size_t k = 0; k < 3; ++k) values(1, 4, k) = std::numeric_limits<float>::quiet_NaN();
    const auto out = decoder.run(x, constant(values).with_mask(mask(3, 5, {5, 2, 0})));
    for (std::size_t b = 0; b < 3; ++b) {
        for (std::size_t t = 0; t < 4; ++t) {
            float total = 0;
            for (std::size_t s = 0; s < 5; ++s) {
                const float w = out.attention_weights.value()(b, t, s);
                if (b == 1 && s >= 2) CHECK(w == 0);
                total += w;
            }
            CHECK(total == doctest::Approx(b == 2 ? 0 : 1).epsilon(1e-6));
        }
    }
    for (const float y : elements(out.sequence.value())) CHECK(std::isfinite(y));
}

TEST_CASE("AttentionDecoder: the call with a list gives what the arguments ask for") {
    const Variable<float> x = constant(ones<float>({2, 3, 2})), memory = constant(ones<float>({2, 4, 3}));
    AttentionDecoder<float> plain(LSTMCell<float>({.units = 3}));
    CHECK(plain({x, memory}).size() == 1);
    AttentionDecoder<float> all(LSTMCell<float>({.units = 3}),
                                {.return_attention_scores = true, .return_state = true});
    const std::vector<Variable<float>> out = all({x.with_mask(mask(2, 3, {3, 1})), memory});
    REQUIRE(out.size() == 4);
    CHECK(out[0].shape() == Shape{2, 3, 3});
    CHECK(out[0].mask() != nullptr);
    CHECK(out[1].shape() == Shape{2, 3, 4});
    CHECK(out[3].shape() == Shape{2, 3});
}

TEST_CASE("AttentionDecoder: samples taken for a search") {
    AttentionDecoder<double> decoder(GRUCell<double>({.units = 3}));
    const Variable<double> memory = normal(2, {2, 4, 3}).with_mask(mask(2, 4, {4, 1}));
    decoder.run(normal(1, {2, 1, 2}), memory);
    const AttentionMemory<double> prepared = decoder.prepare(memory);
    const AttentionDecoderState<double> state = decoder.start(prepared, {normal(3, {2, 3})});
    const Tensor<std::int64_t> samples = tensor<std::int64_t>({3}, {1, 0, 1});
    const Variable<double> x = normal(4, {2, 2});
    const auto before = decoder.step(x, prepared, state);
    const auto after =
        decoder.step(take(x, samples, 0), take_rows(prepared, samples), take_rows(state, samples));
    CHECK(test::largest_difference(after.output.value(), take(before.output, samples, 0).value()) < 1e-15);
    CHECK(test::largest_difference(after.attention_weights.value(),
                                   take(before.attention_weights, samples, 0).value()) < 1e-15);
    CHECK_THROWS_AS(take_rows(state, tensor<std::int64_t>({1}, {2})), ValueError);
}

TEST_CASE("AttentionDecoder: searches find the likeliest sequence of all, batched") {
    // Tokens are given to the decoder as they are counted, one number each.
    AttentionDecoder<double> decoder(GRUCell<double>({.units = 3}));
    const Variable<double> memory = normal(2, {2, 4, 3}).with_mask(mask(2, 4, {4, 2}));
    decoder.build_for({{unknown, unknown, 1}, any_batch(memory.shape())});
    const Variable<double> kernel = normal(5, {3, 3});
    const AttentionMemory<double> prepared = decoder.prepare(memory);
    using State = std::pair<AttentionMemory<double>, AttentionDecoderState<double>>;
    const auto step = [&](const Tensor<std::int64_t>& tokens, const State& s) {
        Tensor<double> x = cast<double>(tokens);
        x.reshape({tokens.size(), std::size_t{1}});
        auto next = decoder.step(constant(x), s.first, s.second);
        return std::pair(log_softmax(matmul(next.output, kernel)), State{s.first, next.state});
    };
    const State start{prepared, decoder.start(prepared)};
    const SearchConfig config{.start_token = 0, .end_token = 2, .max_length = 4, .beam_width = 81};

    // Every sequence of up to 4 tokens of 3, one after the other.
    std::vector<Hypothesis> best(2);
    for (std::size_t b = 0; b < 2; ++b) {
        const auto row = tensor<std::int64_t>({1}, {static_cast<std::int64_t>(b)});
        best[b].log_probability = -std::numeric_limits<double>::infinity();
        for (std::size_t code = 0; code < 81; ++code) {
            State state = take_rows(start, row);
            std::int64_t token = 0;
            Hypothesis found;
            for (std::size_t rest = code, n = 0; n < 4 && token != 2; ++n, rest /= 3) {
                auto [log_probabilities, next] = step(tensor<std::int64_t>({1}, {token}), state);
                token = static_cast<std::int64_t>(rest % 3);
                found.tokens.push_back(token);
                found.log_probability += log_probabilities.value()(0, token);
                state = next;
            }
            if (found.log_probability > best[b].log_probability) best[b] = found;
        }
    }
    const auto beams = beam_search(2, start, step, config);
    const auto greedy = greedy_search(2, start, step, config);
    SearchConfig narrow = config;
    narrow.beam_width = 1;
    const auto single = beam_search(2, start, step, narrow);
    for (std::size_t b = 0; b < 2; ++b) {
        CHECK(beams[b][0].tokens == best[b].tokens);
        CHECK(beams[b][0].log_probability == doctest::Approx(best[b].log_probability).epsilon(1e-12));
        CHECK(single[b][0].tokens == greedy[b].tokens);
    }
}

TEST_CASE("AttentionDecoder refuses what does not fit") {
    const auto gru = [] { return GRUCell<float>({.units = 3}); };
    const auto x = [](const Shape& shape) { return constant(zeros<float>(shape)); };
    CHECK_THROWS_AS(AttentionDecoder<float>(std::shared_ptr<RecurrentCell<float>>()), ValueError);
    CHECK_THROWS_WITH_AS(AttentionDecoder<float>(gru(), {.input_feeding = true}),
                         "AttentionDecoder: input_feeding needs the style luong", ValueError);
    CHECK_THROWS_WITH_AS(AttentionDecoder<float>(gru(), {.window = AttentionWindow::local_m}),
                         "AttentionDecoder: the window local_m needs a score dot, general or concat",
                         ValueError);
    CHECK_THROWS_AS(AttentionDecoder<float>(
                        gru(), {.score = AttentionScore::dot, .window = AttentionWindow::local_p, .D = 0}),
                    ValueError);
    AttentionDecoder<float> dot(gru(), {.score = AttentionScore::dot});
    CHECK_THROWS_AS(dot({x({2, 4, 2}), x({2, 5, 4})}), ShapeError);

    AttentionDecoder<float> decoder(gru(), {.name = "decoder"});
    CHECK_THROWS_AS(decoder(x({2, 4, 2})), ValueError);
    CHECK_THROWS_WITH_AS(decoder.prepare(x({2, 5, 4})), doctest::Contains("build_for"), ValueError);
    decoder({x({2, 4, 2}), x({2, 5, 4})});
    CHECK_THROWS_WITH_AS(decoder({x({2, 4, 3}), x({2, 5, 4})}),
                         "AttentionDecoder \"decoder\": expected x [batch, time, features=2] (rank 3), got "
                         "[2, 4, 3] (rank 3)",
                         ShapeError);
    CHECK_THROWS_WITH_AS(decoder({x({2, 4, 2}), x({3, 5, 4})}),
                         "AttentionDecoder \"decoder\": x [2, 4, 2] and memory [3, 5, 4] differ in their "
                         "batch",
                         ShapeError);
    CHECK_THROWS_WITH_AS(decoder({x({2, 4, 2}), x({2, 0, 4})}), doctest::Contains("position"), ShapeError);
    CHECK_THROWS_WITH_AS(
        decoder({x({2, 4, 2}), x({2, 5, 4}), x({2, 4})}),
        doctest::Contains("expected initial state 0 of shape [batch=2, units=3], got [2, 4]"), ShapeError);
    CHECK_THROWS_AS(decoder({x({2, 4, 2}), x({2, 5, 4}), x({2, 3}), x({2, 3})}), ValueError);
    CHECK_THROWS_AS(decoder.step(x({2, 3}), decoder.prepare(x({2, 5, 4})), {}), ShapeError);
    CHECK_THROWS_AS(decoder.step(x({2, 2}), decoder.prepare(x({2, 5, 4})), {}), ValueError);
}
