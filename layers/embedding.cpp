#include "seqgrad/layers/embedding.hpp"

#include <cstdint>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/sizes.hpp"
#include "seqgrad/core/internal/whole_numbers.hpp"
#include "seqgrad/core/ops/index.hpp"

namespace seqgrad {

template <class T>
Embedding<T>::Embedding(EmbeddingConfig config) : Module<T>(config.name), config_(std::move(config)) {
    if (config_.input_dim == 0)
        throw ValueError(fmt::format("{}: input_dim must be at least 1", this->description()));
    if (config_.output_dim == 0)
        throw ValueError(fmt::format("{}: output_dim must be at least 1", this->description()));
    detail::check_size(this->description(), "input_dim", config_.input_dim);
    detail::check_size(this->description(), "output_dim", config_.output_dim);
}

template <class T>
PartialShape Embedding<T>::compute_output_shape(const PartialShape& input_shape) const {
    if (input_shape.empty()) {
        throw ShapeError(
            fmt::format("{}: expected ids [batch, ...] (rank 1 or more), got a scalar", this->description()));
    }
    PartialShape shape = input_shape;
    shape.push_back(static_cast<std::ptrdiff_t>(config_.output_dim));
    return shape;
}

template <class T>
void Embedding<T>::members(Members<T>& members) {
    members.parameter("embeddings", embeddings_, config_.embeddings_regularizer,
                      config_.embeddings_constraint);
}

template <class T>
void Embedding<T>::build_parameters(const PartialShape& input_shape) {
    compute_output_shape(input_shape);
    embeddings_ =
        parameter(config_.embeddings_initializer.template make<T>({config_.input_dim, config_.output_dim}));
}

template <class T>
Variable<T> Embedding<T>::call(const Variable<T>& x) {
    compute_output_shape(any_batch(x.shape()));
    return look_up(detail::whole_numbers(this->description() + ": ids", x.value()));
}

template <class T>
Variable<T> Embedding<T>::operator()(const Tensor<std::int64_t>& ids) {
    const PartialShape shape = any_batch(Shape(ids.shape().begin(), ids.shape().end()));
    const PartialShape output_shape = compute_output_shape(shape);
    this->build(shape);
    Variable<T> y = look_up(ids);
    if (this->output_shape() != output_shape) this->set_output_shape(*this, output_shape);
    return y;
}

template <class T>
Variable<T> Embedding<T>::look_up(const Tensor<std::int64_t>& ids) const {
    Mask counts(ids.shape());
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const std::int64_t id = ids.data()[i];
        if (id < 0 || static_cast<std::uint64_t>(id) >= config_.input_dim) {
            throw ValueError(fmt::format("{}: ids: element {} of {} is {}, outside [0, input_dim={})",
                                         this->description(), i, to_string(ids.shape()), id,
                                         config_.input_dim));
        }
        counts.data()[i] = id != 0;
    }
    const Variable<T> y = embedding_lookup(embeddings_, ids);
    return config_.mask_zero ? y.with_mask(std::move(counts)) : y;
}

template class Embedding<float>;
template class Embedding<double>;

}  // namespace seqgrad
