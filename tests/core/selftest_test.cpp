#include "seqgrad/core/selftest.hpp"

#include <limits>
#include <span>
#include <string>
#include <tuple>

#include <doctest/doctest.h>

#include "seqgrad/core/internal/kernel_checks.hpp"
#include "seqgrad/core/kernels/instruction_set.hpp"

using namespace seqgrad;
using kernels::InstructionSet;

namespace {

/// Kernels that are right, to be broken.
struct Kernels {
    detail::CheckedSet set = detail::checked_set(InstructionSet::baseline);
    detail::CheckedKernels<float>& of_float = std::get<0>(set.kernels);

    /// What a check finds.
    template <class Check>
    SelfTestFault fault(const Check& check) {
        check(std::span(&set, 1));
        CHECK(set.result.comparisons > 0);
        REQUIRE(set.result.fault);
        CHECK(!(set.result.of_float.largest_difference <= set.result.of_float.limit));
        return *set.result.fault;
    }
};

}  // namespace

TEST_CASE("the self-test finds no fault on this processor") {
    bool one_is_used = false;
    for (const SelfTestResult& r : selftest()) {
        INFO(r.instruction_set, r.fault ? ": " + r.fault->kernel + "; " + r.fault->sizes : "");
        CHECK(!r.fault);
        CHECK(r.comparisons > 10000);
        CHECK(r.of_float.largest_difference > 0);
        CHECK(r.of_float.largest_difference <= r.of_float.limit);
        CHECK(r.of_double.largest_difference <= r.of_double.limit);
        CHECK(r.used == (r.instruction_set == kernels::to_string(kernels::instruction_set())));
        one_is_used = one_is_used || r.used;
    }
    CHECK(one_is_used);
}

TEST_CASE("a recurrent kernel that is wrong for few samples is found") {
    Kernels broken;
    broken.of_float.recurrent_forward = [](const kernels::RecurrentForward<float>& pass) {
        kernels::recurrent_forward(pass, InstructionSet::baseline);
        const auto& s = pass.sizes;
        if (pass.cell == kernels::Cell::gru && s.batch == 2 && s.units == 31) pass.sequence[30] += 0.01F;
    };
    const SelfTestFault fault = broken.fault(detail::check_recurrent);
    CHECK(fault.kernel == "gru forward, float: sequence");
    CHECK(fault.sizes == "B=2 T=3 D=5 U=31");
    CHECK(fault.got - fault.expected == doctest::Approx(0.01).epsilon(1e-3));
}

TEST_CASE("a gradient that is not a number is found") {
    Kernels broken;
    broken.of_float.recurrent_backward = [](const kernels::RecurrentBackward<float>& pass) {
        kernels::recurrent_backward(pass, InstructionSet::baseline);
        if (pass.cell == kernels::Cell::lstm)
            pass.initial_c_grad.data[0] = std::numeric_limits<float>::quiet_NaN();
    };
    const SelfTestFault fault = broken.fault(detail::check_recurrent);
    CHECK(fault.kernel == "lstm backward, float: gradient of the initial c");
    CHECK(fault.sizes == "B=1 T=3 D=5 U=1");
    CHECK(fault.got != fault.got);
}

TEST_CASE("an elementwise function that is wrong in a register's rest is found") {
    Kernels broken;
    broken.of_float.elementwise.tanh = [](std::size_t n, const float* x, float* y) {
        kernels::elementwise<float>(InstructionSet::baseline).tanh(n, x, y);
        if (n % 4 == 3) y[n - 1] = 2;
    };
    const SelfTestFault fault = broken.fault(detail::check_elementwise);
    CHECK(fault.kernel == "tanh, float");
    CHECK(fault.sizes == "n=3");
    CHECK(fault.got == 2);
}

TEST_CASE("a sum that leaves out the last row is found") {
    Kernels broken;
    broken.of_float.attention_rows.weighted_sum = [](std::size_t n, std::size_t d, const float* rows,
                                                     const float* w, float* out) {
        for (std::size_t j = 0; j < d; ++j) out[j] = 0;
        for (std::size_t i = 0; i + 1 < n; ++i)
            for (std::size_t j = 0; j < d; ++j) out[j] += w[i] * rows[i * d + j];
    };
    CHECK(broken.fault(detail::check_attention_rows).kernel == "attention weighted sum, float");
}

TEST_CASE("a product that is not computed is found") {
    Kernels broken;
    broken.of_float.product = kernels::ProductKernels<float>{
        .tile_rows = 6,
        .panel_columns = 16,
        .register_columns = 8,
        .depth = 256,
        .pack_rows = [](const kernels::Product<float>&, std::size_t, std::size_t, float*) {},
        .multiply = [](const kernels::Product<float>&, const float*, std::size_t, std::size_t, float*) {}};
    const SelfTestFault fault = broken.fault(detail::check_products);
    CHECK(fault.kernel == "matrix product, float");
    CHECK(fault.sizes == "m=1 n=1 k=1, B packed");
}

TEST_CASE("a decoder whose weights are wrong is found") {
    Kernels broken;
    broken.of_float.decoder_forward = [](const kernels::AttentionDecoderForward<float>& pass) {
        auto saved = kernels::attention_decoder_forward(pass, InstructionSet::baseline);
        if (pass.kind.score == kernels::Score::additive) pass.weights[0] += 0.5F;
        return saved;
    };
    const SelfTestFault fault = broken.fault(detail::check_attention_decoder);
    CHECK(fault.kernel == "attention decoder over simple_rnn forward, float: weights");
    CHECK(fault.sizes.find("additive scores") != std::string::npos);
}
