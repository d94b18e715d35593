// That training on a file read piece by piece is training on it in memory.
#include <cstddef>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/random.hpp"
#include "seqgrad/data/batch_source.hpp"
#include "seqgrad/data/csv_window_batches.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/sequential.hpp"
#include "seqgrad/optim/adam.hpp"
#include "seqgrad/train/trainer.hpp"

using namespace seqgrad;

namespace {

const std::string path = std::string(SEQGRAD_TEST_SETS_DIR) + "/macrodata.csv";
const std::vector<std::string> columns = {"realgdp", "unemp", "infl"};
constexpr std::size_t split = 160;
const WindowOptions windows{.window = 8, .horizon = 2, .target_features = {1, 2}};

/// What a run came to: the numbers of all epochs and the weights.
struct Outcome {
    std::vector<Logs> logs;
    std::vector<std::vector<float>> weights;

    friend bool operator==(const Outcome&, const Outcome&) = default;
};

/// Trains a model the way that `fit` does, which is given the trainer.
template <class Fit>
Outcome run(Fit fit) {
    set_random_seed(4);
    Sequential<float> model{LSTM<float>({.units = 5, .dropout = 0.1}),
                            Dense<float>({.units = windows.horizon * windows.target_features.size()})};
    Trainer trainer(model, Adam<float>({.learning_rate = 0.01}), MeanSquaredError{}, {MeanAbsoluteError{}});
    Outcome outcome;
    const History history = fit(trainer);
    for (const Epoch& epoch : history.epochs()) outcome.logs.push_back(epoch.logs);
    for (const auto& p : model.parameters())
        outcome.weights.emplace_back(p.variable.value().begin(), p.variable.value().end());
    return outcome;
}

}  // namespace

TEST_CASE("training on a file in order is training on its windows in memory, bit for bit") {
    const Tensor<float> series = columns_tensor<float>(read_csv(path), columns, Missing::error);
    CsvSeriesReader train_part(path, {.columns = columns, .end = split});
    CsvSeriesReader test_part(path, {.columns = columns, .begin = split - windows.window});
    StandardScaler scaler;
    scaler.fit(train_part);

    const TrainTest<float> parts = split_windows(scaler.transform(series), split, windows);
    const Outcome in_memory = run([&](Trainer<float>& trainer) {
        return trainer.fit(parts.train, {.epochs = 4,
                                         .batch_size = 16,
                                         .shuffle = false,
                                         .validation_data = parts.test,
                                         .verbose = 0,
                                         .seed = 1});
    });
    REQUIRE(in_memory.logs.size() == 4);
    CHECK(in_memory.logs[3]["val_loss"] < in_memory.logs[0]["val_loss"]);

    CsvWindowBatches<float> train(std::move(train_part),
                                  {.scaler = scaler, .windows = windows, .batch_size = 16});
    CsvWindowBatches<float> test(std::move(test_part),
                                 {.scaler = scaler, .windows = windows, .batch_size = 16});
    CHECK(run([&](Trainer<float>& trainer) {
              return trainer.fit(train, {.epochs = 4, .validation_source = &test, .verbose = 0, .seed = 1});
          }) == in_memory);
    PrefetchedBatches<float> prefetched(train);
    CHECK(run([&](Trainer<float>& trainer) {
              return trainer.fit(prefetched,
                                 {.epochs = 4, .validation_source = &test, .verbose = 0, .seed = 1});
          }) == in_memory);
}
