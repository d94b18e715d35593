#include "seqgrad/train/callbacks.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "support/locales.hpp"
#include "support/temporary_folder.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/data/csv.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/weights.hpp"
#include "seqgrad/optim/schedules.hpp"
#include "seqgrad/optim/sgd.hpp"
#include "seqgrad/train/trainer.hpp"

using namespace seqgrad;
using test::content_of;
using test::TemporaryFolder;

namespace {

using Numbers = std::vector<double>;

/// Says what an epoch's number was, whatever the model did.
AnyCallback<double> told(std::string name, Numbers values) {
    return LambdaCallback<double>{.on_epoch_end = [name = std::move(name), values = std::move(values)](
                                                      TrainingRun<double>&, std::int64_t epoch, Logs& logs) {
        logs.set(name, values.at(static_cast<std::size_t>(epoch - 1)));
    }};
}

/// A fit of y = 2 x by a single weight from 0, with these callbacks.
struct Fit {
    Dense<double> model{{.units = 1, .use_bias = false, .kernel_initializer = Zeros{}}};
    Trainer<double> trainer{model, SGD<double>({.learning_rate = 0.1}), MeanSquaredError{}};
    Dataset<double> data{ones<double>({4, 1}), full<double>({4, 1}, 2.0)};

    History operator()(std::int64_t epochs, std::vector<AnyCallback<double>> callbacks,
                       FitOptions<double> options = {}) {
        options.epochs = epochs;
        options.verbose = 0;
        options.batch_size = 2;
        options.shuffle = false;
        options.callbacks = std::move(callbacks);
        return trainer.fit(data, options);
    }
    double weight() { return model.parameters()[0].variable.value().data()[0]; }
};

/// The weight after so many epochs of two steps: w <- w - 0.2 (w - 2).
double weight_after(std::int64_t epochs) {
    return 2 - 2 * std::pow(0.8, 2 * static_cast<double>(epochs));
}

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("EarlyStopping stops where Keras does") {
    const auto check = [](const EarlyStopping& arguments, const Numbers& values, std::size_t epochs,
                          std::int64_t best) {
        CAPTURE(values);
        Fit fit;
        const auto stopping = std::make_shared<EarlyStoppingCallback<double>>(arguments);
        const History history =
            fit(static_cast<std::int64_t>(values.size()), {told(arguments.monitor, values), stopping});
        CHECK(history.epochs().size() == epochs);
        CHECK(stopping->best_epoch() == best);
        CHECK(stopping->stopped_epoch() == static_cast<std::int64_t>(epochs));
    };
    // The epochs are those that Keras 3.15.1 makes of the same numbers.
    check({}, {3, 2, 1, 1, 0}, 4, 3);
    check({.patience = 2}, {3, 4, 2, 3, 2, 1}, 5, 3);
    check({.patience = 2}, {3, 4, 4, 1}, 3, 1);
    check({.min_delta = 0.5, .patience = 1}, {3, 2.6, 2.5, 1}, 2, 1);
    check({.min_delta = -0.5, .patience = 1}, {3, 2, 1.6, 0}, 3, 2);
    check({.monitor = "val_accuracy"}, {1, 2, 3, 2, 9}, 4, 3);
    check({.mode = MonitorMode::max}, {3, 2, 9}, 2, 1);
    check({.patience = 1, .baseline = 2.5}, {3, 2.8, 2.6, 2.5, 9, 1}, 5, 4);
    check({.patience = 1, .start_from_epoch = 3}, {1, 1, 1, 5, 6, 7}, 5, 4);
    check({.patience = 1}, {not_a_number, not_a_number, not_a_number}, 2, 1);
    check({}, {5, 5}, 2, 1);
}

TEST_CASE("EarlyStopping gives the weights of the best epoch back") {
    for (const bool restore : {true, false}) {
        Fit fit;
        fit(4,
            {told("val_loss", {3, 1, 2, 2}), EarlyStopping{.patience = 2, .restore_best_weights = restore}});
        CHECK(fit.weight() == doctest::Approx(weight_after(restore ? 2 : 4)).epsilon(1e-12));
    }
    // Also where the epochs ran out before the patience.
    Fit fit;
    fit(3, {told("val_loss", {1, 2, 2}), EarlyStopping{.patience = 9, .restore_best_weights = true}});
    CHECK(fit.weight() == doctest::Approx(weight_after(1)).epsilon(1e-12));
}

TEST_CASE("A callback given as arguments starts afresh in every fit") {
    const EarlyStopping arguments{.patience = 1};
    Fit fit;
    CHECK(fit(9, {told("val_loss", {1, 2, 0, 0, 0, 0, 0, 0, 0}), arguments}).epochs().size() == 2);
    CHECK(fit(9, {told("val_loss", {9, 8, 9, 0, 0, 0, 0, 0, 0}), arguments}).epochs().size() == 3);
}

TEST_CASE("ReduceLROnPlateau lowers the rate where Keras does") {
    const auto check = [](const ReduceLROnPlateau& arguments, const Numbers& values,
                          const Numbers& expected) {
        CAPTURE(values);
        Fit fit;
        const Numbers rates = fit(static_cast<std::int64_t>(values.size()),
                                  {told("val_loss", values), arguments})["learning_rate"];
        REQUIRE(rates.size() == expected.size());
        for (std::size_t i = 0; i < rates.size(); ++i) {
            CAPTURE(i);
            CHECK(rates[i] == doctest::Approx(expected[i]).epsilon(1e-12));
        }
    };
    // The rates are those that Keras 3.15.1 makes of the same numbers.
    check({.patience = 1}, {3, 3, 2, 2, 2}, {0.1, 0.1, 0.01, 0.01, 0.001});
    check({.factor = 0.5, .patience = 2}, {3, 3, 3, 3, 3, 3}, {0.1, 0.1, 0.1, 0.05, 0.05, 0.025});
    check({.factor = 0.5, .patience = 1, .cooldown = 2}, {3, 3, 3, 3, 3}, {0.1, 0.1, 0.05, 0.05, 0.025});
    check({.factor = 0.5, .patience = 1, .min_lr = 0.04}, {3, 3, 3, 3}, {0.1, 0.1, 0.05, 0.04});
    check({.factor = 0.5, .patience = 1, .min_delta = 0.5}, {3, 2.6, 2, 1}, {0.1, 0.1, 0.05, 0.05});
}

TEST_CASE("LearningRateScheduler sets the rate before every epoch") {
    Fit fit;
    const History history = fit(3, {LearningRateScheduler{.schedule = [](std::int64_t epoch, double rate) {
                                    return epoch == 2 ? rate / 2 : rate;
                                }}});
    CHECK(history["learning_rate"] == Numbers{0.1, 0.05, 0.05});
}

TEST_CASE("ModelCheckpoint saves every epoch, or the best ones") {
    const TemporaryFolder folder;
    Fit fit;
    fit(3, {told("val_loss", {2, 1, 3}),
            ModelCheckpoint{.filepath = (folder.path() / "all-{epoch:02d}-{val_loss:.1f}.json").string()},
            ModelCheckpoint{.filepath = (folder.path() / "best.json").string(), .save_best_only = true},
            ModelCheckpoint{.filepath = (folder.path() / "none.json").string(),
                            .save_best_only = true,
                            .initial_value_threshold = 0.5}});
    for (const char* name : {"all-01-2.0.json", "all-02-1.0.json", "all-03-3.0.json"})
        CHECK(std::filesystem::exists(folder.path() / name));
    CHECK_FALSE(std::filesystem::exists(folder.path() / "none.json"));
    load_weights(fit.model, folder.path() / "best.json");
    CHECK(fit.weight() == doctest::Approx(weight_after(2)).epsilon(1e-12));
    CHECK_THROWS_WITH_AS(fit(1, {ModelCheckpoint{.filepath = "{loss_of_val}.json"}}),
                         doctest::Contains("{loss_of_val}.json"), ValueError);
}

TEST_CASE("CSVLogger writes what the history has, and appends") {
    const TemporaryFolder folder;
    const std::filesystem::path path = folder.path() / "log.csv";
    Fit fit;
    const History history = fit(2, {CSVLogger{.path = path}});
    std::istringstream lines(content_of(path));
    std::string line;
    REQUIRE(std::getline(lines, line));
    CHECK(line == "epoch,loss");
    for (const double loss : history["loss"]) {
        REQUIRE(std::getline(lines, line));
        CHECK(std::stod(line.substr(line.find(',') + 1)) == loss);
    }
    fit(3, {CSVLogger{.path = path, .append = true}}, {.initial_epoch = 2});
    CHECK(content_of(path).starts_with("epoch,loss\n1,"));
    CHECK(content_of(path).find("\n3,") != std::string::npos);
    CHECK_THROWS_WITH_AS(fit(1, {CSVLogger{.path = folder.path() / "no" / "log.csv"}}),
                         doctest::Contains("No such file or directory"), IoError);
}

TEST_CASE("epochs without validation do not count for what watches it") {
    const TemporaryFolder folder;
    const std::filesystem::path models = folder.path() / "made" / "by itself";
    Fit fit;
    FitOptions<double> options{.validation_data = fit.data, .validation_freq = 2};
    // w moves towards 2, from validation to validation by less than 0.5 from the third one on.
    const auto stopping =
        std::make_shared<EarlyStoppingCallback<double>>(EarlyStopping{.min_delta = 0.2, .patience = 2});
    const History history =
        fit(40,
            {ReduceLROnPlateau{.factor = 0.5, .patience = 1, .min_delta = 0.2}, stopping,
             ModelCheckpoint{.filepath = (models / "all-{epoch}.json").string()},
             ModelCheckpoint{.filepath = (models / "best-{epoch}.json").string(), .save_best_only = true},
             ModelCheckpoint{.filepath = (models / "valid-{epoch}-{val_loss:.1f}.json").string()}},
            options);
    // As Keras 3.15.1: val_loss 0.67, 0.11 and 0.02 are better or not at epochs 2, 4, 6 and 8.
    CHECK(stopping->best_epoch() == 4);
    CHECK(stopping->stopped_epoch() == 8);
    CHECK(history["learning_rate"] == Numbers{0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05});
    for (int epoch = 1; epoch <= 8; ++epoch) {
        CAPTURE(epoch);
        const auto has = [&](const std::string& name) {
            return std::filesystem::exists(models / (name + ".json"));
        };
        CHECK(has("all-" + std::to_string(epoch)));
        CHECK(has("best-" + std::to_string(epoch)) == (epoch % 2 == 0));
    }
    CHECK(std::filesystem::exists(models / "valid-2-0.7.json"));
    CHECK(std::distance(std::filesystem::directory_iterator(models), {}) == 8 + 4 + 4);
}

TEST_CASE("CSVLogger has the columns of the validation from the start, and NA without it") {
    const TemporaryFolder folder;
    const std::filesystem::path path = folder.path() / "log.csv";
    Fit fit;
    FitOptions<double> options{.validation_data = fit.data, .validation_freq = 2};
    fit(3,
        {LearningRateScheduler{.schedule = [](std::int64_t, double rate) { return rate; }},
         CSVLogger{.path = path}},
        options);
    const CsvTable table = read_csv(path.string());
    CHECK(table.names() == std::vector<std::string>{"epoch", "loss", "val_loss", "learning_rate"});
    REQUIRE(table.rows() == 3);
    const std::vector<double>& losses = table.numbers("val_loss");
    CHECK(std::isnan(losses[0]));
    CHECK(losses[1] > 0);
    CHECK(std::isnan(losses[2]));
    CHECK(content_of(path).find(",NA,0.1\n2,") != std::string::npos);
}

TEST_CASE("CSVLogger adds to a log that fits, and to no other") {
    const TemporaryFolder folder;
    const std::filesystem::path path = folder.path() / "log.csv";
    Fit fit;
    const CSVLogger append{.path = path, .append = true};
    const auto added_to = [&](const std::string& before) {
        test::write_text(path, before);
        fit(2, {append}, {.initial_epoch = 1});
        std::string text = content_of(path);
        // The loss is that of a weight that has moved: what is asked is where it stands.
        const std::size_t row = text.rfind("\n2,");
        REQUIRE(row != std::string::npos);
        return text.replace(
            row + 3, std::string::npos,
            std::string(static_cast<std::size_t>(
                            std::count(text.begin() + static_cast<std::ptrdiff_t>(row + 3), text.end(), ',')),
                        ','));
    };
    CHECK(added_to("epoch,loss\n1,0.5\n") == "epoch,loss\n1,0.5\n2,");
    CHECK(added_to("epoch,val_loss,loss\r\n1,9,0.5\r\n") == "epoch,val_loss,loss\r\n1,9,0.5\r\n2,,");
    CHECK(content_of(path).find("\n2,NA,") != std::string::npos);
    // A last line that was not ended, and ones that were cut off.
    CHECK(added_to("epoch,loss\n1,0.5") == "epoch,loss\n1,0.5\n2,");
    CHECK(added_to("epoch,loss") == "epoch,loss\n2,");
    CHECK(added_to("epoch,loss,\"a,b\"\n1,0.5,1\n2,0.2") == "epoch,loss,\"a,b\"\n1,0.5,1\n2,,");
    for (const std::string other :
         {"epoch,accuracy\n1,0.5\n", "epoch;loss\n1;0.5\n", "loss\n0.5\n", "epoch,lo"}) {
        CAPTURE(other);
        test::write_text(path, other);
        CHECK_THROWS_AS(fit(2, {append}), FormatError);
        CHECK(content_of(path) == other);
    }
    test::write_text(path, "epoch,loss\n1,0.5");
    CHECK_THROWS_WITH_AS(
        fit(2, {LambdaCallback<double>{
                    .on_epoch_end = [](auto&, std::int64_t, Logs& logs) { logs.set("more", 1); }},
                append}),
        doctest::Contains("log.csv has the columns epoch, loss, and none for \"more\"; give another path"),
        FormatError);
    CHECK(content_of(path) == "epoch,loss\n1,0.5");
    for (const char separator : {'.', '1', 'e', '"', '\n'})
        CHECK_THROWS_AS(fit(1, {CSVLogger{.path = path, .separator = separator}}), ValueError);
}

TEST_CASE("a number's name that has the separator in it stays one column") {
    const TemporaryFolder folder;
    const std::filesystem::path path = folder.path() / "log.csv";
    Fit fit;
    const CSVLogger logger{.path = path, .append = true};
    const std::vector<AnyCallback<double>> callbacks{told("a, \"b\"", {1, 2, 3}), logger};
    fit(1, callbacks);
    fit(2, callbacks, {.initial_epoch = 1});
    const CsvTable table = read_csv(path.string());
    CHECK(table.names() == std::vector<std::string>{"epoch", "loss", "a, \"b\""});
    CHECK(table.numbers("a, \"b\"") == Numbers{1, 2});
}

TEST_CASE("CSVLogger writes the same in every locale") {
    const auto log = [](const TemporaryFolder& folder) {
        Fit fit;
        fit(1235, {CSVLogger{.path = folder / "log.csv"}}, {.initial_epoch = 1233});
        return content_of(folder / "log.csv");
    };
    const TemporaryFolder here;
    const std::string expected = log(here);
    CHECK(expected.find("\n1234,") != std::string::npos);
    for (const std::string& name : test::other_locales()) {
        CAPTURE(name);
        const TemporaryFolder folder;
        const test::OtherLocale locale(name);
        CHECK(log(folder) == expected);
    }
}

TEST_CASE("what sets the rate is refused beside a schedule before anything happens") {
    const TemporaryFolder folder;
    Fit fit;
    Trainer<double> scheduled(
        fit.model,
        SGD<double>({.learning_rate = ExponentialDecay(
                         {.initial_learning_rate = 0.1, .decay_steps = 10, .decay_rate = 0.5})}),
        MeanSquaredError{});
    const auto refusal = [&](AnyCallback<double> callback) {
        bool begun = false;
        try {
            scheduled.fit(
                fit.data,
                {.verbose = 0,
                 .callbacks = {CSVLogger{.path = folder / "log.csv"},
                               LambdaCallback<double>{.on_train_begin = [&](auto&) { begun = true; }},
                               std::move(callback)}});
        } catch (const ValueError& error) {
            CHECK_FALSE(begun);
            CHECK_FALSE(std::filesystem::exists(folder / "log.csv"));
            return std::string(error.what());
        }
        return std::string("nothing");
    };
    CHECK(
        refusal(ReduceLROnPlateau{.monitor = "loss"}) ==
        "ReduceLROnPlateau: the learning rate of SGD is a schedule, a function of its updates, and cannot be "
        "set; give the optimizer a number, or leave ReduceLROnPlateau out");
    CHECK(refusal(LearningRateScheduler{.schedule = [](std::int64_t, double rate) {
              return rate;
          }}).starts_with("LearningRateScheduler: the learning rate of SGD is a schedule"));
}

TEST_CASE("a number that no epoch has is refused with those there are") {
    Fit fit;
    FitOptions<double> options{.validation_data = fit.data};
    const auto refusal = [&](const std::string& monitor, const FitOptions<double>& o) {
        try {
            fit(3, {EarlyStopping{.monitor = monitor}}, o);
        } catch (const ValueError& error) {
            return std::string(error.what());
        }
        return std::string("nothing");
    };
    CHECK(refusal("val_accuracy", options) ==
          "EarlyStopping: the epoch has no \"val_accuracy\" to monitor, it has loss, val_loss (give the "
          "Trainer "
          "a metric named \"accuracy\")");
    options.validation_freq = 2;
    CHECK(refusal("val_accuracy", options).find("it has loss, val_loss (give the Trainer") !=
          std::string::npos);
    CHECK(refusal("accuracy", {}) ==
          "EarlyStopping: the epoch has no \"accuracy\" to monitor, it has loss (give the Trainer a metric "
          "named "
          "\"accuracy\")");
    CHECK(
        refusal("val_accuracy", {}) ==
        "EarlyStopping: the epoch has no \"val_accuracy\" to monitor, it has loss (give validation_data and "
        "the Trainer a metric named \"accuracy\")");
}

TEST_CASE("A loss that is not finite ends the run, quietly with TerminateOnNaN") {
    Fit fit;
    fit.data.y.data()[2] = not_a_number;
    CHECK_THROWS_WITH_AS(fit(2, {}), doctest::Contains("fit: epoch 1, step 2: the loss is"), NonFiniteError);
    const double before = fit.weight();
    CHECK(std::isfinite(before));
    Fit other;
    other.data.y.data()[2] = not_a_number;
    const History history = other(2, {TerminateOnNaN{}});
    CHECK(history.epochs().size() == 1);
    CHECK(other.weight() == before);
}

TEST_CASE("Callbacks are called in order, and can stop a run at any step") {
    std::string calls;
    const auto note = [&](const std::string& what) { calls += what + ' '; };
    Fit fit;
    fit(2, {LambdaCallback<double>{
               .on_train_begin = [&](auto&) { note("begin"); },
               .on_epoch_begin = [&](auto&, std::int64_t e) { note("epoch" + std::to_string(e)); },
               .on_train_batch_end = [&](auto&, std::size_t k, const Logs&) { note(std::to_string(k)); },
               .on_epoch_end = [&](auto&, std::int64_t, Logs&) { note("end"); },
               .on_train_end = [&](auto&) { note("done"); }}});
    CHECK(calls == "begin epoch1 1 2 end epoch2 1 2 end done ");
    Fit stopped;
    CHECK(stopped(5, {LambdaCallback<double>{
                         .on_train_batch_end = [](auto& run, std::size_t, const Logs&) { run.stop = true; }}})
              .epochs()
              .size() == 1);
    CHECK(stopped.weight() == doctest::Approx(0.4).epsilon(1e-12));
}

TEST_CASE("StopOnInterrupt ends a run after the step, and gives the signal back") {
    static int handled = 0;
    handled = 0;
    const auto before = std::signal(SIGINT, [](int) { ++handled; });
    Fit fit;
    const History history =
        fit(5, {StopOnInterrupt{},
                LambdaCallback<double>{.on_train_batch_end = [](auto&, std::size_t step, const Logs&) {
                    if (step == 1) std::raise(SIGINT);
                }}});
    // The signal of the first step ends the run after the second one, which looks for it.
    CHECK(history.epochs().size() == 1);
    CHECK(fit.weight() == doctest::Approx(weight_after(1)).epsilon(1e-12));
    CHECK(handled == 0);
    std::raise(SIGINT);
    CHECK(handled == 1);
    // Also where the run ends with an exception.
    CHECK_THROWS_AS(fit(1, {StopOnInterrupt{}, EarlyStopping{}}), ValueError);
    std::raise(SIGINT);
    CHECK(handled == 2);
    CHECK_THROWS_AS(fit(1, {StopOnInterrupt{}, StopOnInterrupt{}}), ValueError);
    std::signal(SIGINT, before);
}

TEST_CASE("fit evaluates a part of the samples, every so many epochs, and goes on from an epoch") {
    Fit fit;
    const History history = fit(4, {}, {.validation_split = 0.5, .validation_freq = 2, .initial_epoch = 1});
    CHECK(history.epochs().size() == 3);
    CHECK(history.epochs()[0].epoch == 2);
    CHECK(history["val_loss"].size() == 2);
    // Two of the four samples are left: a step of 0.2 (w - 2) an epoch.
    CHECK(fit.weight() == doctest::Approx(2 - 2 * std::pow(0.8, 3)).epsilon(1e-12));
    CHECK_THROWS_AS(fit(1, {}, {.validation_split = 1.0}), ValueError);
    CHECK_THROWS_AS(fit(1, {}, {.validation_data = fit.data, .validation_split = 0.5}), ValueError);
    CHECK_THROWS_WITH_AS(fit(1, {}, {.validation_freq = 0}), "fit: validation_freq must be at least 1, got 0",
                         ValueError);
}

TEST_CASE("Callbacks refuse arguments out of their range, and numbers that are not there") {
    Fit fit;
    CHECK_THROWS_AS(AnyCallback<double>(std::shared_ptr<Callback<double>>()), ValueError);
    CHECK_THROWS_WITH_AS(fit(1, {EarlyStopping{}}),
                         "EarlyStopping: the epoch has no \"val_loss\" to monitor, it has loss (give "
                         "validation_data)",
                         ValueError);
    CHECK_THROWS_AS(fit(1, {EarlyStopping{.patience = -1}}), ValueError);
    CHECK_THROWS_AS(fit(1, {EarlyStopping{.min_delta = not_a_number}}), ValueError);
    CHECK_THROWS_AS(fit(1, {ReduceLROnPlateau{.factor = 1.0}}), ValueError);
    CHECK_THROWS_AS(fit(1, {ReduceLROnPlateau{.min_lr = -1}}), ValueError);
    CHECK_THROWS_AS(fit(1, {LearningRateScheduler{}}), ValueError);
    CHECK_THROWS_AS(fit(1, {CSVLogger{}}), ValueError);
    CHECK_THROWS_AS(fit(1, {ModelCheckpoint{}}), ValueError);
}
