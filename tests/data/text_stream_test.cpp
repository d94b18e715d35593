#include "seqgrad/data/text_stream.hpp"

#include <numeric>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/data/text.hpp"

using namespace seqgrad;

namespace {

std::vector<std::int64_t> numbers(std::size_t n) {
    std::vector<std::int64_t> ids(n);
    std::iota(ids.begin(), ids.end(), std::int64_t{0});
    return ids;
}

}  // namespace

TEST_CASE_TEMPLATE("chunks of a stream joined give the text back", T, float, double) {
    const std::string text = "Die Würde des Menschen ist unantastbar. Sie zu achten und zu schützen ist ...";
    const CharacterVocabulary vocabulary(text);
    const std::vector<std::int64_t> ids = vocabulary.encode(text);
    for (const StreamOptions options : {StreamOptions{1, 1}, {1, 5}, {2, 7}, {3, 4}, {5, 15}, {19, 4}}) {
        CAPTURE(options.batch_size);
        CAPTURE(options.steps);
        const TextStream<T> stream(ids, options);
        const std::size_t used = stream.size() * options.batch_size * options.steps;
        CHECK(stream.unused() == ids.size() - used - 1);
        CHECK(stream.unused() < options.batch_size * options.steps);
        std::vector<std::int64_t> x;
        std::vector<std::int64_t> y;
        for (std::size_t b = 0; b < options.batch_size; ++b) {
            for (std::size_t i = 0; i < stream.size(); ++i) {
                const Dataset<T> batch = stream.batch(i);
                REQUIRE(batch.x.shape() == Shape{options.batch_size, options.steps});
                REQUIRE(batch.y.shape() == batch.x.shape());
                for (std::size_t t = 0; t < options.steps; ++t) {
                    x.push_back(static_cast<std::int64_t>(batch.x(b, t)));
                    y.push_back(static_cast<std::int64_t>(batch.y(b, t)));
                }
            }
        }
        const std::span<const std::int64_t> whole = ids;
        CHECK(vocabulary.decode(x) == vocabulary.decode(whole.first(used)));
        CHECK(vocabulary.decode(y) == vocabulary.decode(whole.subspan(1, used)));
    }
}

TEST_CASE("every row goes on where it ended in the batch before") {
    const TextStream<float> stream(numbers(100), {.batch_size = 3, .steps = 8});
    REQUIRE(stream.size() == 4);
    CHECK(stream.unused() == 3);
    CHECK(stream.options().steps == 8);
    const Dataset<float> first = stream.batch(0);
    CHECK(first.x(0, 0) == 0);
    CHECK(first.x(1, 0) == 32);
    CHECK(first.x(2, 0) == 64);
    CHECK(first.y(0, 0) == 1);
    for (std::size_t i = 1; i < stream.size(); ++i) {
        for (std::size_t b = 0; b < 3; ++b) {
            CHECK(stream.batch(i).x(b, 0) == stream.batch(i - 1).x(b, 7) + 1);
            CHECK(stream.batch(i).x(b, 0) == stream.batch(i - 1).y(b, 7));
        }
    }
    CHECK(stream.batch(3).y(2, 7) == 96);
    CHECK_THROWS_WITH_AS(stream.batch(4), "text stream: no batch 4 among 4", ValueError);
}

TEST_CASE("a data set of streams has the batches one after the other") {
    const StreamOptions options{.batch_size = 3, .steps = 8};
    const Dataset<double> all = make_streams<double>(numbers(100), options);
    const TextStream<double> stream(numbers(100), options);
    REQUIRE(all.x.shape() == Shape{12, 8});
    for (std::size_t i = 0; i < stream.size(); ++i) {
        CHECK(all.slice(3 * i, 3 * (i + 1)).x == stream.batch(i).x);
        CHECK(all.slice(3 * i, 3 * (i + 1)).y == stream.batch(i).y);
    }
}

TEST_CASE("streams need a text as long as a batch, and one id more") {
    CHECK(TextStream<float>(numbers(25), {.batch_size = 3, .steps = 8}).size() == 1);
    CHECK_THROWS_WITH_AS(TextStream<float>(numbers(24), {.batch_size = 3, .steps = 8}),
                         "text stream: 3 streams of 8 steps need as many ids and one more, got 24 ids; take "
                         "a smaller batch_size or fewer steps",
                         ValueError);
    CHECK_THROWS_AS(make_streams<float>({}, {.batch_size = 1, .steps = 1}), ValueError);
    CHECK_THROWS_AS(
        TextStream<float>(numbers(9), {.batch_size = std::size_t{1} << 40, .steps = std::size_t{1} << 40}),
        ValueError);
    CHECK_THROWS_WITH_AS(TextStream<float>(numbers(24), {.batch_size = 0}),
                         "text stream: expected a batch_size and steps of 1 or more, got 0 and 64",
                         ValueError);
    CHECK_THROWS_AS(TextStream<float>(numbers(24), {.steps = 0}), ValueError);
    const std::vector<std::int64_t> large = {1, (1 << 24) + 1};
    CHECK_THROWS_AS(TextStream<float>(large, {.batch_size = 1, .steps = 1}), ValueError);
    CHECK(TextStream<double>(large, {.batch_size = 1, .steps = 1}).batch(0).y(0, 0) == 16777217);
}

TEST_CASE_TEMPLATE("random windows begin anywhere and repeat with the generator", T, float, double) {
    Generator generator(2);
    const StreamOptions options{.batch_size = 200, .steps = 5};
    const Dataset<T> d = random_windows<T>(numbers(9), options, generator);
    REQUIRE(d.x.shape() == Shape{200, 5});
    REQUIRE(d.y.shape() == Shape{200, 5});
    std::vector<int> begins(4, 0);
    for (std::size_t b = 0; b < 200; ++b) {
        REQUIRE(d.x(b, 0) < 4);
        ++begins[static_cast<std::size_t>(d.x(b, 0))];
        for (std::size_t t = 0; t < 5; ++t) {
            CHECK(d.x(b, t) == d.x(b, 0) + static_cast<T>(t));
            CHECK(d.y(b, t) == d.x(b, t) + 1);
        }
    }
    for (const int count : begins) CHECK(count > 20);  // 50 expected, standard deviation 6
    Generator again(2);
    CHECK(random_windows<T>(numbers(9), options, again).x == d.x);
    CHECK(random_windows<T>(numbers(9), options, again).x != d.x);
}

TEST_CASE("random windows that cannot be cut are refused") {
    Generator generator(1);
    const GeneratorState before = generator.state();
    CHECK_THROWS_WITH_AS(random_windows<float>(numbers(5), {.batch_size = 2, .steps = 5}, generator),
                         "random_windows: windows of 5 steps need as many ids and one more, got 5",
                         ValueError);
    CHECK_THROWS_WITH_AS(random_windows<float>(numbers(5), {.batch_size = 0, .steps = 5}, generator),
                         "random_windows: expected a batch_size and steps of 1 or more, got 0 and 5",
                         ValueError);
    const std::vector<std::int64_t> large = {1, (1 << 24) + 1};
    CHECK_THROWS_AS(random_windows<float>(large, {.batch_size = 1, .steps = 1}, generator), ValueError);
    CHECK_THROWS_WITH_AS(
        random_windows<float>(numbers(5), {.batch_size = std::size_t{1} << 62, .steps = 3}, generator),
        "random_windows: shape [4611686018427387904, 4] holds more elements than memory has addresses",
        ShapeError);
    CHECK(generator.state() == before);
}
