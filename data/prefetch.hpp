#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

#include "seqgrad/core/error.hpp"

namespace seqgrad {

/// Makes items, such as batches, in a thread of its own while the ones before are in use.
///
///     Prefetcher batches([&reader]() -> std::optional<Dataset<float>> { return reader.next(); });
///     while (auto batch = batches.next()) trainer.train_on_batch(batch->x, batch->y);
///
/// The source is a callable that returns the next item, and nothing at the end. It is called by one thread
/// only, one call after the other, in advance of the items taken by as many as `capacity` and one: what it
/// uses is its own until the Prefetcher is destroyed. default_generator() is another one in that thread, so
/// random sources need a Generator of their own; what is to be resumed later must stand in the items, since
/// the source's position is ahead. Items come in the order in which they are made.
///
/// One thread at a time may call next().
template <class Item>
class Prefetcher {
  public:
    /// Starts to make items. Throws ValueError for a capacity of 0, and std::system_error when there is no
    /// thread to be had.
    template <class Source>
    requires std::is_invocable_r_v < std::optional<Item>, std::decay_t<Source>
    & > explicit Prefetcher(Source source, std::size_t capacity = 2) : capacity_(capacity) {
        if (capacity == 0) throw ValueError("prefetcher: expected a capacity of 1 or more items, got 0");
        thread_ = std::thread([this, source = std::move(source)]() mutable { run(source); });
    }

    Prefetcher(const Prefetcher&) = delete;
    Prefetcher& operator=(const Prefetcher&) = delete;

    /// Waits for a call of the source that is under way, and makes no other. What was not taken is lost.
    ~Prefetcher() {
        {
            const std::lock_guard lock(mutex_);
            stopped_ = true;
        }
        changed_.notify_all();
        if (thread_.joinable()) thread_.join();
    }

    /// The next item; waits for it where it is not made yet. Nothing at the end, however often. What the
    /// source throws is thrown here, after the items made before, and again by every later call.
    std::optional<Item> next() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return !items_.empty() || finished_; });
        if (!items_.empty()) {
            std::optional<Item> item(std::move(items_.front()));
            items_.pop_front();
            lock.unlock();
            changed_.notify_all();
            return item;
        }
        lock.unlock();
        // An exception belongs to this thread alone only when the other one has let go of it.
        if (thread_.joinable()) thread_.join();
        if (failure_) std::rethrow_exception(failure_);
        return std::nullopt;
    }

  private:
    template <class Source>
    void run(Source& source) {
        try {
            for (;;) {
                std::optional<Item> item = source();
                std::unique_lock lock(mutex_);
                if (!item) break;
                changed_.wait(lock, [this] { return items_.size() < capacity_ || stopped_; });
                if (stopped_) break;
                items_.push_back(std::move(*item));
                lock.unlock();
                changed_.notify_all();
            }
        } catch (...) {
            const std::lock_guard lock(mutex_);
            failure_ = std::current_exception();
        }
        {
            const std::lock_guard lock(mutex_);
            finished_ = true;
        }
        changed_.notify_all();
    }

    const std::size_t capacity_;
    std::mutex mutex_;
    std::condition_variable changed_;  // of what stands below
    std::deque<Item> items_;
    bool stopped_ = false;   // no more items are wanted
    bool finished_ = false;  // no more items come
    std::exception_ptr failure_;
    std::thread thread_;
};

template <class Source>
Prefetcher(Source, std::size_t = 2) -> Prefetcher<typename std::invoke_result_t<Source&>::value_type>;

}  // namespace seqgrad
