// Translates dates as people write them ("Tuesday 3rd of March 1998", "03.03.98", "le 3 mars 1998") to ISO
// 8601
// ("1998-03-03"), character by character: a bidirectional encoder reads the date, a decoder with attention
// writes. Trains on generated pairs, saves model and settings as one JSON file, translates with it, and draws
// what the decoder attended to.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gnuplot.hpp"
#include "model_file.hpp"
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "seqgrad/seqgrad.hpp"

namespace sg = seqgrad;

namespace {

using Ids = std::vector<std::int64_t>;

/// Characters of an ISO 8601 date: no sequence needs a token that ends it.
constexpr std::size_t iso_length = 10;
constexpr const char* iso_characters = "-0123456789";
/// What the decoder sees before the first character: the id that is no character.
constexpr std::int64_t start_token = sg::CharacterVocabulary::padding;

constexpr std::size_t translate_batch = 250;

/// What it takes, besides the weights, to make a model again.
struct Settings {
    std::string attention = "bahdanau";
    std::string cell = "gru";
    std::size_t units = 64;
    std::size_t embedding = 32;
    std::size_t window = 10;
    bool input_feeding = false;
};

struct Arguments {
    Settings settings;
    std::size_t dates = 10'000;
    std::size_t formats_per_date = 4;
    std::size_t held_out_dates = 1'000;
    std::int64_t epochs = 8;
    std::size_t batch_size = 64;
    double learning_rate = 4e-3;
    std::int64_t seed = 1;
    std::string model = "translate_dates.json";
    std::string plot = "translate_dates.png";
    std::string text;  ///< to be translated; none: train
    std::size_t beam_width = 1;
    std::string text_plot;
};

const std::vector<std::string> attentions = {"bahdanau", "luong-dot", "luong-general", "luong-concat",
                                             "local-m",  "local-p",   "none"};
const std::vector<std::string> cells = {"gru", "lstm", "rnn"};

/// A recurrent layer that returns sequences, of the chosen kind.
std::shared_ptr<sg::RNN<float>> make_layer(const std::string& cell, std::size_t units) {
    if (cell == "lstm")
        return std::make_shared<sg::LSTM<float>>(sg::LSTMConfig{.units = units, .return_sequences = true});
    if (cell == "gru")
        return std::make_shared<sg::GRU<float>>(sg::GRUConfig{.units = units, .return_sequences = true});
    return std::make_shared<sg::SimpleRNN<float>>(
        sg::SimpleRNNConfig{.units = units, .return_sequences = true});
}

std::shared_ptr<sg::RecurrentCell<float>> make_cell(const std::string& cell, std::size_t units) {
    if (cell == "lstm") return std::make_shared<sg::LSTMCell<float>>(sg::LSTMCellConfig{.units = units});
    if (cell == "gru") return std::make_shared<sg::GRUCell<float>>(sg::GRUCellConfig{.units = units});
    return std::make_shared<sg::SimpleRNNCell<float>>(sg::SimpleRNNCellConfig{.units = units});
}

sg::AttentionDecoderConfig decoder_config(const Settings& settings) {
    sg::AttentionDecoderConfig config{.D = settings.window, .input_feeding = settings.input_feeding};
    if (settings.attention == "bahdanau") return config;
    config.style = sg::AttentionStyle::luong;
    config.score = settings.attention == "luong-dot"      ? sg::AttentionScore::dot
                   : settings.attention == "luong-concat" ? sg::AttentionScore::concat
                                                          : sg::AttentionScore::general;
    if (settings.attention == "local-m") config.window = sg::AttentionWindow::local_m;
    if (settings.attention == "local-p") config.window = sg::AttentionWindow::local_p;
    return config;
}

/// Reads a date with an encoder in both directions and writes it with a decoder, which begins where the
/// encoder ended and, unless the attention is "none", attends to the encoder's outputs.
///
/// The call with a list takes ids {characters [B, S], characters written before [B, T]} and gives the logits
/// [B, T, V] of those to be written.
class DateTranslator : public sg::Model<float> {
  public:
    /// What the encoder hands to the decoder.
    struct Encoded {
        sg::Variable<float> memory;               ///< [B, S, U]
        std::vector<sg::Variable<float>> states;  ///< each [B, U]
    };

    DateTranslator(Settings settings, sg::CharacterVocabulary characters)
        : Model("translator"), settings_(std::move(settings)), vocabulary_(std::move(characters)) {
        if (settings_.attention == "none") {
            plain_decoder_ = make_layer(settings_.cell, settings_.units);
        } else {
            decoder_.emplace(make_cell(settings_.cell, settings_.units), decoder_config(settings_));
        }
        build_for({{sg::unknown, sg::unknown}, {sg::unknown, sg::unknown}});
    }

    const Settings& settings() const { return settings_; }
    const sg::CharacterVocabulary& vocabulary() const { return vocabulary_; }
    const sg::CharacterVocabulary& iso_vocabulary() const { return iso_vocabulary_; }

    Encoded encode(const sg::Variable<float>& ids) {
        const sg::RecurrentOutput<float> encoded = encoder_.run(characters_(ids));
        Encoded out{encoded.output, {}};
        // Half of each state comes from the forward layer, half from the backward one.
        const std::size_t states = encoded.states.size() / 2;
        for (std::size_t i = 0; i < states; ++i) {
            out.states.push_back(sg::concatenate({encoded.states[i], encoded.states[states + i]}, -1));
        }
        return out;
    }

    /// Attention weights [B, T, S] when these characters are written; not for "none".
    sg::Variable<float> attention_weights(const sg::Variable<float>& ids,
                                          const sg::Variable<float>& written) {
        const Encoded encoded = encode(ids);
        return decoder_->run(digits_(written), encoded.memory, encoded.states).attention_weights;
    }

    /// The likeliest translations of each text, best first; one by a greedy search for a beam of width 1.
    std::vector<std::vector<sg::Hypothesis>> translate(std::span<const Ids> texts, std::size_t beam_width) {
        const sg::NoGrad no_grad;
        const Encoded encoded = encode(sg::constant(sg::from_integers<float>(sg::pad_sequences(texts).ids)));
        using State = std::pair<sg::AttentionMemory<float>, sg::AttentionDecoderState<float>>;
        State start;  // without attention there is no memory, only the cell's states
        if (decoder_) {
            start.first = decoder_->prepare(encoded.memory);
            start.second = decoder_->start(start.first, encoded.states);
        } else {
            start.second.cell = encoded.states;
        }
        const auto step = [this](const sg::Tensor<std::int64_t>& tokens, const State& state) {
            const auto x = digits_(sg::constant(sg::from_integers<float>(tokens)));
            const auto& [memory, decoder] = state;
            if (decoder_) {
                const auto taken = decoder_->step(x, memory, decoder);
                return std::pair(sg::log_softmax(logits_(taken.output)), State{memory, taken.state});
            }
            const auto taken = plain_decoder_->cell()(x, decoder.cell);
            State next;
            next.second.cell = taken.states;
            return std::pair(sg::log_softmax(logits_(taken.output)), std::move(next));
        };
        const sg::SearchConfig config{
            .start_token = start_token, .max_length = iso_length, .beam_width = beam_width};
        if (beam_width > 1) return sg::beam_search(texts.size(), std::move(start), step, config);
        std::vector<std::vector<sg::Hypothesis>> found;
        for (sg::Hypothesis& best : sg::greedy_search(texts.size(), std::move(start), step, config)) {
            found.push_back({std::move(best)});
        }
        return found;
    }

  protected:
    void members(sg::Members<float>& m) override {
        m.child("characters", characters_);
        m.child("encoder", encoder_);
        m.child("digits", digits_);
        if (decoder_) m.child("decoder", *decoder_);
        if (plain_decoder_) m.child("decoder", *plain_decoder_);
        m.child("logits", logits_);
    }

    void build_several(const std::vector<sg::PartialShape>& shapes) override {
        const auto embedding = static_cast<std::ptrdiff_t>(settings_.embedding);
        const auto units = static_cast<std::ptrdiff_t>(settings_.units);
        const sg::PartialShape embedded = {sg::unknown, sg::unknown, embedding};
        const sg::PartialShape sequence = {sg::unknown, sg::unknown, units};
        characters_.build(shapes[0]);
        encoder_.build(embedded);
        digits_.build(shapes[1]);
        if (decoder_) decoder_->build_for({embedded, sequence});
        if (plain_decoder_) plain_decoder_->build(embedded);
        logits_.build(sequence);
    }

    std::vector<sg::Variable<float>> call_several(const std::vector<sg::Variable<float>>& inputs) override {
        check_inputs(inputs, 2);
        const Encoded encoded = encode(inputs[0]);
        const auto x = digits_(inputs[1]);
        return {logits_(decoder_ ? decoder_->run(x, encoded.memory, encoded.states).sequence
                                 : plain_decoder_->run(x, encoded.states).output)};
    }

  private:
    Settings settings_;
    sg::CharacterVocabulary vocabulary_;
    sg::CharacterVocabulary iso_vocabulary_{iso_characters};
    sg::Embedding<float> characters_{
        {.input_dim = vocabulary_.size(), .output_dim = settings_.embedding, .mask_zero = true}};
    sg::Bidirectional<float> encoder_{make_layer(settings_.cell, settings_.units / 2), nullptr};
    sg::Embedding<float> digits_{{.input_dim = iso_vocabulary_.size(), .output_dim = settings_.embedding}};
    std::optional<sg::AttentionDecoder<float>> decoder_;
    std::shared_ptr<sg::RNN<float>> plain_decoder_;
    sg::Dense<float> logits_{{.units = iso_vocabulary_.size()}};
};

/// Pairs as ids.
struct Samples {
    std::vector<Ids> texts;
    std::vector<Ids> iso;
    std::size_t size() const { return texts.size(); }
};

Samples encode(std::span<const sg::DatePair> pairs, const DateTranslator& model) {
    Samples samples;
    for (const sg::DatePair& pair : pairs) {
        samples.texts.push_back(model.vocabulary().encode(pair.text));
        samples.iso.push_back(model.iso_vocabulary().encode(pair.iso));
    }
    return samples;
}

/// One update by the mean cross-entropy of the samples' characters, which is returned.
double train_on_batch(DateTranslator& model, std::vector<sg::Variable<float>>& parameters,
                      sg::Optimizer<float>& optimizer, const Samples& samples,
                      std::span<const std::size_t> batch) {
    std::vector<Ids> texts;
    std::vector<Ids> before;
    std::vector<Ids> labels;
    for (const std::size_t i : batch) {
        texts.push_back(samples.texts[i]);
        labels.push_back(samples.iso[i]);
        before.push_back({start_token});
        before.back().insert(before.back().end(), samples.iso[i].begin(), samples.iso[i].end() - 1);
    }
    const auto ids = [](const std::vector<Ids>& sequences) {
        return sg::constant(sg::from_integers<float>(sg::pad_sequences(sequences).ids));
    };
    const sg::Variable<float> logits = model({ids(texts), ids(before)}).front();
    const sg::Variable<float> loss =
        sg::mean(sg::softmax_cross_entropy(logits, sg::pad_sequences(labels).ids));
    for (sg::Variable<float>& parameter : parameters) parameter.clear_grad();
    sg::backward(loss);
    optimizer.apply(parameters);
    return static_cast<double>(loss.item());
}

/// For every sample whether the greedy translation is right in every character.
std::vector<bool> exact_matches(DateTranslator& model, const Samples& samples) {
    std::vector<bool> matches;
    const std::span<const Ids> texts = samples.texts;
    for (std::size_t at = 0; at < samples.size(); at += translate_batch) {
        const auto batch = texts.subspan(at, std::min(translate_batch, samples.size() - at));
        for (const auto& found : model.translate(batch, 1)) {
            matches.push_back(found.front().tokens == samples.iso[matches.size()]);
        }
    }
    return matches;
}

double percentage(const std::vector<bool>& matches) {
    const auto right = std::count(matches.begin(), matches.end(), true);
    return 100.0 * static_cast<double>(right) / static_cast<double>(std::max<std::size_t>(matches.size(), 1));
}

constexpr const char* file_format = "seqgrad-translate-dates";

void save(const DateTranslator& model, const std::string& path) {
    const Settings& s = model.settings();
    std::string characters;
    for (const std::string& character : model.vocabulary().characters()) characters += character;
    examples::save_model(model, file_format,
                         {{"attention", s.attention},
                          {"cell", s.cell},
                          {"units", s.units},
                          {"embedding", s.embedding},
                          {"window", s.window},
                          {"input_feeding", s.input_feeding},
                          {"characters", characters}},
                         path);
}

DateTranslator load(const std::string& path) {
    return examples::load_model(path, file_format, [](const nlohmann::ordered_json& settings) {
        const Settings s{.attention = settings.at("attention"),
                         .cell = settings.at("cell"),
                         .units = settings.at("units"),
                         .embedding = settings.at("embedding"),
                         .window = settings.at("window"),
                         .input_feeding = settings.at("input_feeding")};
        examples::check_known(attentions, s.attention);
        examples::check_known(cells, s.cell);
        return DateTranslator(s, sg::CharacterVocabulary(settings.at("characters").get<std::string>()));
    });
}

/// Draws which characters the decoder attended to while it wrote each of its own. Returns whether gnuplot
/// could be run.
bool draw(DateTranslator& model, const std::string& text, const Ids& iso, const std::string& file) {
    const sg::NoGrad no_grad;
    const Ids ids = model.vocabulary().encode(text);
    Ids before = {start_token};
    before.insert(before.end(), iso.begin(), iso.end() - 1);
    const auto batch = [](const Ids& sequence) {
        return sg::constant(sg::from_integers<float>(sg::pad_sequences(std::vector<Ids>{sequence}).ids));
    };
    const sg::Tensor<float> weights = model.attention_weights(batch(ids), batch(before)).value();
    const auto labels = [](const std::vector<std::string>& characters) {
        std::string tics;
        for (std::size_t i = 0; i < characters.size(); ++i) {
            const std::string shown = characters[i] == "'"   ? "''"
                                      : characters[i] == " " ? "␣"
                                                             : characters[i];
            tics += fmt::format("{}'{}' {}", i == 0 ? "" : ", ", shown, i);
        }
        return tics;
    };
    const std::string translation = model.iso_vocabulary().decode(iso);
    std::string script = fmt::format(
        "set title 'Attention weights ({}, {})' noenhanced\n"
        "set xlabel 'date as written'\nset ylabel 'date in ISO 8601'\nset cblabel 'weight'\n"
        "set xtics ({}) scale 0 noenhanced\nset ytics ({}) scale 0 noenhanced\n"
        "set yrange [] reverse\nset cbrange [0:1]\nset palette defined (0 'white', 0.5 '#4292c6', 1 "
        "'#08306b')\n"
        "$weights << EOD\n",
        model.settings().attention, model.settings().cell, labels(sg::utf8_characters(text)),
        labels(sg::utf8_characters(translation)));
    for (std::size_t t = 0; t < iso.size(); ++t) {
        for (std::size_t s = 0; s < ids.size(); ++s) script += fmt::format("{:.4f} ", weights(0, t, s));
        script += '\n';
    }
    script += "EOD\nplot $weights matrix with image notitle\n";
    const int columns = static_cast<int>(std::clamp<std::size_t>(ids.size(), 14, 100));
    return examples::draw_with_gnuplot(file, 160 + 28 * columns, 440, script);
}

void report_drawing(DateTranslator& model, const std::string& text, const Ids& iso, const std::string& file) {
    if (file.empty()) return;
    if (model.settings().attention == "none") {
        fmt::print("There is no attention to draw\n");
    } else if (draw(model, text, iso, file)) {
        fmt::print("Attention weights for \"{}\" drawn to {}\n", text, file);
    } else {
        fmt::print(stderr, "translate_dates: gnuplot could not draw {}; is it installed?\n", file);
    }
}

/// The format of the date that is drawn: long enough to show something.
constexpr const char* drawn_pattern = "%A %o of %B %Y";

int train(const Arguments& arguments) {
    const auto folder = std::filesystem::absolute(arguments.model).parent_path();
    if (!std::filesystem::is_directory(folder)) {
        throw sg::IoError(
            fmt::format("cannot save to {}: there is no folder {}", arguments.model, folder.string()));
    }
    const auto started = std::chrono::steady_clock::now();
    const sg::DatePairs pairs = sg::make_date_pairs({.train_dates = arguments.dates,
                                                     .validation_dates = arguments.held_out_dates,
                                                     .test_dates = arguments.held_out_dates,
                                                     .formats_per_date = arguments.formats_per_date,
                                                     .seed = arguments.seed});
    std::vector<std::string> texts;
    for (const sg::DatePair& pair : pairs.train) texts.push_back(pair.text);
    for (const auto* held_out : {&pairs.validation, &pairs.test}) {
        for (const sg::DatePair& pair : *held_out) texts.push_back(pair.text);
    }
    sg::set_random_seed(arguments.seed);
    DateTranslator model(arguments.settings, sg::CharacterVocabulary(texts));
    const Samples training = encode(pairs.train, model);
    const Samples validation = encode(pairs.validation, model);
    const Samples test = encode(pairs.test, model);
    fmt::print("{} dates in {} formats; {} pairs to train on, {} for validation, {} to test\n",
               arguments.dates + 2 * arguments.held_out_dates, sg::date_formats().size(), training.size(),
               validation.size(), test.size());
    fmt::print("Attention {}, cell {}, {} parameters; to be learnt: \"{}\" -> {}\n\n",
               model.settings().attention, model.settings().cell, model.parameter_count(),
               pairs.train.front().text, pairs.train.front().iso);
    std::fflush(stdout);  // the progress bar writes to a stream of its own

    std::vector<sg::Variable<float>> parameters;
    for (const auto& [name, variable] : model.parameters()) parameters.push_back(variable);
    const std::size_t steps = (training.size() + arguments.batch_size - 1) / arguments.batch_size;
    sg::Adam<float> optimizer(
        {.learning_rate = sg::OneCycle{.max_lr = arguments.learning_rate,
                                       .total_steps = static_cast<std::int64_t>(steps) * arguments.epochs},
         .global_clipnorm = 1.0});
    sg::Generator random(arguments.seed);
    {
        sg::Progress progress(1);
        for (std::int64_t epoch = 1; epoch <= arguments.epochs; ++epoch) {
            progress.begin_epoch(epoch, arguments.epochs, steps);
            sg::Logs logs;
            double losses = 0.0;
            std::size_t step = 0;
            const sg::Buckets buckets =
                sg::bucket_by_length(training.texts, {.batch_size = arguments.batch_size}, random);
            std::size_t seen = 0;
            for (const auto& batch : buckets.batches) {
                losses += train_on_batch(model, parameters, optimizer, training, batch) *
                          static_cast<double>(batch.size());
                seen += batch.size();
                logs.set("loss", losses / static_cast<double>(seen));
                progress.step(++step, seen, logs);
            }
            logs.set("val_exact_%", percentage(exact_matches(model, validation)));
            progress.end_epoch(logs);
        }
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();

    const std::vector<bool> matches = exact_matches(model, test);
    fmt::print("\nTest: {:.2f} % of {} translations are right in every character\n", percentage(matches),
               test.size());
    const auto wrong =
        static_cast<std::size_t>(std::find(matches.begin(), matches.end(), false) - matches.begin());
    if (wrong < matches.size()) {
        const auto found = model.translate(std::span(test.texts).subspan(wrong, 1), 1);
        fmt::print("A wrong one: \"{}\" is {}, not {}\n", pairs.test[wrong].text, pairs.test[wrong].iso,
                   model.iso_vocabulary().decode(found[0][0].tokens));
    }

    save(model, arguments.model);
    DateTranslator again = load(arguments.model);
    const bool same = exact_matches(again, test) == matches;
    fmt::print("Model saved to {}; loaded again its translations are {}\n", arguments.model,
               same ? "the same" : "DIFFERENT");

    const auto& formats = sg::date_formats();
    const auto drawn =
        static_cast<std::size_t>(std::find_if(pairs.test.begin(), pairs.test.end(),
                                              [&](const sg::DatePair& pair) {
                                                  return formats[pair.format].pattern == drawn_pattern;
                                              }) -
                                 pairs.test.begin());
    if (drawn < pairs.test.size()) {
        const auto found = model.translate(std::span(test.texts).subspan(drawn, 1), 1);
        report_drawing(model, pairs.test[drawn].text, found[0][0].tokens, arguments.plot);
    }
    fmt::print("Trained in {:.1f} s\n", seconds);
    return same ? 0 : 1;
}

int translate(const Arguments& arguments) {
    DateTranslator model = load(arguments.model);
    const std::vector<Ids> text = {model.vocabulary().encode(arguments.text)};
    if (text[0].empty()) throw sg::ValueError("there is nothing to translate");
    const auto found = model.translate(text, arguments.beam_width)[0];
    for (const sg::Hypothesis& hypothesis : found) {
        const std::string iso = model.iso_vocabulary().decode(hypothesis.tokens);
        if (found.size() == 1) {
            fmt::print("{}\n", iso);
        } else {
            fmt::print("{}  {:.4f}\n", iso, std::exp(hypothesis.log_probability));
        }
    }
    report_drawing(model, arguments.text, found[0].tokens, arguments.text_plot);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments;
    Settings& settings = arguments.settings;
    CLI::App app("Translate dates as people write them to ISO 8601 with a sequence-to-sequence model");
    app.add_option("--attention", settings.attention, "What the decoder attends by")
        ->check(CLI::IsMember(attentions))
        ->capture_default_str();
    app.add_option("--cell", settings.cell, "Recurrent cell of encoder and decoder")
        ->check(CLI::IsMember(cells))
        ->capture_default_str();
    app.add_option("--units", settings.units,
                   "Size of the decoder's state; half of it for each way of the encoder")
        ->check(CLI::Range(2, 65536))
        ->check(CLI::Validator(
            [](const std::string& units) {
                return (units.back() - '0') % 2 == 0 ? std::string() : "must be even, got " + units;
            },
            "EVEN"))
        ->capture_default_str();
    app.add_option("--embedding", settings.embedding, "Size of the characters' vectors")
        ->check(CLI::Range(1, 65536))
        ->capture_default_str();
    app.add_option("--window", settings.window, "Half width of the window of local attention, in characters")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_flag("--input-feeding", settings.input_feeding,
                 "The decoder's output before goes into its step (Luong's attentions only)");
    app.add_option("--dates", arguments.dates, "Dates to train on")
        ->check(CLI::Range(1, 36000))
        ->capture_default_str();
    app.add_option("--held-out-dates", arguments.held_out_dates,
                   "Further dates for validation, and as many to test")
        ->check(CLI::Range(1, 10000))
        ->capture_default_str();
    app.add_option("--formats-per-date", arguments.formats_per_date, "Ways in which each date is written")
        ->check(CLI::Range(std::size_t{1}, sg::date_formats().size()))
        ->capture_default_str();
    app.add_option("--epochs", arguments.epochs, "Passes over the training part")
        ->check(CLI::Range(1, 1000000))
        ->capture_default_str();
    app.add_option("--batch-size", arguments.batch_size, "Pairs in a batch")
        ->check(CLI::Range(1, 1000000))
        ->capture_default_str();
    app.add_option("--learning-rate", arguments.learning_rate, "Of Adam, the highest of one cycle")
        ->check(CLI::Range(0.0, 10.0))
        ->capture_default_str();
    app.add_option("--seed", arguments.seed, "Of dates, weights and shuffling")->capture_default_str();
    auto* translation = app.add_subcommand("translate", "Translate one date with a trained model");
    translation->add_option("text", arguments.text, "The date as you write it")->required();
    translation
        ->add_option("--beam-width", arguments.beam_width, "Show so many translations, with probabilities")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_option("--plot", arguments.plot,
                   "PNG or SVG file for a drawing of one test date's attention; \"\" for none")
        ->capture_default_str();
    translation->add_option("--plot", arguments.text_plot, "PNG or SVG file for a drawing of the attention");
    for (CLI::App* command : {&app, translation}) {
        command->add_option("--model", arguments.model, "JSON file of the trained model")
            ->capture_default_str();
    }
    CLI11_PARSE(app, argc, argv);
    try {
        if (settings.input_feeding && (settings.attention == "bahdanau" || settings.attention == "none")) {
            throw sg::ValueError(
                "--input-feeding goes with one of Luong's attentions, not with --attention " +
                settings.attention);
        }
        return translation->parsed() ? translate(arguments) : train(arguments);
    } catch (const std::exception& e) {
        fmt::print(stderr, "translate_dates: {}\n", e.what());
        return 2;
    }
}
