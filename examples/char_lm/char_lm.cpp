// A language model of characters: learns from any text which character comes next, says how well on text it
// has not seen, in nats and bits per character, and writes text of its own. Settings, characters and weights
// are one JSON file. Beside it stand checkpoints, from which a run goes on exactly, also after Ctrl-C.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model_file.hpp"
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "seqgrad/seqgrad.hpp"

namespace sg = seqgrad;

namespace {

using Ids = std::vector<std::int64_t>;

const std::vector<std::string> cells = {"lstm", "gru", "rnn"};

/// What it takes, besides the weights, to make a model again.
struct Settings {
    std::string cell = "lstm";
    std::size_t layers = 1;
    std::size_t units = 256;
    std::size_t embedding = 64;
    double dropout = 0.0;
};

struct Arguments {
    Settings settings;
    std::string text;
    std::string model = "char_lm.json";
    double held_out = 0.1;
    std::size_t batch = 64;
    std::size_t time = 64;
    std::int64_t steps = 300;
    std::int64_t evaluate_every = 100;
    double learning_rate = 2e-3;
    bool stateful = false;
    bool resume = false;
    std::int64_t seed = 1;
    // sample
    std::string start = "\n";
    std::size_t length = 500;
    double temperature = 1.0;
    std::size_t top_k = 0;
};

/// Embedding, recurrent layers and a Dense layer that gives the logits of the next character: characters
/// [B, T] -> [B, T, V].
class CharacterModel : public sg::Module<float> {
  public:
    using States = std::vector<std::vector<sg::Variable<float>>>;

    /// A `stateful` one carries its states on from call to call.
    CharacterModel(Settings settings, sg::CharacterVocabulary vocabulary, bool stateful = false)
        : settings_(std::move(settings)),
          vocabulary_(std::move(vocabulary)),
          embedding_({.input_dim = vocabulary_.size(), .output_dim = settings_.embedding}),
          logits_({.units = vocabulary_.size()}) {
        for (std::size_t i = 0; i < settings_.layers; ++i) layers_.push_back(layer(stateful));
        build({sg::unknown, sg::unknown});
    }

    std::string type() const override { return "CharacterModel"; }
    const Settings& settings() const { return settings_; }
    const sg::CharacterVocabulary& vocabulary() const { return vocabulary_; }

    /// The same for characters that come after what left these states; no states are zeros. The states
    /// afterwards take their place.
    sg::Variable<float> run(const sg::Variable<float>& characters, States& states) {
        sg::Variable<float> x = embedding_(characters);
        states.resize(layers_.size());
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            sg::RecurrentOutput<float> out = layers_[i]->run(x, states[i]);
            x = out.output;
            states[i] = std::move(out.states);
        }
        return logits_(x);
    }

  protected:
    void members(sg::Members<float>& members) override {
        members.child("embedding", embedding_);
        for (std::size_t i = 0; i < layers_.size(); ++i) members.child("layers", i, *layers_[i]);
        members.child("logits", logits_);
    }
    void build_parameters(const sg::PartialShape& shape) override {
        embedding_.build(shape);
        sg::PartialShape features = {sg::unknown, sg::unknown,
                                     static_cast<std::ptrdiff_t>(settings_.embedding)};
        for (const auto& layer : layers_) {
            layer->build(features);
            features = layer->compute_output_shape(features);
        }
        logits_.build(features);
    }
    sg::Variable<float> call(const sg::Variable<float>& characters) override {
        sg::Variable<float> x = embedding_(characters);
        for (const auto& layer : layers_) x = (*layer)(x);
        return logits_(x);
    }

  private:
    std::unique_ptr<sg::RNN<float>> layer(bool stateful) const {
        const std::size_t units = settings_.units;
        const double dropout = settings_.dropout;
        if (settings_.cell == "lstm")
            return std::make_unique<sg::LSTM<float>>(sg::LSTMConfig{
                .units = units, .dropout = dropout, .return_sequences = true, .stateful = stateful});
        if (settings_.cell == "gru")
            return std::make_unique<sg::GRU<float>>(sg::GRUConfig{
                .units = units, .dropout = dropout, .return_sequences = true, .stateful = stateful});
        return std::make_unique<sg::SimpleRNN<float>>(sg::SimpleRNNConfig{
            .units = units, .dropout = dropout, .return_sequences = true, .stateful = stateful});
    }

    Settings settings_;
    sg::CharacterVocabulary vocabulary_;
    sg::Embedding<float> embedding_;
    std::vector<std::unique_ptr<sg::RNN<float>>> layers_;
    sg::Dense<float> logits_;
};

/// All of a text but its first character, as windows side by side that are each predicted from states of
/// zeros.
class HeldOut : public sg::BatchSource<float> {
  public:
    HeldOut(Ids text, sg::StreamOptions options) : text_(std::move(text)), options_(options) {}

    void start(sg::Generator&) override { at_ = 0; }
    std::optional<sg::Batch<float>> next() override {
        const std::size_t steps = options_.steps;
        const std::size_t rows = std::min(options_.batch_size, (text_.size() - 1 - at_) / steps);
        if (rows == 0) return std::nullopt;
        sg::Batch<float> batch{
            {.x = sg::Tensor<float>(sg::Shape{rows, steps}), .y = sg::Tensor<float>(sg::Shape{rows, steps})},
            /*reset_state=*/true};
        for (std::size_t i = 0; i < rows * steps; ++i) {
            batch.samples.x.data()[i] = static_cast<float>(text_[at_ + i]);
            batch.samples.y.data()[i] = static_cast<float>(text_[at_ + i + 1]);
        }
        at_ += rows * steps;
        return batch;
    }
    std::optional<std::size_t> size() const override {
        const std::size_t windows = (text_.size() - 1) / options_.steps;
        return (windows + options_.batch_size - 1) / options_.batch_size;
    }

  private:
    Ids text_;
    sg::StreamOptions options_;
    std::size_t at_ = 0;
};

constexpr const char* file_format = "seqgrad-char-lm";

void save(const CharacterModel& model, const std::string& path) {
    const Settings& s = model.settings();
    std::string characters;
    for (const std::string& character : model.vocabulary().characters()) characters += character;
    examples::save_model(model, file_format,
                         {{"cell", s.cell},
                          {"layers", s.layers},
                          {"units", s.units},
                          {"embedding", s.embedding},
                          {"dropout", s.dropout},
                          {"characters", characters}},
                         path);
}

CharacterModel load(const std::string& path, bool stateful = false) {
    return examples::load_model(path, file_format, [&](const nlohmann::ordered_json& settings) {
        const Settings s{.cell = settings.at("cell"),
                         .layers = settings.at("layers"),
                         .units = settings.at("units"),
                         .embedding = settings.at("embedding"),
                         .dropout = settings.at("dropout")};
        examples::check_known(cells, s.cell);
        return CharacterModel(s, sg::CharacterVocabulary(settings.at("characters").get<std::string>()),
                              stateful);
    });
}

/// Draws from the probabilities of a temperature, among the `top_k` likeliest characters (0: all).
std::int64_t draw(const float* logits, std::size_t size, const Arguments& arguments, sg::Generator& random) {
    std::vector<std::size_t> order;
    for (std::size_t i = 1; i < size; ++i) order.push_back(i);  // 0 is no character
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
    if (arguments.top_k != 0) order.resize(std::min(order.size(), arguments.top_k));
    if (arguments.temperature == 0.0) return static_cast<std::int64_t>(order[0]);
    std::vector<double> weights;
    double total = 0.0;
    for (const std::size_t i : order)
        total += weights.emplace_back(
            std::exp((static_cast<double>(logits[i]) - logits[order[0]]) / arguments.temperature));
    double left = static_cast<double>(random.uniform<float>({1})(0)) * total;
    std::size_t k = 0;
    while (k + 1 < order.size() && left >= weights[k]) left -= weights[k++];
    return static_cast<std::int64_t>(order[k]);
}

std::string sample_text(CharacterModel& model, const Arguments& arguments, std::size_t length) {
    const sg::NoGrad no_grad;
    model.set_training(false);
    sg::Generator random(arguments.seed);
    Ids next = model.vocabulary().encode(arguments.start);
    if (next.empty()) throw sg::ValueError("--start needs a character");
    Ids written = next;
    CharacterModel::States states;
    for (std::size_t i = 0; i < length; ++i) {
        sg::Tensor<std::int64_t> x(sg::Shape{1, next.size()});
        std::copy(next.begin(), next.end(), x.data());
        const sg::Variable<float> logits = model.run(sg::constant(sg::from_integers<float>(x)), states);
        const std::size_t V = logits.shape()[2];
        next = {draw(logits.value().data() + (logits.shape()[1] - 1) * V, V, arguments, random)};
        written.push_back(next[0]);
    }
    return model.vocabulary().decode(written);
}

int train(const Arguments& arguments) {
    const std::int64_t steps_per_epoch = std::min(arguments.evaluate_every, arguments.steps);
    if (arguments.steps % steps_per_epoch != 0)
        throw sg::ValueError(fmt::format("--steps {} is not a multiple of --evaluate-every {}",
                                         arguments.steps, steps_per_epoch));
    const std::string checkpoints = arguments.model + ".checkpoints";
    if (!arguments.resume) std::filesystem::remove_all(checkpoints);
    const std::string text = sg::read_text(arguments.text);
    sg::set_random_seed(arguments.seed);
    CharacterModel model =
        arguments.resume
            ? load(arguments.model, arguments.stateful)
            : CharacterModel(arguments.settings, sg::CharacterVocabulary(text), arguments.stateful);
    const Ids ids = model.vocabulary().encode(text);
    const auto split =
        static_cast<std::ptrdiff_t>(static_cast<double>(ids.size()) * (1.0 - arguments.held_out));
    const Ids training(ids.begin(), ids.begin() + split), held_out(ids.begin() + split, ids.end());
    const sg::StreamOptions size{.batch_size = arguments.batch, .steps = arguments.time};
    if (training.size() <= arguments.time || held_out.size() <= arguments.time ||
        (arguments.stateful && training.size() <= arguments.batch * arguments.time)) {
        throw sg::ValueError(
            fmt::format("{} has {} characters to train on and {} held out, too few for --time {}{}",
                        arguments.text, training.size(), held_out.size(), arguments.time,
                        arguments.stateful ? fmt::format(" in {} streams", arguments.batch) : ""));
    }
    fmt::print("{} characters, {} different ones; {} held out; {} parameters\n", ids.size(),
               model.vocabulary().characters().size(), held_out.size(), model.parameter_count());
    std::fflush(stdout);  // the progress bar writes to a stream of its own

    std::unique_ptr<sg::BatchSource<float>> batches;
    if (arguments.stateful) {
        batches = std::make_unique<sg::StreamBatches<float>>(sg::TextStream<float>(training, size));
    } else {
        batches = std::make_unique<sg::RandomWindowBatches<float>>(training, size);
    }
    HeldOut validation(held_out, size);
    if (!arguments.resume) save(model, arguments.model);
    sg::Trainer trainer(
        model, sg::Adam<float>({.learning_rate = arguments.learning_rate, .global_clipnorm = 1.0}),
        sg::SparseCategoricalCrossentropy{.from_logits = true}, {sg::BitsPerCharacter{.from_logits = true}});
    const sg::History history = trainer.fit(
        *batches, {.epochs = arguments.steps / steps_per_epoch,
                   .validation_source = &validation,
                   .steps_per_epoch = static_cast<std::size_t>(steps_per_epoch),
                   .callbacks = {sg::LambdaCallback<float>{
                                     .on_epoch_end = [&](sg::TrainingRun<float>&, std::int64_t,
                                                         sg::Logs&) { save(model, arguments.model); }},
                                 sg::StopOnInterrupt{},
                                 sg::BackupAndRestore{.backup_dir = checkpoints, .delete_checkpoint = false}},
                   .seed = arguments.seed});
    const sg::Logs& last = history.epochs().back().logs;
    fmt::print("\nHeld-out text: {:.4f} nats, {:.4f} bits per character\nModel saved to {}\n\n",
               last["val_loss"], last["val_bits_per_character"], arguments.model);
    CharacterModel again = load(arguments.model);
    fmt::print("{}\n", sample_text(again, arguments, arguments.length));
    return 0;
}

int sample(const Arguments& arguments) {
    CharacterModel model = load(arguments.model);
    fmt::print("{}\n", sample_text(model, arguments, arguments.length));
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments;
    Settings& settings = arguments.settings;
    CLI::App app("Learn to write text, character by character");
    app.require_subcommand(1);
    auto* training = app.add_subcommand("train", "Train a model on a text file");
    auto* sampling = app.add_subcommand("sample", "Write text with a trained model");
    training->add_option("text", arguments.text, "Text file, UTF-8")->required();
    training->add_option("--cell", settings.cell, "Recurrent cell")
        ->check(CLI::IsMember(cells))
        ->capture_default_str();
    const auto size = [&](const char* name, std::size_t& value, const char* what) {
        training->add_option(name, value, what)->check(CLI::Range(1, 1 << 20))->capture_default_str();
    };
    size("--layers", settings.layers, "Recurrent layers");
    size("--units", settings.units, "Units of each of them");
    size("--embedding", settings.embedding, "Size of the characters' vectors");
    size("--batch", arguments.batch, "Sequences in a step");
    size("--time", arguments.time, "Characters of a sequence");
    training->add_option("--dropout", settings.dropout, "Of the inputs of the recurrent layers")
        ->check(CLI::Range(0.0, 0.99))
        ->capture_default_str();
    training->add_option("--held-out", arguments.held_out, "Part of the text, its end, not trained on")
        ->check(CLI::Range(0.001, 0.9))
        ->capture_default_str();
    training->add_option("--steps", arguments.steps, "Updates")
        ->check(CLI::Range(1, 100000000))
        ->capture_default_str();
    training->add_option("--evaluate-every", arguments.evaluate_every, "Updates between two evaluations")
        ->check(CLI::Range(1, 100000000))
        ->capture_default_str();
    training->add_option("--learning-rate", arguments.learning_rate, "Of Adam")
        ->check(CLI::Range(0.0, 10.0))
        ->capture_default_str();
    training->add_flag("--stateful", arguments.stateful,
                       "Read the text in order, in --batch streams whose states are carried on (truncated "
                       "back-propagation), instead of windows from random places");
    training->add_flag(
        "--resume", arguments.resume,
        "Go on exactly with the run of --model, whether Ctrl-C ended it or --steps, with the text and "
        "settings that it was begun with");
    for (CLI::App* command : {training, sampling}) {
        command->add_option("--model", arguments.model, "JSON file of the model")->capture_default_str();
        command->add_option("--seed", arguments.seed, "Of weights, windows and drawn text")
            ->capture_default_str();
        command->add_option("--start", arguments.start, "What the written text begins with")
            ->capture_default_str();
        command->add_option("--length", arguments.length, "Characters to write")
            ->check(CLI::Range(0, 10000000))
            ->capture_default_str();
        command->add_option("--temperature", arguments.temperature, "0: always the likeliest character")
            ->check(CLI::Range(0.0, 100.0))
            ->capture_default_str();
        command->add_option("--top-k", arguments.top_k, "Draw among so many likeliest characters; 0: all")
            ->check(CLI::Range(0, 1 << 20))
            ->capture_default_str();
    }
    CLI11_PARSE(app, argc, argv);
    try {
        return training->parsed() ? train(arguments) : sample(arguments);
    } catch (const std::exception& e) {
        fmt::print(stderr, "char_lm: {}\n", e.what());
        return 2;
    }
}
