#include "seqgrad/layers/lstm.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/ops/recurrent.hpp"
#include "seqgrad/layers/internal/composed.hpp"
#include "seqgrad/layers/internal/recurrent_layer.hpp"

namespace seqgrad {

template <class T>
LSTM<T>::LSTM(LSTMConfig config) : Module<T>(config.name), config_(std::move(config)) {
    if (config_.units == 0)
        throw ValueError(fmt::format("{}: units must be at least 1", this->description()));
}

template <class T>
PartialShape LSTM<T>::compute_output_shape(const PartialShape& input_shape) const {
    return detail::recurrent_output_shape<T>(*this, weights_, config_.units, config_.return_sequences,
                                             input_shape);
}

template <class T>
void LSTM<T>::members(Members<T>& members) {
    detail::name_weights(members, weights_, config_.use_bias);
}

template <class T>
void LSTM<T>::build_parameters(const PartialShape& input_shape) {
    compute_output_shape(input_shape);
    weights_ =
        detail::make_weights<T>(config_, static_cast<std::size_t>(input_shape[2]), 4, {4 * config_.units});
    if (config_.use_bias && config_.unit_forget_bias) {
        const auto forget = weights_.bias.mutable_data().subspan(config_.units, config_.units);
        std::ranges::fill(forget, T{1});
    }
}

template <class T>
Variable<T> LSTM<T>::call(const Variable<T>& x) {
    return run(x).output;
}

template <class T>
RecurrentOutput<T> LSTM<T>::run(const Variable<T>& x, const std::vector<Variable<T>>& initial_state) {
    this->build(any_batch(x.shape()));
    compute_output_shape(any_batch(x.shape()));
    detail::check_initial_states<T>(*this, initial_state, 2, {x.shape()[0], config_.units});
    const auto h = detail::state_or_empty(initial_state, 0);
    const auto c = detail::state_or_empty(initial_state, 1);
    if (config_.activation != Activation::tanh || config_.recurrent_activation != Activation::sigmoid) {
        return detail::composed_lstm(x, weights_, h, c, config_.activation, config_.recurrent_activation,
                                     config_.return_sequences);
    }
    const auto result = lstm(x, weights_.kernel, weights_.recurrent_kernel, weights_.bias, h, c,
                             {.return_sequences = config_.return_sequences, .caller = this->description()});
    return {config_.return_sequences ? result.sequence : result.h, {result.h, result.c}};
}

template class LSTM<float>;
template class LSTM<double>;

}  // namespace seqgrad
