#include "seqgrad/layers/luong_attention.hpp"

#include <cmath>
#include <string>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/random.hpp"

using namespace seqgrad;
using doctest::Approx;

namespace {

Variable<double> random(const Shape& shape, std::int64_t seed) {
    return constant(Generator(seed).normal<double>(shape));
}

/// "kernel[2, 3] v[3] "
std::string parameter_shapes(const Module<double>& layer) {
    std::string out;
    for (const auto& p : layer.parameters()) out += p.name + to_string(p.variable.shape()) + " ";
    return out;
}

}  // namespace

TEST_CASE("windows end D positions from the centre") {
    LuongAttention<double> layer({.score = AttentionScore::dot, .window = AttentionWindow::local_m, .D = 1});
    layer.build_for({{unknown, 2}, {unknown, unknown, 2}});
    const auto prepared = layer.prepare(random({1, 6, 2}, 1));
    const auto weights = layer.attend(random({1, 3, 2}, 2), prepared, 3).weights.value();
    for (std::size_t t = 0; t < 3; ++t) {
        for (std::size_t s = 0; s < 6; ++s) {
            const bool seen = s + 1 >= 3 + t && s <= 4 + t;
            CHECK((weights(0, t, s) != 0) == seen);
        }
    }
    // Beyond the memory there is nothing to see.
    CHECK(layer.attend(random({1, 2}, 2), prepared, 7).context.value() == zeros<double>({1, 2}));
    CHECK(layer.attend(random({1, 2}, 2), prepared, 6).weights.value() ==
          tensor<double>({1, 6}, {0, 0, 0, 0, 0, 1}));
}

TEST_CASE("the predicted window lies around the middle without a preference") {
    LuongAttention<double> layer(
        {.score = AttentionScore::dot, .window = AttentionWindow::local_p, .D = 2, .v_initializer = Zeros{}});
    // sigmoid(0) of 8, the last position.
    const auto out = layer({constant(zeros<double>({1, 2})), random({1, 9, 2}, 1)})[1].value();
    for (std::size_t s = 0; s < 9; ++s) {
        const double distance = static_cast<double>(s) - 4;
        const double expected = std::abs(distance) <= 2 ? std::exp(-distance * distance / 2) / 5 : 0;
        CHECK(out(0, s) == Approx(expected).epsilon(1e-14));
    }
}

TEST_CASE("LuongAttention has the parameters that its score and window need") {
    LuongAttention<double> general, concat({.score = AttentionScore::concat, .units = 5});
    general.build_for({{unknown, 2, 3}, {unknown, 7, 4}});
    CHECK(parameter_shapes(general) == "kernel[3, 4] ");
    concat.build_for({{unknown, 3}, {unknown, 7, 4}});
    CHECK(parameter_shapes(concat) == "kernel[7, 5] v[5] ");
    LuongAttention<double> local({.score = AttentionScore::dot, .window = AttentionWindow::local_p});
    local.build_for({{unknown, 3}, {unknown, 7, 3}});
    CHECK(parameter_shapes(local) == "position_kernel[3, 3] position_v[3] ");
}

TEST_CASE(
    "LuongAttention refuses another score, a window without a width and sizes that dot cannot compare") {
    CHECK_THROWS_WITH_AS(
        LuongAttention<float>({.score = AttentionScore::bahdanau}),
        "LuongAttention: score must be dot, general or concat, got bahdanau; use BahdanauAttention",
        ValueError);
    CHECK_THROWS_WITH_AS(LuongAttention<float>({.window = AttentionWindow::local_m, .D = 0, .name = "l"}),
                         "LuongAttention \"l\": window local_m needs D of at least 1, got 0", ValueError);
    LuongAttention<double> dot({.score = AttentionScore::dot});
    CHECK_THROWS_WITH_AS(dot({random({2, 3}, 1), random({2, 5, 4}, 2)}),
                         "LuongAttention: score dot needs a query and a memory of one size, got query [..., "
                         "units=3] and memory [batch, memory time, features=4]; score general takes both",
                         ShapeError);
    CHECK_FALSE(dot.built());
}
