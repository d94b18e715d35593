#include "seqgrad/train/checkpoint.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "support/damage.hpp"
#include "support/failing_files.hpp"
#include "support/locales.hpp"
#include "support/temporary_folder.hpp"
#include "support/training_states.hpp"
#include <doctest/doctest.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX's
#include <sys/wait.h>
#include <unistd.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/sequential.hpp"
#include "seqgrad/layers/weights.hpp"

using namespace seqgrad;
using test::awkward_state;
using test::content_of;
using test::for_each_damage;
using test::numbered_state;
using test::same;
using test::TemporaryFolder;
using test::write_text;

namespace {

const SaveOptions all_numbers{.allow_non_finite = true};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

/// The message of the FormatError that reading gives; "" where it gives a state.
template <class T>
std::string refusal(const std::string& json) {
    try {
        checkpoint_from_json<T>(json, "c.json");
    } catch (const FormatError& error) {
        return error.what();
    }
    return "";
}

/// The text with the checksum of what stands in it.
std::string sealed(const std::string& json) {
    const std::string message = refusal<float>(json), begin = "the checksum of the file is ";
    const auto at = message.find(begin);
    if (at == std::string::npos) return json;
    const std::string right = message.substr(at + begin.size(), 16);
    const std::string wrong = message.substr(message.find(", not ") + 6, 16);
    return replaced(json, wrong, right);
}

using Messages = std::vector<std::string>;

/// A folder of checkpoints whose reports are kept.
struct Folder {
    explicit Folder(const std::filesystem::path& path, std::size_t keep = 3)
        : checkpoints(path, keep, [this](const std::string& message) { reports.push_back(message); }) {}
    Messages reports;
    CheckpointFolder<float> checkpoints;

    Messages names() const {
        Messages all;
        for (const auto& path : checkpoints.files()) all.push_back(path.filename().string());
        return all;
    }
    std::size_t newest_step() const { return checkpoints.newest().value().state.step; }
};

}  // namespace

TEST_CASE_TEMPLATE("a state comes back bit for bit, from a text and from a file", T, float, double) {
    const TemporaryFolder folder;
    for (const TrainingState<T>& state : {awkward_state<T>(), TrainingState<T>{}, numbered_state<T>(3)}) {
        const std::string json = checkpoint_to_json(state, all_numbers);
        CHECK(same(checkpoint_from_json<T>(json), state));
        CHECK(checkpoint_to_json(checkpoint_from_json<T>(json), all_numbers) == json);
        save_checkpoint(state, folder / "c.json", all_numbers);
        CHECK(content_of(folder / "c.json") == json);
        CHECK(same(load_checkpoint<T>(folder / "c.json"), state));
        CHECK(folder.files() == 1);
    }
}

TEST_CASE("a state comes back bit for bit in any locale") {
    const TrainingState<double> state = awkward_state<double>();
    const std::string json = checkpoint_to_json(state, all_numbers);
    for (const std::string& name : test::other_locales()) {
        CAPTURE(name);
        const test::OtherLocale locale(name);
        CHECK(checkpoint_to_json(state, all_numbers) == json);
        CHECK(same(checkpoint_from_json<double>(json), state));
    }
}

TEST_CASE("what makes two states differ makes their texts differ") {
    const TrainingState<double> state = awkward_state<double>();
    const std::string json = checkpoint_to_json(state, all_numbers);
    const auto differs = [&](auto change) {
        TrainingState<double> changed = state;
        change(changed);
        CHECK_FALSE(same(changed, state));
        const std::string text = checkpoint_to_json(changed, all_numbers);
        CHECK(text != json);
        CHECK(same(checkpoint_from_json<double>(text), changed));
    };
    using S = TrainingState<double>;
    differs([](S& s) { s.setup[1].second += 1; });
    differs([](S& s) { s.epoch -= 1; });
    differs([](S& s) { s.step -= 1; });
    differs([](S& s) { s.samples += 1; });
    differs([](S& s) { s.seconds = 0.2; });
    differs([](S& s) { s.finished = false; });
    differs([](S& s) { s.loss[1] = 0.0; });
    differs([](S& s) { s.metrics.pop_back(); });
    differs([](S& s) { s.order.counter -= 1; });
    differs([](S& s) { s.batches += 1; });
    differs([](S& s) { s.generator.seed += 1; });
    differs([](S& s) { s.weights[0].second(1, 1) = 5; });
    differs([](S& s) { s.weights[0].second.reshape({5, 4}); });
    differs([](S& s) { s.weights[1].first += "x"; });
    differs([](S& s) { s.model.generators["z"].seed = 1; });
    differs([](S& s) { s.model.states["none"].push_back(zeros<double>({0})); });
    differs([](S& s) { s.optimizer.optimizer = "SGD"; });
    differs([](S& s) { s.optimizer.iterations += 1; });
    differs([](S& s) { s.optimizer.learning_rate.reset(); });
    differs([](S& s) { std::swap(s.optimizer.slots[0], s.optimizer.slots[1]); });
    differs([](S& s) { s.callbacks[0].second.numbers["best"] = 0; });
    differs([](S& s) { s.callbacks[2].second.tensors["x"] = {}; });
    differs([](S& s) { std::swap(s.callbacks[1], s.callbacks[2]); });
    differs([](S& s) { s.history.append({.epoch = 3, .seconds = 0, .logs = {}}); });
}

TEST_CASE("the file is the one that the documentation shows") {
    const std::string page = content_of(std::filesystem::path(SEQGRAD_TEST_DOCS_DIR) / "checkpoints.md");
    const std::string fence = "```json\n";
    const auto begin = page.find(fence) + fence.size();
    const std::string shown = page.substr(begin, page.find("```", begin) - begin);
    const TrainingState<float> state = checkpoint_from_json<float>(shown);
    CHECK(checkpoint_to_json(state) == shown);
    CHECK(state.step == 2);
    CHECK(state.weights[0].first == "dense.kernel");
    CHECK(same(state.weights[0].second, tensor<float>({2, 1}, {0.5F, -0.25F})));
}

TEST_CASE("white space does not matter") {
    const TrainingState<float> state = awkward_state<float>();
    std::string json = checkpoint_to_json(state, all_numbers);
    std::string spread;
    for (const char c : json) spread += c == '\n' ? "\r\n\t " : std::string(1, c);
    CHECK(same(checkpoint_from_json<float>("\n" + spread + " "), state));
    std::erase(json, '\n');
    CHECK(same(checkpoint_from_json<float>(json), state));
}

TEST_CASE("no change of a byte changes what is read without being found") {
    TrainingState<float> state = numbered_state<float>(3);
    state.callbacks = {{"X", {.numbers = {{"best", -0.5}}, .tensors = {}}}};
    state.history.append({.epoch = 1, .seconds = 1, .logs = {}});
    const std::string json = checkpoint_to_json(state);
    std::size_t undetected = 0;
    const auto check = [&](const std::string& damaged) {
        std::optional<TrainingState<float>> read;
        try {
            read = checkpoint_from_json<float>(damaged);
        } catch (const FormatError&) {
            return;
        }
        ++undetected;
        if (!same(*read, state)) FAIL_CHECK("read as another state: ", damaged);
    };
    for (std::size_t i = 0; i < json.size(); ++i) {
        std::string damaged = json;
        for (const int bits : {0x01, 0x02, 0x10, 0x20, 0x80}) {
            damaged[i] = static_cast<char>(json[i] ^ bits);
            check(damaged);
        }
        for (const char other : {'0', '9', ' '}) {
            damaged[i] = other;
            if (damaged != json) check(damaged);
        }
        check(std::string(json).erase(i, 1));
        check(std::string(json).insert(i, 1, json[i]));
    }
    // White space, and decimals that mean the same number.
    CHECK(undetected > 0);
    CHECK(undetected < json.size() / 2);
}

TEST_CASE("every truncation and every flipped bit of a golden checkpoint is refused or gives the same") {
    const std::string good = content_of(std::filesystem::path(SEQGRAD_TEST_GOLDEN_DIR) / "files" /
                                        "checkpoint-2-float32-decimal.json");
    const TrainingState<float> state = checkpoint_from_json<float>(good);
    for_each_damage(good, [&](std::string_view text) {
        try {
            if (same(checkpoint_from_json<float>(text), state)) return;
        } catch (const FormatError&) {
            return;
        }
        FAIL_CHECK("read as another state: ", std::string(text));
    });
}

TEST_CASE("a text that ends early is refused wherever it ends") {
    const TrainingState<float> state = numbered_state<float>(3);
    const std::string json = checkpoint_to_json(state);
    for (std::size_t size = 0; size + 1 < json.size(); ++size) {
        CAPTURE(size);
        CHECK_THROWS_WITH_AS(checkpoint_from_json<float>(json.substr(0, size), "c.json"),
                             doctest::Contains("c.json: /"), FormatError);
    }
    CHECK(same(checkpoint_from_json<float>(json.substr(0, json.size() - 1)), state));
}

TEST_CASE("what does not belong into a checkpoint is refused with its place") {
    const std::string good = checkpoint_to_json(awkward_state<float>(), all_numbers);
    const auto check = [&](const std::string& from, const std::string& to, const std::string& message) {
        CAPTURE(from);
        CAPTURE(to);
        CHECK(refusal<float>(sealed(replaced(good, from, to))).starts_with("c.json: " + message));
    };
    check("\"seqgrad\"", "\"onnx\"",
          "/format: expected \"seqgrad\" (or, before version 2, \"seqgrad-weights\" or "
          "\"seqgrad-checkpoint\"), got \"onnx\"");
    check("\"version\": 2", "\"version\": 1", "/version: expected a version from 2 on, got 1");
    check("\"version\": 2,", "", "/: \"version\" is missing");
    check("\"version\": 2", "\"version\": \"2\"",
          "/version: expected a whole number of 64 bits, at least 0, got \"2\"");
    check("\"version\": 2", "\"version\": 2, \"version\": 2", "/version: stands there twice");
    check("\"version\": 2", "\"version\": 2, \"more\": 1",
          "/: unknown key \"more\"; known are format, version, oldest_reader, checksum, "
          "metadata, model, tensors, training");
    check("\"training\": {", "\"training\": {\"more\": 1, ",
          "/training: unknown key \"more\"; known are setup, epoch, step, samples, seconds, finished, loss, "
          "metrics, order, batches, generator, model, optimizer, callbacks, history");
    check("\"samples\": 12345,", "", "/training: \"samples\" is missing");
    check("12345", "-1", "/training/samples: expected a whole number of 64 bits, at least 0, got -1");
    check("12345", "1.5", "/training/samples: expected a whole number of 64 bits, at least 0, got 1.5");
    check("12345", "1e400", "/training/samples: the number 1e400 is too large");
    check("9223372036854775807,", "9223372036854775808,",
          "/training/epoch: expected a whole number of 64 bits, got 9223372036854775808");
    check("\"finished\": true", "\"finished\": 1", "/training/finished: expected true or false, got 1");
    check("\"seconds\": 0.1", "\"seconds\": \"0.1\"", "/training/seconds: expected a number, got \"0.1\"");
    check("[\"samples\", 1000]", "[\"samples\", 1000, 1]",
          "/training/setup/0: expected [name, value], got [\"samples\",1000,1]");
    check("\"learning_rate\": 0.002", "\"learning_rate\": []",
          "/training/optimizer/learning_rate: expected a number, got []");
    check("\"shape\": [4, 5]", "\"shape\": [4, 6]",
          "/tensors/data/data: expected the 24 numbers of the shape, got 20");
    check("\"shape\": [4, 5]", "\"shape\": [4294967296, 4294967296, 4294967296]",
          "/tensors/data/shape: shape [4294967296, 4294967296, 4294967296] holds more elements");
    check("\"shape\": [4, 5]", "\"shape\": [-4, 5]",
          "/tensors/data/shape/0: expected a whole number of 64 bits, at least 0, got -4");
    check("\"dtype\": \"float32\", ", "", "/tensors/data: \"dtype\" is missing");
    check("float32", "float16", "/tensors/data/dtype: expected \"float32\" or \"float64\", got \"float16\"");
    check("1.1754944e-38", "1e39", "/tensors/data/data/2: the number 1e39 is too large for float32");
    check("1.1754944e-38", "\"1\"", "/tensors/data/data/2: expected a number, got \"1\"");
    check("1.1754944e-38", "null", "/tensors/data/data/2: expected a number");
    check("1.1754944e-38", "[1]", "/tensors/data/data/2: expected a number");
    check("1.1754944e-38", "{}", "/tensors/data/data/2: expected a number");
    check("\"loss\", 0.1", "\"\", 0.1", "/training/history/1/logs: \"\" stands there twice");
    check("\"accuracy\", \"-nan\"", "\"accuracy\", \"nan!\"",
          "/training/history/1/logs/1/1: expected a number, got \"nan!\"");

    // Where everything is in order but the sum.
    for (const auto& [from, to] : {std::pair{"0.1", "0.2"},
                                   {"\"data\": [0,-0.0", "\"data\": [0,0"},
                                   {"\"-nan\"", "\"nan\""},
                                   {"\"checksum\": \"", "\"checksum\": \"0"}}) {
        CHECK(refusal<float>(replaced(good, from, to)).find("it was changed or damaged") !=
              std::string::npos);
    }
    CHECK(refusal<float>("[]") == "c.json: /: expected an object, got []");
    CHECK(refusal<float>("").starts_with("c.json: /: not valid JSON: "));
    CHECK(refusal<float>(good + "1").starts_with("c.json: /: not valid JSON: "));
    CHECK(refusal<float>("{\"a\": " + std::string(200'000, '[')).starts_with("c.json: /a/0/0/0/"));
}

TEST_CASE("a run does not go on with numbers of another type") {
    const std::string narrow = refusal<double>(checkpoint_to_json(numbered_state<float>(1)));
    CHECK(narrow.starts_with("c.json: /tensors/"));
    CHECK(narrow.ends_with(
        ": expected dtype \"float64\", got \"float32\"; a run goes on with numbers of its own type"));
    CHECK(
        refusal<float>(checkpoint_to_json(numbered_state<double>(1)))
            .ends_with(
                ": expected dtype \"float32\", got \"float64\"; a run goes on with numbers of its own type"));
}

TEST_CASE_TEMPLATE("checkpoints of version 1 of the format are read, and their checksum is checked", T, float,
                   double) {
    TrainingState<T> expected = awkward_state<T>();
    expected.weights.back().first = "scalar";
    const std::string json =
        content_of(std::filesystem::path(SEQGRAD_TEST_GOLDEN_DIR) / "files" /
                   (std::is_same_v<T, float> ? "checkpoint-1-float32.json" : "checkpoint-1-float64.json"));
    CHECK(same(checkpoint_from_json<T>(json), expected));
    for (const auto& [from, to] : {std::pair{"12345", "12346"}, {"\"data\": [0,-0.0", "\"data\": [0,0"}}) {
        CHECK(refusal<T>(replaced(json, from, to)).starts_with("c.json: /: the checksum of the state is "));
    }
    CHECK(refusal<T>(replaced(json, "\"samples\": 12345,", "")) == "c.json: /state: \"samples\" is missing");
}

TEST_CASE("checkpoints of version 2 of the format are read") {
    const auto files = std::filesystem::path(SEQGRAD_TEST_GOLDEN_DIR) / "files";
    CHECK(same(load_checkpoint<float>(files / "checkpoint-2-float32-decimal.json"), awkward_state<float>()));
    CHECK(same(load_checkpoint<double>(files / "checkpoint-2-float64-base64.json"), awkward_state<double>()));
}

TEST_CASE("a checkpoint may be base64, has a checksum, and is not any file of the format") {
    const TrainingState<float> state = awkward_state<float>();
    const std::string json =
        checkpoint_to_json(state, {.encoding = Encoding::base64, .allow_non_finite = true});
    CHECK(same(checkpoint_from_json<float>(json), state));
    const std::string good = checkpoint_to_json(state, all_numbers);
    const auto begin = good.find("  \"checksum\"");
    CHECK(refusal<float>(std::string(good).erase(begin, good.find('\n', begin) + 1 - begin)) ==
          "c.json: /: \"checksum\" is missing, without which no run goes on");
    CHECK(
        refusal<float>("{\"format\": \"seqgrad\", \"version\": 2, \"oldest_reader\": 2, \"tensors\": {}}") ==
        "c.json: /: no checkpoint: there is no training state in it");
    TrainingState<float> twice = state;
    twice.weights.back().first = "scalar";
    CHECK_THROWS_WITH_AS(checkpoint_to_json(twice, all_numbers), "two tensors are named \"scalar\"",
                         ValueError);
}

TEST_CASE("numbers that are not finite are refused with their tensors, unless they are asked for") {
    const TemporaryFolder folder;
    constexpr double infinity = std::numeric_limits<double>::infinity();
    TrainingState<double> state = numbered_state<double>(1, 2);
    state.callbacks = {{"EarlyStopping", {.numbers = {{"best", infinity}}, .tensors = {}}}};
    save_checkpoint(state, folder / "c.json");
    const std::string before = content_of(folder / "c.json");
    state.weights[0].second(1) = -infinity;
    state.model.states["lstm.states"] = {zeros<double>({1}), full<double>({2, 2}, infinity)};
    state.optimizer.slots = {{"w.momentum", tensor<double>({2}, {1, std::nan("")})}};
    const std::string problems =
        ": numbers that are not finite are not saved, unless SaveOptions::allow_non_finite says so:\n"
        "  \"w\" of shape [2]: element 1 is -inf\n"
        "  /training/model/states/lstm.states/1 of shape [2, 2]: element 0 is inf\n"
        "  /training/optimizer/slots/0/value of shape [2]: element 1 is nan";
    CHECK_THROWS_WITH_AS(save_checkpoint(state, folder / "c.json"), ("save_checkpoint" + problems).c_str(),
                         ValueError);
    CHECK_THROWS_WITH_AS(checkpoint_to_json(state), ("checkpoint_to_json" + problems).c_str(), ValueError);
    CHECK(content_of(folder / "c.json") == before);
    CHECK(folder.files() == 1);
    save_checkpoint(state, folder / "c.json", all_numbers);
    CHECK(same(load_checkpoint<double>(folder / "c.json"), state));
    // A folder's checkpoints are those of a run, which goes on as it was.
    CheckpointFolder<double> run(folder / "run");
    run.save(state);
    CHECK(same(run.newest().value().state, state));
}

TEST_CASE("weights are loaded from a checkpoint") {
    Sequential<float> model{Dense<float>({.units = 1})};
    model.build({unknown, 2});
    TrainingState<float> state = numbered_state<float>(1);
    state.weights = {{"dense.kernel", tensor<float>({2, 1}, {3, 4})},
                     {"dense.bias", tensor<float>({1}, {5})}};
    const TemporaryFolder folder;
    save_checkpoint(state, folder / "c.json");
    load_weights(model, folder / "c.json");
    CHECK(same(model.parameters()[0].variable.value(), tensor<float>({2, 1}, {3, 4})));
}

TEST_CASE("names that are not UTF-8 are not saved") {
    const TemporaryFolder folder;
    TrainingState<float> state = numbered_state<float>(1);
    state.weights[0].first = "caf\xe9";
    CHECK_THROWS_WITH_AS(save_checkpoint(state, folder / "c.json"),
                         "a name or text that is to be saved is not UTF-8", ValueError);
    CHECK(folder.files() == 0);
}

TEST_CASE("files that cannot be read or written are IoErrors with the path and the reason") {
    const TemporaryFolder folder;
    CHECK_THROWS_WITH_AS(
        load_checkpoint<float>(folder / "none.json"),
        ("cannot open " + (folder / "none.json").string() + ": No such file or directory").c_str(), IoError);
    CHECK_THROWS_AS(load_checkpoint<float>(folder.path()), IoError);
    CHECK_THROWS_AS(save_checkpoint(numbered_state<float>(1), folder / "no/such/folder/c.json"), IoError);
    save_checkpoint(numbered_state<float>(1), folder / "c.json");
    std::filesystem::resize_file(folder / "c.json", 100);
    CHECK_THROWS_WITH_AS(load_checkpoint<float>(folder / "c.json"),
                         doctest::Contains(((folder / "c.json").string() + ": /").c_str()), FormatError);
}

TEST_CASE("whichever system call fails while a state is saved, the old file or the new one can be loaded") {
    const TemporaryFolder folder;
    const auto path = folder / "c.json";
    const auto before = numbered_state<float>(1, 7'000), after = numbered_state<float>(2, 7'000);
    save_checkpoint(before, path);
    test::check_every_failure(
        folder, path, [&] { save_checkpoint(after, path); },
        [&](bool replaced) {
            CHECK(same(load_checkpoint<float>(path), replaced ? after : before));
            save_checkpoint(before, path);
        });
}

TEST_CASE("a folder keeps the last checkpoints") {
    const TemporaryFolder parent;
    Folder folder(parent / "runs/of/today");
    CHECK_FALSE(folder.checkpoints.newest());
    CHECK(folder.names().empty());
    CHECK(parent.files() == 0);
    CHECK(folder.checkpoints.save(numbered_state<float>(1)) == parent / "runs/of/today/checkpoint-1.json");
    CHECK(folder.newest_step() == 1);
    for (std::size_t i = 2; i <= 11; ++i) folder.checkpoints.save(numbered_state<float>(i));
    CHECK(folder.names() == Messages{"checkpoint-11.json", "checkpoint-10.json", "checkpoint-9.json"});
    const auto found = folder.checkpoints.newest();
    REQUIRE(found);
    CHECK(same(found->state, numbered_state<float>(11)));
    CHECK(found->path == parent / "runs/of/today/checkpoint-11.json");
    CHECK(found->skipped.empty());
    CHECK(folder.reports.empty());

    SUBCASE("fewer from another time on") {
        Folder fewer(parent / "runs/of/today", 1);
        fewer.checkpoints.save(numbered_state<float>(12));
        CHECK(fewer.names() == Messages{"checkpoint-12.json"});
    }
    SUBCASE("all are removed, and the folder") {
        folder.checkpoints.clear();
        CHECK_FALSE(std::filesystem::exists(parent / "runs/of/today"));
        folder.checkpoints.clear();
        CHECK_FALSE(folder.checkpoints.newest());
    }
}

TEST_CASE("what else is in a folder stays, but what killed processes left") {
    const TemporaryFolder parent;
    Folder folder(parent.path(), 1);
    const Messages others = {
        "notes.txt",          "checkpoint-.json",     "checkpoint-0.json",
        "checkpoint-07.json", "checkpoint-+7.json",   "checkpoint-7.json.my-backups",
        "checkpoint-7.jsonl", "my-checkpoint-7.json", "checkpoint-99999999999999999999.json"};
    for (const std::string& name : others) write_text(parent / name.c_str(), "x");
    write_text(parent / "checkpoint-4.json.tmp-aB3xYz", "half");
    folder.checkpoints.save(numbered_state<float>(1));
    CHECK(folder.names() == Messages{"checkpoint-1.json"});
    CHECK(parent.files() == others.size() + 1);
    write_text(parent / "checkpoint-2.json.tmp-000000", "half");
    folder.checkpoints.clear();
    CHECK(parent.files() == others.size());
}

TEST_CASE("a folder falls back to the newest valid checkpoint, and says so") {
    const TemporaryFolder parent;
    Folder folder(parent.path(), 4);
    for (std::size_t i = 1; i <= 4; ++i) folder.checkpoints.save(numbered_state<float>(i));
    const std::string path3 = (parent / "checkpoint-3.json").string();
    const std::string path4 = (parent / "checkpoint-4.json").string();
    std::filesystem::resize_file(path4, 50);
    write_text(path3, replaced(content_of(path3), "\"step\": 3", "\"step\": 8"));

    const auto found = folder.checkpoints.newest();
    REQUIRE(found);
    CHECK(same(found->state, numbered_state<float>(2)));
    CHECK(found->path == parent / "checkpoint-2.json");
    REQUIRE(found->skipped.size() == 2);
    CHECK(found->skipped[0].starts_with(path4 + ": /"));
    CHECK(found->skipped[1].starts_with(path3 + ": /checksum: the checksum of the file is "));
    const std::string instead = "; going on from " + (parent / "checkpoint-2.json").string() + " instead";
    CHECK(folder.reports == Messages{found->skipped[0] + instead, found->skipped[1] + instead});

    // What is written next does not take the place of a damaged one.
    folder.checkpoints.save(numbered_state<float>(5));
    CHECK(folder.newest_step() == 5);
    CHECK(folder.names() ==
          Messages{"checkpoint-5.json", "checkpoint-4.json", "checkpoint-3.json", "checkpoint-2.json"});
}

TEST_CASE("a folder in which no checkpoint is valid is an error, not a new beginning") {
    const TemporaryFolder parent;
    Folder folder(parent.path());
    for (std::size_t i = 1; i <= 2; ++i) folder.checkpoints.save(numbered_state<float>(i));
    const CheckpointFolder<double> other(parent.path());
    CHECK_THROWS_WITH_AS(other.newest(), doctest::Contains("expected dtype \"float64\""), FormatError);
    for (const char* name : {"checkpoint-1.json", "checkpoint-2.json"}) write_text(parent / name, "{}");
    const std::string path = parent.path().string();
    CHECK_THROWS_WITH_AS(
        folder.checkpoints.newest(),
        (path + ": none of the checkpoints is valid; remove or move them to begin anew:\n  " + path +
         "/checkpoint-2.json: /: \"format\" is missing\n  " + path +
         "/checkpoint-1.json: /: \"format\" is missing")
            .c_str(),
        FormatError);
    CHECK(folder.reports.empty());
}

TEST_CASE("a folder's arguments are checked") {
    CHECK_THROWS_WITH_AS(CheckpointFolder<float>("x", 0), "CheckpointFolder: keep must be at least 1, got 0",
                         ValueError);
    CHECK_THROWS_WITH_AS(CheckpointFolder<float>(""), "CheckpointFolder: the folder's path is empty",
                         ValueError);
    const TemporaryFolder parent;
    write_text(parent / "file", "x");
    CheckpointFolder<float> no_folder(parent / "file");
    CHECK_THROWS_AS(no_folder.save(numbered_state<float>(1)), IoError);
    CHECK_THROWS_AS(no_folder.newest(), IoError);
}

TEST_CASE("whichever system call fails while a folder's next checkpoint is saved, there is a valid one") {
    for (const std::size_t keep : {std::size_t{1}, std::size_t{2}}) {
        const TemporaryFolder parent;
        Folder folder(parent / "run", keep);
        // Saves with one call failing, and says whether there was one.
        const auto save = [&](std::size_t step, std::size_t failing) {
            test::FailingFiles files(failing, ENOSPC);
            const detail::ReplaceFileSystem replaced(files);
            std::string message;
            try {
                folder.checkpoints.save(numbered_state<float>(step));
            } catch (const IoError& error) {
                message = error.what();
                CHECK(message.ends_with(": No space left on device"));
                CHECK(message.find((parent / "run").string()) != std::string::npos);
            }
            CHECK(message.empty() == (!files.failed() || files.failed_call() == "close after reading"));
            return files.failed();
        };
        // The first one also makes the folder.
        std::size_t calls = 0;
        for (; save(1, calls); ++calls) {
            const auto found = folder.checkpoints.newest();
            CHECK((!found || found->state.step == 1));
            folder.checkpoints.clear();
        }
        CHECK(calls > 13);
        std::size_t step = 1;
        for (calls = 0; save(step + 1, calls); ++calls) {
            const std::size_t newest = folder.newest_step();
            CHECK((newest == step || newest == step + 1));
            step = newest;
        }
        CHECK(calls > 10);
        CHECK(folder.newest_step() == step + 1);
        CHECK(folder.names().size() == keep);
        CHECK(folder.reports.empty());
    }
}

namespace {

/// Kills the process in place of one system call.
class DeadlyFiles : public test::FailingFiles {
  public:
    explicit DeadlyFiles(std::size_t deadly) : FailingFiles(deadly) {}

  protected:
    void fail() override { kill(getpid(), SIGKILL); }
};

}  // namespace

TEST_CASE("whichever system call a process is killed at, there is a valid checkpoint") {
    const TemporaryFolder parent;
    Folder folder(parent.path(), 1);
    folder.checkpoints.save(numbered_state<float>(1));
    std::size_t step = 1, killed = 0;
    for (;; ++killed) {
        const pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            DeadlyFiles files(killed);
            const detail::ReplaceFileSystem replaced(files);
            folder.checkpoints.save(numbered_state<float>(step + 1));
            _exit(0);
        }
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        const std::size_t newest = folder.newest_step();
        if (WIFEXITED(status)) {
            CHECK(WEXITSTATUS(status) == 0);
            CHECK(newest == step + 1);
            break;
        }
        CHECK(WTERMSIG(status) == SIGKILL);
        CHECK((newest == step || newest == step + 1));
        step = newest;
    }
    CHECK(killed > 10);
    CHECK(folder.reports.empty());
    // Nothing is left of those that were killed.
    CHECK(folder.names().size() == 1);
    CHECK(parent.files() == 1);
}
