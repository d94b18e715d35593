#include "seqgrad/layers/simple_rnn.hpp"

#include <fmt/format.h>

#include "seqgrad/core/ops/recurrent.hpp"
#include "seqgrad/layers/internal/composed.hpp"
#include "seqgrad/layers/internal/recurrent_layer.hpp"

namespace seqgrad {

template <class T>
SimpleRNN<T>::SimpleRNN(SimpleRNNConfig config) : Module<T>(config.name), config_(std::move(config)) {
    if (config_.units == 0)
        throw ValueError(fmt::format("{}: units must be at least 1", this->description()));
}

template <class T>
PartialShape SimpleRNN<T>::compute_output_shape(const PartialShape& input_shape) const {
    return detail::recurrent_output_shape<T>(*this, weights_, config_.units, config_.return_sequences,
                                             input_shape);
}

template <class T>
void SimpleRNN<T>::members(Members<T>& members) {
    detail::name_weights(members, weights_, config_.use_bias);
}

template <class T>
void SimpleRNN<T>::build_parameters(const PartialShape& input_shape) {
    compute_output_shape(input_shape);
    weights_ = detail::make_weights<T>(config_, static_cast<std::size_t>(input_shape[2]), 1, {config_.units});
}

template <class T>
Variable<T> SimpleRNN<T>::call(const Variable<T>& x) {
    return run(x).output;
}

template <class T>
RecurrentOutput<T> SimpleRNN<T>::run(const Variable<T>& x, const std::vector<Variable<T>>& initial_state) {
    this->build(any_batch(x.shape()));
    compute_output_shape(any_batch(x.shape()));
    detail::check_initial_states<T>(*this, initial_state, 1, {x.shape()[0], config_.units});
    const auto state = detail::state_or_empty(initial_state, 0);
    if (config_.activation != Activation::tanh) {
        return detail::composed_simple_rnn(x, weights_, state, config_.activation, config_.return_sequences);
    }
    const auto result =
        simple_rnn(x, weights_.kernel, weights_.recurrent_kernel, weights_.bias, state,
                   {.return_sequences = config_.return_sequences, .caller = this->description()});
    return {config_.return_sequences ? result.sequence : result.h, {result.h}};
}

template class SimpleRNN<float>;
template class SimpleRNN<double>;

}  // namespace seqgrad
