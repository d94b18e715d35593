#include "seqgrad/core/ops/recurrent.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/grad_mode.hpp"
#include "seqgrad/core/memory_pool.hpp"
#include "seqgrad/core/op.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/index.hpp"
#include "seqgrad/core/ops/join.hpp"
#include "seqgrad/core/ops/shape.hpp"
#include "seqgrad/core/ops/slice.hpp"

using namespace seqgrad;

namespace {

/// The layers behind one signature. Results: the sequence (where wanted), then the final states.
struct Layer {
    const char* name;
    std::size_t groups, states, bias_rows;
    std::function<std::vector<Variable<double>>(const std::vector<Variable<double>>&,
                                                const RecurrentOptions&)>
        apply;
};

std::vector<Variable<double>> given(std::initializer_list<Variable<double>> results) {
    std::vector<Variable<double>> out;
    std::copy_if(results.begin(), results.end(), std::back_inserter(out),
                 [](const auto& v) { return static_cast<bool>(v); });
    return out;
}

const std::vector<Layer> layers{
    {"simple_rnn", 1, 1, 1,
     [](const auto& in, const RecurrentOptions& o) {
         const auto r = simple_rnn(in[0], in[1], in[2], in[3], in[4], o);
         return given({r.sequence, r.h});
     }},
    {"lstm", 4, 2, 1,
     [](const auto& in, const RecurrentOptions& o) {
         const auto r = lstm(in[0], in[1], in[2], in[3], in[4], in[5], o);
         return given({r.sequence, r.h, r.c});
     }},
    {"gru", 3, 1, 2,
     [](const auto& in, const RecurrentOptions& o) {
         const auto r = gru(in[0], in[1], in[2], in[3], in[4], o);
         return given({r.sequence, r.h});
     }},
    {"gru", 3, 1, 1,
     [](const auto& in, RecurrentOptions o) {
         o.reset_after = false;
         const auto r = gru(in[0], in[1], in[2], in[3], in[4], o);
         return given({r.sequence, r.h});
     }},
};

Tensor<double> draw(const Shape& shape, std::mt19937& random) {
    std::normal_distribution<double> normal(0, 0.5);
    Tensor<double> out(shape);
    for (double& v : elements(out)) v = normal(random);
    return out;
}

/// x, kernel, recurrent_kernel, bias, initial_h, initial_c as parameters.
std::vector<Variable<double>> parameters(const Layer& layer, std::size_t batch = 3, std::size_t steps = 4,
                                         std::size_t features = 2, std::size_t units = 5) {
    std::mt19937 random(11);
    const std::size_t columns = layer.groups * units;
    std::vector<Variable<double>> in;
    for (const Shape& shape : {Shape{batch, steps, features}, Shape{features, columns}, Shape{units, columns},
                               layer.bias_rows == 2 ? Shape{2, columns} : Shape{columns}, Shape{batch, units},
                               Shape{batch, units}}) {
        in.push_back(parameter(draw(shape, random)));
    }
    return in;
}

/// Sum of every result times a weight that differs from element to element.
Variable<double> loss_of(const std::vector<Variable<double>>& results) {
    std::mt19937 random(5);
    double value = 0;
    std::vector<Tensor<double>> weights;
    for (const auto& r : results) {
        weights.push_back(draw(r.shape(), random));
        for (std::size_t i = 0; i < r.size(); ++i) value += weights.back().data()[i] * r.value().data()[i];
    }
    return record("weighted_sum", full<double>({}, value), std::span<const Variable<double>>(results),
                  [weights](Backward<double>& pass) {
                      for (std::size_t k = 0; k < weights.size(); ++k) {
                          Tensor<double> g = weights[k];
                          for (double& v : elements(g)) v *= pass.grad()();
                          pass.accumulate(k, std::move(g));
                      }
                  });
}

std::string message_of(const std::function<void()>& f) {
    try {
        f();
    } catch (const ShapeError& error) {
        return error.what();
    }
    return "no ShapeError";
}

}  // namespace

TEST_CASE("recurrent operations: every gradient agrees with differences of the values") {
    for (const Layer& layer : layers) {
        for (const bool sequences : {true, false}) {
            const RecurrentOptions options{.return_sequences = sequences};
            auto in = parameters(layer);
            backward(loss_of(layer.apply(in, options)));
            for (std::size_t i = 0; i < in.size() - 2 + layer.states; ++i) {
                const Tensor<double> gradient = in[i].grad();
                double worst = 0;
                for (std::size_t j = 0; j < in[i].size(); ++j) {
                    const NoGrad guard;
                    constexpr double step = 1e-3;
                    const double before = in[i].value().data()[j];
                    const auto loss_at = [&](double offset) {
                        in[i].mutable_data()[j] = before + offset;
                        return loss_of(layer.apply(in, options)).item();
                    };
                    const double wide = (loss_at(2 * step) - loss_at(-2 * step)) / (4 * step);
                    const double narrow = (loss_at(step) - loss_at(-step)) / (2 * step);
                    in[i].mutable_data()[j] = before;
                    worst = std::max(worst, std::abs(gradient.data()[j] - (4 * narrow - wide) / 3));
                }
                INFO(layer.name, ", operand ", i);
                CHECK(worst <= 1e-9);
            }
        }
    }
}

TEST_CASE("recurrent operations: shapes of the results, and the last output is the state") {
    for (const Layer& layer : layers) {
        const auto in = parameters(layer);
        const auto both = layer.apply(in, {});
        const auto last = layer.apply(in, {.return_sequences = false});
        REQUIRE(both.size() == 1 + layer.states);
        REQUIRE(last.size() == layer.states);
        CHECK(both[0].shape() == Shape{3, 4, 5});
        for (std::size_t k = 0; k < layer.states; ++k) {
            CHECK(last[k].shape() == Shape{3, 5});
            CHECK(last[k].value() == both[1 + k].value());
            CHECK(std::string(last[k].op()) == layer.name);
        }
        for (std::size_t b = 0; b < 3; ++b) {
            for (std::size_t u = 0; u < 5; ++u) CHECK(both[0].value()(b, 3, u) == both[1].value()(b, u));
        }
    }
}

TEST_CASE("recurrent operations: a sequence without steps or samples hands the state through") {
    for (const Layer& layer : layers) {
        auto in = parameters(layer, 3, 0);
        const auto results = layer.apply(in, {});
        CHECK(results[0].shape() == Shape{3, 0, 5});
        CHECK(results[1].value() == in[4].value());
        backward(results[1], ones<double>({3, 5}));
        CHECK(in[4].grad() == ones<double>({3, 5}));
        CHECK(in[2].grad() == zeros<double>(in[2].shape()));
        CHECK(in[3].grad() == zeros<double>(in[3].shape()));

        auto none = parameters(layer, 0, 4);
        const auto empty = layer.apply(none, {});
        CHECK(empty[0].shape() == Shape{0, 4, 5});
        backward(empty[0], zeros<double>({0, 4, 5}));
        CHECK(none[1].grad() == zeros<double>(none[1].shape()));
    }
}

TEST_CASE("recurrent operations: left out operands are zeros, and constants get no gradient") {
    for (const Layer& layer : layers) {
        auto in = parameters(layer);
        std::vector<Variable<double>> zero = in, empty = in;
        for (std::size_t i = 3; i < 6; ++i) {
            zero[i] = constant(zeros<double>(in[i].shape()));
            empty[i] = {};
        }
        const auto a = layer.apply(zero, {}), b = layer.apply(empty, {});
        for (std::size_t k = 0; k < a.size(); ++k) CHECK(a[k].value() == b[k].value());
        const auto ga = grad(loss_of(a), {in[0], in[1], in[2]}), gb = grad(loss_of(b), {in[0], in[1], in[2]});
        CHECK(ga == gb);

        in[0] = in[0].detach();
        in[2] = in[2].detach();
        backward(loss_of(layer.apply(in, {})));
        CHECK(in[1].has_grad());
        CHECK(in[3].has_grad());
    }
}

TEST_CASE("recurrent operations: backward can run again where the graph is retained") {
    for (const Layer& layer : layers) {
        auto in = parameters(layer);
        const auto loss = loss_of(layer.apply(in, {}));
        const std::span<const Variable<double>> variables(in.data(), in.size() - 2 + layer.states);
        const auto first = grad(loss, variables, {.retain_graph = true});
        const auto second = grad(loss, variables, {.retain_graph = true});
        CHECK(first == second);
        CHECK(first == grad(loss, variables));
        CHECK_THROWS_AS(grad(loss, variables), ValueError);
    }
}

TEST_CASE("recurrent operations: one Variable in two places gets the sum of both gradients") {
    for (const Layer& layer : layers) {
        const auto apart =
            parameters(layer, 5, 4, 5, 5);  // both kernels and both states have the same shapes
        auto shared = apart;
        shared[2] = shared[1];
        shared[5] = shared[4];
        std::vector<Variable<double>> copies;
        for (const auto& v : shared) copies.push_back(parameter(v.value()));
        backward(loss_of(layer.apply(shared, {})));
        backward(loss_of(layer.apply(copies, {})));
        for (std::size_t i = 0; i < copies[1].size(); ++i) {
            CHECK(shared[1].grad().data()[i] ==
                  doctest::Approx(copies[1].grad().data()[i] + copies[2].grad().data()[i]).epsilon(1e-12));
        }
        if (layer.states == 2) {
            for (std::size_t i = 0; i < copies[4].size(); ++i) {
                CHECK(
                    shared[4].grad().data()[i] ==
                    doctest::Approx(copies[4].grad().data()[i] + copies[5].grad().data()[i]).epsilon(1e-12));
            }
        }
    }
}

TEST_CASE("recurrent operations: without a graph the values are the same and nothing is recorded") {
    for (const Layer& layer : layers) {
        const auto in = parameters(layer, 2, 40, 3, 17);
        const auto recorded = layer.apply(in, {});
        const NoGrad guard;
        const auto plain = layer.apply(in, {});
        for (std::size_t k = 0; k < plain.size(); ++k) {
            CHECK(plain[k].value() == recorded[k].value());
            CHECK(recorded[k].requires_grad());
            CHECK(!plain[k].requires_grad());
        }
        const DetectAnomaly anomaly;
        auto poisoned = in;
        poisoned[0] = constant(full<double>(in[0].shape(), std::nan("")));
        CHECK_THROWS_AS(layer.apply(poisoned, {}), ValueError);
    }
}

TEST_CASE("recurrent operations: anomaly mode names the first time step that is not finite") {
    for (const Layer& layer : layers) {
        for (const bool go_backwards : {false, true}) {
            for (const bool return_sequences : {false, true}) {
                auto in = parameters(layer, 2, 9, 3, 4);
                Tensor<double> x = in[0].value();
                x(1, 3, 2) = x(0, 6, 0) = std::nan("");
                in[0] = constant(x);
                const DetectAnomaly anomaly;
                std::string message;
                try {
                    layer.apply(in, {.return_sequences = return_sequences, .go_backwards = go_backwards});
                } catch (const NonFiniteError& error) {
                    message = error.what();
                }
                CAPTURE(message);
                CHECK(message.find("operand 0 of shape [2, 9, 3] was not finite already") !=
                      std::string::npos);
                CHECK(message.ends_with(go_backwards ? "; the first time step that is not finite is 6"
                                                     : "; the first time step that is not finite is 3"));
            }
        }
    }
}

TEST_CASE("recurrent operations: changing what was saved is an error, not a wrong gradient") {
    for (const Layer& layer : layers) {
        auto in = parameters(layer);
        const auto loss = loss_of(layer.apply(in, {}));
        in[2].mutable_data()[0] += 1;
        CHECK_THROWS_AS(backward(loss), ValueError);
    }
}

TEST_CASE("recurrent operations name the operand, its axes and the shapes when one does not fit") {
    const Layer& layer = layers[1];
    const auto with = [&](std::size_t operand, const Shape& shape, const RecurrentOptions& options = {}) {
        return message_of([&] {
            auto in = parameters(layer);
            in[operand] = parameter(zeros<double>(shape));
            layer.apply(in, options);
        });
    };
    CHECK(with(0, {32, 2}, {.caller = "LSTM \"encoder\""}) ==
          "LSTM \"encoder\": expected x [batch, time, features=2] (rank 3), got [32, 2] (rank 2).");
    CHECK(with(0, {3, 4, 7}) ==
          "lstm: expected x [batch, time, features=2] (rank 3), got [3, 4, 7] (rank 3).");
    CHECK(with(1, {2, 5}) == "lstm: expected kernel [features, 4 units=20] (rank 2), got [2, 5] (rank 2).");
    CHECK(with(2, {5, 15}) ==
          "lstm: expected recurrent_kernel [units, 4 units] (rank 2), got [5, 15] (rank 2).");
    CHECK(with(3, {2, 20}) == "lstm: expected bias [4 units=20] (rank 1), got [2, 20] (rank 2).");
    CHECK(with(4, {5}) == "lstm: expected initial_h [batch=3, units=5] (rank 2), got [5] (rank 1).");
    CHECK(with(5, {4, 5}) == "lstm: expected initial_c [batch=3, units=5] (rank 2), got [4, 5] (rank 2).");

    auto in = parameters(layers[2]);
    in[3] = parameter(zeros<double>({15}));
    CHECK(message_of([&] { layers[2].apply(in, {}); }) ==
          "gru: expected bias [2, 3 units=15] (rank 2), got [15] (rank 1).");
    in = parameters(layers[2]);
    CHECK(message_of([&] { layers[3].apply(in, {}); }) ==
          "gru: expected bias [3 units=15] (rank 1), got [2, 15] (rank 2).");

    const Mask mask({4, 3}, true);
    CHECK(with(0, {3, 4, 2}, {.mask = &mask}) ==
          "lstm: expected mask [batch=3, time=4] (rank 2), got [4, 3] (rank 2).");
    const Mask flat({12}, true);
    CHECK(with(0, {3, 4, 2}, {.mask = &flat, .caller = "GRU"}) ==
          "GRU: expected mask [batch=3, time=4] (rank 2), got [12] (rank 1).");

    in = parameters(layers[0]);
    CHECK_THROWS_AS(simple_rnn(Variable<double>(), in[1], in[2]), ValueError);
}

namespace {

/// Samples of every kind: with gaps, without any step, padded on either side, whole.
Mask some_mask(std::size_t batch, std::size_t steps) {
    Mask mask({batch, steps}, true);
    for (std::size_t b = 0; b < batch; ++b) {
        for (std::size_t t = 0; t < steps; ++t) {
            const bool counts[] = {t % 3 != 1, false, t + 2 < steps, t >= 2, true};
            mask(b, t) = counts[b % 5];
        }
    }
    return mask;
}

/// Every gradient of the loss, of those that there are.
std::vector<Tensor<double>> gradients_of(const Layer& layer, const std::vector<Variable<double>>& in,
                                         const std::vector<Variable<double>>& results) {
    return grad(loss_of(results), std::span<const Variable<double>>(in.data(), in.size() - 2 + layer.states));
}

double worst_difference(const Tensor<double>& a, const Tensor<double>& b) {
    REQUIRE(a.shape() == b.shape());
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a.data()[i] - b.data()[i]));
    return worst;
}

}  // namespace

TEST_CASE("recurrent operations: a masked sample is the same sample without its masked steps") {
    constexpr std::size_t batch = 5, steps = 7, units = 5;
    const Mask mask = some_mask(batch, steps);
    for (const Layer& layer : layers) {
        const auto in = parameters(layer, batch, steps, 2, units);
        const auto results = layer.apply(in, {.mask = &mask});
        for (std::size_t b = 0; b < batch; ++b) {
            const auto first = static_cast<std::ptrdiff_t>(b);
            std::vector<Variable<double>> counted;
            for (std::size_t t = 0; t < steps; ++t) {
                const auto at = static_cast<std::ptrdiff_t>(t);
                if (mask(b, t)) counted.push_back(slice(in[0], {Range{first, first + 1}, Range{at, at + 1}}));
            }
            auto alone = in;
            alone[0] = counted.empty() ? constant(zeros<double>({1, 0, 2})) : concatenate(counted, 1);
            alone[4] = slice(in[4], {Range{first, first + 1}});
            alone[5] = slice(in[5], {Range{first, first + 1}});
            const auto want = layer.apply(alone, {});
            for (std::size_t k = 0; k < layer.states; ++k) {
                for (std::size_t u = 0; u < units; ++u) {
                    CHECK(results[1 + k].value()(b, u) ==
                          doctest::Approx(want[1 + k].value()(0, u)).epsilon(1e-13));
                }
            }
            std::size_t row = 0;
            for (std::size_t t = 0; t < steps; ++t) {
                row += mask(b, t);
                for (std::size_t u = 0; u < units; ++u) {
                    const double output = row == 0 ? 0 : want[0].value()(0, row - 1, u);
                    CHECK(results[0].value()(b, t, u) == doctest::Approx(output).epsilon(1e-13));
                }
            }
        }
    }
}

TEST_CASE("recurrent operations: going backwards is going forwards over reversed steps") {
    const Mask mask = some_mask(5, 6);
    Mask reversed = mask;
    for (std::size_t b = 0; b < 5; ++b) {
        for (std::size_t t = 0; t < 6; ++t) reversed(b, t) = mask(b, 5 - t);
    }
    for (const Layer& layer : layers) {
        for (const bool masked : {false, true}) {
            const auto in = parameters(layer, 5, 6);
            auto flipped = in;
            flipped[0] = flip(in[0], {1});
            const auto got = layer.apply(in, {.mask = masked ? &mask : nullptr, .go_backwards = true});
            const auto want = layer.apply(flipped, {.mask = masked ? &reversed : nullptr});
            for (std::size_t k = 0; k < got.size(); ++k) CHECK(got[k].value() == want[k].value());
            CHECK(gradients_of(layer, in, got) == gradients_of(layer, in, want));
        }
    }
}

TEST_CASE("recurrent operations: truncated gradients are those of chunks with detached states") {
    constexpr std::size_t batch = 5, steps = 7;
    const Mask mask = some_mask(batch, steps);
    for (const Layer& layer : layers) {
        for (const bool masked : {false, true}) {
            for (const std::size_t k : {1u, 2u, 3u, 7u, 8u}) {
                const auto in = parameters(layer, batch, steps);
                // Outputs of masked steps are zero: a chunk does not know the last output of the one before.
                const auto got = layer.apply(
                    in, {.mask = masked ? &mask : nullptr, .zero_output_for_mask = true, .bptt_steps = k});

                auto chunk = in;
                std::vector<Variable<double>> sequences, want;
                for (std::size_t first = 0; first < steps; first += k) {
                    const std::size_t last = std::min(first + k, steps);
                    Mask part({batch, last - first}, true);
                    for (std::size_t b = 0; b < batch; ++b) {
                        for (std::size_t t = first; masked && t < last; ++t) part(b, t - first) = mask(b, t);
                    }
                    chunk[0] = slice(in[0], {all, Range{static_cast<std::ptrdiff_t>(first),
                                                        static_cast<std::ptrdiff_t>(last)}});
                    want = layer.apply(chunk, {.mask = &part, .zero_output_for_mask = true});
                    sequences.push_back(want[0]);
                    for (std::size_t i = 0; i < layer.states; ++i) chunk[4 + i] = want[1 + i].detach();
                }
                want[0] = concatenate(sequences, 1);

                for (std::size_t i = 0; i < got.size(); ++i) {
                    CHECK(worst_difference(got[i].value(), want[i].value()) <= 1e-13);
                }
                const auto a = gradients_of(layer, in, got);
                const auto b = gradients_of(layer, in, want);
                INFO(layer.name, " truncated at ", k);
                for (std::size_t i = 0; i < a.size(); ++i) CHECK(worst_difference(a[i], b[i]) <= 1e-12);
            }
        }
    }
}

TEST_CASE("recurrent operations: gates computed again give the same gradients, bit for bit") {
    const Mask mask = some_mask(40, 33);
    for (const Layer& layer : layers) {
        for (const bool masked : {false, true}) {
            const auto in = parameters(layer, 40, 33, 3, 17);
            RecurrentOptions options{.mask = masked ? &mask : nullptr};
            const auto stored = layer.apply(in, options);
            options.recompute = true;
            const auto recomputed = layer.apply(in, options);
            for (std::size_t k = 0; k < stored.size(); ++k) CHECK(stored[k].value() == recomputed[k].value());
            CHECK(gradients_of(layer, in, stored) == gradients_of(layer, in, recomputed));
        }
    }
}

TEST_CASE("recurrent operations: what a training step keeps, in numbers per unit, step and sample") {
    {
        memory_pool_release();
        const Tensor<double> probe = zeros<double>({100});
    }
    if (memory_pool_cached_bytes() == 0) return;  // storage is not pooled in this build
    // Such sizes that the pool's blocks are filled.
    constexpr std::size_t batch = 16, steps = 63, units = 32;
    const auto kept = [&](const Layer& layer, const RecurrentOptions& options) {
        const auto in = parameters(layer, batch, steps, 2, units);
        std::optional<std::vector<Variable<double>>> results = layer.apply(in, options);
        memory_pool_release();
        results.reset();
        const double outputs = double(steps + layer.states) * batch * units;
        return (double(memory_pool_cached_bytes()) / sizeof(double) - outputs) /
               double(batch * steps * units);
    };
    const auto stored = [&](const Layer& layer) { return kept(layer, {}); };
    const auto recomputed = [&](const Layer& layer) { return kept(layer, {.recompute = true}); };
    // The states are the outputs, and not kept beside them.
    CHECK(stored(layers[0]) < 0.1);
    CHECK(stored(layers[1]) == doctest::Approx(5).epsilon(0.1));
    CHECK(stored(layers[2]) == doctest::Approx(4).epsilon(0.1));
    CHECK(recomputed(layers[0]) < 0.1);
    CHECK(recomputed(layers[1]) == doctest::Approx(1).epsilon(0.1));
    CHECK(recomputed(layers[2]) < 0.1);

    Mask half({batch, steps}, true);
    for (std::size_t b = 0; b < batch; b += 2) {
        for (std::size_t t = 0; t < steps; ++t) half(b, t) = false;
    }
    CHECK(kept(layers[1], {.mask = &half}) == doctest::Approx(3).epsilon(0.15));
}

TEST_CASE("recurrent operations: a looked-up input is multiplied as a table, with the same gradients") {
    constexpr std::size_t batch = 3, steps = 6, features = 16, rows = 4;
    Tensor<std::int64_t> ids(Shape{batch, steps});
    for (std::size_t i = 0; i < ids.size(); ++i)
        ids.data()[i] = std::int64_t((i * i + i / 5) % 3);  // not row 3
    std::mt19937 random(2);
    const Tensor<double> table = draw({rows, features}, random);
    const Mask mask = some_mask(batch, steps);

    enum class Twist { none, retained, asked_for, changed_before, changed_after };
    for (const Layer& layer : layers) {
        for (const RecurrentOptions& options :
             {RecurrentOptions{}, RecurrentOptions{.mask = &mask, .go_backwards = true},
              RecurrentOptions{.bptt_steps = 2, .recompute = true}}) {
            for (const Twist twist : {Twist::none, Twist::retained, Twist::asked_for, Twist::changed_before,
                                      Twist::changed_after}) {
                INFO(layer.name, ", twist ", int(twist));
                /// Results, gradients of the table and of everything else; then that of x where it was asked
                /// for.
                const auto run = [&](bool lookup) {
                    Variable<double> t = parameter(table);
                    auto in = parameters(layer, batch, steps, features);
                    in[0] = lookup ? embedding_lookup(t, ids) : take(t, ids);
                    if (twist == Twist::changed_before) t.assign(zeros<double>(t.shape()));
                    const auto results = layer.apply(in, options);
                    if (twist == Twist::changed_after) t.assign(zeros<double>(t.shape()));
                    const bool by_table =
                        results[0].node()->inputs()[0]->inputs().size() > 2 + 2 + layer.states;
                    CHECK(by_table == (lookup && twist != Twist::changed_before));
                    if (twist == Twist::retained) in[0].retain_grad();
                    std::vector<Tensor<double>> out;
                    for (const auto& r : results) out.push_back(r.value());
                    if (twist == Twist::asked_for) {
                        const std::vector<Variable<double>> asked{in[0], t, in[2]};
                        for (auto& g : grad(loss_of(results), std::span<const Variable<double>>(asked))) {
                            out.push_back(std::move(g));
                        }
                        return out;
                    }
                    // Twice, so that gradients are added to those that are there.
                    const Variable<double> loss = loss_of(results);
                    backward(loss, {.retain_graph = true});
                    backward(loss);
                    out.push_back(t.grad());
                    for (std::size_t i = twist == Twist::retained ? 0 : 1; i < 4 + layer.states; ++i) {
                        out.push_back(in[i].grad());
                    }
                    return out;
                };
                const auto got = run(true), expected = run(false);
                REQUIRE(got.size() == expected.size());
                for (std::size_t i = 0; i < got.size(); ++i) {
                    CAPTURE(i);
                    CHECK(worst_difference(got[i], expected[i]) <= 1e-12);
                }
            }
        }
    }
}

TEST_CASE(
    "recurrent operations: one Variable in any places, the looked-up table among them, gets all gradients") {
    constexpr std::size_t size = 16, steps = 3;  // B = D = U = V
    Tensor<std::int64_t> ids(Shape{size, steps});
    for (std::size_t i = 0; i < ids.size(); ++i) ids.data()[i] = std::int64_t((i * i + i / 5) % size);
    /// Places whose shapes agree; in[0] is the table.
    const std::vector<std::vector<std::size_t>> square{{1, 2}, {0, 1}, {0, 2},    {0, 4},
                                                       {1, 4}, {2, 4}, {0, 1, 2}, {0, 1, 2, 4}};
    const std::vector<std::vector<std::size_t>> wide{{1, 2}, {0, 4}};
    const std::vector<std::vector<std::size_t>> of_lstm{{1, 2}, {0, 4}, {0, 5}, {4, 5}, {0, 4, 5}};
    for (const Layer& layer : layers) {
        for (const bool lookup : {true, false}) {
            for (const auto& places : layer.groups == 1 ? square : layer.states == 2 ? of_lstm : wide) {
                CAPTURE(layer.name);
                CAPTURE(lookup);
                std::string named;
                for (const std::size_t i : places) named += std::to_string(i) + " ";
                CAPTURE(named);
                std::vector<Variable<double>> apart = parameters(layer, size, steps, size, size);
                std::mt19937 random(3);
                apart[0] = parameter(draw({size, size}, random));
                std::vector<Variable<double>> shared = apart;
                for (const std::size_t i : places) shared[i] = shared[places[0]];
                std::vector<Variable<double>> copies;
                for (const auto& v : shared) copies.push_back(parameter(v.value()));
                const auto run = [&](std::vector<Variable<double>> in) {
                    in[0] = lookup ? embedding_lookup(in[0], ids) : take(in[0], ids);
                    const Variable<double> loss = loss_of(layer.apply(in, {}));
                    backward(loss, {.retain_graph = true});
                    backward(loss);  // once more, added to what is there
                };
                run(shared);
                run(copies);
                Tensor<double> expected = zeros<double>(shared[places[0]].shape());
                for (const std::size_t i : places) expected += copies[i].grad();
                const Tensor<double>& got = shared[places[0]].grad();
                for (std::size_t i = 0; i < expected.size(); ++i)
                    REQUIRE(got.data()[i] == doctest::Approx(expected.data()[i]).epsilon(1e-11));
            }
        }
    }
}
