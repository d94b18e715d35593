// What is left of a run that saves a checkpoint after every step, when its process is killed at any moment.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "support/temporary_folder.hpp"
#include "support/training_states.hpp"
#include <doctest/doctest.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX's
#include <sys/wait.h>
#include <unistd.h>

#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/dropout.hpp"
#include "seqgrad/layers/gru.hpp"
#include "seqgrad/layers/sequential.hpp"
#include "seqgrad/optim/adam.hpp"
#include "seqgrad/train/backup.hpp"
#include "seqgrad/train/trainer.hpp"

using namespace seqgrad;

namespace {

constexpr std::size_t kills = 500;
constexpr std::size_t steps_per_epoch = 25;
constexpr std::size_t steps_of_a_process = 6;  // that then waits to be killed
constexpr std::size_t steps = 3600;            // more than are made before the last kill

/// All of a run's states, after every step.
using States = std::vector<TrainingState<float>>;

/// Apart from how long it took, which is never the same twice.
bool same_run(TrainingState<float> a, TrainingState<float> b) {
    const auto without_times = [](TrainingState<float>& state) {
        History history;
        for (Epoch epoch : state.history.epochs()) {
            epoch.seconds = 0.0;
            history.append(epoch);
        }
        state.history = history;
        state.seconds = 0.0;
        state.callbacks.clear();  // the reference has others
    };
    without_times(a);
    without_times(b);
    return test::same(a, b);
}

/// Keeps a run's states.
class Keep : public Callback<float> {
  public:
    explicit Keep(States& states) : states_(states) {}
    void on_train_batch_end(TrainingRun<float>&, std::size_t, const Logs&) override { stepped_ = true; }
    void on_safe_point(TrainingRun<float>& run) override {
        if (stepped_) states_.push_back(run.capture());
        stepped_ = false;
    }

  private:
    States& states_;
    bool stepped_ = false;
};

/// Tells after how many steps the checkpoint was complete.
class Tell : public Callback<float> {
  public:
    explicit Tell(int to) : to_(to) {}
    void on_train_batch_end(TrainingRun<float>&, std::size_t, const Logs&) override { ++steps_; }
    void on_safe_point(TrainingRun<float>& run) override {
        const auto done = static_cast<std::size_t>(run.optimizer.iterations());
        if (write(to_, &done, sizeof done) != sizeof done) _exit(3);
        // A fast machine must not come to the run's end.
        while (steps_ == steps_of_a_process) pause();
    }

  private:
    int to_;
    std::size_t steps_ = 0;
};

void train(const std::vector<AnyCallback<float>>& callbacks) {
    set_random_seed(5);
    Generator generator(3);
    Dataset<float> data{generator.uniform<float>({2 * steps_per_epoch, 4, 2}),
                        generator.uniform<float>({2 * steps_per_epoch, 1})};
    Sequential<float> model;
    model.add(GRU<float>({.units = 4, .dropout = 0.2}));
    model.add(Dropout<float>({.rate = 0.2}));
    model.add(Dense<float>({.units = 1}));
    Trainer<float> trainer(model, Adam<float>({.learning_rate = 0.01}), MeanSquaredError{});
    trainer.fit(data, {.epochs = steps / steps_per_epoch,
                       .batch_size = 2,
                       .verbose = 0,
                       .callbacks = callbacks,
                       .seed = 5});
}

std::size_t steps_done(const TrainingState<float>& state) {
    return static_cast<std::size_t>(state.optimizer.iterations);
}

}  // namespace

TEST_CASE("a run that is killed 500 times always has a valid checkpoint, never one that is wrong") {
    States expected;
    train({std::make_shared<Keep>(expected)});
    REQUIRE(expected.size() == steps);

    const test::TemporaryFolder parent;
    const auto path = parent / "run";
    std::size_t reports = 0;
    const auto report = [&](const std::string&) { ++reports; };
    CheckpointFolder<float> folder(path, 3, report);
    std::mt19937 random(7);
    std::size_t done = 0, while_writing = 0;
    for (std::size_t n = 0; n < kills; ++n) {
        CAPTURE(n);
        int told[2];
        REQUIRE(pipe(told) == 0);
        const pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            close(told[0]);
            try {
                train(
                    {BackupAndRestore{.backup_dir = path, .save_freq = 1}, std::make_shared<Tell>(told[1])});
            } catch (const std::exception& error) {
                std::cerr << error.what() << std::endl;
            }
            _exit(2);
        }
        close(told[1]);
        // Some moment in one of the first steps.
        std::size_t complete = done;
        for (auto saves = random() % 2; saves > 0; --saves)
            REQUIRE(read(told[0], &complete, sizeof complete) == sizeof complete);
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
        REQUIRE(kill(child, SIGKILL) == 0);
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        REQUIRE(WIFSIGNALED(status));
        while (read(told[0], &complete, sizeof complete) == sizeof complete) {
        }
        close(told[0]);

        if (std::filesystem::exists(path)) {
            for (const auto& file : std::filesystem::directory_iterator(path))
                while_writing += file.path().extension() == ".json" ? 0 : 1;
        }
        const auto found = folder.newest();
        CHECK((found || complete == 0));
        if (!found) continue;
        CHECK(found->skipped.empty());
        done = steps_done(found->state);
        CHECK(done >= complete);
        CHECK(done <= complete + 1);
        REQUIRE(done >= 1);
        REQUIRE(done < steps);
        CHECK(same_run(found->state, expected[done - 1]));
    }
    MESSAGE(kills << " kills in the first " << done << " steps of " << steps << ", " << while_writing
                  << " of them while a file was written");

    // What is left of the run comes to the same end.
    States rest;
    train({BackupAndRestore{.backup_dir = path, .save_freq = steps, .report = report},
           std::make_shared<Keep>(rest)});
    CHECK(reports == 0);
    REQUIRE(rest.size() == steps - done);
    CHECK(same_run(rest.back(), expected.back()));
    CHECK(parent.files() == 0);
}
