#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "seqgrad/train/callbacks.hpp"
#include "seqgrad/train/checkpoint.hpp"

namespace seqgrad {

/// Lets a run that was interrupted or killed go on when it is started again, as if it had never stopped
/// (docs/checkpoints.md). Beside StopOnInterrupt, Ctrl-C ends it with a checkpoint of the last step.
///
/// A run begins from the newest valid checkpoint in the folder, where there is one; one folder is for one
/// run. `fit` throws ValueError where the checkpoint is one of another run.
struct BackupAndRestore {
    std::filesystem::path backup_dir = {};  ///< made where it is not there
    /// A checkpoint after every so many steps; 0: after every epoch.
    std::int64_t save_freq = 0;
    std::size_t keep = 3;           ///< checkpoints that are there at a time, at least 1
    bool delete_checkpoint = true;  ///< removes them when the run has come to its end
    /// What is told that a damaged checkpoint was left aside.
    Report report = report_to_cerr;

    template <class T>
    std::shared_ptr<Callback<T>> make() const;
};

}  // namespace seqgrad
