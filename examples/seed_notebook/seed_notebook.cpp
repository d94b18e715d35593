// The notebook that seqgrad began from, step by step: a SimpleRNN written by hand, and the question whether
// its results are the same as those of the layer, and of Keras.

#include <algorithm>
#include <cmath>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "seqgrad/seqgrad.hpp"

namespace sg = seqgrad;

namespace {

constexpr std::int64_t seed = 42;
constexpr std::size_t batch = 32;
constexpr std::size_t time_steps = 16;
constexpr std::size_t features = 12;
constexpr std::size_t units = 8;
constexpr double tolerance = 1e-6;

/// One step of the recurrence: h[t] = tanh(x[t] W + h[t-1] R + b).
sg::Variable<double> simple_rnn_cell(const sg::Variable<double>& x, const sg::Variable<double>& h,
                                     const sg::Variable<double>& kernel,
                                     const sg::Variable<double>& recurrent_kernel,
                                     const sg::Variable<double>& bias) {
    return sg::tanh(sg::matmul(x, kernel) + sg::matmul(h, recurrent_kernel) + bias);
}

/// The output that Keras computed, from the golden file.
sg::Tensor<double> keras_output(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw sg::IoError(fmt::format("cannot open {}", path));
    const auto json = nlohmann::json::parse(file).at("outputs");
    const auto shape = json.at("shape").get<std::vector<std::size_t>>();
    return sg::tensor<double>(sg::Shape(shape.begin(), shape.end()),
                              json.at("data").get<std::vector<double>>());
}

double largest_difference(const sg::Tensor<double>& a, const sg::Tensor<double>& b) {
    if (a.shape() != b.shape()) {
        throw sg::ShapeError(
            fmt::format("cannot compare {} with {}", sg::to_string(a.shape()), sg::to_string(b.shape())));
    }
    double largest = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double difference = std::abs(a.data()[i] - b.data()[i]);
        if (!(difference <= largest)) largest = difference;  // also when it is not a number
    }
    return largest;
}

void print_shape(const char* what, const sg::Shape& shape) {
    fmt::print("{:<28} {}\n", what, sg::to_string(shape));
}

bool run(const std::string& keras_file) {
    const sg::NoGrad no_grad;

    fmt::print("Weights and input from seed {}\n", seed);
    const auto kernel =
        sg::constant(sg::Initializer(sg::GlorotUniform{.seed = seed}).make<double>({features, units}));
    const auto recurrent_kernel =
        sg::constant(sg::Initializer(sg::Orthogonal{.seed = seed}).make<double>({units, units}));
    const auto bias = sg::constant(sg::zeros<double>({units}));
    // The input is drawn in float32, as in the notebook; weights and outputs of the golden file are float64.
    const auto x =
        sg::constant(sg::cast<double>(sg::tensorflow_normal<float>({batch, time_steps, features}, seed)));
    print_shape("kernel", kernel.shape());
    print_shape("recurrent kernel", recurrent_kernel.shape());
    print_shape("bias", bias.shape());
    print_shape("input", x.shape());

    fmt::print("\nThe cell by hand, one step\n");
    auto h = sg::constant(sg::zeros<double>({batch, units}));
    const auto first = simple_rnn_cell(sg::select(x, 1, 0), h, kernel, recurrent_kernel, bias);
    print_shape("input of one step", sg::select(x, 1, 0).shape());
    print_shape("state after one step", first.shape());

    fmt::print("\nThe loop over time\n");
    std::vector<sg::Variable<double>> outputs;
    for (std::size_t t = 0; t < time_steps; ++t) {
        h = simple_rnn_cell(sg::select(x, 1, static_cast<std::ptrdiff_t>(t)), h, kernel, recurrent_kernel,
                            bias);
        outputs.push_back(h);
    }
    const auto by_hand = sg::stack<double>(outputs, 1);
    print_shape("output", by_hand.shape());

    fmt::print("\nThe layer\n");
    sg::SimpleRNN<double> layer({.units = units,
                                 .kernel_initializer = sg::GlorotUniform{.seed = seed},
                                 .recurrent_initializer = sg::Orthogonal{.seed = seed},
                                 .return_sequences = true});
    const auto by_layer = layer(x);
    print_shape("output", by_layer.shape());

    const double to_layer = largest_difference(by_hand.value(), by_layer.value());
    const double to_keras = largest_difference(by_hand.value(), keras_output(keras_file));
    const double layer_to_keras = largest_difference(by_layer.value(), keras_output(keras_file));
    const bool same = std::max({to_layer, to_keras, layer_to_keras}) <= tolerance;
    fmt::print("\nLargest difference, by hand to layer:        {:.3g}\n", to_layer);
    fmt::print("Largest difference, by hand to Keras:        {:.3g}\n", to_keras);
    fmt::print("Largest difference, layer to Keras:          {:.3g}\n", layer_to_keras);
    fmt::print("\nAre my results same as keras layer? {}\n", same ? "True" : "False");
    return same;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("A SimpleRNN by hand, as a layer, and in Keras: are the results the same?");
    std::string keras_file = SEQGRAD_GOLDEN_DIR "/initializers/seed_notebook.json";
    app.add_option("--keras", keras_file, "Golden file with the output that Keras computed")
        ->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        return run(keras_file) ? 0 : 1;
    } catch (const std::exception& e) {
        fmt::print(stderr, "seed_notebook: {}\n", e.what());
        return 2;
    }
}
