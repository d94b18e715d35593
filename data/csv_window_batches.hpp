#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <vector>

#include "seqgrad/core/random.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/data/batch_source.hpp"
#include "seqgrad/data/csv_series_reader.hpp"
#include "seqgrad/data/scaler.hpp"
#include "seqgrad/data/windows.hpp"

namespace seqgrad {

/// How CsvWindowBatches cuts a series into batches.
struct CsvWindowOptions {
    /// Applied to every step; of the D features.
    std::optional<StandardScaler> scaler =
        {};  // first: GCC 12 warns of what a copy's exception would destroy
    WindowOptions windows = {};
    std::size_t batch_size = 32;  ///< windows of a batch; the last batch takes what is left
    /// 0: the windows in their order. Otherwise every window is drawn at random from a buffer of so many,
    /// into which the next one of the file then comes: the larger, the better they are mixed, and with as
    /// many as the file has, every order is as likely.
    std::size_t shuffle_buffer = 0;
};

/// Windows of a series in a CSV file as batches, for files larger than memory.
///
///     const CsvSeriesOptions part{.columns = {"load", "temperature"}, .end = 80'000'000};
///     CsvSeriesReader steps("meters.csv", part);
///     StandardScaler scaler;
///     scaler.fit(steps);
///     CsvWindowBatches<float> train(std::move(steps), {.scaler = scaler, .windows = {.window = 48},
///                                                      .shuffle_buffer = 10'000});
///     trainer.fit(train, {.epochs = 10});
///
/// In order the batches hold what make_windows makes of the whole series, columns_tensor<T> scaled, bit for
/// bit. To split in time as split_windows does, train on the records [0, split) and validate on [split -
/// window, end). In memory are window + horizon steps, the shuffle buffer and one batch.
template <Real T>
class CsvWindowBatches : public BatchSource<T> {
  public:
    /// Throws ValueError for a batch size of 0, a scaler that is not fitted, and for window options as
    /// make_windows does; ShapeError for a scaler of another number of features.
    explicit CsvWindowBatches(CsvSeriesReader series, CsvWindowOptions options = {});

    /// Throws as CsvReader::rewind does.
    void start(Generator& generator) override;
    /// Throws as CsvSeriesReader::next does, and ShapeError when the series has no whole window.
    std::optional<Batch<T>> next() override;
    /// It reads what it passes over.
    void skip(std::size_t batches) override;
    /// Known when a pass has come to its end.
    std::optional<std::size_t> size() const override;
    SourceSettings settings() const override;

  private:
    struct Place {
        T* x;
        T* y;
    };

    bool draw(const Place* to);
    bool has_window();
    bool read_window(const Place* to);
    bool read_step();

    CsvSeriesReader series_;
    CsvWindowOptions options_;
    std::vector<std::size_t> targets_;
    std::size_t features_;
    std::size_t x_size_, y_size_;  // numbers of a window and its targets

    std::vector<T> steps_;          // from `first_step_` on those of the next window
    std::size_t first_step_ = 0;    // before it are some that no window needs any more
    std::size_t unused_steps_ = 0;  // to be read before the next window: a long stride passes over them
    Tensor<T> step_;

    Generator generator_;
    std::vector<T> buffer_;  // windows, each with its targets after it
    bool ended_ = true;      // whether the series has no window left
    std::size_t windows_ = 0, taken_ = 0;
    std::atomic<std::size_t> size_ = 0;  // batches of a pass; a thread that prefetches them may learn it
};

extern template class CsvWindowBatches<float>;
extern template class CsvWindowBatches<double>;

}  // namespace seqgrad
