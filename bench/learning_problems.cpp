// How many updates it takes a recurrent layer to learn to remember: the adding problem, the copying task and
// sequential parity (data/tasks.hpp). learning_problems.py trains the same in Keras, from the same initial
// weights on the same batches.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "seqgrad/seqgrad.hpp"

namespace sg = seqgrad;

namespace {

constexpr std::int64_t largest_seed = 1'000'000;

struct Settings {
    std::string problem;
    std::size_t length;  ///< steps, or the delay of the copying task
    std::size_t units;
    double learning_rate;
    std::int64_t max_steps;
    std::int64_t evaluate_every = 100;
    std::optional<double> keep_bias = {};  ///< initial bias of the gate that keeps the state
    std::size_t remember = 5;              ///< symbols of the copying task
    std::string cell = "lstm";
    std::size_t batch = 50;
    double clipnorm = 1;
    std::size_t validation = 1000;
    std::vector<std::int64_t> seeds = {1, 2, 3};
};

/// What each problem is trained with where the command line says nothing else.
const Settings problems[] = {
    {.problem = "adding", .length = 100, .units = 64, .learning_rate = 2e-3, .max_steps = 4000},
    {.problem = "copying",
     .length = 50,
     .units = 64,
     .learning_rate = 1e-2,
     .max_steps = 6000,
     .keep_bias = 4},
    {.problem = "parity",
     .length = 50,
     .units = 32,
     .learning_rate = 5e-3,
     .max_steps = 2000,
     .evaluate_every = 20},
};

struct Problem {
    std::function<sg::Dataset<float>(std::size_t samples, sg::Generator& random)> make;
    bool every_step;
    std::size_t outputs;
    sg::Loss<float> loss;
    /// How good the outputs are for these targets, added up over samples.
    std::function<double(const sg::Tensor<float>& y, const sg::Tensor<float>& output)> measure;
    const char* measured;
    /// Whether a mean of the measure is that of a solution.
    std::function<bool(double)> solved;
};

Problem adding(const Settings& settings) {
    return {.make =
                [steps = settings.length](std::size_t samples, sg::Generator& random) {
                    return sg::adding_problem<float>({.samples = samples, .steps = steps}, random);
                },
            .every_step = false,
            .outputs = 1,
            .loss = sg::MeanSquaredError{},
            .measure =
                [](const sg::Tensor<float>& y, const sg::Tensor<float>& output) {
                    double total = 0;
                    for (std::size_t i = 0; i < y.size(); ++i) {
                        const double error = static_cast<double>(output.data()[i]) - y.data()[i];
                        total += error * error;
                    }
                    return total;
                },
            .measured = "mean squared error",
            .solved = [](double error) { return error < 0.01; }};
}

Problem copying(const Settings& settings) {
    const sg::CopyingOptions task{.delay = settings.length, .remember = settings.remember};
    const std::size_t tokens = task.symbols + 2;
    return {.make =
                [=](std::size_t samples, sg::Generator& random) {
                    sg::CopyingOptions options = task;
                    options.samples = samples;
                    sg::Dataset<float> data = sg::copying_task<float>(options, random);
                    data.x = sg::one_hot<float>(sg::to_labels(data.x), tokens);
                    return data;
                },
            .every_step = true,
            .outputs = tokens,
            .loss = sg::SparseCategoricalCrossentropy{.from_logits = true},
            .measure =
                [=](const sg::Tensor<float>& y, const sg::Tensor<float>& output) {
                    const std::size_t steps = y.shape(1);
                    std::size_t right = 0;
                    for (std::size_t i = 0; i < y.size(); ++i) {
                        const float* logits = output.data() + i * tokens;
                        if (i % steps >= steps - task.remember)
                            right += std::max_element(logits, logits + tokens) - logits ==
                                     static_cast<std::ptrdiff_t>(y.data()[i]);
                    }
                    return static_cast<double>(right) / static_cast<double>(task.remember);
                },
            .measured = "accuracy of the symbols",
            .solved = [](double accuracy) { return accuracy > 0.99; }};
}

Problem parity(const Settings& settings) {
    return {.make =
                [steps = settings.length](std::size_t samples, sg::Generator& random) {
                    return sg::sequential_parity<float>({.samples = samples, .steps = steps}, random);
                },
            .every_step = true,
            .outputs = 1,
            .loss = sg::BinaryCrossentropy{.from_logits = true},
            .measure =
                [](const sg::Tensor<float>& y, const sg::Tensor<float>& output) {
                    std::size_t right = 0;
                    for (std::size_t i = 0; i < y.size(); ++i)
                        right += (output.data()[i] > 0) == (y.data()[i] > 0);
                    return static_cast<double>(right) / static_cast<double>(y.shape(1));
                },
            .measured = "accuracy",
            .solved = [](double accuracy) { return accuracy > 0.99; }};
}

Problem make_problem(const Settings& settings) {
    if (settings.problem == "adding") return adding(settings);
    if (settings.problem == "copying") return copying(settings);
    return parity(settings);
}

template <class Layer>
std::shared_ptr<sg::Module<float>> recurrent(const Settings& settings, bool every_step, std::int64_t seed) {
    return std::make_shared<Layer>(
        typename Layer::Config{.units = settings.units,
                               .kernel_initializer = sg::GlorotUniform{.seed = seed},
                               .recurrent_initializer = sg::Orthogonal{.seed = seed + 1},
                               .return_sequences = every_step});
}

/// One recurrent layer and a Dense one, with initial weights that depend on the seed alone.
sg::Sequential<float> make_model(const Settings& settings, const Problem& problem, std::int64_t seed) {
    const std::int64_t first = 10 * seed;
    sg::Sequential<float> model;
    if (settings.cell == "lstm") {
        model.add(recurrent<sg::LSTM<float>>(settings, problem.every_step, first));
    } else if (settings.cell == "gru") {
        model.add(recurrent<sg::GRU<float>>(settings, problem.every_step, first));
    } else {
        model.add(recurrent<sg::SimpleRNN<float>>(settings, problem.every_step, first));
    }
    model.add(sg::Dense<float>(
        {.units = problem.outputs, .kernel_initializer = sg::GlorotUniform{.seed = first + 2}}));
    return model;
}

/// Gives the gate that keeps the state this bias. Keras starts with 1 for LSTM and 0 for GRU.
void set_keep_bias(sg::Variable<float>& bias, const std::string& cell, double value) {
    if (cell == "rnn") return;
    const std::size_t units = cell == "lstm" ? bias.size() / 4 : bias.size() / 6;
    sg::Tensor<float> changed = bias.value();
    float* gate = changed.data() + (cell == "lstm" ? units : 0);
    std::fill_n(gate, units, static_cast<float>(value));
    bias.assign(changed);
}

double evaluate(sg::Sequential<float>& model, const Problem& problem, const sg::Dataset<float>& data) {
    const sg::NoGrad no_grad;
    constexpr std::size_t at_once = 250;
    double total = 0;
    for (std::size_t begin = 0; begin < data.size(); begin += at_once) {
        const auto part = data.slice(begin, std::min(begin + at_once, data.size()));
        total += problem.measure(part.y, model(sg::constant(part.x)).value());
    }
    return total / static_cast<double>(data.size());
}

/// What became of one seed.
struct Run {
    std::int64_t seed;
    std::int64_t steps = 0;  ///< made, which is where it was solved if it was
    bool solved = false;
    std::vector<double> measured = {};  ///< at every evaluation
    double milliseconds = 0;            ///< processor time of a step
};

Run learn(const Settings& settings, const Problem& problem, std::int64_t seed) {
    sg::Sequential<float> model = make_model(settings, problem, seed);
    sg::Generator held_out(largest_seed + seed);
    const sg::Dataset<float> validation = problem.make(settings.validation, held_out);
    model.build(sg::any_batch(validation.x.shape()));
    std::vector<sg::Variable<float>> parameters;
    for (const auto& [name, variable] : model.parameters()) parameters.push_back(variable);
    if (settings.keep_bias) set_keep_bias(parameters[2], settings.cell, *settings.keep_bias);
    sg::Adam<float> optimizer(
        {.learning_rate = settings.learning_rate, .global_clipnorm = settings.clipnorm});

    sg::Generator random(seed);
    Run run{.seed = seed};
    std::clock_t training = 0;
    while (run.steps < settings.max_steps && !run.solved) {
        const auto steps =
            static_cast<std::size_t>(std::min(settings.evaluate_every, settings.max_steps - run.steps));
        const sg::Dataset<float> data = problem.make(steps * settings.batch, random);
        const std::clock_t start = std::clock();
        model.set_training(true);
        for (std::size_t step = 0; step < steps; ++step) {
            const auto batch = data.slice(step * settings.batch, (step + 1) * settings.batch);
            const sg::Variable<float> loss = problem.loss(batch.y, model(sg::constant(batch.x)));
            for (sg::Variable<float>& parameter : parameters) parameter.clear_grad();
            sg::backward(loss);
            optimizer.apply(parameters);
        }
        training += std::clock() - start;
        run.steps += static_cast<std::int64_t>(steps);
        model.set_training(false);
        run.measured.push_back(evaluate(model, problem, validation));
        run.solved = problem.solved(run.measured.back());
    }
    if (run.steps > 0) {
        run.milliseconds =
            1e3 * static_cast<double>(training) / CLOCKS_PER_SEC / static_cast<double>(run.steps);
    }
    return run;
}

nlohmann::json to_json(const Settings& settings, const std::vector<Run>& runs) {
    nlohmann::json out = {{"problem", settings.problem},
                          {"cell", settings.cell},
                          {"length", settings.length},
                          {"remember", settings.remember},
                          {"units", settings.units},
                          {"batch", settings.batch},
                          {"learning_rate", settings.learning_rate},
                          {"clipnorm", settings.clipnorm},
                          {"keep_bias", nullptr},
                          {"max_steps", settings.max_steps},
                          {"evaluate_every", settings.evaluate_every},
                          {"validation", settings.validation},
                          {"runs", nlohmann::json::array()}};
    if (settings.keep_bias) out["keep_bias"] = *settings.keep_bias;
    for (const Run& run : runs) {
        out["runs"].push_back({{"seed", run.seed},
                               {"steps", run.steps},
                               {"solved", run.solved},
                               {"measured", run.measured},
                               {"milliseconds", run.milliseconds}});
    }
    return out;
}

void add_options(CLI::App& app, Settings& settings) {
    const auto count = [&](const char* name, auto& value, const char* what, int least) {
        app.add_option(name, value, what)->check(CLI::Range(least, 100'000'000))->capture_default_str();
    };
    const auto positive = [&](const char* name, double& value, const char* what) {
        app.add_option(name, value, what)->check(CLI::PositiveNumber)->capture_default_str();
    };
    app.add_option("--cell", settings.cell, "Recurrent cell")
        ->check(CLI::IsMember({"rnn", "lstm", "gru"}))
        ->capture_default_str();
    app.add_option("--seeds", settings.seeds, "Of weights and sequences, a run each")
        ->check(CLI::Range(std::int64_t{1}, largest_seed))
        ->capture_default_str();
    if (settings.problem == "copying") {
        count("--length", settings.length, "Steps between reading and writing", 1);
        count("--remember", settings.remember, "Symbols of a sequence", 1);
    } else {
        count("--length", settings.length, "Steps of a sequence", 2);
    }
    count("--units", settings.units, "Of the recurrent layer", 1);
    count("--batch", settings.batch, "Sequences in an update", 1);
    positive("--learning-rate", settings.learning_rate, "Of Adam");
    positive("--clipnorm", settings.clipnorm, "Largest norm of all gradients together");
    app.add_option("--keep-bias", settings.keep_bias,
                   "Initial bias of the gate that keeps the state: LSTM's forget gate (Keras: 1), GRU's "
                   "update gate (Keras: 0)")
        ->capture_default_str();
    count("--max-steps", settings.max_steps, "Updates after which an unsolved run ends", 1);
    count("--evaluate-every", settings.evaluate_every, "Updates between two evaluations", 1);
    count("--validation", settings.validation, "Sequences to evaluate by", 1);
}

/// Prints a line for each run, or everything at the end as JSON.
void learn(const Settings& settings, bool json) {
    const Problem problem = make_problem(settings);
    std::vector<Run> runs;
    for (const std::int64_t seed : settings.seeds) {
        const Run& run = runs.emplace_back(learn(settings, problem, seed));
        if (json) continue;
        fmt::print("{} {}, {}, {} units, seed {}: {} after {} updates, {} {:.4f}, {:.2f} ms an update\n",
                   settings.problem, settings.length, settings.cell, settings.units, seed,
                   run.solved ? "solved" : "not solved", run.steps, problem.measured, run.measured.back(),
                   run.milliseconds);
        std::fflush(stdout);
    }
    if (json) fmt::print("{}\n", to_json(settings, runs).dump());
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Count the updates until a recurrent layer has learnt to remember");
    app.require_subcommand(1);
    bool json = false;
    app.add_flag("--json", json, "Print settings and runs as JSON");
    std::vector<Settings> settings(std::begin(problems), std::end(problems));
    std::vector<CLI::App*> commands;
    for (Settings& own : settings) {
        commands.push_back(app.add_subcommand(own.problem, "The problem, see data/tasks.hpp")->fallthrough());
        add_options(*commands.back(), own);
    }
    CLI11_PARSE(app, argc, argv);
    try {
        sg::set_num_threads(1);
        for (std::size_t i = 0; i < commands.size(); ++i) {
            if (commands[i]->parsed()) learn(settings[i], json);
        }
        return 0;
    } catch (const std::exception& e) {
        fmt::print(stderr, "learning_problems: {}\n", e.what());
        return 2;
    }
}
