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

/// Looks at a value, of 25 to 50 nanoseconds each. An operation is often followed by the next one at once,
/// and waking a sleeping thread takes longer than many of them.
constexpr int looks_between_operations = 8000;
/// Within an operation, where the others are about as far; or the system has taken a thread's processor away.
constexpr int looks_between_steps = 1000;
/// For other threads to come; one that sleeps has woken by then.
constexpr int looks_for_others = 2000;

/// Waits until `value` is not `old`: looks for a while, then sleeps.
template <class V>
void await_change(const std::atomic<V>& value, V old, int looks = looks_between_operations) {
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
    /// Works on the job with so many helpers at most; not at all, and returns false, where they help another.
    bool run(Job& job, std::size_t helpers) {
        const std::unique_lock only(busy_, std::try_to_lock);
        if (!only.owns_lock()) return false;
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
        return true;
    }

    /// Works on it alone.
    static void work(Job& job) {
        inside_task = true;
        job.work();
        inside_task = false;
    }

  private:
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
    } else if (!team().run(job, threads - 1)) {
        Team::work(job);
    }
    job.rethrow();
}

std::optional<std::size_t> Crew::join() noexcept {
    std::uint32_t state = state_.load(std::memory_order_acquire);
    do {
        if ((state & closed) != 0) return std::nullopt;
    } while (!state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel));
    const std::size_t member = state;
    if (member == 0) {
        for (int i = 0; i < looks_for_others && state_.load(std::memory_order_acquire) < most_; ++i) pause();
        state_.fetch_or(closed, std::memory_order_acq_rel);
        state_.notify_all();
    } else {
        while (((state = state_.load(std::memory_order_acquire)) & closed) == 0) await_change(state_, state);
    }
    return member;
}

void Crew::meet(std::size_t member) noexcept {
    std::atomic<std::uint32_t>& own = members_[member].meetings;
    // Not a mere store: that could come after the look for those who sleep.
    const std::uint32_t before = own.fetch_add(1, std::memory_order_acq_rel);
    own.notify_all();
    for (std::size_t other = 0; other < size(); ++other) {
        // Others that were here before may have come to the next meeting by now.
        if (other != member) await_change(members_[other].meetings, before, looks_between_steps);
    }
}

void run_crew(std::size_t most, void (*run)(void* context, Crew& crew, std::size_t member), void* context) {
    struct Call {
        Crew crew;
        void (*run)(void*, Crew&, std::size_t);
        void* context;
    };
    const auto take_part = [](void* context, std::size_t) {
        Call& call = *static_cast<Call*>(context);
        if (const auto member = call.crew.join()) call.run(call.context, call.crew, *member);
    };
    most = std::min({most, num_threads(), Crew::largest});
    if (most > 1 && !inside_task) {
        Call call{Crew(most), run, context};
        Job job(most, take_part, &call);
        if (team().run(job, most - 1)) return;
    }
    Call alone{Crew(1), run, context};
    take_part(&alone, 0);
}

}  // namespace detail
}  // namespace seqgrad
