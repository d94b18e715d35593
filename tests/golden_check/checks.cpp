#include "golden_check/checks.hpp"

#include <memory>
#include <string>
#include <vector>

#include "golden_check/layers.hpp"
#include "golden_check/training.hpp"

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/reduce.hpp"
#include "seqgrad/core/random.hpp"
#include "seqgrad/layers/initializers.hpp"
#include "seqgrad/layers/sequential.hpp"
#include "seqgrad/layers/simple_rnn.hpp"

namespace seqgrad::test {
namespace {

/// A parameter's gradient; zeros where the loss does not depend on it.
template <class T>
Tensor<T> gradient_of(const Variable<T>& v) {
    return v.has_grad() ? v.grad() : zeros<T>(v.shape());
}

template <class T>
Comparison check_layer(const Json& fixture, bool of_largest) {
    const std::shared_ptr<Module<T>> layer =
        build_layer<T>(fixture.at("layer"), fixture.at("config"), fixture.at("weights"));
    const Json& calls = fixture.at("calls");
    std::vector<PartialShape> shapes;
    for (const Variable<T>& x : CallInputs<T>(calls.at(0).at("inputs")).all)
        shapes.push_back(any_batch(x.shape()));
    layer->build_for(shapes);
    assign_weights(*layer, fixture.at("weights"));
    Comparison comparison(of_largest);
    for (std::size_t c = 0; c < calls.size(); ++c) {
        const Json& call = calls[c];
        const std::string where = "call " + std::to_string(c) + " ";
        for (NamedParameter<T>& p : layer->parameters()) p.variable.clear_grad();
        const CallInputs<T> inputs(call.at("inputs"));
        const std::vector<Variable<T>> outputs = call_layer(*layer, inputs, call.at("arguments"));
        if (outputs.size() != call.at("outputs").size()) {
            comparison.fail(where + std::to_string(outputs.size()) + " outputs, expected " +
                            std::to_string(call.at("outputs").size()));
            return comparison;
        }
        Variable<T> loss = constant(zeros<T>({}));
        for (std::size_t k = 0; k < outputs.size(); ++k) {
            comparison.add(where + "output " + std::to_string(k), outputs[k].value(), call.at("outputs")[k],
                           golden_tolerance<T>);
            loss = loss + sum(outputs[k] * to_tensor<T>(call.at("cotangents")[k]));
        }
        backward(loss);
        auto differentiated = inputs.differentiable;
        for (const NamedParameter<T>& p : layer->parameters()) differentiated.push_back(p);
        const Json& gradients = call.at("gradients");
        if (gradients.size() != differentiated.size()) {
            comparison.fail(where + std::to_string(differentiated.size()) + " gradients, expected " +
                            std::to_string(gradients.size()));
        }
        for (const NamedParameter<T>& d : differentiated) {
            if (!gradients.contains(d.name)) throw FormatError("no gradient of " + d.name);
            comparison.add(where + "gradient of " + d.name, gradient_of(d.variable), gradients.at(d.name),
                           golden_tolerance<T>);
        }
    }
    return comparison;
}

Initializer build_initializer(const std::string& name, const Json& json, std::int64_t seed) {
    Config config(json);
    const auto scaled = [&]<class Rule>(Rule rule) -> Initializer {
        rule.seed = seed;
        if constexpr (requires { rule.minval; }) {
            config.read("minval", rule.minval);
            config.read("maxval", rule.maxval);
        }
        if constexpr (requires { rule.stddev; }) {
            config.read("mean", rule.mean);
            config.read("stddev", rule.stddev);
        }
        if constexpr (requires { rule.gain; }) config.read("gain", rule.gain);
        if constexpr (requires { rule.mode; }) {
            config.read("scale", rule.scale);
            std::string mode = "fan_in";
            std::string distribution = "truncated_normal";
            config.read("mode", mode);
            config.read("distribution", distribution);
            rule.mode = fan_mode(mode);
            rule.distribution = scaling_distribution(distribution);
        }
        config.finish();
        return rule;
    };
    if (name == "GlorotUniform") return scaled(GlorotUniform{});
    if (name == "GlorotNormal") return scaled(GlorotNormal{});
    if (name == "HeUniform") return scaled(HeUniform{});
    if (name == "HeNormal") return scaled(HeNormal{});
    if (name == "LecunUniform") return scaled(LecunUniform{});
    if (name == "LecunNormal") return scaled(LecunNormal{});
    if (name == "RandomUniform") return scaled(RandomUniform{});
    if (name == "RandomNormal") return scaled(RandomNormal{});
    if (name == "TruncatedNormal") return scaled(TruncatedNormal{});
    if (name == "VarianceScaling") return scaled(VarianceScaling{});
    if (name == "Orthogonal") return scaled(Orthogonal{});
    throw Unsupported("initializer " + name);
}

bool is_uniform(const Initializer& initializer) {
    const auto* scaling = std::get_if<VarianceScaling>(&initializer.rule());
    return initializer.name().ends_with("Uniform") ||
           (scaling != nullptr && scaling->distribution == ScalingDistribution::uniform);
}

/// Draws are float32 in the fixtures, whatever the other checks compute in.
void add_draw(Comparison& comparison, const std::string& what, const Initializer& initializer,
              const Json& expected) {
    const Tensor<float> draw = initializer.make<float>(tensor_shape(expected));
    if (is_uniform(initializer)) {
        comparison.add(what, draw, expected, exact);
    } else if (initializer.name() == "Orthogonal") {
        comparison.add(what, draw, expected, orthogonal_tolerance);
    } else {
        comparison.add_ulps(what, draw, expected, normal_ulps);
    }
}

Comparison check_initializer(const Json& fixture) {
    const Initializer initializer =
        build_initializer(fixture.at("initializer"), fixture.at("config"), fixture.at("seed"));
    Comparison comparison;
    std::size_t i = 0;
    for (const Json& draw : fixture.at("draws"))
        add_draw(comparison, "draw " + std::to_string(i++), initializer, draw);
    return comparison;
}

/// The notebook: input, weights and outputs of a SimpleRNN from a seed alone. The input is float32; weights
/// and outputs are in T, the type in which Keras ran.
template <class T>
Comparison check_notebook(const Json& fixture) {
    const std::int64_t seed = fixture.at("seed");
    Comparison comparison;
    const Tensor<float> x = tensorflow_normal<float>(tensor_shape(fixture.at("x")), seed);
    comparison.add_ulps("x", x, fixture.at("x"), normal_ulps);
    SimpleRNN<T> layer({.units = tensor_shape(fixture.at("recurrent_kernel"))[0],
                        .kernel_initializer = GlorotUniform{.seed = seed},
                        .recurrent_initializer = Orthogonal{.seed = seed},
                        .return_sequences = true});
    const Variable<T> y = layer(constant(cast<T>(x)));
    comparison.add("kernel", layer.kernel().value(), fixture.at("kernel"), exact);
    comparison.add("recurrent_kernel", layer.recurrent_kernel().value(), fixture.at("recurrent_kernel"),
                   orthogonal_tolerance);
    comparison.add("bias", layer.bias().value(), fixture.at("bias"), exact);
    comparison.add("outputs", y.value(), fixture.at("outputs"), notebook_tolerance);
    return comparison;
}

}  // namespace

template <class T>
Comparison check_fixture(const Json& fixture, bool of_largest) {
    if (fixture.contains("calls")) return check_layer<T>(fixture, of_largest);
    if (fixture.contains("draws")) return check_initializer(fixture);
    if (fixture.contains("op_seed")) {
        const bool in_double = fixture.at("outputs").at("dtype") == "float64";
        return in_double ? check_notebook<double>(fixture) : check_notebook<float>(fixture);
    }
    if (fixture.contains("y_pred")) return check_loss<T>(fixture);
    if (fixture.contains("batches")) return check_trajectory<T>(fixture);
    if (fixture.contains("after")) return check_optimizer<T>(fixture);
    if (fixture.contains("schedule")) return check_schedule<T>(fixture);
    throw Unsupported("a fixture of an unknown kind");
}

template Comparison check_fixture<float>(const Json&, bool);
template Comparison check_fixture<double>(const Json&, bool);

}  // namespace seqgrad::test
