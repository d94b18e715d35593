#include "seqgrad/train/event_file.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "support/temporary_folder.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/dense.hpp"
#include "seqgrad/optim/sgd.hpp"
#include "seqgrad/train/backup.hpp"
#include "seqgrad/train/trainer.hpp"

using namespace seqgrad;
using test::TemporaryFolder;

namespace {

std::uint64_t number(const std::string& bytes, std::size_t at, std::size_t count) {
    std::uint64_t n = 0;
    for (std::size_t i = count; i-- > 0;) n = n << 8 | static_cast<unsigned char>(bytes.at(at + i));
    return n;
}

std::uint32_t masked(const std::string& data) {
    const std::uint32_t c = detail::crc32c(data);
    return ((c >> 15) | (c << 17)) + 0xa282ead8U;
}

/// The records of a file, whose checksums must be right.
std::vector<std::string> records(const std::filesystem::path& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    const std::string all = text.str();
    std::vector<std::string> found;
    for (std::size_t at = 0; at < all.size();) {
        const std::size_t size = number(all, at, 8);
        CHECK(number(all, at + 8, 4) == masked(all.substr(at, 8)));
        found.push_back(all.substr(at + 12, size));
        CHECK(number(all, at + 12 + size, 4) == masked(found.back()));
        at += 16 + size;
    }
    return found;
}

/// The fields of a message: their number, and their bytes or their value's.
std::vector<std::pair<std::uint64_t, std::string>> fields(const std::string& message) {
    std::vector<std::pair<std::uint64_t, std::string>> found;
    std::size_t at = 0;
    const auto varint = [&] {
        std::uint64_t n = 0;
        for (int shift = 0;; shift += 7) {
            const auto byte = static_cast<unsigned char>(message.at(at++));
            n |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
            if ((byte & 0x80) == 0) return n;
        }
    };
    while (at < message.size()) {
        const std::uint64_t key = varint();
        if ((key & 7) == 0) {
            found.emplace_back(key >> 3, std::to_string(varint()));
            continue;
        }
        const std::size_t size = (key & 7) == 1 ? 8 : (key & 7) == 5 ? 4 : varint();
        found.emplace_back(key >> 3, message.substr(at, size));
        at += size;
    }
    return found;
}

std::string field(const std::string& message, std::uint64_t which) {
    for (const auto& [n, bytes] : fields(message))
        if (n == which) return bytes;
    FAIL("no field " << which);
    return {};
}

double as_double(const std::string& bytes, std::size_t at = 0) {
    return std::bit_cast<double>(number(bytes, at, 8));
}
float as_float(const std::string& bytes) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(number(bytes, 0, 4)));
}

/// The only value of a record's summary.
std::string value_of(const std::string& record) {
    return field(field(record, 5), 1);
}

/// What the event files of a folder say in the order of their names: "epoch/loss 3", "START 4" for a mark.
std::vector<std::string> points(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.is_regular_file()) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    std::vector<std::string> found;
    for (const auto& file : files) {
        for (const std::string& record : records(file)) {
            const auto all = fields(record);
            if (all[1].first == 3) continue;  // the version
            if (all[2].first == 7) {
                CHECK(field(all[2].second, 1) == "1");
                found.push_back("START " + all[1].second);
            } else {
                found.push_back(field(value_of(record), 1) + " " + all[1].second);
            }
        }
    }
    return found;
}

}  // namespace

TEST_CASE("crc32c gives the values of RFC 3720") {
    CHECK(detail::crc32c("123456789") == 0xe3069283U);
    CHECK(detail::crc32c(std::string(32, '\0')) == 0x8a9136aaU);
    CHECK(detail::crc32c(std::string(32, '\xff')) == 0x62a8ab43U);
    CHECK(detail::crc32c("") == 0);
}

TEST_CASE("EventFile writes numbers") {
    const TemporaryFolder folder;
    EventFile file(folder.path() / "inner");
    file.scalar("epoch/loss", 0.25, 300);
    const auto found = records(file.path());
    REQUIRE(found.size() == 2);
    CHECK(field(found[0], 3) == "brain.Event:2");
    CHECK(field(found[1], 2) == "300");
    CHECK(field(value_of(found[1]), 1) == "epoch/loss");
    CHECK(as_float(field(value_of(found[1]), 2)) == 0.25F);
}

TEST_CASE("EventFile writes distributions") {
    const TemporaryFolder folder;
    EventFile file(folder.path());
    const std::vector<float> values{0, 1, 1, 2, 4, std::numeric_limits<float>::quiet_NaN()};
    file.histogram<float>("weights", values, 1, 4);
    file.histogram<float>("nothing", std::vector<float>{}, 1);
    file.histogram<float>("one value", std::vector<float>{3, 3}, 1, 2);
    CHECK_THROWS_AS(file.histogram<float>("weights", values, 1, 0), ValueError);
    const auto found = records(file.path());
    REQUIRE(found.size() == 3);
    const std::string histogram = field(value_of(found[1]), 5);
    CHECK(as_double(field(histogram, 1)) == 0);
    CHECK(as_double(field(histogram, 2)) == 4);
    CHECK(as_double(field(histogram, 3)) == 5);
    CHECK(as_double(field(histogram, 4)) == 8);
    CHECK(as_double(field(histogram, 5)) == 22);
    const std::vector<double> limits{1, 2, 3, 4}, counts{1, 2, 1, 1};
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(as_double(field(histogram, 6), 8 * i) == limits[i]);
        CHECK(as_double(field(histogram, 7), 8 * i) == counts[i]);
    }
    CHECK(as_double(field(field(value_of(found[2]), 5), 7)) == 2);
}

TEST_CASE("EventFile writes pictures as PNG") {
    const TemporaryFolder folder;
    EventFile file(folder.path());
    const Tensor<double> picture = tensor<double>({2, 3}, {0, 0.5, 1, -1, 2, 0.2});
    file.image("attention", picture, 7, 2);
    CHECK_THROWS_AS(file.image("attention", zeros<double>({3}), 7), ShapeError);
    CHECK_THROWS_AS(file.image("attention", picture, 7, 0), ValueError);
    const auto found = records(file.path());
    REQUIRE(found.size() == 2);
    const std::string image = field(value_of(found[1]), 4);
    CHECK(field(image, 1) == "4");
    CHECK(field(image, 2) == "6");
    const std::string png = field(image, 4);
    CHECK(png.starts_with("\x89PNG\r\n\x1a\n"));
    // Behind signature, header, and the headers of data, zlib and block: rows behind a zero each.
    const std::size_t rows = 8 + 25 + 8 + 2 + 5;
    const std::vector<int> first{255, 255, 128, 128, 0, 0};
    for (std::size_t y : {0u, 1u}) {
        CHECK(png.at(rows + 7 * y) == '\0');
        for (std::size_t x = 0; x < 6; ++x)
            CHECK(static_cast<int>(static_cast<unsigned char>(png.at(rows + 7 * y + 1 + x))) == first[x]);
    }
    CHECK(png.substr(png.size() - 8, 4) == "IEND");
}

TEST_CASE("TensorBoard logs epochs, steps, weights and gradients") {
    const TemporaryFolder folder;
    Dense<float> model({.units = 1, .use_bias = false});
    Trainer<float> trainer(model, SGD<float>({.learning_rate = 0.1}), MeanSquaredError{});
    const Dataset<float> data{ones<float>({4, 1}), ones<float>({4, 1})};
    const History history = trainer.fit(
        data, {.epochs = 2,
               .batch_size = 2,
               .verbose = 0,
               .callbacks = {TensorBoard{.log_dir = folder.path(), .histogram_freq = 2, .update_freq = 3}}});
    CHECK(points(folder.path()) == std::vector<std::string>{"START 1", "epoch/loss 1", "epoch/loss 2",
                                                            "weights/kernel 2", "gradients/kernel 2"});
    CHECK(points(folder / "batch") == std::vector<std::string>{"START 1", "batch/loss 3"});
}

TEST_CASE("the files of a run that goes on say from which epoch and step, as those of the first run do") {
    const TemporaryFolder folder;
    const Dataset<float> data{ones<float>({6, 1}), ones<float>({6, 1})};
    const auto run = [&](std::size_t stop_after) {
        Dense<float> model({.units = 1, .use_bias = false});
        Trainer<float> trainer(model, SGD<float>({.learning_rate = 0.1}), MeanSquaredError{});
        std::size_t steps = 0;
        const auto stop = [&](TrainingRun<float>& r, std::size_t, const Logs&) {
            if (++steps == stop_after) r.stop = r.interrupted = true;
        };
        trainer.fit(data, {.epochs = 3,
                           .batch_size = 2,
                           .verbose = 0,
                           .callbacks = {TensorBoard{.log_dir = folder / "logs", .update_freq = 1},
                                         LambdaCallback<float>{.on_train_batch_end = stop},
                                         BackupAndRestore{.backup_dir = folder / "run", .save_freq = 2}}});
    };
    run(5);  // in the middle of the second epoch
    run(0);
    // The second file of each folder begins where the state of the fifth step goes on.
    CHECK(points(folder / "logs") == std::vector<std::string>{"START 1", "epoch/loss 1", "epoch/loss 2",
                                                              "START 2", "epoch/loss 2", "epoch/loss 3"});
    CHECK(points(folder / "logs" / "batch") ==
          std::vector<std::string>{"START 1", "batch/loss 1", "batch/loss 2", "batch/loss 3", "batch/loss 4",
                                   "batch/loss 5", "START 6", "batch/loss 6", "batch/loss 7", "batch/loss 8",
                                   "batch/loss 9"});
}

TEST_CASE("EventFile says why it cannot be written") {
    const TemporaryFolder folder;
    std::ofstream(folder / "file") << "a file";
    CHECK_THROWS_AS(EventFile(folder / "file" / "inner"), IoError);
}
