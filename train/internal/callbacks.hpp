#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/train/training_state.hpp"

// What callbacks share.

namespace seqgrad::detail {

/// Refuses an argument below 0.
inline void check_count(const char* callback, const char* name, std::int64_t value) {
    if (value < 0) throw ValueError(fmt::format("{}: {} must be at least 0, got {}", callback, name, value));
}

/// Reads what a callback's `state` gave. Throws ValueError where it is none of that callback's.
template <class T>
class StateReader {
  public:
    /// The state must outlive the reader.
    StateReader(std::string callback, const CallbackState<T>& state)
        : callback_(std::move(callback)), state_(state) {}

    double number(const std::string& name) const {
        const auto found = state_.numbers.find(name);
        if (found == state_.numbers.end()) {
            throw ValueError(
                fmt::format("{}: not the state of such a callback: it has no \"{}\"", callback_, name));
        }
        return found->second;
    }
    std::int64_t integer(const std::string& name) const {
        const double value = number(name);
        constexpr double exact = 9007199254740992.0;  // 2^53
        if (!(std::abs(value) <= exact) || value != std::floor(value)) {
            throw ValueError(fmt::format("{}: not the state of such a callback: \"{}\" is {}, not an integer",
                                         callback_, name, value));
        }
        return static_cast<std::int64_t>(value);
    }
    /// None where the state has none of that name.
    std::vector<Tensor<T>> tensors(const std::string& name) const {
        const auto found = state_.tensors.find(name);
        return found == state_.tensors.end() ? std::vector<Tensor<T>>{} : found->second;
    }

  private:
    std::string callback_;
    const CallbackState<T>& state_;
};

}  // namespace seqgrad::detail
