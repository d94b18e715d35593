#include "seqgrad/core/threads.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/parallel.hpp"
#include "seqgrad/core/ops/matmul.hpp"
#include "seqgrad/core/ops/recurrent.hpp"
#include "seqgrad/core/random.hpp"

using namespace seqgrad;

namespace {

/// Sets the number of threads, and the one before at its end.
class WithThreads {
  public:
    explicit WithThreads(std::size_t count) : before_(num_threads()) { set_num_threads(count); }
    ~WithThreads() { set_num_threads(before_); }
    WithThreads(const WithThreads&) = delete;
    WithThreads& operator=(const WithThreads&) = delete;

  private:
    std::size_t before_;
};

template <class T>
std::vector<T> copy(const Tensor<T>& tensor) {
    return {tensor.data(), tensor.data() + tensor.size()};
}

struct Sizes {
    std::size_t batch, steps, features, units;
};
/// Enough for several threads to share every part of the work, also where half of the steps are masked: by
/// samples, and by units where the samples are few.
constexpr Sizes many_samples{61, 17, 140, 141}, one_sample{1, 40, 14, 300}, few_samples{5, 17, 14, 300};

/// All that comes out of a layer, forward and backward, one after the other. `apply` is given x, kernel,
/// recurrent kernel, bias and h_0.
template <class T, class Apply>
std::vector<T> results_of_layer(const Sizes& sizes, std::size_t groups, const Shape& bias,
                                const Apply& apply) {
    const auto& [batch, steps, features, units] = sizes;
    Generator random(7);
    const auto draw = [&](const Shape& shape) {
        return parameter(Tensor<T>(random.uniform<T>(shape) * T(0.2) - T(0.1)));
    };
    std::vector<Variable<T>> in{draw({batch, steps, features}), draw({features, groups * units}),
                                draw({units, groups * units}), draw(bias), draw({batch, units})};
    Mask mask({batch, steps}, true);
    for (std::size_t b = 0; b < batch; ++b)
        for (std::size_t t = 1 + b % steps; t < steps; ++t) mask(b, t) = false;
    std::vector<T> out;
    for (const Mask* m : {static_cast<const Mask*>(nullptr), static_cast<const Mask*>(&mask)}) {
        const auto result = apply(in, RecurrentOptions{.mask = m});
        backward(result.sequence, Tensor<T>(random.uniform<T>(result.sequence.shape())));
        const auto add = [&](const std::vector<T>& more) { out.insert(out.end(), more.begin(), more.end()); };
        add(copy(result.sequence.value()));
        add(copy(result.h.value()));
        for (Variable<T>& v : in) {
            add(copy(v.grad()));
            v.clear_grad();
        }
    }
    return out;
}

template <class T>
std::vector<std::vector<T>> results_of_all_layers(const Sizes& sizes) {
    const std::size_t units = sizes.units;
    std::vector<std::vector<T>> out;
    out.push_back(results_of_layer<T>(sizes, 1, {units}, [](const auto& in, const RecurrentOptions& options) {
        return simple_rnn<T>(in[0], in[1], in[2], in[3], in[4], options);
    }));
    out.push_back(
        results_of_layer<T>(sizes, 4, {4 * units}, [](const auto& in, const RecurrentOptions& options) {
            return lstm<T>(in[0], in[1], in[2], in[3], in[4], {}, options);
        }));
    out.push_back(
        results_of_layer<T>(sizes, 3, {2, 3 * units}, [](const auto& in, const RecurrentOptions& options) {
            return gru<T>(in[0], in[1], in[2], in[3], in[4], options);
        }));
    out.push_back(results_of_layer<T>(sizes, 3, {3 * units}, [](const auto& in, RecurrentOptions options) {
        options.reset_after = false;
        return gru<T>(in[0], in[1], in[2], in[3], in[4], options);
    }));
    return out;
}

}  // namespace

TEST_CASE("parallel_for calls every task once") {
    for (const std::size_t threads : {1u, 2u, 3u, 8u}) {
        const WithThreads with(threads);
        for (const std::size_t tasks : {0u, 1u, 2u, 7u, 1000u}) {
            std::vector<std::atomic<int>> calls(tasks);
            detail::parallel_for(tasks, [&](std::size_t i) { ++calls[i]; });
            for (const auto& count : calls) CHECK(count == 1);
        }
    }
}

TEST_CASE("parallel_runs covers everything with one run for each thread that is worth it") {
    const WithThreads with(3);
    for (const auto& [work, runs] : {std::pair<std::size_t, std::size_t>{0, 1},
                                     {2 * detail::least_parallel_work - 1, 1},
                                     {2 * detail::least_parallel_work, 2},
                                     {100 * detail::least_parallel_work, 3}}) {
        std::vector<std::atomic<int>> calls(10);
        std::atomic<std::size_t> made = 0;
        detail::parallel_runs(calls.size(), work, [&](std::size_t first, std::size_t last) {
            ++made;
            for (std::size_t i = first; i < last; ++i) ++calls[i];
        });
        CHECK(made == runs);
        for (const auto& count : calls) CHECK(count == 1);
    }
    std::atomic<std::size_t> length = 1;
    detail::parallel_runs(0, 0, [&](std::size_t first, std::size_t last) { length = last - first; });
    CHECK(length == 0);
}

TEST_CASE("What a task throws reaches the caller after all tasks have ended") {
    const WithThreads with(3);
    for (int round = 0; round < 20; ++round) {
        std::atomic<int> ended = 0;
        CHECK_THROWS_WITH_AS(detail::parallel_for(50,
                                                  [&](std::size_t i) {
                                                      ++ended;
                                                      if (i == 17) throw std::runtime_error("task 17");
                                                  }),
                             "task 17", std::runtime_error);
        CHECK(ended == 50);
    }
}

TEST_CASE("A task's own calls run on its thread") {
    const WithThreads with(2);
    std::atomic<int> calls = 0, elsewhere = 0;
    detail::parallel_for(4, [&](std::size_t) {
        const std::thread::id outer = std::this_thread::get_id();
        detail::parallel_for(5, [&](std::size_t) {
            ++calls;
            if (std::this_thread::get_id() != outer) ++elsewhere;
        });
    });
    CHECK(calls == 20);
    CHECK(elsewhere == 0);
}

TEST_CASE("A crew's members take every step together") {
    for (const std::size_t threads : {1u, 2u, 3u, 8u}) {
        CAPTURE(threads);
        const WithThreads with(threads);
        for (const std::size_t most : {1u, 2u, 5u}) {
            CAPTURE(most);
            constexpr std::size_t steps = 20;
            std::array<std::size_t, 5> done{};  // steps of each member, written by it alone
            std::atomic<std::size_t> members = 0, size = 0, early = 0;
            detail::parallel_crew(most, [&](detail::Crew& crew, std::size_t member) noexcept {
                ++members;
                size = crew.size();
                for (std::size_t step = 1; step <= steps; ++step) {
                    done[member] = step;
                    crew.meet(member);
                    for (std::size_t other = 0; other < crew.size(); ++other) early += done[other] != step;
                    crew.meet(member);
                }
            });
            CHECK(members == size);
            CHECK(size >= 1);
            CHECK(size <= std::min(most, threads));
            CHECK(early == 0);
            for (std::size_t member = 0; member < done.size(); ++member)
                CHECK(done[member] == (member < size ? steps : 0));
        }
    }
}

TEST_CASE("A crew has one member inside a task") {
    const WithThreads with(2);
    std::atomic<std::size_t> members = 0;
    detail::parallel_for(4, [&](std::size_t) {
        detail::parallel_crew(2, [&](detail::Crew& crew, std::size_t) noexcept { members += crew.size(); });
    });
    CHECK(members == 4);
}

TEST_CASE("Several threads can call at once") {
    const WithThreads with(3);
    std::atomic<int> calls = 0;
    std::vector<std::thread> callers;
    for (int c = 0; c < 4; ++c) {
        callers.emplace_back([&] {
            for (int round = 0; round < 50; ++round) {
                detail::parallel_for(9, [&](std::size_t) { ++calls; });
                detail::parallel_crew(3, [&](detail::Crew& crew, std::size_t member) noexcept {
                    crew.meet(member);
                    calls += member == 0 ? 1 : 0;
                });
            }
        });
    }
    for (std::thread& caller : callers) caller.join();
    CHECK(calls == 4 * 50 * 10);
}

TEST_CASE("Results do not depend on the number of threads") {
    std::vector<std::vector<float>> single;
    std::vector<std::vector<double>> twice;
    Tensor<float> product;
    for (const std::size_t threads : {1u, 2u, 3u, 5u}) {
        CAPTURE(threads);
        const WithThreads with(threads);
        Generator random(3);
        const Tensor<float> a = random.uniform<float>({1000, 150}), b = random.uniform<float>({150, 300});
        const Tensor<float> c = matmul(constant(a), constant(b)).value();
        std::vector<std::vector<float>> floats;
        std::vector<std::vector<double>> doubles;
        for (const Sizes& sizes : {many_samples, one_sample, few_samples}) {
            for (auto& layer : results_of_all_layers<float>(sizes)) floats.push_back(std::move(layer));
            for (auto& layer : results_of_all_layers<double>(sizes)) doubles.push_back(std::move(layer));
        }
        if (threads == 1) {
            product = c;
            single = std::move(floats);
            twice = std::move(doubles);
            continue;
        }
        CHECK(copy(c) == copy(product));
        for (std::size_t layer = 0; layer < single.size(); ++layer) {
            CAPTURE(layer);
            CHECK(floats[layer] == single[layer]);
            CHECK(doubles[layer] == twice[layer]);
        }
    }
}

TEST_CASE("The number of threads is from 1 to 1024") {
    const std::size_t before = num_threads();
    CHECK(before >= 1);
    CHECK_THROWS_WITH_AS(set_num_threads(0), "set_num_threads: expected 1 to 1024, got 0", ValueError);
    CHECK_THROWS_WITH_AS(set_num_threads(1025), "set_num_threads: expected 1 to 1024, got 1025", ValueError);
    CHECK(num_threads() == before);

    CHECK(detail::threads_at_first("3") == 3);
    CHECK(detail::threads_at_first(nullptr) >= 1);
    CHECK(detail::threads_at_first("") == detail::threads_at_first(nullptr));
    for (const char* wrong : {"0", "1025", "-1", "two", "2 ", "2x", "1e2", "99999999999999999999"}) {
        const std::string message =
            std::string("SEQGRAD_NUM_THREADS is \"") + wrong + "\"; expected a number from 1 to 1024";
        CHECK_THROWS_WITH_AS(detail::threads_at_first(wrong), message.c_str(), ValueError);
    }
}
