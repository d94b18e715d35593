#include "seqgrad/layers/gru.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/recurrent.hpp"
#include "seqgrad/layers/internal/cell.hpp"

namespace seqgrad {

namespace {

/// The new state z h + (1 - z) g, which is the output too.
template <class T>
RecurrentOutput<T> blend(const Variable<T>& z, const Variable<T>& h, const Variable<T>& g) {
    const Variable<T> next = z * h + (1 - z) * g;
    return {next, {next}};
}

}  // namespace

template <class T>
GRUCell<T>::GRUCell(GRUCellConfig config)
    : RecurrentCell<T>(config.name),
      config_(std::move(config)),
      dropout_(config_.dropout, config_.recurrent_dropout, 3, config_.seed) {
    detail::check_cell_config(this->description(), config_);
}

template <class T>
std::ptrdiff_t GRUCell<T>::input_size() const {
    return detail::input_size_of(weights_);
}

template <class T>
std::optional<StandardCell<T>> GRUCell<T>::standard() const {
    const bool drops = this->training() && config_.dropout > 0.0;
    if (drops || !detail::runs_as_one_operation(config_, this->training())) return std::nullopt;
    return StandardCell<T>{config_.reset_after ? CellKind::gru : CellKind::gru_reset_before, weights_};
}

template <class T>
std::shared_ptr<RecurrentCell<T>> GRUCell<T>::clone() const {
    return std::make_shared<GRUCell>(config_);
}

template <class T>
void GRUCell<T>::members(Members<T>& members) {
    detail::name_weights(members, weights_, config_);
    if (dropout_.draws()) members.generator("generator", dropout_.generator());
}

template <class T>
void GRUCell<T>::build_parameters(const PartialShape& input_shape) {
    const std::size_t U = config_.units;
    weights_ = detail::make_weights<T>(this->description(), config_, input_shape, 3,
                                       config_.reset_after ? Shape{2, 3 * U} : Shape{3 * U});
}

template <class T>
Variable<T> GRUCell<T>::drop_input(const Variable<T>& x) {
    return dropout_.on_sequence(x, this->training());
}

template <class T>
RecurrentOutput<T> GRUCell<T>::step(const Variable<T>& x, const States& states) {
    const bool rows = weights_.bias && config_.reset_after;
    const Variable<T> input_bias = rows ? select(weights_.bias, 0, 0) : weights_.bias;
    const Variable<T> recurrent_bias = rows ? select(weights_.bias, 0, 1) : Variable<T>();
    // Masks of the input are drawn before those of the state, as Keras does.
    const auto input =
        detail::project(dropout_.on_input(x, this->training()), weights_.kernel, input_bias, 3);
    const auto seen = dropout_.on_state(states[0], this->training());
    if (config_.reset_after) {
        const auto recurrent = detail::project(seen, weights_.recurrent_kernel, recurrent_bias, 3);
        const Variable<T> r = apply(config_.recurrent_activation, input[1] + recurrent[1]);
        return blend(apply(config_.recurrent_activation, input[0] + recurrent[0]), states[0],
                     apply(config_.activation, input[2] + r * recurrent[2]));
    }
    const auto kernels = split(weights_.recurrent_kernel, 3, -1);
    const Variable<T> z = apply(config_.recurrent_activation, input[0] + linear(seen.front(), kernels[0]));
    const Variable<T> r =
        apply(config_.recurrent_activation, input[1] + linear(seen[seen.size() == 1 ? 0 : 1], kernels[1]));
    return blend(z, states[0], apply(config_.activation, input[2] + linear(r * seen.back(), kernels[2])));
}

template <class T>
GRU<T>::GRU(GRUConfig config) : GRU(config, detail::make_cell<GRUCell<T>, GRUCellConfig>("GRU", config)) {}

template <class T>
GRU<T>::GRU(GRUConfig config, std::shared_ptr<GRUCell<T>> cell)
    : RNN<T>(cell, detail::rnn_config(config)), config_(std::move(config)), cell_(std::move(cell)) {}

template <class T>
std::unique_ptr<RNN<T>> GRU<T>::reversed() const {
    return detail::reversed_layer<GRU>(config_);
}

template <class T>
RecurrentOutput<T> GRU<T>::run_sequence(const Variable<T>& x, const States& initial_state) {
    if (!detail::runs_as_one_operation(config_, this->training()))
        return RNN<T>::run_sequence(x, initial_state);
    const std::string description = this->description();
    const RecurrentOptions options =
        detail::recurrent_options(RNN<T>::config(), config_, x.mask(), description);
    const RecurrentWeights<T>& w = cell_->weights();
    const auto r = gru(cell_->drop_input(x), w.kernel, w.recurrent_kernel, w.bias,
                       detail::state_or_none(initial_state, 0), options);
    return {this->output_of(x, r.sequence, r.h), {r.h}};
}

template class GRUCell<float>;
template class GRUCell<double>;
template class GRU<float>;
template class GRU<double>;

}  // namespace seqgrad
