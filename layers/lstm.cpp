#include "seqgrad/layers/lstm.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/recurrent.hpp"
#include "seqgrad/layers/internal/cell.hpp"

namespace seqgrad {

template <class T>
LSTMCell<T>::LSTMCell(LSTMCellConfig config)
    : RecurrentCell<T>(config.name),
      config_(std::move(config)),
      dropout_(config_.dropout, config_.recurrent_dropout, 4, config_.seed) {
    detail::check_cell_config(this->description(), config_);
}

template <class T>
std::ptrdiff_t LSTMCell<T>::input_size() const {
    return detail::input_size_of(weights_);
}

template <class T>
std::optional<StandardCell<T>> LSTMCell<T>::standard() const {
    const bool drops = this->training() && config_.dropout > 0.0;
    if (drops || !detail::runs_as_one_operation(config_, this->training())) return std::nullopt;
    return StandardCell<T>{CellKind::lstm, weights_};
}

template <class T>
std::shared_ptr<RecurrentCell<T>> LSTMCell<T>::clone() const {
    return std::make_shared<LSTMCell>(config_);
}

template <class T>
void LSTMCell<T>::members(Members<T>& members) {
    detail::name_weights(members, weights_, config_);
    if (dropout_.draws()) members.generator("generator", dropout_.generator());
}

template <class T>
void LSTMCell<T>::build_parameters(const PartialShape& input_shape) {
    const std::size_t U = config_.units;
    auto weights = detail::make_weights<T>(this->description(), config_, input_shape, 4, {4 * U});
    if (config_.use_bias && config_.unit_forget_bias) {
        // Keras draws the blocks around the forget gate's one by one.
        const auto draw = [&](std::size_t n) { return config_.bias_initializer.template make<T>({n}); };
        const Tensor<T> i = draw(U), c_and_o = draw(2 * U);
        const std::span<T> bias = weights.bias.mutable_data();
        std::ranges::copy(elements(i), bias.begin());
        std::ranges::fill(bias.subspan(U, U), T{1});
        std::ranges::copy(elements(c_and_o), bias.begin() + static_cast<std::ptrdiff_t>(2 * U));
    }
    weights_ = std::move(weights);
}

template <class T>
Variable<T> LSTMCell<T>::drop_input(const Variable<T>& x) {
    return dropout_.on_sequence(x, this->training());
}

template <class T>
RecurrentOutput<T> LSTMCell<T>::step(const Variable<T>& x, const States& states) {
    // Masks of the input are drawn before those of the state, as Keras does.
    const auto seen = dropout_.on_input(x, this->training());
    const auto state = dropout_.on_state(states[0], this->training());
    const auto sums = detail::gate_sums(seen, state, weights_, 4);
    const Variable<T> i = apply(config_.recurrent_activation, sums[0]);
    const Variable<T> f = apply(config_.recurrent_activation, sums[1]);
    const Variable<T> candidate = apply(config_.activation, sums[2]);
    const Variable<T> o = apply(config_.recurrent_activation, sums[3]);
    const Variable<T> c = f * states[1] + i * candidate;
    const Variable<T> h = o * apply(config_.activation, c);
    return {h, {h, c}};
}

template <class T>
LSTM<T>::LSTM(LSTMConfig config)
    : LSTM(config, detail::make_cell<LSTMCell<T>, LSTMCellConfig>("LSTM", config)) {}

template <class T>
LSTM<T>::LSTM(LSTMConfig config, std::shared_ptr<LSTMCell<T>> cell)
    : RNN<T>(cell, detail::rnn_config(config)), config_(std::move(config)), cell_(std::move(cell)) {}

template <class T>
std::unique_ptr<RNN<T>> LSTM<T>::reversed() const {
    return detail::reversed_layer<LSTM>(config_);
}

template <class T>
RecurrentOutput<T> LSTM<T>::run_sequence(const Variable<T>& x, const States& initial_state) {
    if (!detail::runs_as_one_operation(config_, this->training()))
        return RNN<T>::run_sequence(x, initial_state);
    const std::string description = this->description();
    const RecurrentOptions options =
        detail::recurrent_options(RNN<T>::config(), config_, x.mask(), description);
    const RecurrentWeights<T>& w = cell_->weights();
    const auto r =
        lstm(cell_->drop_input(x), w.kernel, w.recurrent_kernel, w.bias,
             detail::state_or_none(initial_state, 0), detail::state_or_none(initial_state, 1), options);
    return {this->output_of(x, r.sequence, r.h), {r.h, r.c}};
}

template class LSTMCell<float>;
template class LSTMCell<double>;
template class LSTM<float>;
template class LSTM<double>;

}  // namespace seqgrad
