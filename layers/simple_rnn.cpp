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
std::shared_ptr<RecurrentCell<T>> SimpleRNNCell<T>::clone() const {
    return std::make_shared<SimpleRNNCell>(config_);
}

template <class T>
void SimpleRNNCell<T>::members(Members<T>& members) {
    detail::name_weights(members, weights_, config_);
}

template <class T>
void SimpleRNNCell<T>::build_parameters(const PartialShape& input_shape) {
    weights_ = detail::make_weights<T>(this->description(), config_, input_shape, 1, {config_.units});
}

template <class T>
Variable<T> SimpleRNNCell<T>::drop_input(const Variable<T>& x) {
    return detail::drop_sequence(dropout_, x, this->training());
}

template <class T>
RecurrentOutput<T> SimpleRNNCell<T>::step(const Variable<T>& x, const States& states) {
    // Masks of the input are drawn before those of the state, as Keras does.
    const auto seen = dropout_.on_input(x, this->training());
    const auto state = dropout_.on_state(states[0], this->training());
    const Variable<T> h = apply(config_.activation, detail::gate_sums(seen, state, weights_, 1)[0]);
    return {h, {h}};
}

namespace {

template <class T>
std::shared_ptr<SimpleRNNCell<T>> make_cell(const SimpleRNNConfig& c) {
    detail::check_cell_config(c.name.empty() ? "SimpleRNN" : fmt::format("SimpleRNN \"{}\"", c.name), c);
    return std::make_shared<SimpleRNNCell<T>>(
        SimpleRNNCellConfig{.units = c.units,
                            .activation = c.activation,
                            .use_bias = c.use_bias,
                            .kernel_initializer = c.kernel_initializer,
                            .recurrent_initializer = c.recurrent_initializer,
                            .bias_initializer = c.bias_initializer,
                            .kernel_regularizer = c.kernel_regularizer,
                            .recurrent_regularizer = c.recurrent_regularizer,
                            .bias_regularizer = c.bias_regularizer,
                            .kernel_constraint = c.kernel_constraint,
                            .recurrent_constraint = c.recurrent_constraint,
                            .bias_constraint = c.bias_constraint,
                            .dropout = c.dropout,
                            .recurrent_dropout = c.recurrent_dropout,
                            .seed = c.seed});
}

}  // namespace

template <class T>
SimpleRNN<T>::SimpleRNN(SimpleRNNConfig config) : SimpleRNN(config, make_cell<T>(config)) {}

template <class T>
SimpleRNN<T>::SimpleRNN(SimpleRNNConfig config, std::shared_ptr<SimpleRNNCell<T>> cell)
    : RNN<T>(cell, detail::rnn_config(config)), config_(std::move(config)), cell_(std::move(cell)) {}

template <class T>
std::unique_ptr<RNN<T>> SimpleRNN<T>::reversed() const {
    SimpleRNNConfig config = config_;
    config.go_backwards = !config.go_backwards;
    return std::make_unique<SimpleRNN>(std::move(config));
}

template <class T>
RecurrentOutput<T> SimpleRNN<T>::run_sequence(const Variable<T>& x, const States& initial_state) {
    const RNNConfig& c = RNN<T>::config();
    const bool standard = config_.activation == Activation::tanh;
    if (!standard || (this->training() && config_.recurrent_dropout > 0.0))
        return RNN<T>::run_sequence(x, initial_state);
    const std::string description = this->description();
    const RecurrentOptions options = detail::recurrent_options(c, config_, x.mask(), description);
    const RecurrentWeights<T>& w = cell_->weights();
    const auto r = simple_rnn(cell_->drop_input(x), w.kernel, w.recurrent_kernel, w.bias,
                              initial_state.empty() ? Variable<T>() : initial_state[0], options);
    return {this->output_of(x, r.sequence, r.h), {r.h}};
}

template class SimpleRNNCell<float>;
template class SimpleRNNCell<double>;
template class SimpleRNN<float>;
template class SimpleRNN<double>;

}  // namespace seqgrad
