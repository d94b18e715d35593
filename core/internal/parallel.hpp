#pragma once

#include <algorithm>
#include <cstddef>
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

}  // namespace seqgrad::detail
