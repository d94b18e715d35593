#include "seqgrad/layers/files/onnx.hpp"

#include "support/fixture.hpp"
#include "support/interop_cases.hpp"
#include "support/temporary_folder.hpp"
#include "support/toy_modules.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/attention.hpp"
#include "seqgrad/layers/dropout.hpp"
#include "seqgrad/layers/input.hpp"
#include "seqgrad/layers/luong_attention.hpp"
#include "seqgrad/layers/masking.hpp"
#include "seqgrad/layers/time_distributed.hpp"

using namespace seqgrad;
using namespace seqgrad::test;
using doctest::Contains;

namespace {

template <class Layer>
std::string exported(Layer layer, const PartialShape& input = {unknown, 4, 3}) {
    layer.build(input);
    return to_onnx<float>(layer, {.input_shapes = {input}});
}

}  // namespace

TEST_CASE("the file is the one that onnxruntime ran with the same result") {
    // tests/interop/onnx_test.cpp writes and runs it, and says how.
    const TemporaryFolder folder;
    save_onnx(onnx_golden_model(), folder / "golden.onnx");
    CHECK(content_of(folder / "golden.onnx") == content_of(golden_path("files/onnx/golden.onnx")));
}

TEST_CASE("what ONNX does not have is refused by its name") {
    const auto refused = [](auto layer, const char* what) {
        CAPTURE(what);
        CHECK_THROWS_WITH_AS(exported(std::move(layer)), Contains(what), ValueError);
    };
    refused(Masking<float>(), "Masking");
    refused(Sequential<float>{Masking<float>(), LSTM<float>({.units = 2})}, "Masking");
    refused(LSTM<float>({.units = 2, .stateful = true}), "stateful");
    refused(Bidirectional<float>(LSTM<float>({.units = 2, .stateful = true})), "stateful");
    refused(LSTM<float>({.units = 2, .activation = "gelu"}), "\"gelu\"");
    refused(Bidirectional<float>(LSTM<float>({.units = 2, .go_backwards = true}), LSTM<float>({.units = 2})),
            "forward_layer");
    CHECK_THROWS_WITH_AS(
        exported(Embedding<float>({.input_dim = 3, .output_dim = 2, .mask_zero = true}), {unknown, 4}),
        Contains("mask_zero"), ValueError);
    CHECK_THROWS_WITH_AS(
        exported(TimeDistributed<float>(Dense<float>({.units = 2})), {unknown, 4, unknown, 3}),
        Contains("sizes of a step"), ValueError);
}

TEST_CASE("inputs that do not fit the model are refused") {
    Dense<float> dense({.units = 2});
    CHECK_THROWS_WITH_AS(to_onnx<float>(dense), Contains("no weights yet"), ValueError);
    dense.build({unknown, 3});
    CHECK_THROWS_WITH_AS(to_onnx<float>(dense), Contains("input_shapes"), ValueError);
    CHECK_THROWS_WITH_AS(to_onnx<float>(dense, {.input_shapes = {{unknown, 3}, {unknown, 3}}}),
                         Contains("one input"), ValueError);
    CHECK_THROWS_AS(to_onnx<float>(dense, {.input_shapes = {{unknown, 4}}}), ShapeError);

    Attention<float> attention({.use_causal_mask = true});
    attention.build_for({{unknown, 4, 3}, {unknown, 5, 3}});
    CHECK_THROWS_WITH_AS(to_onnx<float>(attention, {.input_shapes = {{unknown, 4, 3}}}), Contains("query"),
                         ValueError);
    CHECK_THROWS_WITH_AS(to_onnx<float>(attention, {.input_shapes = {{unknown, 4}, {unknown, 5, 3}}}),
                         Contains("query"), ShapeError);
    CHECK_THROWS_WITH_AS(
        to_onnx<float>(attention, {.input_shapes = {{unknown, unknown, 3}, {unknown, 5, 3}}}),
        Contains("use_causal_mask"), ValueError);
}

TEST_CASE("a model that begins with an InputLayer says its input itself") {
    Sequential<float> model{Input<float>({.shape = {unknown, 3}}), LSTM<float>({.units = 2})};
    CHECK(to_onnx(model) == to_onnx(model, {.input_shapes = {{unknown, unknown, 3}}}));
}

TEST_CASE("doubles are exported as doubles") {
    Dense<double> dense({.units = 2});
    dense.build({unknown, 3});
    const std::string wide = to_onnx<double>(dense, {.input_shapes = {{unknown, 3}}});
    const auto values = elements(dense.kernel().value());
    const std::string bytes(reinterpret_cast<const char*>(values.data()), values.size_bytes());
    CHECK(wide.find(bytes) != std::string::npos);
}
