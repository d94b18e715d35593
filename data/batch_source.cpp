#include "seqgrad/data/batch_source.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/data/internal/batches.hpp"

namespace seqgrad {

using detail::check_batch_size;
using detail::setting;
using detail::throw_too_far;

namespace {

/// `taken` and so many batches more, of `size`.
std::size_t skipped(std::size_t taken, std::size_t batches, std::size_t size) {
    if (batches > size - taken) throw_too_far(batches, size - taken);
    return taken + batches;
}

std::size_t batches_of(std::size_t samples, std::size_t batch_size) {
    return samples / batch_size + (samples % batch_size == 0 ? 0 : 1);
}

}  // namespace

template <Real T>
void BatchSource<T>::skip(std::size_t batches) {
    for (std::size_t i = 0; i < batches; ++i)
        if (!next()) throw_too_far(batches, i);
}

template <Real T>
DatasetBatches<T>::DatasetBatches(const Dataset<T>& data, std::size_t batch_size, bool shuffle)
    : data_(&data), batch_size_(batch_size), shuffle_(shuffle), order_(data.size()) {
    check_batch_size(batch_size);
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    taken_ = *size();
}

template <Real T>
void DatasetBatches<T>::start(Generator& generator) {
    if (shuffle_) {
        const Tensor<std::int64_t> order = generator.permutation(order_.size());
        std::ranges::copy(elements(order), order_.begin());
    }
    taken_ = 0;
}

template <Real T>
std::optional<Batch<T>> DatasetBatches<T>::next() {
    if (taken_ == *size()) return std::nullopt;
    const std::size_t begin = taken_++ * batch_size_;
    const std::size_t end = std::min(order_.size(), begin + batch_size_);
    return Batch<T>{data_->select(std::span<const std::size_t>(order_).subspan(begin, end - begin))};
}

template <Real T>
void DatasetBatches<T>::skip(std::size_t batches) {
    taken_ = skipped(taken_, batches, *size());
}

template <Real T>
std::optional<std::size_t> DatasetBatches<T>::size() const {
    return batches_of(order_.size(), batch_size_);
}

template <Real T>
SourceSettings DatasetBatches<T>::settings() const {
    return {setting("samples", order_.size()), setting("batch_size", batch_size_),
            setting("shuffle", shuffle_ ? 1 : 0)};
}

template <Real T>
BucketBatches<T>::BucketBatches(const Dataset<T>& data, std::vector<std::size_t> lengths,
                                const BucketOptions& options)
    : data_(&data), lengths_(std::move(lengths)), options_(options) {
    check_batch_size(options.batch_size);
    if (lengths_.size() != data.size()) {
        throw ValueError(fmt::format("batch source: {} lengths of {} samples", lengths_.size(), data.size()));
    }
}

template <Real T>
void BucketBatches<T>::start(Generator& generator) {
    batches_ = bucket_by_length(lengths_, options_, generator).batches;
    taken_ = 0;
}

template <Real T>
std::optional<Batch<T>> BucketBatches<T>::next() {
    if (taken_ == batches_.size()) return std::nullopt;
    return Batch<T>{data_->select(batches_[taken_++])};
}

template <Real T>
void BucketBatches<T>::skip(std::size_t batches) {
    taken_ = skipped(taken_, batches, batches_.size());
}

template <Real T>
std::optional<std::size_t> BucketBatches<T>::size() const {
    return batches_of(lengths_.size(), options_.batch_size);
}

template <Real T>
SourceSettings BucketBatches<T>::settings() const {
    return {setting("samples", lengths_.size()), setting("batch_size", options_.batch_size),
            setting("batches_sorted_together", options_.batches_sorted_together)};
}

template <Real T>
void StreamBatches<T>::start(Generator&) {
    taken_ = 0;
}

template <Real T>
std::optional<Batch<T>> StreamBatches<T>::next() {
    if (taken_ == stream_.size()) return std::nullopt;
    const bool first = taken_ == 0;
    return Batch<T>{stream_.batch(taken_++), first};
}

template <Real T>
void StreamBatches<T>::skip(std::size_t batches) {
    taken_ = skipped(taken_, batches, stream_.size());
}

template <Real T>
SourceSettings StreamBatches<T>::settings() const {
    return {setting("batches", stream_.size()), setting("batch_size", stream_.options().batch_size),
            setting("steps", stream_.options().steps)};
}

template <Real T>
RandomWindowBatches<T>::RandomWindowBatches(std::vector<std::int64_t> ids, const StreamOptions& options)
    : ids_(std::move(ids)), options_(options) {
    Generator scratch;
    random_windows<T>(ids_, options_, scratch);  // throws where they cannot be made
}

template <Real T>
void RandomWindowBatches<T>::start(Generator& generator) {
    generator_ = generator.split(1)[0];
}

template <Real T>
std::optional<Batch<T>> RandomWindowBatches<T>::next() {
    return Batch<T>{random_windows<T>(ids_, options_, generator_)};
}

template <Real T>
void RandomWindowBatches<T>::skip(std::size_t batches) {
    GeneratorState state = generator_.state();
    state.counter += static_cast<std::int64_t>(batches);  // a batch is one draw
    generator_.set_state(state);
}

template <Real T>
SourceSettings RandomWindowBatches<T>::settings() const {
    return {setting("ids", ids_.size()), setting("batch_size", options_.batch_size),
            setting("steps", options_.steps)};
}

template <Real T>
PrefetchedBatches<T>::PrefetchedBatches(BatchSource<T>& source, std::size_t capacity)
    : source_(&source), capacity_(capacity) {
    if (capacity == 0) throw ValueError("batch source: expected a capacity of 1 or more batches, got 0");
}

template <Real T>
void PrefetchedBatches<T>::start(Generator& generator) {
    prefetcher_.reset();
    source_->start(generator);
}

template <Real T>
std::optional<Batch<T>> PrefetchedBatches<T>::next() {
    // Not before a batch is wanted, so that skipping need not make those it skips.
    if (!prefetcher_) prefetcher_.emplace([source = source_] { return source->next(); }, capacity_);
    return prefetcher_->next();
}

template <Real T>
void PrefetchedBatches<T>::skip(std::size_t batches) {
    if (prefetcher_) {
        BatchSource<T>::skip(batches);
    } else {
        source_->skip(batches);
    }
}

template class BatchSource<float>;
template class BatchSource<double>;
template class DatasetBatches<float>;
template class DatasetBatches<double>;
template class BucketBatches<float>;
template class BucketBatches<double>;
template class StreamBatches<float>;
template class StreamBatches<double>;
template class RandomWindowBatches<float>;
template class RandomWindowBatches<double>;
template class PrefetchedBatches<float>;
template class PrefetchedBatches<double>;

}  // namespace seqgrad
