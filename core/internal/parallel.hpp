#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "seqgrad/core/threads.hpp"

namespace seqgrad::detail {

/// Work of one task, in multiplications and additions, that is worth waking a thread for.
constexpr std::size_t least_parallel_work = std::size_t{1} << 20;

/// What num_threads() is at first, given the environment variable or null.
std::size_t threads_at_first(const char* variable);

/// run(context, i) for every i < tasks, each once, on num_threads() threads at most. Throws what the first of
/// them to fail threw, after all have ended. Calls from a task run on the calling thread.
void run_parallel(std::size_t tasks, void (*run)(void* context, std::size_t task), void* context);

/// f(i) for every i < tasks, on several threads where there are any.
template <class F>
void parallel_for(std::size_t tasks, F&& f) {
    if (tasks == 1) return f(std::size_t{0});
    run_parallel(
        tasks,
        [](void* context, std::size_t task) { (*static_cast<std::remove_reference_t<F>*>(context))(task); },
        &f);
}

/// f(first, last) for as many even runs of [0, count) as there are threads, fewer where the work, in
/// multiplications and additions, is not worth it. Where the runs lie depends on the number of threads, so
/// results must not depend on them.
template <class F>
void parallel_runs(std::size_t count, std::size_t work, F&& f) {
    const std::size_t runs =
        std::max<std::size_t>(1, std::min({count, work / least_parallel_work, num_threads()}));
    parallel_for(runs, [&](std::size_t i) { f(i * count / runs, (i + 1) * count / runs); });
}

/// Threads that go through the same steps at the same time, each with its part of every step.
class Crew {
  public:
    /// More would wait for each other for longer than they work.
    static constexpr std::size_t largest = 16;

    /// For so many members at most, from 1 to `largest`.
    explicit Crew(std::size_t most) : most_(static_cast<std::uint32_t>(most)) {}

    /// Makes the calling thread a member and returns its number, 0, 1, ...; nothing where it comes too late.
    /// The first one waits a moment for the others, all wait for its decision that nobody else will come.
    std::optional<std::size_t> join() noexcept;
    /// Members; known to those who have joined.
    std::size_t size() const noexcept { return state_.load(std::memory_order_relaxed) & ~closed; }
    /// Returns when all members have called it, each with its number, as often. What they wrote before is
    /// then seen by all.
    void meet(std::size_t member) noexcept;

  private:
    static constexpr std::uint32_t closed = std::uint32_t{1} << 31;

    /// A cache line of its own, which nobody else writes to.
    struct alignas(64) Member {
        std::atomic<std::uint32_t> meetings = 0;
    };

    std::uint32_t most_;
    std::atomic<std::uint32_t> state_ = 0;  // members so far, and whether it is closed
    std::array<Member, largest> members_;
};

/// run(context, crew, member) for every member of a crew of at most so many threads.
void run_crew(std::size_t most, void (*run)(void* context, Crew& crew, std::size_t member), void* context);

/// f(crew, member) for every member < crew.size(), each on a thread of its own. Of these there are `most`,
/// but Crew::largest at most, or as many as come within a moment, the calling one alone if need be: results
/// must not depend on it.
template <class F>
void parallel_crew(std::size_t most, F&& f) {
    static_assert(std::is_nothrow_invocable_v<F, Crew&, std::size_t>, "others would wait for ever");
    run_crew(
        most,
        [](void* context, Crew& crew, std::size_t member) {
            (*static_cast<std::remove_reference_t<F>*>(context))(crew, member);
        },
        &f);
}

}  // namespace seqgrad::detail
