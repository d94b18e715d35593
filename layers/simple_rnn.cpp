#include "seqgrad/layers/simple_rnn.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/recurrent.hpp"
#include "seqgrad/layers/internal/cell.hpp"

namespace seqgrad {

template <class T>
SimpleRNNCell<T>::SimpleRNNCell(SimpleRNNCellConfig config)
    : RecurrentCell<T>(config.name),
      config_(std::move(config)),
      dropout_(config_.dropout, config_.recurrent_dropout, 1, config_.seed) {
    detail::check_cell_config(this->description(), config_);
}

template <class T>
std::ptrdiff_t SimpleRNNCell<T>::input_size() const {
    return detail::input_size_of(weights_);
}

template <class T>
std::optional<StandardCell<T>> SimpleRNNCell<T>::standard() const {
    const bool drops = this->training() && config_.dropout > 0.0;
    if (drops || !detail::runs_as_one_operation(config_, this->training())) return std::nullopt;
    return StandardCell<T>{CellKind::simple_rnn, weights_};
}

template <class T>
std::shared_ptr<RecurrentCell<T>> SimpleRNNCell<T>::clone() const {
    return std::make_shared<SimpleRNNCell>(config_);
}

template <class T>
void SimpleRNNCell<T>::members(Members<T>& members) {
    detail::name_weights(members, weights_, config_);
    if (dropout_.draws()) members.generator("generator", dropout_.generator());
}

template <class T>
void SimpleRNNCell<T>::build_parameters(const PartialShape& input_shape) {
    weights_ = detail::make_weights<T>(this->description(), config_, input_shape, 1, {config_.units});
}

template <class T>
Variable<T> SimpleRNNCell<T>::drop_input(const Variable<T>& x) {
    return dropout_.on_sequence(x, this->training());
}

template <class T>
RecurrentOutput<T> SimpleRNNCell<T>::step(const Variable<T>& x, const States& states) {
    // Masks of the input are drawn before those of the state, as Keras does.
    const auto seen = dropout_.on_input(x, this->training());
    const auto state = dropout_.on_state(states[0], this->training());
    const Variable<T> h = apply(config_.activation, detail::gate_sums(seen, state, weights_, 1)[0]);
    return {h, {h}};
}

template <class T>
SimpleRNN<T>::SimpleRNN(SimpleRNNConfig config)
    : SimpleRNN(config, detail::make_cell<SimpleRNNCell<T>, SimpleRNNCellConfig>("SimpleRNN", config)) {}

template <class T>
SimpleRNN<T>::SimpleRNN(SimpleRNNConfig config, std::shared_ptr<SimpleRNNCell<T>> cell)
    : RNN<T>(cell, detail::rnn_config(config)), config_(std::move(config)), cell_(std::move(cell)) {}

template <class T>
std::unique_ptr<RNN<T>> SimpleRNN<T>::reversed() const {
    return detail::reversed_layer<SimpleRNN>(config_);
}

template <class T>
RecurrentOutput<T> SimpleRNN<T>::run_sequence(const Variable<T>& x, const States& initial_state) {
    if (!detail::runs_as_one_operation(config_, this->training()))
        return RNN<T>::run_sequence(x, initial_state);
    const std::string description = this->description();
    const RecurrentOptions options =
        detail::recurrent_options(RNN<T>::config(), config_, x.mask(), description);
    const RecurrentWeights<T>& w = cell_->weights();
    const auto r = simple_rnn(cell_->drop_input(x), w.kernel, w.recurrent_kernel, w.bias,
                              detail::state_or_none(initial_state, 0), options);
    return {this->output_of(x, r.sequence, r.h), {r.h}};
}

template class SimpleRNNCell<float>;
template class SimpleRNNCell<double>;
template class SimpleRNN<float>;
template class SimpleRNN<double>;

}  // namespace seqgrad
