#include "seqgrad/layers/bahdanau_attention.hpp"

#include <string>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/random.hpp"

using namespace seqgrad;

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

TEST_CASE("BahdanauAttention has the paper's parameters, with regularizers and constraints") {
    BahdanauAttention<double> layer({.units = 5,
                                     .bias_initializer = Constant{-1},
                                     .v_initializer = Ones{},
                                     .bias_regularizer = L1{.l1 = 2},
                                     .v_regularizer = L2{.l2 = 0.5},
                                     .bias_constraint = NonNeg{}});
    layer.build_for({{unknown, 3}, {unknown, 7, 4}});
    CHECK(parameter_shapes(layer) == "query_kernel[3, 5] memory_kernel[4, 5] bias[5] v[5] ");
    CHECK(layer.regularization_loss().item() == 2 * 5 + 0.5 * 5);
    layer.apply_constraints();
    CHECK(layer.bias().value() == zeros<double>({5}));
    CHECK(layer.query_kernel().value() != zeros<double>({3, 5}));
    CHECK(layer({random({2, 3}, 1), random({2, 7, 4}, 2)})[0].shape() == Shape{2, 4});
}

TEST_CASE("BahdanauAttention needs units") {
    CHECK_THROWS_WITH_AS(BahdanauAttention<float>({}), "BahdanauAttention: units must be at least 1",
                         ValueError);
}
