#include "seqgrad/layers/multi_head_attention.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/attention.hpp"
#include "seqgrad/core/ops/linear.hpp"
#include "seqgrad/core/ops/matmul.hpp"
#include "seqgrad/core/ops/shape.hpp"

namespace seqgrad {
namespace {

/// The rule with these axes as a kernel's input and output sides, unless it names its own.
Initializer with_fan_axes(const Initializer& initializer, const FanAxes& input, const FanAxes& output) {
    Initializer::Rule rule = initializer.rule();
    std::visit(
        [&](auto& r) {
            if constexpr (requires { r.input_axes; }) {
                if (!r.input_axes.empty() && !r.output_axes.empty()) return;
                r.input_axes = input;
                r.output_axes = output;
            }
        },
        rule);
    return Initializer(std::move(rule));
}

/// [B, N, H d] -> [B H, N, d].
template <class T>
Variable<T> heads_of(const Variable<T>& x, std::size_t heads) {
    const std::size_t B = x.shape()[0], N = x.shape()[1], d = x.shape()[2] / heads;
    return reshape(transpose(reshape(x, {B, N, heads, d}), {0, 2, 1, 3}), {B * heads, N, d});
}

/// What turns the weights of queries that see nothing, zeros, into those of a mean: 1/S for them and 0 for
/// the others, [B, 1, T, 1], or 1 in place of B or T; nothing if all see something. `seen` is [B, 1, T, S].
template <class T>
std::optional<Tensor<T>> mean_of_blind_queries(const Mask& seen) {
    const std::size_t S = seen.shape()[3];
    Tensor<T> weights(Shape{seen.shape()[0], std::size_t{1}, seen.shape()[2], std::size_t{1}});
    bool any = false;
    for (std::size_t row = 0; row < weights.size(); ++row) {
        const bool* const first = seen.data() + row * S;
        const bool blind = std::none_of(first, first + S, [](bool sees) { return sees; });
        weights.data()[row] = blind ? T{1} / static_cast<T>(S) : T{0};
        any = any || blind;
    }
    if (!any) return std::nullopt;
    return weights;
}

}  // namespace

namespace detail {

template <class T>
HeadProjection<T>::HeadProjection(const MultiHeadAttentionConfig& config)
    : use_bias_(config.use_bias),
      kernel_regularizer_(config.kernel_regularizer),
      bias_regularizer_(config.bias_regularizer),
      kernel_constraint_(config.kernel_constraint),
      bias_constraint_(config.bias_constraint) {}

template <class T>
void HeadProjection<T>::members(Members<T>& members) {
    members.parameter("kernel", kernel_, kernel_regularizer_, kernel_constraint_);
    if (use_bias_) members.parameter("bias", bias_, bias_regularizer_, bias_constraint_);
}

template <class T>
void HeadProjection<T>::set(Variable<T> kernel, std::size_t input_axes, Variable<T> bias) {
    kernel_ = std::move(kernel);
    input_axes_ = input_axes;
    bias_ = std::move(bias);
    this->build(PartialShape{});
}

template <class T>
Variable<T> HeadProjection<T>::apply(const Variable<T>& x) const {
    const Shape& shape = kernel_.shape();
    const auto split = shape.begin() + static_cast<std::ptrdiff_t>(input_axes_);
    const std::size_t inputs = element_count(Shape(shape.begin(), split));
    const std::size_t outputs = element_count(Shape(split, shape.end()));
    return linear(x, reshape(kernel_, {inputs, outputs}), bias_ ? reshape(bias_, {outputs}) : bias_);
}

template class HeadProjection<float>;
template class HeadProjection<double>;

}  // namespace detail

template <class T>
MultiHeadAttention<T>::MultiHeadAttention(MultiHeadAttentionConfig config)
    : KeyValueAttention<T>(
          config.name, "MultiHeadAttention",
          {config.dropout, config.seed, config.return_attention_scores, config.use_causal_mask}),
      config_(std::move(config)),
      query_(config_),
      key_(config_),
      value_(config_),
      output_(config_) {
    const auto check = [&](const char* what, std::size_t size) {
        if (size == 0) throw ValueError(fmt::format("{}: {} must be at least 1", this->description(), what));
        detail::check_size(this->description(), what, size);
    };
    check("num_heads", config_.num_heads);
    check("key_dim", config_.key_dim);
    check("value_dim", value_dim());
    if (!config_.output_shape) return;
    const PartialShape& shape = *config_.output_shape;
    if (shape.empty() || std::ranges::any_of(shape, [](std::ptrdiff_t size) { return size < 1; })) {
        throw ValueError(fmt::format("{}: output_shape needs sizes of at least 1, got {}",
                                     this->description(), to_string(shape)));
    }
}

template <class T>
void MultiHeadAttention<T>::members(Members<T>& members) {
    KeyValueAttention<T>::members(members);
    members.child("query", query_);
    members.child("key", key_);
    members.child("value", value_);
    members.child("attention_output", output_);
}

template <class T>
void MultiHeadAttention<T>::build_sizes(std::size_t D, std::size_t V, std::size_t K) {
    const std::size_t H = config_.num_heads;
    const Initializer to_heads = with_fan_axes(config_.kernel_initializer, {0}, {1, 2});
    const auto bias = [&](const Shape& shape) {
        return config_.use_bias ? parameter(config_.bias_initializer.template make<T>(shape)) : Variable<T>();
    };
    const auto make = [&](std::size_t features, std::size_t dim) {
        Variable<T> kernel = parameter(to_heads.template make<T>({features, H, dim}));
        return std::pair(std::move(kernel), bias(Shape{H, dim}));
    };
    auto query = make(D, config_.key_dim);
    auto key = make(K, config_.key_dim);
    auto value = make(V, value_dim());
    Shape out{D};
    if (config_.output_shape) out.assign(config_.output_shape->begin(), config_.output_shape->end());
    Shape kernel_shape{H, value_dim()};
    FanAxes out_axes;
    for (const std::size_t size : out) {
        out_axes.push_back(static_cast<std::ptrdiff_t>(kernel_shape.size()));
        kernel_shape.push_back(size);
    }
    Variable<T> kernel =
        parameter(with_fan_axes(config_.kernel_initializer, {0, 1}, out_axes).template make<T>(kernel_shape));
    Variable<T> output_bias = bias(out);
    query_.set(query.first, 1, query.second);
    key_.set(key.first, 1, key.second);
    value_.set(value.first, 1, value.second);
    output_.set(std::move(kernel), 2, std::move(output_bias));
}

template <class T>
AttentionOutput<T> MultiHeadAttention<T>::attend(const typename KeyValueAttention<T>::Inputs& inputs) {
    const std::size_t H = config_.num_heads;
    const std::size_t B = inputs.query.shape()[0], N = inputs.query.shape()[1], S = inputs.value.shape()[1];
    // Keras computes it in double and rounds it to float, also where it works in double.
    const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(config_.key_dim)));
    const Variable<T> query = heads_of(query_.apply(inputs.query) * scale, H);
    const Variable<T> key = heads_of(key_.apply(inputs.key), H);
    const Variable<T> value = heads_of(value_.apply(inputs.value), H);
    const Variable<T> scores = reshape(dot_scores(query, key), {B, H, N, S});
    std::optional<Mask> seen = inputs.seen;  // [B, T, S] -> [B, 1, T, S]
    if (seen) seen->reshape({seen->shape()[0], std::size_t{1}, seen->shape()[1], S});
    Variable<T> weights = masked_softmax(scores, seen ? &*seen : nullptr);
    // Keras has two ways to compute the context, and takes this one where nobody needs the weights
    // themselves.
    if (seen && config_.dropout == 0.0 && !inputs.return_attention_scores) {
        if (const auto mean = mean_of_blind_queries<T>(*seen)) weights = weights + *mean;
    }
    const Variable<T> heads = matmul(reshape(this->drop(weights), {B * H, N, S}), value);
    const Variable<T> joined = transpose(reshape(heads, {B, H, N, value_dim()}), {0, 2, 1, 3});
    Variable<T> context = output_.apply(reshape(joined, {B, N, H * value_dim()}));
    if (config_.output_shape && config_.output_shape->size() > 1) {
        std::vector<std::size_t> shape{B, N};
        for (const std::ptrdiff_t size : *config_.output_shape)
            shape.push_back(static_cast<std::size_t>(size));
        context = reshape(context, IntList(shape));
    }
    return {context, weights};
}

template class MultiHeadAttention<float>;
template class MultiHeadAttention<double>;

}  // namespace seqgrad
