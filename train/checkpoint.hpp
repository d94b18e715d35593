#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/layers/files/file_options.hpp"
#include "seqgrad/train/report.hpp"
#include "seqgrad/train/training_state.hpp"

namespace seqgrad {

/// A training run's state in the JSON format (docs/checkpoints.md): every number so that it is read back
/// exactly, with a checksum of all. Throws ValueError for a name that is not UTF-8, for two weights of one
/// name, and where a tensor holds a number that is not finite (all are listed) unless the options allow it;
/// what is counted and logged may be infinite or NaN.
template <class T>
std::string checkpoint_to_json(const TrainingState<T>& state, const SaveOptions& options = {});

/// Reads a text of `checkpoint_to_json`; `source` says in messages where it is from. Throws FormatError with
/// the place where it is not such a text, where it was changed or damaged in any way that matters, for
/// numbers of another type than T, and for a version of the format that this library cannot read.
template <class T>
TrainingState<T> checkpoint_from_json(std::string_view json, const std::string& source = "checkpoint",
                                      const LoadOptions& options = {});

/// Writes a training run's state to a file, from which `load_weights` reads the weights as well.
///
/// The file is complete or not there: it replaces an older one only after it was written, flushed to the disk
/// and read back. Throws as `checkpoint_to_json` does, and IoError when the file cannot be written.
template <class T>
void save_checkpoint(const TrainingState<T>& state, const std::filesystem::path& path,
                     const SaveOptions& options = {});

/// Reads a file that `save_checkpoint` wrote, now or in an earlier version. Throws as `checkpoint_from_json`
/// does, and IoError when the file cannot be read.
template <class T>
TrainingState<T> load_checkpoint(const std::filesystem::path& path, const LoadOptions& options = {});

/// A folder with the last checkpoints of a run: "checkpoint-1.json", "checkpoint-2.json" and so on.
///
/// However a save ends, also by the loss of the process, the checkpoints of the saves before it are there and
/// valid. One run writes to a folder at a time.
template <class T>
class CheckpointFolder {
  public:
    using Report = seqgrad::Report;

    /// Where to go on from.
    struct Found {
        TrainingState<T> state;
        std::filesystem::path path;
        /// Why newer ones were left aside, newest first; each names its file.
        std::vector<std::string> skipped = {};
    };

    /// The last `keep` are kept. Nothing is read or written yet, and the folder need not be there. Throws
    /// ValueError for an empty path and when `keep` is 0.
    explicit CheckpointFolder(std::filesystem::path folder, std::size_t keep = 3,
                              Report report = report_to_cerr);

    /// Writes the next checkpoint, also one whose numbers are not finite, and returns its path; then removes
    /// those that are too old. What a killed process has left half-written is removed first. Makes the
    /// folder. Throws as `save_checkpoint` does.
    std::filesystem::path save(const TrainingState<T>& state);

    /// The newest valid checkpoint, nothing where there are none at all. One that is damaged is left aside
    /// for the one before, and reported. Throws FormatError, with what is wrong with each, where there are
    /// some but none is valid, rather than have a run begin anew over them; IoError when the folder cannot be
    /// read.
    std::optional<Found> newest() const;

    /// The checkpoints, newest first, whether valid or not. Throws IoError when the folder cannot be read.
    std::vector<std::filesystem::path> files() const;

    /// Removes the checkpoints, and the folder where nothing else is in it. Throws IoError.
    void clear();

    const std::filesystem::path& path() const noexcept { return folder_; }

  private:
    std::filesystem::path folder_;
    std::size_t keep_;
    Report report_;
};

extern template class CheckpointFolder<float>;
extern template class CheckpointFolder<double>;

}  // namespace seqgrad
