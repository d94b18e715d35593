#include <string>
#include <vector>

#include "support/fixture.hpp"
#include "support/golden.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/recurrent.hpp"
#include "seqgrad/core/ops/reduce.hpp"

using namespace seqgrad;
using test::Json;

namespace {

template <class T>
struct Operands {
    Variable<T> x, kernel, recurrent_kernel, bias, h, c;
};

/// The operation behind a Keras layer, with its results in the order of Keras's.
template <class T>
std::vector<Variable<T>> apply(const std::string& layer, const Operands<T>& in, bool sequences) {
    const RecurrentOptions options{.return_sequences = sequences};
    if (layer == "LSTM") {
        const auto r = lstm(in.x, in.kernel, in.recurrent_kernel, in.bias, in.h, in.c, options);
        return {sequences ? r.sequence : r.h, r.h, r.c};
    }
    const auto r = layer == "GRU" ? gru(in.x, in.kernel, in.recurrent_kernel, in.bias, in.h, options)
                                  : simple_rnn(in.x, in.kernel, in.recurrent_kernel, in.bias, in.h, options);
    return {sequences ? r.sequence : r.h, r.h};
}

}  // namespace

TEST_CASE_TEMPLATE("recurrent operations agree with Keras, values and gradients", T, float, double) {
    for (const std::string layer : {"SimpleRNN", "LSTM", "GRU"}) {
        for (const std::string variant : {"default", "sequences", "state", "sequences_state", "no_bias"}) {
            const std::string name = layer + "_" + variant;
            CAPTURE(name);
            const Json fixture = test::read_fixture(test::golden_path("recurrent/" + name + ".json"));
            const Json& weights = fixture.at("weights");
            for (const Json& call : fixture.at("calls")) {
                const auto operand = [](const Json& from, const char* key) {
                    return from.contains(key) ? parameter(test::to_tensor<T>(from.at(key))) : Variable<T>();
                };
                const Json& inputs = call.at("inputs");
                const Operands<T> in{operand(inputs, "x"),
                                     operand(weights, "kernel"),
                                     operand(weights, "recurrent_kernel"),
                                     operand(weights, "bias"),
                                     operand(inputs, "initial_state.0"),
                                     operand(inputs, "initial_state.1")};
                const auto results = apply(layer, in, fixture.at("config").value("return_sequences", false));

                Variable<T> loss = constant(zeros<T>({}));
                const Json& outputs = call.at("outputs");
                REQUIRE(outputs.size() <= results.size());
                for (std::size_t k = 0; k < outputs.size(); ++k) {
                    CHECK(test::golden_error(results[k].value(), test::to_tensor<double>(outputs[k])) <= 1.0);
                    loss = loss + sum(results[k] * constant(test::to_tensor<T>(call.at("cotangents").at(k))));
                }
                backward(loss);
                const std::vector<std::pair<const char*, Variable<T>>> named{
                    {"x", in.x},       {"kernel", in.kernel},     {"recurrent_kernel", in.recurrent_kernel},
                    {"bias", in.bias}, {"initial_state.0", in.h}, {"initial_state.1", in.c}};
                std::size_t compared = 0;
                for (const auto& operand_of : named) {
                    const std::string key = operand_of.first;
                    const Variable<T>& variable = operand_of.second;
                    if (!variable) continue;
                    CAPTURE(key);
                    CHECK(test::golden_error(variable.grad(),
                                             test::to_tensor<double>(call.at("gradients").at(key))) <= 1.0);
                    ++compared;
                }
                CHECK(compared == call.at("gradients").size());
            }
        }
    }
}
