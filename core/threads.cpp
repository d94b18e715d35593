#include "seqgrad/core/threads.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/parallel.hpp"

namespace seqgrad {
namespace {

constexpr std::size_t most_threads = 1024;

std::atomic<std::size_t>& thread_count() {
    static std::atomic<std::size_t> count = detail::threads_at_first(std::getenv("SEQGRAD_NUM_THREADS"));
    return count;
}

/// For a loop that waits: leaves the processor's units to its other thread for a moment.
void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/// Waits until `value` is not `old`. An operation is often followed by the next one at once, and waking a
/// sleeping thread takes longer than many of them: so it looks for a while before it sleeps.
template <class V>
void await_change(const std::atomic<V>& value, V old) {
    constexpr int looks = 8000;  // 200 to 400 microseconds
    for (int i = 0; i < looks; ++i) {
        if (value.load(std::memory_order_acquire) != old) return;
        pause();
    }
    value.wait(old, std::memory_order_acquire);
}

/// The tasks of one call. Lives on the caller's stack, for as long as anybody works on it.
class Job {
  public:
    Job(std::size_t tasks, void (*run)(void*, std::size_t), void* context)
        : tasks_(tasks), run_(run), context_(context) {}

    /// Takes tasks until there are none left.
    void work() noexcept {
        for (;;) {
            const std::size_t task = next_.fetch_add(1, std::memory_order_relaxed);
            if (task >= tasks_) return;
            try {
                run_(context_, task);
            } catch (...) {
                if (!failed_.exchange(true)) error_ = std::current_exception();
            }
        }
    }
    /// Only after all work on it has ended.
    void rethrow() const {
        if (error_) std::rethrow_exception(error_);
    }

  private:
    std::size_t tasks_;
    void (*run_)(void*, std::size_t);
    void* context_;
    std::atomic<std::size_t> next_ = 0;
    std::atomic<bool> failed_ = false;
    std::exception_ptr error_;
};

/// Whether this thread works on a task.
thread_local bool inside_task = false;

/// Threads that help the one that calls.
class Team {
  public:
    /// Works on the job with so many helpers at most.
    void run(Job& job, std::size_t helpers) {
        const std::unique_lock only(busy_, std::try_to_lock);
        if (!only.owns_lock()) return work(job);
        grow(helpers);
        {
            const std::lock_guard lock(mutex_);
            job_ = &job;
            places_ = helpers;
        }
        call_.fetch_add(1, std::memory_order_release);
        call_.notify_all();
        work(job);
        {
            const std::lock_guard lock(mutex_);
            job_ = nullptr;
        }
        for (std::uint32_t left = helping_; left > 0; left = helping_) await_change(helping_, left);
    }

  private:
    static void work(Job& job) {
        inside_task = true;
        job.work();
        inside_task = false;
    }

    void grow(std::size_t helpers) {
        try {
            for (; threads_ < helpers; ++threads_) {
                std::thread([this, call = call_.load()] { help(call); }).detach();
            }
        } catch (const std::system_error&) {
            // The system gives no more of them: those there are do the work.
        }
    }

    /// The life of a helper, from the call that it has seen last.
    void help(std::uint32_t call) {
        for (;;) {
            await_change(call_, call);
            call = call_.load(std::memory_order_acquire);
            Job* job = nullptr;
            {
                const std::lock_guard lock(mutex_);
                if (job_ == nullptr || places_ == 0) continue;
                job = job_;
                --places_;
                ++helping_;
            }
            work(*job);
            --helping_;
            helping_.notify_all();
        }
    }

    std::mutex busy_;   // held during a call
    std::mutex mutex_;  // of job_ and places_
    Job* job_ = nullptr;
    std::size_t places_ = 0;
    std::atomic<std::uint32_t> helping_ = 0;
    std::atomic<std::uint32_t> call_ = 0;
    std::size_t threads_ = 0;
};

/// Never destroyed: its threads wait for work when the process ends.
Team& team() {
    static Team& only = *new Team;
    return only;
}

}  // namespace

std::size_t num_threads() {
    return thread_count().load(std::memory_order_relaxed);
}

void set_num_threads(std::size_t count) {
    if (count < 1 || count > most_threads) {
        throw ValueError(fmt::format("set_num_threads: expected 1 to {}, got {}", most_threads, count));
    }
    thread_count().store(count, std::memory_order_relaxed);
}

namespace detail {

std::size_t threads_at_first(const char* variable) {
    const std::string_view text = variable == nullptr ? "" : variable;
    if (text.empty()) return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, most_threads);
    std::size_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || end != text.data() + text.size() || count < 1 || count > most_threads) {
        throw ValueError(
            fmt::format("SEQGRAD_NUM_THREADS is \"{}\"; expected a number from 1 to {}", text, most_threads));
    }
    return count;
}

void run_parallel(std::size_t tasks, void (*run)(void* context, std::size_t task), void* context) {
    if (tasks == 0) return;
    Job job(tasks, run, context);
    const std::size_t threads = std::min(tasks, num_threads());
    if (threads == 1 || inside_task) {
        job.work();
    } else {
        team().run(job, threads - 1);
    }
    job.rethrow();
}

}  // namespace detail
}  // namespace seqgrad
