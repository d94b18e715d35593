#include "seqgrad/core/ops/attention.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gradients/harness.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/op.hpp"
#include "seqgrad/layers/additive_attention.hpp"
#include "seqgrad/layers/attention.hpp"
#include "seqgrad/layers/bahdanau_attention.hpp"
#include "seqgrad/layers/luong_attention.hpp"
#include "seqgrad/layers/multi_head_attention.hpp"

using namespace gradients;
using oracle::Array;
using oracle::Arrays;
using oracle::Dual;
using oracle::Index;

namespace {

/// A mask by its kind, of any shape: whether element i of a row of S counts.
struct Pattern {
    const char* kind;
    Index shape;

    seqgrad::Mask mask() const {
        seqgrad::Mask out(seqgrad::Shape(shape.begin(), shape.end()));
        const std::size_t S = shape.back();
        for (std::size_t i = 0; i < out.size(); ++i) out.data()[i] = counts(i / S, i % S, S);
        return out;
    }
    bool counts(std::size_t row, std::size_t s, std::size_t S) const {
        const std::string k = kind;
        return k == "right"       ? s < S - row % S
               : k == "gaps"      ? (row + s) % 3 != 1
               : k == "empty row" ? row > 0 && (row + s) % 4 != 1
                                  : true;
    }
};

/// The mask's element for an index of the scores.
bool counts(const seqgrad::Mask& mask, const Index& i) {
    std::size_t offset = 0;
    for (std::size_t axis = 0; axis < mask.dimension(); ++axis) {
        const bool last = axis + 1 == mask.dimension();
        const std::size_t n = mask.shape()[axis];
        offset = offset * n + (n == 1 ? 0 : last ? i.back() : i[axis]);
    }
    return mask.data()[offset];
}

Array masked_softmax(const Array& x, const seqgrad::Mask& mask) {
    return oracle::build(x.shape, [&](const Index& i) -> Dual {
        if (!counts(mask, i)) return 0;
        Dual total = 0;
        Index j = i;
        for (j.back() = 0; j.back() < x.shape.back(); ++j.back())
            if (counts(mask, j)) total += exp(x(j) - x(i));
        return 1 / total;
    });
}

Array dot_scores(const Array& q, const Array& k) {
    return oracle::matmul(q, oracle::transpose(k, {0, 2, 1}));
}

Array additive_scores(const Array& q, const Array& k, const Array& v) {
    return oracle::build({q.shape[0], q.shape[1], k.shape[1]}, [&](const Index& i) {
        Dual total = 0;
        for (std::size_t a = 0; a < v.shape[0]; ++a)
            total += v({a}) * tanh(q({i[0], i[1], a}) + k({i[0], i[2], a}));
        return total;
    });
}

/// sum_s weights[b, t, s] values[b, s, m].
Array context_of(const Array& weights, const Array& values) {
    return oracle::matmul(weights, values);
}

/// A layer as a function of x: its inputs, which `call` is given, and then its parameters. Gradients are
/// those of the layer's own backward pass.
template <class T, class Call>
Results<T> as_function(std::shared_ptr<seqgrad::Module<T>> layer, std::size_t inputs, Operands<T> x,
                       Call call) {
    using namespace seqgrad;
    std::vector<PartialShape> shapes;
    for (std::size_t i = 0; i < inputs; ++i) shapes.push_back(any_batch(x[i].shape()));
    layer->build_for(shapes);
    std::vector<Variable<T>> leaves;
    for (std::size_t i = 0; i < inputs; ++i) leaves.emplace_back(x[i].value(), x[i].requires_grad());
    for (const NamedParameter<T>& p : layer->parameters()) {
        leaves.push_back(p.variable);
        leaves.back().assign(x[leaves.size() - 1].value());
        leaves.back().set_requires_grad(x[leaves.size() - 1].requires_grad());
    }
    REQUIRE(leaves.size() == x.size());
    const auto forward = [layer, leaves, call] { return call(*layer, leaves); };
    Results<T> values;
    for (const Variable<T>& y : forward()) values.push_back(y.detach());
    return record_several<T>(
        "layer", std::span<const Variable<T>>(values), x, [forward, leaves](Backward<T>& pass) {
            const Results<T> results = forward();
            const Variable<T> joined = record("joined", zeros<T>({}), std::span<const Variable<T>>(results),
                                              [&](Backward<T>& inner) {
                                                  for (std::size_t k = 0; k < results.size(); ++k)
                                                      if (pass.grad(k) != nullptr)
                                                          inner.accumulate(k, *pass.grad(k));
                                              });
            std::vector<Variable<T>> wanted;
            for (const Variable<T>& leaf : leaves)
                if (leaf.requires_grad()) wanted.push_back(leaf);
            std::vector<Tensor<T>> gradients = grad(joined, std::span<const Variable<T>>(wanted));
            for (std::size_t i = 0, k = 0; i < leaves.size(); ++i)
                if (leaves[i].requires_grad()) pass.accumulate(i, std::move(gradients[k++]));
        });
}

/// BahdanauAttention or LuongAttention, with one query [B, U] or several [B, T, U].
struct MemoryLayer {
    seqgrad::AttentionScore score;
    seqgrad::AttentionWindow window;
    const char* mask;
    bool single;

    static constexpr std::size_t B = 2, T = 2, S = 3, U = 2, A = 3, D = 1, step = 1;
    std::size_t M() const { return score == seqgrad::AttentionScore::dot ? U : 4; }

    std::string name() const {
        return words(seqgrad::to_string(score), " ", seqgrad::to_string(window), *mask ? " mask " : "", mask);
    }
    std::optional<seqgrad::Mask> memory_mask() const {
        if (*mask == 0) return std::nullopt;
        return Pattern{mask, {B, S}}.mask();
    }

    Shapes shapes() const {
        using seqgrad::AttentionScore;
        Shapes out{single ? Index{B, U} : Index{B, T, U}, {B, S, M()}};
        if (score == AttentionScore::bahdanau) out.insert(out.end(), {{U, A}, {M(), A}, {A}, {A}});
        if (score == AttentionScore::general) out.push_back({U, M()});
        if (score == AttentionScore::concat) out.insert(out.end(), {{U + M(), A}, {A}});
        if (window == seqgrad::AttentionWindow::local_p) out.insert(out.end(), {{U, A}, {A}});
        return out;
    }
    /// For local_p such that no position comes near the window's end: the prediction lies between 0.7 and 1
    /// of the way to the last position.
    std::vector<Domain> domains() const {
        if (window != seqgrad::AttentionWindow::local_p) return {Domain{.low = -1.5, .high = 1.5}};
        std::vector<Domain> out(shapes().size(), Domain{.low = -1, .high = 1});
        out.front() = out[out.size() - 2] = Domain{.low = 0.5, .high = 1};
        out.back() = Domain{.low = 0.5, .high = 1};
        return out;
    }

    template <class F>
    Results<F> engine(Operands<F> x) const {
        using namespace seqgrad;
        std::shared_ptr<MemoryAttention<F>> layer;
        if (score == AttentionScore::bahdanau) {
            layer = std::make_shared<BahdanauAttention<F>>(BahdanauAttentionConfig{.units = A});
        } else {
            layer = std::make_shared<LuongAttention<F>>(
                LuongAttentionConfig{.score = score, .units = A, .window = window, .D = D, .step = step});
        }
        return as_function<F>(layer, 2, x, [counts = memory_mask()](Module<F>& l, const auto& in) {
            return l({in[0], counts ? in[1].with_mask(*counts) : in[1]});
        });
    }

    Arrays naive(const Arrays& x) const {
        using seqgrad::AttentionScore;
        using seqgrad::AttentionWindow;
        const Array query = single ? oracle::reshape(x[0], {B, 1, U}) : x[0];
        const Array& memory = x[1];
        const auto product = [](const Array& a, const Array& b) { return oracle::matmul(a, b); };
        const auto plus = [](const Array& a, const Array& b) {
            return oracle::zip(a, b, [](Dual u, Dual v) { return u + v; });
        };
        Array score_of;
        if (score == AttentionScore::bahdanau) {
            score_of = additive_scores(product(query, x[2]), plus(product(memory, x[3]), x[4]), x[5]);
        } else if (score == AttentionScore::dot) {
            score_of = dot_scores(query, memory);
        } else if (score == AttentionScore::general) {
            score_of = dot_scores(product(query, x[2]), memory);
        } else {
            score_of = oracle::build({B, query.shape[1], S}, [&](const Index& i) {
                Dual total = 0;
                for (std::size_t a = 0; a < A; ++a) {
                    Dual inner = 0;
                    for (std::size_t r = 0; r < U + M(); ++r)
                        inner +=
                            (r < U ? query({i[0], i[1], r}) : memory({i[0], i[2], r - U})) * x[2]({r, a});
                    total += x[3]({a}) * tanh(inner);
                }
                return total;
            });
        }

        const std::optional<seqgrad::Mask> counted = memory_mask();
        const auto counts_at = [&](std::size_t b, std::size_t s) { return !counted || (*counted)(b, s); };
        const Array centre = oracle::build({B, query.shape[1]}, [&](const Index& i) -> Dual {
            if (window != AttentionWindow::local_p) return static_cast<oracle::Real>(step + i[1]);
            std::size_t last = 0;
            for (std::size_t s = 0; s < S; ++s)
                if (counts_at(i[0], s)) last = s;
            Dual total = 0;
            for (std::size_t a = 0; a < A; ++a) {
                Dual inner = 0;
                for (std::size_t u = 0; u < U; ++u) inner += query({i[0], i[1], u}) * x[x.size() - 2]({u, a});
                total += x.back()({a}) * tanh(inner);
            }
            return static_cast<oracle::Real>(last) * oracle::sigmoid(total);
        });
        const auto distance = [&](const Index& i) {
            return static_cast<oracle::Real>(i[2]) - centre({i[0], i[1]});
        };
        seqgrad::Mask seen(seqgrad::Shape{B, query.shape[1], S});
        for (std::size_t b = 0; b < B; ++b) {
            for (std::size_t t = 0; t < query.shape[1]; ++t) {
                for (std::size_t s = 0; s < S; ++s) {
                    const bool near = window == AttentionWindow::global || abs(distance({b, t, s})).v <= D;
                    seen(b, t, s) = counts_at(b, s) && near;
                }
            }
        }
        Array weights = masked_softmax(score_of, seen);
        if (window == AttentionWindow::local_p) {
            const oracle::Real sigma = D / oracle::Real{2};
            weights = oracle::build(weights.shape, [&](const Index& i) {
                const Dual d = distance(i);
                return weights(i) * exp(-d * d / (2 * sigma * sigma));
            });
        }
        Array context = context_of(weights, memory);
        if (!single) return {context, weights};
        return {oracle::reshape(context, {B, M()}), oracle::reshape(weights, {B, S})};
    }
};

/// One of Keras's layers: its inputs have masks, or it is causal.
struct KerasLayer {
    enum Kind { dot, dot_scale, concat, concat_scale, additive, additive_scale, heads } kind;
    const char* masks;  ///< "", "value", "both", "causal" or "key", where there is a key besides the value
    static constexpr std::size_t B = 2, T = 2, S = 3, D = 2, H = 2, K = 4;

    bool has(const char* what) const { return masks == std::string(what); }
    std::size_t inputs() const { return has("key") ? 3 : 2; }
    /// The value has a size of its own beside a key, and for heads.
    std::size_t V() const { return has("key") || kind == heads ? 3 : D; }
    seqgrad::Mask value_mask() const { return Pattern{"right", {B, S}}.mask(); }
    seqgrad::Mask query_mask() const { return Pattern{"right", {B, T}}.mask(); }
    std::string name() const {
        constexpr const char* kinds[] = {"dot",      "dot scale",      "concat", "concat scale",
                                         "additive", "additive scale", "heads"};
        return words("keras ", kinds[kind], " ", masks);
    }

    Shapes shapes() const {
        Shapes out{{B, T, D}, {B, S, V()}};
        if (has("key")) out.push_back({B, S, D});
        if (kind == dot_scale || kind == concat_scale) out.push_back({});
        if (kind == concat || kind == concat_scale) out.push_back({});
        if (kind == additive_scale) out.push_back({D});
        if (kind == heads)
            out.insert(out.end(), {{D, H, K}, {has("key") ? D : V(), H, K}, {V(), H, 1}, {H, 1, 5}});
        return out;
    }

    template <class F>
    Results<F> engine(Operands<F> x) const {
        using namespace seqgrad;
        std::shared_ptr<KeyValueAttention<F>> layer;
        if (kind == heads) {
            layer = std::make_shared<MultiHeadAttention<F>>(
                MultiHeadAttentionConfig{.num_heads = H,
                                         .key_dim = K,
                                         .value_dim = 1,
                                         .use_bias = false,
                                         .output_shape = PartialShape{5},
                                         .return_attention_scores = true,
                                         .use_causal_mask = has("causal")});
        } else if (kind == additive || kind == additive_scale) {
            layer = std::make_shared<AdditiveAttention<F>>(
                AdditiveAttentionConfig{.use_scale = kind == additive_scale,
                                        .return_attention_scores = true,
                                        .use_causal_mask = has("causal")});
        } else {
            const bool sums = kind == concat || kind == concat_scale;
            layer = std::make_shared<Attention<F>>(
                AttentionConfig{.use_scale = kind == dot_scale || kind == concat_scale,
                                .score_mode = sums ? AttentionScoreMode::concat : AttentionScoreMode::dot,
                                .return_attention_scores = true,
                                .use_causal_mask = has("causal")});
        }
        return as_function<F>(layer, inputs(), x, [*this](Module<F>& l, const auto& in) {
            std::vector<Variable<F>> given(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(inputs()));
            if (has("both")) given[0] = given[0].with_mask(query_mask());
            if (has("both") || has("value")) given[1] = given[1].with_mask(value_mask());
            return l(given);
        });
    }

    Arrays naive(const Arrays& x) const {
        const Array &query = x[0], &value = x[1], &key = x[inputs() - 1];
        const auto parameter = [&](std::size_t i) -> const Array& { return x[inputs() + i]; };
        const auto head = [&](const Array& in, const Array& kernel, std::size_t h) {
            return oracle::matmul(in, oracle::select(kernel, 1, h));
        };
        const auto scaled = [&](const Array& a, const Array& by) {
            return oracle::zip(a, by, [](Dual u, Dual v) { return u * v; });
        };
        seqgrad::Mask seen(seqgrad::Shape{B, T, S});
        const bool masked = has("both") || has("value");
        for (std::size_t b = 0; b < B; ++b) {
            for (std::size_t t = 0; t < T; ++t) {
                for (std::size_t s = 0; s < S; ++s) {
                    seen(b, t, s) = (!masked || value_mask()(b, s)) && (!has("causal") || s <= t) &&
                                    !(kind == heads && has("both") && !query_mask()(b, t));
                }
            }
        }
        if (kind == heads) {
            Arrays weights;
            Array total = oracle::filled({B, T, 5}, 0);
            for (std::size_t h = 0; h < H; ++h) {
                const Array scores =
                    oracle::map(dot_scores(head(query, parameter(0), h), head(key, parameter(1), h)),
                                [](Dual v) { return v / 2; });
                weights.push_back(masked_softmax(scores, seen));
                const Array mean = context_of(weights.back(), head(value, parameter(2), h));
                const Array out = oracle::matmul(mean, oracle::select(parameter(3), 0, h));
                total = oracle::zip(total, out, [](Dual u, Dual v) { return u + v; });
            }
            return {total, oracle::stack(weights, 1)};
        }
        Array scores;
        const bool sums = kind == concat || kind == concat_scale;
        if (kind == dot || kind == dot_scale) {
            scores = dot_scores(query, key);
            if (kind == dot_scale) scores = scaled(scores, parameter(0));
        } else {
            const Array one = oracle::filled({D}, 1);
            const Array inside = kind == concat_scale ? parameter(0) : oracle::filled({}, 1);
            const Array outside = kind == additive_scale ? parameter(0)
                                  : sums ? scaled(one, parameter(kind == concat_scale ? 1 : 0))
                                         : one;
            scores = additive_scores(scaled(query, inside), scaled(key, inside), outside);
        }
        const Array weights = masked_softmax(scores, seen);
        Array context = context_of(weights, value);
        if (has("both")) {
            context = oracle::build(context.shape, [&](const Index& i) {
                return query_mask()(i[0], i[1]) ? context(i) : Dual(0);
            });
        }
        return {context, weights};
    }
};

template <class Case>
void run_layer(const Case& c, std::vector<Domain> domains) {
    struct Engine {
        Case c;
        Results<double> operator()(Operands<double> x) const { return c.template engine<double>(x); }
        Results<float> operator()(Operands<float> x) const { return c.template engine<float>(x); }
    };
    run({c.name(), Engine{c}, [c](const Arrays& x) { return c.naive(x); }, std::move(domains)}, {c.shapes()},
        Wanted::all_and_each);
}

struct Sizes {
    std::size_t B, T, S, A;
};
const std::vector<Sizes> sizes{{1, 1, 1, 1}, {2, 1, 3, 2},  {1, 3, 2, 1}, {2, 3, 2, 3},
                               {2, 2, 5, 2}, {1, 2, 3, 17}, {0, 2, 2, 3}, {2, 0, 2, 3}};

}  // namespace

TEST_CASE("masked softmax") {
    for (const Index& shape :
         std::vector<Index>{{1}, {5}, {2, 3}, {3, 4}, {2, 2, 3}, {3, 1, 5}, {2, 2, 1, 4}}) {
        for (const char* kind : {"right", "gaps", "empty row", "whole"}) {
            Index memory{shape.front()};
            if (shape.size() > 1) memory.push_back(shape.back());
            Index shared(shape.size(), 1);
            shared.back() = shape.back();
            for (const Index& mask_shape : {shape, memory, shared}) {
                const Pattern pattern{kind, mask_shape};
                run({words("masked_softmax ", kind, " ", text(mask_shape)),
                     [mask = pattern.mask()](auto x) { return seqgrad::masked_softmax(x[0], &mask); },
                     [mask = pattern.mask()](const Arrays& x) { return masked_softmax(x[0], mask); }},
                    {{shape}});
            }
        }
    }
}

TEST_CASE("attention scores") {
    for (const Sizes& s : sizes) {
        const Index query{s.B, s.T, s.A}, keys{s.B, s.S, s.A};
        run({"dot_scores", [](auto x) { return seqgrad::dot_scores(x[0], x[1]); },
             [](const Arrays& x) { return dot_scores(x[0], x[1]); }},
            {{query, keys}});
        run({"additive_scores", [](auto x) { return seqgrad::additive_scores(x[0], x[1], x[2]); },
             [](const Arrays& x) { return additive_scores(x[0], x[1], x[2]); }},
            {{query, keys, {s.A}}});
    }
}

TEST_CASE("attention over a memory: every score, window, mask and rank of query") {
    using seqgrad::AttentionScore;
    using seqgrad::AttentionWindow;
    for (const AttentionScore score :
         {AttentionScore::bahdanau, AttentionScore::dot, AttentionScore::general, AttentionScore::concat}) {
        for (const AttentionWindow window :
             {AttentionWindow::global, AttentionWindow::local_m, AttentionWindow::local_p}) {
            if (score == AttentionScore::bahdanau && window != AttentionWindow::global) continue;
            for (const char* mask : {"", "right", "gaps", "empty row", "whole"}) {
                for (const bool single : {true, false}) {
                    const MemoryLayer layer{score, window, mask, single};
                    run_layer(layer, layer.domains());
                }
            }
        }
    }
}

TEST_CASE("Keras's attention layers: every score and mask") {
    for (int kind = KerasLayer::dot; kind <= KerasLayer::heads; ++kind) {
        for (const char* masks : {"", "value", "both", "causal", "key"}) {
            run_layer(KerasLayer{static_cast<KerasLayer::Kind>(kind), masks},
                      {Domain{.low = -1.5, .high = 1.5}});
        }
    }
}
