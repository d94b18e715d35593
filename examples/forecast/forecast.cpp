// Forecasts a real series one step ahead: trains a recurrent network on its first part, compares it with
// forecasts that cost nothing on the rest, saves and reloads the weights, and draws forecast against truth.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gnuplot.hpp"
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "seqgrad/seqgrad.hpp"

namespace sg = seqgrad;

namespace {

struct Arguments {
    std::string series = "elnino";
    std::string csv;
    std::string column;
    std::size_t period = 0;
    bool difference = false;
    std::string cell = "gru";
    std::size_t units = 32;
    std::size_t window = 0;
    int epochs = 60;
    std::size_t batch_size = 32;
    double learning_rate = 0.01;
    std::int64_t seed = 1;
    std::string weights = "forecast.json";
    std::string plot = "forecast.png";
};

/// A series, and what is known of it.
struct Source {
    std::string title;
    std::string unit;
    sg::Series levels;
    std::size_t period = 0;   ///< steps after which it repeats roughly; 0 for none
    bool difference = false;  ///< the network sees changes from step to step instead of levels
    std::size_t window = 24;
};

Source load(const Arguments& arguments) {
    const std::string sets = SEQGRAD_SETS_DIR;
    Source source;
    if (!arguments.csv.empty()) {
        const sg::CsvTable table = sg::read_csv(arguments.csv);
        const std::string column = arguments.column.empty() ? table.names().back() : arguments.column;
        source = {column + " of " + arguments.csv, "",
                  sg::column_series(table, column, sg::Missing::interpolate), arguments.period,
                  arguments.difference};
    } else if (arguments.series == "elnino") {
        const sg::CsvTable table = sg::read_csv(sets + "/elnino.csv");
        source = {"Sea-surface temperature, Nino 1+2 region, monthly", "degrees C",
                  sg::row_series(table, std::span(table.names()).subspan(1), sg::Missing::error), 12};
    } else if (arguments.series == "co2") {
        const sg::CsvTable table = sg::read_csv(sets + "/co2.csv", {.text_columns = {"date"}});
        source = {"Atmospheric CO2 at Mauna Loa, monthly", "ppm",
                  sg::monthly_means(table, "date", "co2", sg::Missing::interpolate).values, 12, true};
    } else {
        const sg::CsvTable table = sg::read_csv(sets + "/sunspots.csv");
        source = {"Sunspot number, yearly",
                  "",
                  sg::column_series(table, "SUNACTIVITY", sg::Missing::error),
                  0,
                  false,
                  22};
    }
    if (arguments.window != 0) source.window = arguments.window;
    return source;
}

sg::Sequential<float> make_model(const Arguments& arguments) {
    if (arguments.cell == "lstm") {
        return sg::Sequential<float>{sg::LSTM<float>({.units = arguments.units}),
                                     sg::Dense<float>({.units = 1})};
    }
    return sg::Sequential<float>{sg::GRU<float>({.units = arguments.units}), sg::Dense<float>({.units = 1})};
}

double rmse(std::span<const double> forecast, std::span<const double> truth) {
    double squares = 0;
    for (std::size_t i = 0; i < truth.size(); ++i)
        squares += (forecast[i] - truth[i]) * (forecast[i] - truth[i]);
    return std::sqrt(squares / static_cast<double>(truth.size()));
}

/// Forecasts of the steps from `first` on that repeat what was `lag` steps before.
sg::Series repeated(const sg::Series& levels, std::size_t first, std::size_t lag) {
    return {levels.begin() + static_cast<std::ptrdiff_t>(first - lag),
            levels.end() - static_cast<std::ptrdiff_t>(lag)};
}

/// Draws truth and forecast. Returns whether gnuplot could be run.
bool draw(const Source& source, std::span<const double> truth, std::span<const double> forecast,
          std::size_t first, const std::string& file) {
    std::string script = fmt::format(
        "set title \"{}\" noenhanced\nset xlabel \"step\"\nset ylabel \"{}\"\n"
        "set key outside top right\nset grid\n$truth << EOD\n",
        source.title, source.unit);
    for (std::size_t i = 0; i < truth.size(); ++i) script += fmt::format("{} {}\n", first + i, truth[i]);
    script += "EOD\n$forecast << EOD\n";
    for (std::size_t i = 0; i < forecast.size(); ++i)
        script += fmt::format("{} {}\n", first + i, forecast[i]);
    script +=
        "EOD\nplot $truth with lines lw 2 lc rgb '#444444' title 'truth', "
        "$forecast with lines lw 2 lc rgb '#d95f02' title 'forecast'\n";
    return examples::draw_with_gnuplot(file, 1000, 480, script);
}

int run(const Arguments& arguments) {
    const auto started = std::chrono::steady_clock::now();
    const Source source = load(arguments);
    const sg::Series input = source.difference ? sg::difference(source.levels) : source.levels;
    const std::size_t split = sg::split_point(input.size());
    sg::StandardScaler scaler;
    scaler.fit(std::span(input).first(split));
    const auto windows = sg::split_windows(sg::series_tensor<float>(scaler.transform(input)), split,
                                           {.window = source.window});
    fmt::print("{}: {} steps, {} windows to train on, {} to test\n\n", source.title, source.levels.size(),
               windows.train.size(), windows.test.size());

    sg::set_random_seed(arguments.seed);
    auto model = make_model(arguments);
    model.build({sg::unknown, static_cast<std::ptrdiff_t>(source.window), 1});
    fmt::print("{}\n", model.summary());
    std::fflush(stdout);  // the progress bar writes to a stream of its own

    sg::Trainer trainer(model,
                        sg::Adam<float>({.learning_rate = arguments.learning_rate, .global_clipnorm = 1.0}),
                        sg::MeanSquaredError{});
    trainer.fit(windows.train, {.epochs = arguments.epochs, .batch_size = arguments.batch_size});
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();

    // Back to levels: a forecast change is added to the last level seen.
    const sg::Tensor<float> prediction = trainer.predict(windows.test.x);
    const sg::Tensor<float> unscaled = scaler.inverse_transform(prediction);
    const std::size_t first = split + (source.difference ? 1 : 0);
    const sg::Series last = repeated(source.levels, first, 1);
    sg::Series forecast(unscaled.size());
    for (std::size_t i = 0; i < forecast.size(); ++i) {
        forecast[i] = static_cast<double>(unscaled.data()[i]) + (source.difference ? last[i] : 0.0);
    }
    const std::span<const double> truth = std::span(source.levels).subspan(first);

    const std::string unit = source.unit.empty() ? "" : " " + source.unit;
    fmt::print("\nTest RMSE, one step ahead\n");
    fmt::print("  {:<24} {:.3f}{}\n", arguments.cell == "lstm" ? "LSTM" : "GRU", rmse(forecast, truth), unit);
    fmt::print("  {:<24} {:.3f}{}\n", "last value repeated", rmse(last, truth), unit);
    if (source.period > 1 && first >= source.period) {
        const char* name = source.period == 12 ? "same month last year" : "one period ago";
        fmt::print("  {:<24} {:.3f}{}\n", name, rmse(repeated(source.levels, first, source.period), truth),
                   unit);
    }

    sg::save_weights(model, arguments.weights);
    auto fresh = make_model(arguments);
    fresh.build({sg::unknown, static_cast<std::ptrdiff_t>(source.window), 1});
    sg::load_weights(fresh, arguments.weights);
    sg::Trainer reloaded(fresh, sg::Adam<float>(), sg::MeanSquaredError{});
    const sg::Tensor<float> again = reloaded.predict(windows.test.x);
    const bool same = again.shape() == prediction.shape() &&
                      std::memcmp(again.data(), prediction.data(), prediction.size() * sizeof(float)) == 0;
    fmt::print("\nWeights saved to {}; loaded into a fresh model the predictions are {}\n", arguments.weights,
               same ? "the same bit for bit" : "DIFFERENT");
    if (!arguments.plot.empty()) {
        if (draw(source, truth, forecast, first, arguments.plot)) {
            fmt::print("Forecast against truth drawn to {}\n", arguments.plot);
        } else {
            fmt::print(stderr, "forecast: gnuplot could not draw {}; is it installed?\n", arguments.plot);
        }
    }
    fmt::print("Trained in {:.1f} s\n", seconds);
    return same ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments;
    CLI::App app("Forecast a series one step ahead with a recurrent network");
    app.add_option("--series", arguments.series, "Bundled series")
        ->check(CLI::IsMember({"elnino", "co2", "sunspots"}))
        ->capture_default_str();
    auto* csv = app.add_option("--csv", arguments.csv, "A CSV file with a header instead of a bundled series")
                    ->check(CLI::ExistingFile);
    app.add_option("--column", arguments.column, "Its column to forecast (the last one unless given)")
        ->needs(csv);
    app.add_option("--period", arguments.period, "Steps after which it repeats roughly, 12 for months")
        ->needs(csv);
    app.add_flag("--difference", arguments.difference, "Learn changes instead of levels")->needs(csv);
    app.add_option("--cell", arguments.cell, "Recurrent layer")
        ->check(CLI::IsMember({"gru", "lstm"}))
        ->capture_default_str();
    app.add_option("--units", arguments.units, "Its size")
        ->check(CLI::Range(1, 65536))
        ->capture_default_str();
    app.add_option("--window", arguments.window,
                   "Steps the network sees (22 for sunspots, otherwise 24, unless given)")
        ->check(CLI::Range(1, 1000000));
    app.add_option("--epochs", arguments.epochs, "Passes over the training part")
        ->check(CLI::Range(1, 1000000))
        ->capture_default_str();
    app.add_option("--batch-size", arguments.batch_size, "Windows in a batch")
        ->check(CLI::Range(1, 1000000))
        ->capture_default_str();
    app.add_option("--learning-rate", arguments.learning_rate, "Of Adam")
        ->check(CLI::Range(0.0, 10.0))
        ->capture_default_str();
    app.add_option("--seed", arguments.seed, "Of weights and shuffling")->capture_default_str();
    app.add_option("--weights", arguments.weights, "File the trained weights are saved to")
        ->capture_default_str();
    app.add_option("--plot", arguments.plot, "PNG or SVG file for the drawing; \"\" for none")
        ->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        return run(arguments);
    } catch (const std::exception& e) {
        fmt::print(stderr, "forecast: {}\n", e.what());
        return 2;
    }
}
