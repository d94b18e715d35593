#include "seqgrad/layers/memory_attention.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/attention.hpp"
#include "seqgrad/core/ops/elementary.hpp"
#include "seqgrad/core/ops/matmul.hpp"
#include "seqgrad/core/ops/shape.hpp"
#include "seqgrad/layers/internal/attention_names.hpp"
#include "seqgrad/layers/take_rows.hpp"

namespace seqgrad {
namespace {

template <class E, std::size_t n>
E named(const char* what, const std::array<const char*, n>& names, std::string_view name) {
    const auto found = std::ranges::find_if(names, [&](const char* known) { return name == known; });
    if (found == names.end()) {
        throw ValueError(fmt::format("attention: there is no {} \"{}\"; known are {}", what, name,
                                     fmt::join(names, ", ")));
    }
    return static_cast<E>(std::distance(names.begin(), found));
}

}  // namespace

std::string_view to_string(AttentionScore score) {
    return detail::attention_scores[static_cast<std::size_t>(score)];
}

std::string_view to_string(AttentionWindow window) {
    return detail::attention_windows[static_cast<std::size_t>(window)];
}

AttentionScore attention_score(std::string_view name) {
    return named<AttentionScore>("score", detail::attention_scores, name);
}

AttentionWindow attention_window(std::string_view name) {
    return named<AttentionWindow>("window", detail::attention_windows, name);
}

template <class T>
AttentionMemory<T> take_rows(const AttentionMemory<T>& memory, const Tensor<std::int64_t>& rows) {
    const Variable<T> values = take_rows(memory.values, rows);
    return {.values = values,
            .keys = memory.keys.same_as(memory.values) ? values : take_rows(memory.keys, rows),
            .mask = memory.mask ? std::make_shared<const Mask>(take_rows(*memory.mask, rows)) : nullptr,
            .last_position = take_rows(memory.last_position, rows)};
}

template AttentionMemory<float> take_rows(const AttentionMemory<float>&, const Tensor<std::int64_t>&);
template AttentionMemory<double> take_rows(const AttentionMemory<double>&, const Tensor<std::int64_t>&);

template <class T>
AttentionMemory<T> MemoryAttention<T>::prepare(const Variable<T>& memory) {
    if (!this->built()) {
        throw ValueError(
            fmt::format("{}: prepare needs parameters; call build_for({{query shape, memory shape}}) before",
                        this->description()));
    }
    const Shape& shape = memory.shape();
    if (shape.size() != 3 || shape[2] != memory_size_) {
        throw ShapeError(
            fmt::format("{}: expected memory [batch, memory time, features={}] (rank 3), got {} (rank {})",
                        this->description(), memory_size_, to_string(shape), shape.size()));
    }
    const std::size_t B = shape[0], S = shape[1];
    if (S == 0) {
        throw ShapeError(fmt::format(
            "{}: expected memory [batch, memory time, features] of at least 1 step of memory time, got {}",
            this->description(), to_string(shape)));
    }
    const Mask* const mask = memory.mask();
    if (mask != nullptr && mask->shape() != Shape{B, S}) {
        throw ShapeError(fmt::format("{}: expected a mask [batch={}, memory time={}], got {}",
                                     this->description(), B, S, to_string(mask->shape())));
    }

    AttentionMemory<T> prepared;
    prepared.values = memory.without_mask();
    Tensor<T> last = full<T>({B}, static_cast<T>(S - 1));
    if (mask != nullptr && std::ranges::find(elements(*mask), false) != elements(*mask).end()) {
        prepared.mask = std::make_shared<const Mask>(*mask);
        Mask of_steps = *mask;
        of_steps.reshape({B, S, std::size_t{1}});
        // A weight of 0 times NaN would be NaN.
        prepared.values = where(std::move(of_steps), prepared.values, 0);
        for (std::size_t b = 0; b < B; ++b) {
            std::size_t s = S;
            while (s > 1 && !mask->data()[b * S + s - 1]) --s;
            last.data()[b] = static_cast<T>(s - 1);
        }
    }
    prepared.last_position = constant(std::move(last));
    prepared.keys = keys(prepared.values);
    return prepared;
}

template <class T>
AttentionOutput<T> MemoryAttention<T>::attend(const Variable<T>& query, const AttentionMemory<T>& memory,
                                              std::size_t step) {
    if (!this->built() || !memory.values) {
        throw ValueError(fmt::format("{}: attend needs a memory that prepare gave", this->description()));
    }
    const Shape& shape = query.shape();
    const std::size_t B = memory.values.shape()[0];
    const bool single = shape.size() == 2;
    if ((!single && shape.size() != 3) || shape[0] != B || shape.back() != query_size_) {
        throw ShapeError(
            fmt::format("{}: expected query [batch={}, units={}] or [batch={}, time, units={}] beside memory "
                        "{}, got {} (rank {})",
                        this->description(), B, query_size_, B, query_size_, to_string(memory.values.shape()),
                        to_string(shape), shape.size()));
    }
    const Variable<T> queries = single ? expand_dims(query, {1}) : query;
    Variable<T> given = weights(queries, scores(queries, memory), memory, step);
    Variable<T> context = matmul(given, memory.values);
    if (single) {
        context = squeeze(context, {1});
        given = squeeze(given, {1});
    }
    const bool has_mask = query.mask() != nullptr && query.mask()->dimension() < shape.size();
    return {has_mask ? context.with_mask_of(query) : context, given};
}

template <class T>
Variable<T> MemoryAttention<T>::weights(const Variable<T>&, const Variable<T>& scores,
                                        const AttentionMemory<T>& memory, std::size_t) {
    return masked_softmax(scores, memory.mask.get());
}

template <class T>
void MemoryAttention<T>::build_several(const std::vector<PartialShape>& input_shapes) {
    if (input_shapes.size() != 2) {
        throw ValueError(fmt::format("{}: takes {{query, memory}}, got {} input{}", this->description(),
                                     input_shapes.size(), input_shapes.size() == 1 ? "" : "s"));
    }
    const PartialShape &query = input_shapes[0], &memory = input_shapes[1];
    if ((query.size() != 2 && query.size() != 3) || query.back() == unknown || memory.size() != 3 ||
        memory.back() == unknown) {
        throw ShapeError(
            fmt::format("{}: expected query [batch, units] or [batch, time, units] and memory "
                        "[batch, memory time, features], got {} and {}",
                        this->description(), to_string(query), to_string(memory)));
    }
    const auto U = static_cast<std::size_t>(query.back()), M = static_cast<std::size_t>(memory.back());
    build_sizes(U, M);
    query_size_ = U;
    memory_size_ = M;
}

template <class T>
std::vector<Variable<T>> MemoryAttention<T>::call_several(const std::vector<Variable<T>>& inputs) {
    if (inputs.size() != 2) {
        throw ValueError(fmt::format("{}: takes {{query, memory}}, got {} input{}", this->description(),
                                     inputs.size(), inputs.size() == 1 ? "" : "s"));
    }
    AttentionOutput<T> out = attend(inputs[0], prepare(inputs[1]), first_step());
    return {std::move(out.context), std::move(out.weights)};
}

template class MemoryAttention<float>;
template class MemoryAttention<double>;

}  // namespace seqgrad
