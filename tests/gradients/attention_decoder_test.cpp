#include "seqgrad/core/ops/attention_decoder.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "gradients/harness.hpp"
#include <doctest/doctest.h>

using namespace gradients;
using oracle::Array;
using oracle::Arrays;
using oracle::Dual;
using oracle::List;
using seqgrad::AttentionScore;
using seqgrad::AttentionStyle;
using seqgrad::AttentionWindow;
using seqgrad::CellKind;

namespace {

struct Sizes {
    std::size_t batch = 2, time = 3, memory = 4, features = 2, units = 2, memory_features = 3, attention = 2,
                position = 2;
};

/// A decoder, and which of its optional operands are given.
struct Decoder {
    CellKind cell = CellKind::gru;
    AttentionStyle style = AttentionStyle::bahdanau;
    AttentionScore score = AttentionScore::bahdanau;
    AttentionWindow window = AttentionWindow::global;
    std::size_t D = 1;
    bool feeding = false, biases = true, states = true;
    std::vector<bool> mask = {}, memory_mask = {};

    bool luong() const { return style == AttentionStyle::luong; }
    bool lstm() const { return cell == CellKind::lstm; }
    std::size_t gates() const { return cell == CellKind::simple_rnn ? 1 : lstm() ? 4 : 3; }
};

using Named = std::vector<std::pair<std::string, oracle::Index>>;

Named operands(const Decoder& d, const Sizes& s) {
    const std::size_t columns = d.gates() * s.units;
    const std::size_t fed = !d.luong() ? s.memory_features : d.feeding ? s.units : 0;
    Named all{{"x", {s.batch, s.time, s.features}},
              {"memory", {s.batch, s.memory, s.memory_features}},
              {"kernel", {s.features + fed, columns}},
              {"recurrent_kernel", {s.units, columns}}};
    if (d.biases)
        all.push_back({"bias", d.cell == CellKind::gru ? oracle::Index{2, columns} : oracle::Index{columns}});
    if (d.states) all.push_back({"initial_h", {s.batch, s.units}});
    if (d.states && d.lstm()) all.push_back({"initial_c", {s.batch, s.units}});
    if (d.score == AttentionScore::bahdanau) {
        all.push_back({"query_kernel", {s.units, s.attention}});
        all.push_back({"memory_kernel", {s.memory_features, s.attention}});
        if (d.biases) all.push_back({"query_bias", {s.attention}});
        all.push_back({"v", {s.attention}});
    }
    if (d.score == AttentionScore::general) all.push_back({"query_kernel", {s.units, s.memory_features}});
    if (d.score == AttentionScore::concat) {
        all.push_back({"query_kernel", {s.units + s.memory_features, s.attention}});
        all.push_back({"v", {s.attention}});
    }
    if (d.window == AttentionWindow::local_p) {
        all.push_back({"position_kernel", {s.units, s.position}});
        all.push_back({"position_v", {s.position}});
    }
    if (d.luong()) all.push_back({"attention_kernel", {s.memory_features + s.units, s.units}});
    return all;
}

/// The operands by name; an empty one where it is not given.
template <class X>
class ByName {
  public:
    ByName(const Named& names, const X& values) : names_(names), values_(values) {}
    auto operator[](const std::string& name) const {
        const auto at = std::ranges::find(names_, name, &Named::value_type::first);
        using Value = std::remove_cvref_t<decltype(values_[0])>;
        return at == names_.end() ? Value() : values_[static_cast<std::size_t>(at - names_.begin())];
    }

  private:
    const Named& names_;
    const X& values_;
};

/// v [n] times column `column` of rows first ... first + n - 1 of m.
Dual times(const List& v, const Array& m, std::size_t first, std::size_t column) {
    Dual total;
    for (std::size_t i = 0; i < v.size(); ++i) total += v[i] * m({first + i, column});
    return total;
}

/// One step of a cell for one sample: from [h] or [h, c].
std::vector<List> cell_step(const Decoder& d, std::size_t U, const List& in, const std::vector<List>& states,
                            const Array& kernel, const Array& recurrent, const Array& bias) {
    const auto b = [&](std::size_t side, std::size_t column) {
        if (bias.shape.empty()) return Dual();
        if (bias.rank() == 2) return bias({side, column});
        return side == 0 ? bias({column}) : Dual();
    };
    const auto input = [&](std::size_t g, std::size_t u) {
        return times(in, kernel, 0, g * U + u) + b(0, g * U + u);
    };
    const auto inner = [&](std::size_t g, std::size_t u) {
        return times(states[0], recurrent, 0, g * U + u) + b(1, g * U + u);
    };
    const auto sum = [&](std::size_t g, std::size_t u) { return input(g, u) + inner(g, u); };
    std::vector<List> next(states.size(), List(U));
    for (std::size_t u = 0; u < U; ++u) {
        switch (d.cell) {
            case CellKind::simple_rnn:
                next[0][u] = tanh(sum(0, u));
                break;
            case CellKind::lstm:
                next[1][u] = sigmoid(sum(1, u)) * states[1][u] + sigmoid(sum(0, u)) * tanh(sum(2, u));
                next[0][u] = sigmoid(sum(3, u)) * tanh(next[1][u]);
                break;
            case CellKind::gru: {
                const Dual z = sigmoid(sum(0, u)), r = sigmoid(sum(1, u));
                next[0][u] = z * states[0][u] + (1 - z) * tanh(input(2, u) + r * inner(2, u));
                break;
            }
            case CellKind::gru_reset_before: {
                List reset(U);
                for (std::size_t k = 0; k < U; ++k) reset[k] = sigmoid(sum(1, k)) * states[0][k];
                const Dual z = sigmoid(sum(0, u));
                next[0][u] =
                    z * states[0][u] + (1 - z) * tanh(input(2, u) + times(reset, recurrent, 0, 2 * U + u));
                break;
            }
        }
    }
    return next;
}

/// Attention of one query to one sample's memory, by the papers' equations.
List attention_weights(const Decoder& d, const Sizes& s, std::size_t b, std::size_t t, const List& q,
                       const ByName<Arrays>& in) {
    const Array memory = in["memory"], query_kernel = in["query_kernel"], v = in["v"];
    const auto counts = [&](std::size_t at) {
        return d.memory_mask.empty() || d.memory_mask[b * s.memory + at];
    };
    std::size_t last = 0;
    for (std::size_t at = 0; at < s.memory; ++at)
        if (counts(at)) last = at;
    Dual centre(static_cast<oracle::Real>(t));
    if (d.window == AttentionWindow::local_p) {
        Dual a;
        const Array position_v = in["position_v"];
        for (std::size_t p = 0; p < s.position; ++p)
            a += position_v({p}) * tanh(times(q, in["position_kernel"], 0, p));
        centre = Dual(static_cast<oracle::Real>(last)) * sigmoid(a);
    }
    const auto reach = static_cast<oracle::Real>(d.D);
    List scores(s.memory), weights(s.memory);
    std::vector<bool> seen(s.memory);
    Dual total;
    for (std::size_t at = 0; at < s.memory; ++at) {
        const auto place = static_cast<oracle::Real>(at);
        seen[at] = counts(at) && (d.window == AttentionWindow::global ||
                                  (place >= centre.v - reach && place <= centre.v + reach));
        List m(s.memory_features);
        for (std::size_t k = 0; k < m.size(); ++k) m[k] = memory({b, at, k});
        Dual& score = scores[at];
        if (d.score == AttentionScore::dot)
            for (std::size_t k = 0; k < m.size(); ++k) score += q[k] * m[k];
        if (d.score == AttentionScore::general)
            for (std::size_t k = 0; k < m.size(); ++k) score += times(q, query_kernel, 0, k) * m[k];
        if (d.score == AttentionScore::concat)
            for (std::size_t a = 0; a < s.attention; ++a)
                score += v({a}) * tanh(times(q, query_kernel, 0, a) + times(m, query_kernel, q.size(), a));
        if (d.score == AttentionScore::bahdanau) {
            const Array bias = in["query_bias"];
            for (std::size_t a = 0; a < s.attention; ++a)
                score += v({a}) * tanh(times(q, query_kernel, 0, a) + times(m, in["memory_kernel"], 0, a) +
                                       (bias.shape.empty() ? Dual() : bias({a})));
        }
        if (seen[at]) total += exp(score);
    }
    for (std::size_t at = 0; at < s.memory; ++at) {
        if (!seen[at]) continue;
        weights[at] = exp(scores[at]) / total;
        if (d.window != AttentionWindow::local_p) continue;
        const Dual z = (Dual(static_cast<oracle::Real>(at)) - centre) / Dual(reach / 2);
        weights[at] = weights[at] * exp(-z * z / 2);
    }
    return weights;
}

/// The decoder once more, one sample after the other: output, weights and final states.
Arrays naive(const Decoder& d, const Sizes& s, const ByName<Arrays>& in) {
    const Array x = in["x"], memory = in["memory"];
    Arrays results{oracle::filled({s.batch, s.time, s.units}, 0),
                   oracle::filled({s.batch, s.time, s.memory}, 0), oracle::filled({s.batch, s.units}, 0)};
    if (d.lstm()) results.push_back(results[2]);
    for (std::size_t b = 0; b < s.batch; ++b) {
        std::vector<List> states;
        for (const char* name : {"initial_h", "initial_c"}) {
            if (states.size() == (d.lstm() ? 2 : 1)) break;
            states.emplace_back(s.units);
            const Array given = in[name];
            for (std::size_t u = 0; u < s.units && !given.shape.empty(); ++u)
                states.back()[u] = given({b, u});
        }
        List output(s.units), weights(s.memory);
        for (std::size_t t = 0; t < s.time; ++t) {
            if (d.mask.empty() || d.mask[b * s.time + t]) {
                List row(s.features);
                for (std::size_t k = 0; k < s.features; ++k) row[k] = x({b, t, k});
                const auto context = [&] {
                    weights = attention_weights(d, s, b, t, states[0], in);
                    List mean(s.memory_features);
                    for (std::size_t k = 0; k < mean.size(); ++k)
                        for (std::size_t at = 0; at < s.memory; ++at)
                            mean[k] += weights[at] * memory({b, at, k});
                    return mean;
                };
                if (!d.luong()) {
                    const List c = context();
                    row.insert(row.end(), c.begin(), c.end());
                }
                if (d.feeding) row.insert(row.end(), output.begin(), output.end());
                states = cell_step(d, s.units, row, states, in["kernel"], in["recurrent_kernel"], in["bias"]);
                output = states[0];
                if (d.luong()) {
                    List both = context();
                    both.insert(both.end(), states[0].begin(), states[0].end());
                    for (std::size_t u = 0; u < s.units; ++u)
                        output[u] = tanh(times(both, in["attention_kernel"], 0, u));
                }
            }
            for (std::size_t u = 0; u < s.units; ++u)
                results[0].data[(b * s.time + t) * s.units + u] = output[u];
            for (std::size_t at = 0; at < s.memory; ++at)
                results[1].data[(b * s.time + t) * s.memory + at] = weights[at];
        }
        for (std::size_t k = 0; k < states.size(); ++k)
            for (std::size_t u = 0; u < s.units; ++u) results[2 + k].data[b * s.units + u] = states[k][u];
    }
    return results;
}

seqgrad::Mask mask_of(const std::vector<bool>& bits, std::size_t rows, std::size_t columns) {
    seqgrad::Mask mask(seqgrad::Shape{rows, columns});
    std::copy(bits.begin(), bits.end(), mask.data());
    return mask;
}

std::string label(const Decoder& d) {
    constexpr const char* cells[] = {"simple_rnn", "lstm", "gru", "gru reset before"};
    constexpr const char* scores[] = {"bahdanau", "dot", "general", "concat"};
    constexpr const char* windows[] = {"", " local_m", " local_p"};
    return words("decoder ", cells[static_cast<int>(d.cell)], d.luong() ? " luong " : " bahdanau ",
                 scores[static_cast<int>(d.score)], windows[static_cast<int>(d.window)],
                 d.feeding ? " feeding" : "", d.biases ? "" : " no bias", d.states ? "" : " no state",
                 d.mask.empty() ? "" : " mask", d.memory_mask.empty() ? "" : " memory mask");
}

void check(const Decoder& d, Sizes s, Wanted wanted = Wanted::all_and_each) {
    if (d.score == AttentionScore::dot) s.memory_features = s.units;
    const Named names = operands(d, s);
    Shapes shapes;
    for (const auto& [name, shape] : names) shapes.push_back(shape);
    run({label(d),
         [=](auto x) {
             const ByName in(names, x);
             const seqgrad::Mask mask = mask_of(d.mask, d.mask.empty() ? 0 : s.batch, s.time);
             const seqgrad::Mask memory_mask =
                 mask_of(d.memory_mask, d.memory_mask.empty() ? 0 : s.batch, s.memory);
             using T = typename std::remove_cvref_t<decltype(x[0])>::value_type;
             const auto r = seqgrad::attention_decoder<T>(
                 {.x = in["x"],
                  .memory = in["memory"],
                  .kernel = in["kernel"],
                  .recurrent_kernel = in["recurrent_kernel"],
                  .bias = in["bias"],
                  .initial_h = in["initial_h"],
                  .initial_c = in["initial_c"],
                  .query_kernel = in["query_kernel"],
                  .memory_kernel = in["memory_kernel"],
                  .query_bias = in["query_bias"],
                  .v = in["v"],
                  .position_kernel = in["position_kernel"],
                  .position_v = in["position_v"],
                  .attention_kernel = in["attention_kernel"]},
                 {.cell = d.cell,
                  .style = d.style,
                  .score = d.score,
                  .window = d.window,
                  .D = d.D,
                  .input_feeding = d.feeding,
                  .mask = d.mask.empty() ? nullptr : &mask,
                  .memory_mask = d.memory_mask.empty() ? nullptr : &memory_mask});
             std::vector results{r.sequence, r.weights, r.h};
             if (r.c) results.push_back(r.c);
             return results;
         },
         [=](const Arrays& x) { return naive(d, s, ByName(names, x)); }, Domain{.low = -1, .high = 1}},
        {shapes}, wanted);
}

/// Every style, score, window and way of feeding.
template <class F>
void for_all_kinds(F f) {
    for (const auto cell :
         {CellKind::simple_rnn, CellKind::lstm, CellKind::gru, CellKind::gru_reset_before}) {
        for (const auto style : {AttentionStyle::bahdanau, AttentionStyle::luong}) {
            for (const auto score : {AttentionScore::bahdanau, AttentionScore::dot, AttentionScore::general,
                                     AttentionScore::concat}) {
                for (const bool feeding : {false, true}) {
                    if (feeding && style == AttentionStyle::bahdanau) continue;
                    f(Decoder{.cell = cell, .style = style, .score = score, .feeding = feeding});
                }
            }
        }
    }
}

/// Positions 1 to S of a [B, S] mask by a rule.
template <class F>
std::vector<bool> bits(std::size_t rows, std::size_t columns, F counts) {
    std::vector<bool> out;
    for (std::size_t b = 0; b < rows; ++b)
        for (std::size_t t = 0; t < columns; ++t) out.push_back(counts(b, t));
    return out;
}

}  // namespace

TEST_CASE("attention_decoder: every cell, style and score") {
    for_all_kinds([](const Decoder& d) { check(d, {}); });
}

TEST_CASE("attention_decoder: masks of steps and memory") {
    const Sizes s{.batch = 3, .time = 4};
    for_all_kinds([&](Decoder d) {
        d.mask = bits(s.batch, s.time, [](std::size_t b, std::size_t t) { return (b + t) % 3 != 0; });
        if (d.cell == CellKind::lstm) check(d, s);
        // One sample has no memory at all, one has gaps.
        d.memory_mask = bits(s.batch, s.memory, [](std::size_t b, std::size_t t) {
            return b == 0 ? t < 3 : b == 1 ? t % 2 == 1 : false;
        });
        check(d, s);
        d.mask.clear();
        if (d.cell == CellKind::lstm) check(d, s);
    });
}

TEST_CASE("attention_decoder: local windows") {
    for (const auto window : {AttentionWindow::local_m, AttentionWindow::local_p}) {
        for (const std::size_t D : {1u, 2u, 9u}) {
            for (const bool masked : {false, true}) {
                for_all_kinds([&](Decoder d) {
                    // Of the other cells one way for each window.
                    if (d.cell != CellKind::gru && (D != 2 || !masked || d.score == AttentionScore::dot))
                        return;
                    d.window = window;
                    d.D = D;
                    const Sizes s{.memory = 6};
                    if (masked) {
                        d.mask = {true, true, false, true, false, true};
                        d.memory_mask = bits(
                            2, 6, [](std::size_t b, std::size_t t) { return b == 0 ? t < 4 : t % 3 != 1; });
                    }
                    check(d, s);
                });
            }
        }
    }
}

TEST_CASE("attention_decoder: without biases and states, and at sizes around a register's") {
    for_all_kinds([](Decoder d) {
        if (d.cell == CellKind::simple_rnn || d.cell == CellKind::gru_reset_before) return;
        d.biases = d.states = false;
        check(d, {.batch = 7, .time = 2, .memory = 1, .features = 1, .units = 3, .memory_features = 1});
        check(d, {.batch = 1, .time = 1, .memory = 5, .units = 1, .attention = 1});
        check(d, {.time = 0});
        check(d, {.batch = 0});
    });
    check({.style = AttentionStyle::luong, .score = AttentionScore::general, .feeding = true},
          {.batch = 2, .time = 2, .memory = 3, .units = 17, .memory_features = 19});
    check({}, {.batch = 2, .time = 2, .memory = 5, .units = 9, .memory_features = 35, .attention = 18});
}

TEST_CASE("attention_decoder: every subset of operands") {
    check({.cell = CellKind::simple_rnn, .biases = false, .states = false}, {.batch = 1, .time = 2},
          Wanted::every_subset);
    check({.style = AttentionStyle::luong,
           .score = AttentionScore::general,
           .feeding = true,
           .biases = false,
           .states = false},
          {.batch = 1, .time = 2}, Wanted::every_subset);
    // x and memory of one shape can be the same variable.
    check({.style = AttentionStyle::luong, .score = AttentionScore::general},
          {.time = 3, .memory = 3, .features = 3});
}
