#include "seqgrad/data/prefetch.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/data/dataset.hpp"

using namespace seqgrad;

namespace {

/// A source of the numbers 0 ... n-1.
auto counter(int n) {
    return [i = 0, n]() mutable { return i < n ? std::optional<int>(i++) : std::nullopt; };
}

}  // namespace

TEST_CASE("items come all and in order, and then no more") {
    for (const std::size_t capacity : {std::size_t{1}, std::size_t{2}, std::size_t{1000}}) {
        Prefetcher numbers(counter(300), capacity);
        for (int i = 0; i < 300; ++i) REQUIRE(numbers.next() == i);
        CHECK_FALSE(numbers.next().has_value());
        CHECK_FALSE(numbers.next().has_value());
    }
    Prefetcher nothing(counter(0));
    CHECK_FALSE(nothing.next().has_value());
}

TEST_CASE("the source runs in one other thread") {
    std::vector<std::thread::id> threads;
    {
        Prefetcher numbers([&threads, i = 0]() mutable {
            threads.push_back(std::this_thread::get_id());
            return i < 20 ? std::optional<int>(i++) : std::nullopt;
        });
        while (numbers.next()) {
        }
    }
    REQUIRE(threads.size() == 21);
    for (const std::thread::id id : threads) {
        CHECK(id == threads[0]);
        CHECK(id != std::this_thread::get_id());
    }
}

TEST_CASE("items are made ahead, but never more than the capacity and the one in hand") {
    constexpr int capacity = 3;
    std::atomic<int> made = 0;
    std::atomic<int> taken = 0;
    std::atomic<int> most = 0;
    std::promise<void> filled;
    {
        Prefetcher numbers(
            [&, i = 0]() mutable -> std::optional<int> {
                if (i == 200) return std::nullopt;
                const int ahead = ++made - taken;
                if (ahead > most) most = ahead;
                if (made == capacity + 1) filled.set_value();
                return i++;
            },
            capacity);
        // Nobody takes anything yet: that this returns shows that the source does not wait for it.
        filled.get_future().wait();
        // The count of those taken may lag behind by the one that next() is handing over.
        while (numbers.next()) ++taken;
    }
    CHECK(taken == 200);
    CHECK(most >= capacity + 1);
    CHECK(most <= capacity + 2);
}

TEST_CASE("what the source throws reaches the consumer after the items before it") {
    Prefetcher numbers(
        [i = 0]() mutable -> std::optional<int> {
            if (i == 3) throw FormatError("series.csv:17:2: expected a number");
            return i++;
        },
        8);
    for (int i = 0; i < 3; ++i) CHECK(numbers.next() == i);
    for (int again = 0; again < 2; ++again) {
        CHECK_THROWS_WITH_AS(numbers.next(), "series.csv:17:2: expected a number", FormatError);
    }
}

TEST_CASE("an exception that nobody asks for is dropped") {
    Prefetcher numbers([]() -> std::optional<int> { throw std::runtime_error("dropped"); });
}

TEST_CASE("destruction ends the thread whatever it is at") {
    for (int taken = 0; taken < 6; ++taken) {
        const auto alive = std::make_shared<int>(0);
        {
            Prefetcher numbers([alive, i = 0]() mutable { return std::optional<int>(i++); });
            for (int i = 0; i < taken; ++i) CHECK(numbers.next() == i);
        }
        CHECK(alive.use_count() == 1);
    }
}

TEST_CASE("items and sources may be such that can only be moved") {
    auto step = std::make_unique<int>(5);
    Prefetcher<std::unique_ptr<int>> numbers(
        [step = std::move(step), i = 0]() mutable -> std::optional<std::unique_ptr<int>> {
            if (i == 3) return std::nullopt;
            return std::make_unique<int>(*step * i++);
        });
    for (int i = 0; i < 3; ++i) CHECK(**numbers.next() == 5 * i);
    CHECK_FALSE(numbers.next().has_value());
}

TEST_CASE("tensors pass from the one thread's memory to the other's") {
    Prefetcher batches([i = 0]() mutable -> std::optional<Dataset<float>> {
        if (i == 50) return std::nullopt;
        const auto value = static_cast<float>(i++);
        return Dataset<float>{full<float>({16, 4}, value), full<float>({16, 1}, -value)};
    });
    for (int i = 0; i < 50; ++i) {
        const std::optional<Dataset<float>> batch = batches.next();
        REQUIRE(batch);
        CHECK(batch->x == full<float>({16, 4}, static_cast<float>(i)));
        CHECK(batch->y == full<float>({16, 1}, -static_cast<float>(i)));
    }
    CHECK_FALSE(batches.next());
}

TEST_CASE("a capacity of none is refused") {
    CHECK_THROWS_WITH_AS(Prefetcher(counter(1), 0),
                         "prefetcher: expected a capacity of 1 or more items, got 0", ValueError);
}
