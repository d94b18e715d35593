#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "seqgrad/core/random.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/data/dataset.hpp"
#include "seqgrad/data/padding.hpp"
#include "seqgrad/data/prefetch.hpp"
#include "seqgrad/data/text_stream.hpp"

namespace seqgrad {

/// The samples of one step of training.
template <Real T>
struct Batch {
    Dataset<T> samples;
    /// Whether stateful layers begin afresh before this batch, as they do where a text begins again.
    bool reset_state = false;
};

/// What makes a source of batches this one, by name: {"samples", 1000}, {"batch_size", 32}.
using SourceSettings = std::vector<std::pair<std::string, std::int64_t>>;

/// Gives the batches that a Trainer trains on, pass by pass over the data: for data that is not one Dataset
/// in memory, or that has an order of its own.
///
///     class Squares : public BatchSource<float> {
///       public:
///         void start(Generator& generator) override { generator_ = generator.split(1)[0]; left_ = 100; }
///         std::optional<Batch<float>> next() override {
///             if (left_ == 0) return std::nullopt;
///             --left_;
///             const Tensor<float> x = generator_.uniform<float>({32, 1});
///             return Batch<float>{{.x = x, .y = x * x}};
///         }
///       private:
///         Generator generator_;
///         std::size_t left_ = 0;
///     };
///
/// The batches of a pass follow from the generator's state at its start alone. A run that was stopped goes on
/// by starting the pass again from that state and skipping what it had taken.
template <Real T>
class BatchSource {
  public:
    using value_type = T;

    virtual ~BatchSource() = default;

    /// Begins a pass over the data. What is random in it is drawn from this generator, here: a source that
    /// draws later takes a generator of its own, `generator.split(1)[0]`.
    virtual void start(Generator& generator) = 0;
    /// The next batch of the pass; nothing at its end.
    virtual std::optional<Batch<T>> next() = 0;
    /// Passes over so many batches. Throws ValueError where the pass has fewer left.
    virtual void skip(std::size_t batches);
    /// Batches in a pass, where that is known and there is an end.
    virtual std::optional<std::size_t> size() const { return std::nullopt; }
    /// What makes it this source: a run goes on only with one of the same.
    virtual SourceSettings settings() const { return {}; }
    /// The source whose passes these are: itself, unless it hands on the batches of another one.
    virtual const BatchSource& origin() const noexcept { return *this; }
};

/// The samples of a Dataset, in their order or in a random one that is new in every pass.
template <Real T>
class DatasetBatches : public BatchSource<T> {
  public:
    /// The data must outlive the source. The last batch takes what is left. Throws ValueError for a batch
    /// size of 0, ShapeError as Dataset::size does.
    DatasetBatches(const Dataset<T>& data, std::size_t batch_size, bool shuffle = true);
    DatasetBatches(Dataset<T>&&, std::size_t, bool = true) = delete;

    void start(Generator& generator) override;
    std::optional<Batch<T>> next() override;
    void skip(std::size_t batches) override;
    std::optional<std::size_t> size() const override;
    SourceSettings settings() const override;

  private:
    const Dataset<T>* data_;
    std::size_t batch_size_;
    bool shuffle_;
    std::vector<std::size_t> order_;
    std::size_t taken_ = 0;  // batches
};

/// The samples of a Dataset in batches of similar length, which need little padding (bucket_by_length).
template <Real T>
class BucketBatches : public BatchSource<T> {
  public:
    /// The data must outlive the source. `lengths` are the samples' steps. Throws ValueError for a batch size
    /// of 0 and another number of lengths than of samples.
    BucketBatches(const Dataset<T>& data, std::vector<std::size_t> lengths,
                  const BucketOptions& options = {});
    BucketBatches(Dataset<T>&&, std::vector<std::size_t>, const BucketOptions& = {}) = delete;

    void start(Generator& generator) override;
    std::optional<Batch<T>> next() override;
    void skip(std::size_t batches) override;
    std::optional<std::size_t> size() const override;
    SourceSettings settings() const override;

  private:
    const Dataset<T>* data_;
    std::vector<std::size_t> lengths_;
    BucketOptions options_;
    std::vector<std::vector<std::size_t>> batches_;
    std::size_t taken_ = 0;
};

/// The batches of a TextStream in their order; stateful layers begin afresh before the first one.
template <Real T>
class StreamBatches : public BatchSource<T> {
  public:
    explicit StreamBatches(TextStream<T> stream) : stream_(std::move(stream)) {}

    void start(Generator& generator) override;
    std::optional<Batch<T>> next() override;
    void skip(std::size_t batches) override;
    std::optional<std::size_t> size() const override { return stream_.size(); }
    SourceSettings settings() const override;

    const TextStream<T>& stream() const noexcept { return stream_; }

  private:
    TextStream<T> stream_;
    std::size_t taken_ = 0;
};

/// Windows from random places of a text (random_windows), without an end: give the Trainer `steps_per_epoch`.
template <Real T>
class RandomWindowBatches : public BatchSource<T> {
  public:
    /// Throws as random_windows does.
    explicit RandomWindowBatches(std::vector<std::int64_t> ids, const StreamOptions& options = {});

    void start(Generator& generator) override;
    std::optional<Batch<T>> next() override;
    void skip(std::size_t batches) override;
    SourceSettings settings() const override;

  private:
    std::vector<std::int64_t> ids_;
    StreamOptions options_;
    Generator generator_;
};

/// Another source's batches, made in a thread of their own while the ones before are in use.
///
/// The other source must outlive this one and not be used meanwhile.
template <Real T>
class PrefetchedBatches : public BatchSource<T> {
  public:
    /// Makes up to `capacity` batches in advance. Throws ValueError for a capacity of 0.
    explicit PrefetchedBatches(BatchSource<T>& source, std::size_t capacity = 2);

    void start(Generator& generator) override;
    std::optional<Batch<T>> next() override;
    void skip(std::size_t batches) override;
    std::optional<std::size_t> size() const override { return source_->size(); }
    SourceSettings settings() const override { return source_->settings(); }
    const BatchSource<T>& origin() const noexcept override { return source_->origin(); }

  private:
    BatchSource<T>* source_;
    std::size_t capacity_;
    std::optional<Prefetcher<Batch<T>>> prefetcher_;
};

extern template class BatchSource<float>;
extern template class BatchSource<double>;
extern template class DatasetBatches<float>;
extern template class DatasetBatches<double>;
extern template class BucketBatches<float>;
extern template class BucketBatches<double>;
extern template class StreamBatches<float>;
extern template class StreamBatches<double>;
extern template class RandomWindowBatches<float>;
extern template class RandomWindowBatches<double>;
extern template class PrefetchedBatches<float>;
extern template class PrefetchedBatches<double>;

}  // namespace seqgrad
