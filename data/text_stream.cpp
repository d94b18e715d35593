#include "seqgrad/data/text_stream.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/sizes.hpp"

namespace seqgrad {

namespace {

void check_options(const char* call, const StreamOptions& options) {
    if (options.batch_size == 0 || options.steps == 0) {
        throw ValueError(fmt::format("{}: expected a batch_size and steps of 1 or more, got {} and {}", call,
                                     options.batch_size, options.steps));
    }
}

template <Real T>
Dataset<T> empty_batch(std::size_t samples, std::size_t steps) {
    Dataset<T> batch{zeros<T>({samples, steps}), {}};
    batch.y = batch.x;
    return batch;
}

}  // namespace

template <Real T>
TextStream<T>::TextStream(std::span<const std::int64_t> ids, const StreamOptions& options)
    : options_(options) {
    check_options("text stream", options);
    // Divided twice, as the product could overflow.
    size_ = ids.empty() ? 0 : (ids.size() - 1) / options.batch_size / options.steps;
    if (size_ == 0) {
        throw ValueError(
            fmt::format("text stream: {} streams of {} steps need as many ids and one more, got {} ids; take "
                        "a smaller batch_size or fewer steps",
                        options.batch_size, options.steps, ids.size()));
    }
    const std::size_t used = size_ * options.batch_size * options.steps + 1;
    unused_ = ids.size() - used;
    const Tensor<T> exact = from_integers<T>(tensor<std::int64_t>({used}, ids.first(used)));
    ids_.assign(exact.begin(), exact.end());
}

template <Real T>
Dataset<T> TextStream<T>::batch(std::size_t index) const {
    if (index >= size_) throw ValueError(fmt::format("text stream: no batch {} among {}", index, size_));
    const std::size_t steps = options_.steps;
    Dataset<T> out = empty_batch<T>(options_.batch_size, steps);
    for (std::size_t b = 0; b < options_.batch_size; ++b) {
        const T* chunk = ids_.data() + (b * size_ + index) * steps;
        std::copy_n(chunk, steps, out.x.data() + b * steps);
        std::copy_n(chunk + 1, steps, out.y.data() + b * steps);
    }
    return out;
}

template <Real T>
Dataset<T> make_streams(std::span<const std::int64_t> ids, const StreamOptions& options) {
    const TextStream<T> stream(ids, options);
    Dataset<T> out = empty_batch<T>(stream.size() * options.batch_size, options.steps);
    for (std::size_t i = 0; i < stream.size(); ++i) {
        const Dataset<T> batch = stream.batch(i);
        std::copy(batch.x.begin(), batch.x.end(), out.x.data() + i * batch.x.size());
        std::copy(batch.y.begin(), batch.y.end(), out.y.data() + i * batch.y.size());
    }
    return out;
}

template <Real T>
Dataset<T> random_windows(std::span<const std::int64_t> ids, const StreamOptions& options,
                          Generator& generator) {
    check_options("random_windows", options);
    const std::size_t steps = options.steps;
    if (ids.size() <= steps) {
        throw ValueError(fmt::format(
            "random_windows: windows of {} steps need as many ids and one more, got {}", steps, ids.size()));
    }
    detail::checked("random_windows", {options.batch_size, steps + 1});
    const GeneratorState before = generator.state();
    const Tensor<std::int64_t> begins =
        generator.integers({options.batch_size}, 0, static_cast<std::int64_t>(ids.size() - steps));
    Tensor<std::int64_t> windows(Shape{options.batch_size, steps + 1});
    for (std::size_t b = 0; b < options.batch_size; ++b) {
        std::copy_n(ids.begin() + begins.data()[b], steps + 1, windows.data() + b * (steps + 1));
    }
    Tensor<T> exact;
    try {
        exact = from_integers<T>(windows);
    } catch (...) {
        generator.set_state(before);
        throw;
    }
    Dataset<T> out = empty_batch<T>(options.batch_size, steps);
    for (std::size_t b = 0; b < options.batch_size; ++b) {
        const T* window = exact.data() + b * (steps + 1);
        std::copy_n(window, steps, out.x.data() + b * steps);
        std::copy_n(window + 1, steps, out.y.data() + b * steps);
    }
    return out;
}

template class TextStream<float>;
template class TextStream<double>;
template Dataset<float> make_streams(std::span<const std::int64_t>, const StreamOptions&);
template Dataset<double> make_streams(std::span<const std::int64_t>, const StreamOptions&);
template Dataset<float> random_windows(std::span<const std::int64_t>, const StreamOptions&, Generator&);
template Dataset<double> random_windows(std::span<const std::int64_t>, const StreamOptions&, Generator&);

}  // namespace seqgrad
