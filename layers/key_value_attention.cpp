#include "seqgrad/layers/key_value_attention.hpp"

#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/dropout.hpp"
#include "seqgrad/core/ops/elementary.hpp"
#include "seqgrad/core/ops/matmul.hpp"
#include "seqgrad/core/ops/softmax.hpp"
#include "seqgrad/layers/internal/draw_scope.hpp"

namespace seqgrad {
namespace {

/// What Keras takes from a score that does not count.
constexpr double masked_score = 1e9;

}  // namespace

template <class T>
KeyValueAttention<T>::KeyValueAttention(std::string name, std::string type, const Options& options)
    : Module<T>(std::move(name)), options_(options) {
    if (!(options_.dropout >= 0.0 && options_.dropout < 1.0)) {
        if (!this->name().empty()) type += fmt::format(" \"{}\"", this->name());
        throw ValueError(fmt::format("{}: dropout must be in [0, 1), got {}", type, options_.dropout));
    }
    // A layer that never draws takes no seed from the default generator either.
    const bool draws = options_.dropout > 0.0;
    generator_ = Generator(options_.seed || !draws ? options_.seed.value_or(0) : make_default_seed());
}

template <class T>
AttentionOutput<T> KeyValueAttention<T>::run(const Variable<T>& query, const Variable<T>& value,
                                             const Variable<T>& key, const AttentionArguments& arguments) {
    Inputs inputs{query,
                  value,
                  key ? key : value.without_mask(),
                  {},
                  arguments.return_attention_scores.value_or(options_.return_attention_scores)};
    if (!this->built()) {
        this->build_for({any_batch(query.shape()), any_batch(value.shape()), any_batch(inputs.key.shape())});
    }
    check(query, value, inputs.key);
    inputs.seen =
        seen(inputs, arguments.use_causal_mask.value_or(options_.use_causal_mask), arguments.attention_mask);
    AttentionOutput<T> out = attend(inputs);
    if (query.mask() != nullptr) out.context = out.context.with_mask_of(query);
    return out;
}

template <class T>
void KeyValueAttention<T>::check(const Variable<T>& query, const Variable<T>& value,
                                 const Variable<T>& key) const {
    const Shape &q = query.shape(), &v = value.shape(), &k = key.shape();
    const bool fits = q.size() == 3 && v.size() == 3 && k.size() == 3 && q[0] == v[0] && q[0] == k[0] &&
                      v[1] == k[1] && q[2] == D_ && v[2] == V_ && k[2] == K_;
    if (!fits) {
        throw ShapeError(fmt::format(
            "{}: expected query [batch, time, features={}], value [batch, memory time, features={}] and key "
            "[batch, memory time, features={}], got {}, {} and {}",
            this->description(), D_, V_, K_, to_string(q), to_string(v), to_string(k)));
    }
    if (v[1] == 0) {
        throw ShapeError(fmt::format(
            "{}: expected value [batch, memory time, features] of at least 1 step of memory time, got {}",
            this->description(), to_string(v)));
    }
    const auto check_mask = [&](const char* name, const char* time, const Variable<T>& x) {
        const Shape expected{x.shape()[0], x.shape()[1]};
        if (x.mask() == nullptr || x.mask()->shape() == expected) return;
        throw ShapeError(fmt::format("{}: expected a mask of the {} [batch={}, {}={}], got {}",
                                     this->description(), name, expected[0], time, expected[1],
                                     to_string(x.mask()->shape())));
    };
    check_mask("query", "time", query);
    check_mask("value", "memory time", value);
    check_mask("key", "memory time", key);
}

template <class T>
std::optional<Mask> KeyValueAttention<T>::seen(const Inputs& inputs, bool causal,
                                               const Mask* attention_mask) const {
    const std::size_t B = inputs.query.shape()[0], N = inputs.query.shape()[1], S = inputs.value.shape()[1];
    const Mask* const query = sees_by_all_masks() ? inputs.query.mask() : nullptr;
    const Mask* const key = sees_by_all_masks() ? inputs.key.mask() : nullptr;
    const Mask* const value = inputs.value.mask();
    Shape given{1, 1, S};
    if (attention_mask != nullptr) {
        given = attention_mask->shape();
        const bool fits = given.size() == 3 && (given[0] == 1 || given[0] == B) &&
                          (given[1] == 1 || given[1] == N) && given[2] == S;
        if (!fits) {
            throw ShapeError(fmt::format(
                "{}: expected attention_mask [batch={} or 1, time={} or 1, memory time={}], got {}",
                this->description(), B, N, S, to_string(given)));
        }
    }
    if (query == nullptr && key == nullptr && value == nullptr && !causal && attention_mask == nullptr)
        return std::nullopt;

    const bool per_sample = query != nullptr || key != nullptr || value != nullptr || given[0] != 1;
    const bool per_query = query != nullptr || causal || given[1] != 1;
    Mask out(detail::checked(this->description(), {per_sample ? B : 1, per_query ? N : 1, S}));
    const auto counts = [](const Mask* mask, std::size_t i) { return mask == nullptr || mask->data()[i]; };
    std::size_t i = 0;
    for (std::size_t b = 0; b < out.shape()[0]; ++b) {
        for (std::size_t t = 0; t < out.shape()[1]; ++t) {
            const std::size_t row = (given[0] == 1 ? 0 : b) * given[1] + (given[1] == 1 ? 0 : t);
            for (std::size_t s = 0; s < S; ++s, ++i) {
                out.data()[i] = counts(value, b * S + s) && counts(key, b * S + s) &&
                                counts(query, b * N + t) && (!causal || s <= t) &&
                                counts(attention_mask, row * S + s);
            }
        }
    }
    return out;
}

template <class T>
AttentionOutput<T> KeyValueAttention<T>::weigh(const Variable<T>& scores, const Inputs& inputs) {
    Variable<T> counted = scores;
    if (inputs.seen) {
        Tensor<T> penalty(inputs.seen->shape());
        for (std::size_t i = 0; i < penalty.size(); ++i)
            penalty.data()[i] = inputs.seen->data()[i] ? T{0} : static_cast<T>(-masked_score);
        counted = scores + penalty;
    }
    const Variable<T> weights = drop(softmax(counted));
    Variable<T> context = matmul(weights, inputs.value);
    if (const Mask* const mask = inputs.query.mask()) {
        Mask rows = *mask;
        rows.reshape({mask->shape()[0], mask->shape()[1], std::size_t{1}});
        context = where(std::move(rows), context, 0);
    }
    return {context, weights};
}

template <class T>
Variable<T> KeyValueAttention<T>::drop(const Variable<T>& weights) {
    if (!this->training() || options_.dropout == 0.0) return weights;
    detail::DrawScope::note(generator_);
    return dropout(weights, options_.dropout, generator_);
}

template <class T>
void KeyValueAttention<T>::check_comparable(std::size_t D, std::size_t K) const {
    if (D == K) return;
    throw ShapeError(fmt::format(
        "{}: expected query and key of one size, got query [batch, time, features={}] and key [batch, memory "
        "time, features={}]",
        this->description(), D, K));
}

template <class T>
void KeyValueAttention<T>::members(Members<T>& members) {
    if (options_.dropout != 0.0) members.generator("generator", generator_);
}

template <class T>
void KeyValueAttention<T>::build_several(const std::vector<PartialShape>& input_shapes) {
    if (input_shapes.size() != 2 && input_shapes.size() != 3) {
        throw ValueError(fmt::format("{}: takes {{query, value}} or {{query, value, key}}, got {} input{}",
                                     this->description(), input_shapes.size(),
                                     input_shapes.size() == 1 ? "" : "s"));
    }
    const PartialShape &query = input_shapes[0], &value = input_shapes[1], &key = input_shapes.back();
    for (const PartialShape* shape : {&query, &value, &key}) {
        if (shape->size() == 3 && shape->back() != unknown) continue;
        throw ShapeError(fmt::format(
            "{}: expected query [batch, time, features], value and key [batch, memory time, features], got "
            "{}, {} and {}",
            this->description(), to_string(query), to_string(value), to_string(key)));
    }
    const auto size = [](const PartialShape& shape) { return static_cast<std::size_t>(shape.back()); };
    build_sizes(size(query), size(value), size(key));
    D_ = size(query);
    V_ = size(value);
    K_ = size(key);
}

template <class T>
std::vector<Variable<T>> KeyValueAttention<T>::call_several(const std::vector<Variable<T>>& inputs) {
    if (inputs.size() != 2 && inputs.size() != 3) {
        throw ValueError(fmt::format("{}: takes {{query, value}} or {{query, value, key}}, got {} input{}",
                                     this->description(), inputs.size(), inputs.size() == 1 ? "" : "s"));
    }
    AttentionOutput<T> out = run(inputs[0], inputs[1], inputs.size() == 3 ? inputs[2] : Variable<T>());
    if (!options_.return_attention_scores) return {std::move(out.context)};
    return {std::move(out.context), std::move(out.weights)};
}

template class KeyValueAttention<float>;
template class KeyValueAttention<double>;

}  // namespace seqgrad
