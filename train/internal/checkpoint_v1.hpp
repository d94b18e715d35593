#pragma once

#include <string>

#include "seqgrad/train/training_state.hpp"

namespace seqgrad::detail {

/// The checksum that a checkpoint of version 1 of the format (docs/checkpoints.md) has for this state: of the
/// state as that version wrote it, so that it is one of what was read, whatever went wrong on the way.
template <class T>
std::string checkpoint_v1_checksum(const TrainingState<T>& state);

}  // namespace seqgrad::detail
