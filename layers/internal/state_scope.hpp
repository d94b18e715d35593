#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "seqgrad/core/tensor.hpp"

namespace seqgrad::detail {

/// A call of a module. If it ends with an error, the stateful layers inside, of which some may have finished,
/// get back the states that they had before it. Calls are nested; each thread has its own.
template <class T>
class StateScope {
  public:
    using States = std::vector<Tensor<T>>;

    StateScope() noexcept : mark_(replaced().size()) { ++depth(); }
    ~StateScope() {
        std::vector<Replaced>& log = replaced();
        for (; !succeeded_ && log.size() > mark_; log.pop_back()) {
            Replaced& last = log.back();
            if (last.states != nullptr) *last.states = std::move(last.before);
        }
        if (--depth() == 0) log.clear();
    }
    StateScope(const StateScope&) = delete;
    StateScope& operator=(const StateScope&) = delete;

    /// Says that the call has ended without an error. What it changed may still be undone by the outer one.
    void succeed() noexcept { succeeded_ = true; }

    /// Gives a layer new states.
    static void replace(States& states, States now) {
        if (depth() != 0) {
            replaced().push_back({&states, {}});
            replaced().back().before = std::move(states);
        }
        states = std::move(now);
    }
    /// Must be called before states that were replaced cease to exist.
    static void forget(const States& states) noexcept {
        // At the end of the program static layers outlive the log.
        if (depth() == 0) return;
        for (Replaced& each : replaced()) {
            if (each.states == &states) each.states = nullptr;
        }
    }

  private:
    struct Replaced {
        States* states;  // null if they were forgotten
        States before;
    };

    static std::vector<Replaced>& replaced() {
        static thread_local std::vector<Replaced> log;
        return log;
    }
    static std::size_t& depth() {
        static thread_local std::size_t open = 0;
        return open;
    }

    std::size_t mark_;
    bool succeeded_ = false;
};

}  // namespace seqgrad::detail
