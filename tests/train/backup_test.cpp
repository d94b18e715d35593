#include "seqgrad/train/backup.hpp"

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/failing_files.hpp"
#include "support/temporary_folder.hpp"
#include "support/training_states.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/dropout.hpp"
#include "seqgrad/layers/sequential.hpp"
#include "seqgrad/optim/adam.hpp"
#include "seqgrad/train/trainer.hpp"

using namespace seqgrad;
using test::TemporaryFolder;

namespace {

constexpr std::size_t steps_per_epoch = 4;
constexpr std::int64_t epochs = 3;

using Names = std::vector<std::string>;
Names names_in(const std::filesystem::path& folder) {
    Names names;
    if (!std::filesystem::exists(folder)) return names;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
}

/// What a run came to.
struct Outcome {
    std::vector<std::pair<std::string, Tensor<float>>> weights;
    std::vector<Logs> logs;
    std::size_t steps = 0;  // that this run made itself
    std::string error = {};

    bool same_as(const Outcome& other) const {
        return test::same(weights, other.weights) && logs == other.logs;
    }
};

/// A run of 3 epochs of 4 steps, with dropout, shuffling and Adam. `at_step(run, n)` is called after each
/// step that it makes, of which the first of all has number 1.
Outcome run(const BackupAndRestore& backup,
            std::function<void(TrainingRun<float>&, std::size_t)> at_step = nullptr) {
    set_random_seed(5);
    Generator generator(3);
    Dataset<float> data{generator.uniform<float>({4 * steps_per_epoch, 3}),
                        zeros<float>({4 * steps_per_epoch, 1})};
    for (std::size_t i = 0; i < data.y.size(); ++i) data.y.data()[i] = data.x(i, 0) - data.x(i, 2);
    Sequential<float> model;
    model.add(Dense<float>({.units = 5, .activation = "tanh"}));
    model.add(Dropout<float>({.rate = 0.2}));
    model.add(Dense<float>({.units = 1}));
    Trainer<float> trainer(model, Adam<float>({.learning_rate = 0.05}), MeanSquaredError{});
    Outcome outcome;
    const LambdaCallback<float> steps{
        .on_train_batch_end = [&](TrainingRun<float>& r, std::size_t, const Logs&) {
            ++outcome.steps;
            if (at_step) at_step(r, static_cast<std::size_t>(r.optimizer.iterations()));
        }};
    try {
        const History history = trainer.fit(data, {.epochs = epochs,
                                                   .batch_size = 4,
                                                   .verbose = 0,
                                                   .callbacks = {steps, backup, StopOnInterrupt{}},
                                                   .seed = 5});
        for (const Epoch& epoch : history.epochs()) outcome.logs.push_back(epoch.logs);
    } catch (const std::exception& error) {
        outcome.error = error.what();
    }
    for (const auto& p : model.parameters()) outcome.weights.emplace_back(p.name, p.variable.value());
    return outcome;
}

struct Crash : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Ends the run after a step as a fault of the program would.
auto crash_at(std::size_t step) {
    return [step](TrainingRun<float>&, std::size_t n) {
        if (n == step) throw Crash("crash");
    };
}

}  // namespace

TEST_CASE("a run that crashed goes on from its last checkpoint to the same end") {
    const TemporaryFolder parent;
    const BackupAndRestore every_step{.backup_dir = parent / "backup", .save_freq = 1};
    const Outcome all = run(every_step);
    CHECK(all.steps == 12);
    CHECK(all.logs.size() == 3);
    CHECK(parent.files() == 0);

    for (std::size_t step = 1; step <= 12; ++step) {
        CAPTURE(step);
        CHECK(run(every_step, crash_at(step)).error == "crash");
        CHECK(names_in(parent / "backup").size() == std::min<std::size_t>(step - 1, 3));
        const Outcome rest = run(every_step);
        CHECK(rest.steps == 12 - (step - 1));
        CHECK(rest.same_as(all));
        CHECK(parent.files() == 0);
    }
}

TEST_CASE("save_freq says how often there is a checkpoint, also after the run went on") {
    const TemporaryFolder parent;
    const BackupAndRestore every_fifth{.backup_dir = parent / "backup", .save_freq = 5};
    const Outcome all = run(every_fifth);
    run(every_fifth, crash_at(5));
    CHECK(names_in(parent / "backup").empty());
    run(every_fifth, crash_at(9));
    CHECK(names_in(parent / "backup") == Names{"checkpoint-1.json"});
    CHECK(run(every_fifth, crash_at(10)).steps == 5);
    CHECK(names_in(parent / "backup") == Names{"checkpoint-1.json"});
    CHECK(run(every_fifth, crash_at(12)).steps == 7);
    CHECK(names_in(parent / "backup") == Names{"checkpoint-1.json", "checkpoint-2.json"});
    const Outcome rest = run(every_fifth);
    CHECK(rest.steps == 2);
    CHECK(rest.same_as(all));

    const BackupAndRestore every_epoch{.backup_dir = parent / "backup"};
    run(every_epoch, crash_at(4));
    CHECK(names_in(parent / "backup").empty());
    run(every_epoch, crash_at(11));
    CHECK(names_in(parent / "backup") == Names{"checkpoint-1.json", "checkpoint-2.json"});
    const Outcome last = run(every_epoch);
    CHECK(last.steps == 4);
    CHECK(last.same_as(all));
}

TEST_CASE("Ctrl-C leaves a checkpoint of the last step, and the next run goes on from it") {
    const TemporaryFolder parent;
    const BackupAndRestore backup{.backup_dir = parent / "backup"};
    const Outcome all = run(backup);
    for (const std::size_t step : {std::size_t{1}, std::size_t{6}, std::size_t{8}, std::size_t{12}}) {
        CAPTURE(step);
        const Outcome interrupted = run(backup, [step](TrainingRun<float>&, std::size_t n) {
            if (n == step) std::raise(SIGINT);
        });
        CHECK(interrupted.error.empty());
        CHECK(interrupted.steps == step);
        CHECK_FALSE(names_in(parent / "backup").empty());
        const Outcome rest = run(backup);
        CHECK(rest.steps == 12 - step);
        CHECK(rest.same_as(all));
        CHECK(parent.files() == 0);
    }
}

TEST_CASE("a run that has come to its end and keeps its checkpoints is not made again") {
    const TemporaryFolder parent;
    const BackupAndRestore backup{.backup_dir = parent / "backup", .keep = 2, .delete_checkpoint = false};
    const Outcome all = run(backup);
    CHECK(names_in(parent / "backup") == Names{"checkpoint-2.json", "checkpoint-3.json"});
    const Outcome again = run(backup);
    CHECK(again.steps == 0);
    CHECK(again.same_as(all));
}

TEST_CASE("a run goes on from the checkpoint before a damaged one, and says so") {
    const TemporaryFolder parent;
    Names reports;
    const BackupAndRestore backup{.backup_dir = parent / "backup",
                                  .save_freq = 1,
                                  .report = [&](const std::string& message) { reports.push_back(message); }};
    const Outcome all = run(backup);
    run(backup, crash_at(7));
    std::filesystem::resize_file(parent / "backup/checkpoint-6.json", 1000);
    const Outcome rest = run(backup);
    CHECK(rest.steps == 7);
    CHECK(rest.same_as(all));
    REQUIRE(reports.size() == 1);
    CHECK(reports[0].find("checkpoint-6.json: /") != std::string::npos);
    CHECK(reports[0].ends_with("; going on from " + (parent / "backup/checkpoint-5.json").string() +
                               " instead"));

    run(backup, crash_at(3));
    for (const std::string& name : names_in(parent / "backup"))
        test::write_text(parent / ("backup/" + name), "{}");
    CHECK(run(backup).error.find("none of the checkpoints is valid") != std::string::npos);
}

TEST_CASE("a full disk ends the run with an error, and it goes on when there is room again") {
    const TemporaryFolder parent;
    const BackupAndRestore backup{.backup_dir = parent / "backup", .save_freq = 1};
    const Outcome all = run(backup);
    run(backup, crash_at(4));
    {
        test::FailingFiles full(20, ENOSPC);
        const detail::ReplaceFileSystem replaced(full);
        const Outcome failed = run(backup);
        CHECK(failed.error.find((parent / "backup/checkpoint-").string()) != std::string::npos);
        CHECK(failed.error.ends_with("No space left on device"));
    }
    const Outcome rest = run(backup);
    CHECK(rest.steps < 9);
    CHECK(rest.same_as(all));
}

TEST_CASE("BackupAndRestore checks its arguments") {
    CHECK_THROWS_WITH_AS(BackupAndRestore{}.make<float>(), "BackupAndRestore: backup_dir is empty",
                         ValueError);
    CHECK_THROWS_WITH_AS((BackupAndRestore{.backup_dir = "x", .save_freq = -1}.make<float>()),
                         "BackupAndRestore: save_freq must be at least 0, got -1", ValueError);
    CHECK_THROWS_WITH_AS((BackupAndRestore{.backup_dir = "x", .keep = 0}.make<double>()),
                         "BackupAndRestore: keep must be at least 1, got 0", ValueError);
}

TEST_CASE("a state that BackupAndRestore has not given is refused") {
    const auto callback = BackupAndRestore{.backup_dir = "x"}.make<float>();
    CHECK_THROWS_WITH_AS(callback->set_state({}),
                         "BackupAndRestore: not the state of such a callback: it has no \"steps\"",
                         ValueError);
    CHECK_THROWS_WITH_AS(
        callback->set_state({.numbers = {{"steps", 0.5}}}),
        "BackupAndRestore: not the state of such a callback: \"steps\" is 0.5, not an integer", ValueError);
    CHECK(callback->state().numbers.at("steps") == 0.0);
}
