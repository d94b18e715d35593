// That a run goes on from any of its states as if it had never stopped.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/temporary_folder.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/data/batch_source.hpp"
#include "seqgrad/data/csv_window_batches.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/dropout.hpp"
#include "seqgrad/layers/embedding.hpp"
#include "seqgrad/layers/flatten.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/lstm.hpp"
#include "seqgrad/layers/sequential.hpp"
#include "seqgrad/optim/adam.hpp"
#include "seqgrad/optim/schedules.hpp"
#include "seqgrad/optim/sgd.hpp"
#include "seqgrad/train/backup.hpp"
#include "seqgrad/train/trainer.hpp"

using namespace seqgrad;
using test::content_of;

namespace {

/// Stops the run after so many steps as if it were interrupted, and keeps the state it could go on from.
template <class T>
class StopAfter : public Callback<T> {
  public:
    explicit StopAfter(std::size_t steps) : left_(steps) {}

    std::string type() const override { return "Probe"; }
    void on_train_batch_end(TrainingRun<T>& run, std::size_t, const Logs&) override {
        if (--left_ == 0) run.stop = run.interrupted = true;
    }
    void on_safe_point(TrainingRun<T>& run) override {
        if (left_ == 0) state = run.capture();
    }
    std::optional<TrainingState<T>> state;

  private:
    std::size_t left_;
};

/// Makes the run go on from a state.
template <class T>
class GoOn : public Callback<T> {
  public:
    explicit GoOn(TrainingState<T> state) : state_(std::move(state)) {}
    std::string type() const override { return "Probe"; }
    void on_setup(TrainingRun<T>& run) override { run.restore(state_); }

  private:
    TrainingState<T> state_;
};

/// What a run came to: all that has to be the same.
struct Outcome {
    std::vector<std::vector<float>> weights;
    std::vector<std::int64_t> epochs;
    std::vector<Logs> logs;
    std::string csv;

    friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome outcome_of(const Module<float>& model, const History& history, const std::filesystem::path& log) {
    Outcome outcome;
    for (const auto& p : model.parameters())
        outcome.weights.emplace_back(p.variable.value().begin(), p.variable.value().end());
    for (const Epoch& epoch : history.epochs()) {
        outcome.epochs.push_back(epoch.epoch);
        outcome.logs.push_back(epoch.logs);
    }
    outcome.csv = content_of(log);
    return outcome;
}

Dataset<float> sums(std::size_t n) {
    Generator generator(3);
    Dataset<float> data{generator.uniform<float>({n, 4, 2}), zeros<float>({n, 1})};
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t t = 0; t < 4; ++t) data.y.data()[i] += data.x(i, t, 0);
    }
    return data;
}

/// A run with everything that has a state: dropout, shuffling, Adam with a mean of the weights, a schedule,
/// gathered gradients, early stopping that gives the best weights back, metrics, a log; with checkpoints in
/// `folder`.
Outcome run_with_everything(const std::shared_ptr<Callback<float>>& probe,
                            const test::TemporaryFolder& folder) {
    static const Dataset<float> data = sums(31), validation = sums(9);
    set_random_seed(11);
    Sequential<float> model;
    model.add(LSTM<float>({.units = 3, .dropout = 0.2, .recurrent_dropout = 0.1}));
    model.add(Dropout<float>({.rate = 0.3}));
    model.add(Dense<float>({.units = 1}));
    const CosineDecay schedule{.initial_learning_rate = 0.03, .decay_steps = 150, .alpha = 0.1};
    Trainer<float> trainer(model,
                           Adam<float>({.learning_rate = schedule,
                                        .global_clipnorm = 1.0,
                                        .use_ema = true,
                                        .ema_momentum = 0.9,
                                        .gradient_accumulation_steps = 2}),
                           MeanSquaredError{}, {MeanAbsoluteError{}, RootMeanSquaredError{}});
    const std::filesystem::path log = folder / "log.csv";
    const History history = trainer.fit(
        data,
        {.epochs = 30,
         .batch_size = 4,
         .validation_data = validation,
         .verbose = 0,
         .callbacks = {EarlyStopping{.patience = 6, .restore_best_weights = true}, CSVLogger{.path = log},
                       probe, BackupAndRestore{.backup_dir = folder / "run", .save_freq = 1 << 30}},
         .seed = 5});
    return outcome_of(model, history, log);
}

#ifdef NDEBUG
constexpr std::size_t stride = 1;
#else
constexpr std::size_t stride = 9;  // all of them would take minutes
#endif

}  // namespace

TEST_CASE("a run that is interrupted after any of its first 200 steps goes on bit for bit from its file") {
    const test::TemporaryFolder folder;
    const auto never = [] { return std::make_shared<StopAfter<float>>(std::size_t{1} << 40); };
    const Outcome uninterrupted = run_with_everything(never(), folder);
    REQUIRE(uninterrupted.epochs.size() > 25);
    CHECK_FALSE(std::filesystem::exists(folder / "run"));
    std::size_t runs = 0, exact = 0;
    for (std::size_t steps = 1; steps <= 200; steps += stride, ++runs) {
        CHECK(run_with_everything(std::make_shared<StopAfter<float>>(steps), folder) != uninterrupted);
        CHECK(std::filesystem::exists(folder / "run" / "checkpoint-1.json"));
        exact += run_with_everything(never(), folder) == uninterrupted;
    }
    CHECK(exact == runs);
}

TEST_CASE("a stateful model on a stream goes on bit for bit, before it has been called") {
    std::vector<std::int64_t> ids(90);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int64_t>(i * i % 7);
    const auto run = [&](const std::shared_ptr<Callback<float>>& probe, bool prefetch) {
        Sequential<float> model;
        model.add(Embedding<float>({.input_dim = 7, .output_dim = 3}));
        model.add(GRU<float>({.units = 4, .dropout = 0.2, .return_sequences = true, .stateful = true}));
        model.add(Dense<float>({.units = 7}));
        Trainer<float> trainer(model, Adam<float>({.learning_rate = 0.01}),
                               SparseCategoricalCrossentropy{.from_logits = true},
                               {SparseCategoricalAccuracy{}});
        StreamBatches<float> stream(TextStream<float>(ids, {.batch_size = 3, .steps = 5}));
        PrefetchedBatches<float> prefetched(stream);
        const History history =
            trainer.fit(prefetch ? static_cast<BatchSource<float>&>(prefetched) : stream,
                        {.epochs = 4, .steps_per_epoch = 4, .verbose = 0, .callbacks = {probe}, .seed = 5});
        return outcome_of(model, history, "");
    };
    set_random_seed(3);
    const Outcome uninterrupted = run(std::make_shared<StopAfter<float>>(100), false);
    for (std::size_t steps = 1; steps <= 16; ++steps) {
        CAPTURE(steps);
        const auto stop = std::make_shared<StopAfter<float>>(steps);
        set_random_seed(3);
        run(stop, steps % 2 == 0);
        REQUIRE(stop->state);
        set_random_seed(77);  // the state says what the weights were
        CHECK(run(std::make_shared<GoOn<float>>(*stop->state), steps % 3 == 0) == uninterrupted);
    }
}

TEST_CASE("random windows go on bit for bit, in a pass without an end") {
    std::vector<std::int64_t> ids(90);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int64_t>(i * i % 7);
    const auto run = [&](const std::shared_ptr<Callback<float>>& probe) {
        set_random_seed(3);
        Sequential<float> model;
        model.add(Embedding<float>({.input_dim = 7, .output_dim = 3}));
        model.add(LSTM<float>({.units = 4, .return_sequences = true}));
        model.add(Dense<float>({.units = 7}));
        Trainer<float> trainer(model, SGD<float>({.learning_rate = 0.1, .momentum = 0.9}),
                               SparseCategoricalCrossentropy{.from_logits = true});
        RandomWindowBatches<float> windows(ids, {.batch_size = 3, .steps = 5});
        const History history = trainer.fit(
            windows, {.epochs = 3, .steps_per_epoch = 5, .verbose = 0, .callbacks = {probe}, .seed = 5});
        return outcome_of(model, history, "");
    };
    const Outcome uninterrupted = run(std::make_shared<StopAfter<float>>(100));
    for (const std::size_t steps : {1u, 5u, 7u, 10u, 14u, 15u}) {
        const auto stop = std::make_shared<StopAfter<float>>(steps);
        run(stop);
        CHECK(run(std::make_shared<GoOn<float>>(*stop->state)) == uninterrupted);
    }
}

TEST_CASE("windows drawn from a file go on bit for bit") {
    const auto run = [&](const std::shared_ptr<Callback<float>>& probe) {
        set_random_seed(3);
        Sequential<float> model;
        model.add(LSTM<float>({.units = 3, .dropout = 0.2}));
        model.add(Dense<float>({.units = 1}));
        Trainer<float> trainer(model, Adam<float>({.learning_rate = 0.01}), MeanSquaredError{});
        CsvWindowBatches<float> windows(CsvSeriesReader(std::string(SEQGRAD_TEST_SETS_DIR) + "/sunspots.csv",
                                                        {.columns = {"SUNACTIVITY"}, .begin = 9, .end = 80}),
                                        {.windows = {.window = 6}, .batch_size = 16, .shuffle_buffer = 20});
        const History history =
            trainer.fit(windows, {.epochs = 3, .verbose = 0, .callbacks = {probe}, .seed = 5});
        return outcome_of(model, history, "");
    };
    const Outcome uninterrupted = run(std::make_shared<StopAfter<float>>(100));
    REQUIRE(uninterrupted.epochs.size() == 3);
    for (std::size_t steps = 1; steps <= 15; ++steps) {  // 5 an epoch
        CAPTURE(steps);
        const auto stop = std::make_shared<StopAfter<float>>(steps);
        run(stop);
        REQUIRE(stop->state);
        CHECK(run(std::make_shared<GoOn<float>>(*stop->state)) == uninterrupted);
    }
}

TEST_CASE("a state of another run is refused, and nothing changes") {
    const Dataset<float> data = sums(10);
    const auto stop = std::make_shared<StopAfter<float>>(3);
    Sequential<float> model;
    model.add(LSTM<float>({.units = 2}));
    model.add(Dense<float>({.units = 1}));
    Trainer<float> trainer(model, Adam<float>({.learning_rate = 0.01}), MeanSquaredError{});
    trainer.fit(data, {.batch_size = 2, .verbose = 0, .callbacks = {stop}});
    const TrainingState<float> state = *stop->state;
    const auto refusal = [](Trainer<float>& other, const Dataset<float>& d, const TrainingState<float>& s,
                            FitOptions<float> options) {
        options.verbose = 0;
        options.callbacks.push_back(std::make_shared<GoOn<float>>(s));
        std::vector<std::vector<float>> before;
        for (const auto& p : other.model().parameters())
            before.emplace_back(p.variable.value().begin(), p.variable.value().end());
        std::string message = "nothing";
        try {
            other.fit(d, options);
        } catch (const ValueError& error) {
            message = error.what();
        }
        std::size_t k = 0;
        for (const auto& p : other.model().parameters())
            CHECK(before.at(k++) == std::vector<float>(p.variable.value().begin(), p.variable.value().end()));
        return message;
    };
    CHECK(refusal(trainer, data, state, {.batch_size = 5}) ==
          "fit: the saved state is one of another run: it has samples 10, batch_size 2, shuffle 1, "
          "steps_per_epoch -1, this run samples 10, batch_size 5, shuffle 1, steps_per_epoch -1");
    CHECK(
        refusal(trainer, data, state, {.batch_size = 2, .callbacks = {TerminateOnNaN{}}}) ==
        "fit: the saved state is one of another run: it has the callbacks [Probe], this run [TerminateOnNaN, "
        "Probe]");
    Sequential<float> wider;
    wider.add(LSTM<float>({.units = 3}));
    wider.add(Dense<float>({.units = 1}));
    wider.build({unknown, 4, 2});
    Trainer<float> other(wider, Adam<float>({.learning_rate = 0.01}), MeanSquaredError{});
    CHECK(refusal(other, data, state, {.batch_size = 2})
              .find("fit: the saved state is one of another model: it has lstm.kernel [2, 8], ") == 0);
    Trainer<float> sgd(model, SGD<float>(), MeanSquaredError{});
    CHECK(refusal(sgd, data, state, {.batch_size = 2}).find("Adam") != std::string::npos);
    Trainer<float> measured(model, Adam<float>(), MeanSquaredError{}, {RootMeanSquaredError{}});
    CHECK(refusal(measured, data, state, {.batch_size = 2}) ==
          "fit: the saved state is one of another run: it has 0 metrics, this run 1");
}

TEST_CASE("a state that a callback refuses leaves model, optimizer and generators as they were") {
    class Refuses : public GoOn<float> {
      public:
        using GoOn::GoOn;
        void set_state(const CallbackState<float>&) override { throw ValueError("refused"); }
    };
    const Dataset<float> data = sums(10);
    const auto stop = std::make_shared<StopAfter<float>>(3);
    const auto make = [] {
        Sequential<float> model;
        model.add(LSTM<float>({.units = 2, .dropout = 0.5, .seed = 1, .stateful = true}));
        model.add(Dense<float>({.units = 1}));
        model.build({unknown, 4, 2});
        return model;
    };
    Sequential<float> model = make();
    Trainer<float> trainer(model, Adam<float>({.learning_rate = 0.01}), MeanSquaredError{});
    trainer.fit(data, {.batch_size = 2, .verbose = 0, .callbacks = {stop}});

    Sequential<float> fresh = make();
    Trainer<float> other(fresh, Adam<float>({.learning_rate = 0.01}), MeanSquaredError{});
    Generator generator(9);
    const ModuleState<float> before = fresh.state();
    CHECK_THROWS_WITH_AS(other.fit(data, {.batch_size = 2,
                                          .verbose = 0,
                                          .callbacks = {std::make_shared<Refuses>(*stop->state)},
                                          .generator = &generator}),
                         "refused", ValueError);
    CHECK(generator.state() == Generator(9).state());
    CHECK(fresh.state().generators == before.generators);
    CHECK(fresh.state().states == before.states);
    CHECK(other.optimizer().iterations() == 0);
    CHECK(other.optimizer().learning_rate() == 0.01);
    other.fit(data, {.batch_size = 2, .verbose = 0, .seed = 1});
    CHECK(other.optimizer().iterations() == 5);
}

TEST_CASE("best weights that are not the model's are refused before a run goes on with them") {
    const Dataset<float> data = sums(10);
    const auto stop = std::make_shared<StopAfter<float>>(7);
    Sequential<float> flat{Flatten<float>()};
    flat.add(Dense<float>({.units = 1}));
    Trainer<float> trainer(flat, SGD<float>(), MeanSquaredError{});
    const EarlyStopping early{.monitor = "loss", .restore_best_weights = true};
    trainer.fit(data, {.epochs = 3, .batch_size = 2, .verbose = 0, .callbacks = {early, stop}});
    REQUIRE(stop->state);
    const auto refusal = [&](const std::function<void(std::vector<Tensor<float>>&)>& change) {
        TrainingState<float> state = *stop->state;
        change(state.callbacks[0].second.tensors.at("best_weights"));
        std::string message = "nothing";
        try {
            trainer.fit(data, {.epochs = 3,
                               .batch_size = 2,
                               .verbose = 0,
                               .callbacks = {early, std::make_shared<GoOn<float>>(state)}});
        } catch (const Error& error) {
            message = error.what();
        }
        return message;
    };
    CHECK(refusal([](auto& weights) { weights.pop_back(); }) ==
          "EarlyStopping: not the state of such a callback: it has 1 best weights, the model 2");
    CHECK(refusal([](auto& weights) { weights[1] = zeros<float>({2}); }) ==
          "EarlyStopping: not the state of such a callback: its best weight of dense.bias has the shape [2], "
          "expected [1]");
    CHECK(refusal([](auto&) {}) == "nothing");
}

TEST_CASE("a layer that draws from the generator of the order goes on bit for bit") {
    class Noise : public Module<float> {
      public:
        explicit Noise(Generator& generator) : generator_(generator) {}
        std::string type() const override { return "Noise"; }
        PartialShape compute_output_shape(const PartialShape& x) const override { return x; }

      protected:
        void members(Members<float>& m) override { m.generator("generator", generator_); }
        Variable<float> call(const Variable<float>& x) override {
            return training() ? x + constant(generator_.normal<float>(x.shape())) : x;
        }

      private:
        Generator& generator_;
    };
    const Dataset<float> data = sums(12);
    const auto run = [&](const std::shared_ptr<Callback<float>>& probe) {
        set_random_seed(1);
        Generator generator(5);
        Sequential<float> model;
        model.add(std::make_shared<Noise>(generator));
        model.add(LSTM<float>({.units = 2}));
        model.add(Dense<float>({.units = 1}));
        Trainer<float> trainer(model, SGD<float>({.learning_rate = 0.1}), MeanSquaredError{});
        const History history = trainer.fit(
            data,
            {.epochs = 3, .batch_size = 4, .verbose = 0, .callbacks = {probe}, .generator = &generator});
        return outcome_of(model, history, {});
    };
    const Outcome uninterrupted = run(std::make_shared<StopAfter<float>>(1000));
    for (const std::size_t steps : {1U, 3U, 5U, 8U}) {
        const auto stop = std::make_shared<StopAfter<float>>(steps);
        run(stop);
        REQUIRE(stop->state);
        CHECK(run(std::make_shared<GoOn<float>>(*stop->state)) == uninterrupted);
    }
}
