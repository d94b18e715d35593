#pragma once

#include <cstddef>
#include <optional>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/data/batch_source.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad::detail {

/// Puts a model into a mode, and back into its former one at the end.
template <class T>
class TrainingMode {
  public:
    TrainingMode(Module<T>& model, bool training) : model_(model), previous_(model.training()) {
        model_.set_training(training);
    }
    ~TrainingMode() { model_.set_training(previous_); }
    TrainingMode(const TrainingMode&) = delete;
    TrainingMode& operator=(const TrainingMode&) = delete;

  private:
    Module<T>& model_;
    bool previous_;
};

/// Keeps what a model remembers from call to call, and gives it back.
template <class T>
class Remembered {
  public:
    /// Keeps nothing unless there is something.
    Remembered(Module<T>& model, bool remembers) : model_(model) {
        if (remembers) state_ = model.state();
    }
    /// Whether there was anything.
    explicit operator bool() const {
        return state_ && !(state_->generators.empty() && state_->states.empty());
    }
    void give_back() const {
        if (state_) model_.set_state(*state_);
    }

  private:
    Module<T>& model_;
    std::optional<ModuleState<T>> state_;
};

/// Throws ValueError where there are no samples or the batch size is 0.
inline void check_sizes(const char* function, std::size_t samples, std::size_t batch_size) {
    if (samples == 0) throw ValueError(fmt::format("{}: the data set is empty", function));
    if (batch_size == 0)
        throw ValueError(fmt::format("{}: the batch size must be at least 1, got 0", function));
}

/// Samples of a batch. Throws ValueError where there are none.
template <class T>
std::size_t samples_of(const Batch<T>& batch) {
    const std::size_t samples = batch.samples.size();
    if (samples == 0) throw ValueError("batch source: gave a batch without samples");
    return samples;
}

}  // namespace seqgrad::detail
