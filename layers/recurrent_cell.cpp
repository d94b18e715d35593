#include "seqgrad/layers/recurrent_cell.hpp"

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/core/ops/dropout.hpp"
#include "seqgrad/core/ops/shape.hpp"
#include "seqgrad/layers/internal/draw_scope.hpp"

namespace seqgrad {

namespace {

/// Refuses an output or a state of another shape than the cell says: broadcasting and later steps would take
/// some of them.
template <class T>
void check_step(const RecurrentCell<T>& cell, const RecurrentOutput<T>& out,
                const std::vector<std::size_t>& sizes, std::size_t batch) {
    const auto check = [&](const std::string& what, const Variable<T>& value, std::size_t size,
                           const char* named) {
        if (value && value.shape() == Shape{batch, size}) return;
        throw ShapeError(fmt::format("{}: its step gave {} of shape {}, expected [batch={}, {}={}]",
                                     cell.description(), what, value ? to_string(value.shape()) : "nothing",
                                     batch, named, size));
    };
    check("an output", out.output, cell.output_size(), "output_size");
    for (std::size_t i = 0; i < sizes.size(); ++i)
        check(fmt::format("a state {}", i), out.states[i], sizes[i], "state_size");
}

}  // namespace

template <class T>
typename RecurrentCell<T>::States RecurrentCell<T>::get_initial_state(std::size_t batch_size) const {
    States states;
    for (const std::size_t size : state_size()) states.push_back(constant(zeros<T>({batch_size, size})));
    return states;
}

template <class T>
RecurrentOutput<T> RecurrentCell<T>::operator()(const Variable<T>& x, const States& states) {
    this->build(any_batch(x.shape()));
    compute_output_shape(any_batch(x.shape()));
    const std::vector<std::size_t> sizes = state_size();
    detail::check_states(this->description(), "state", states, sizes, x.shape()[0]);
    RecurrentOutput<T> out = step(x, states);
    if (out.states.size() != sizes.size()) {
        throw ValueError(fmt::format("{}: its step gave {} states, its state_size names {}",
                                     this->description(), out.states.size(), sizes.size()));
    }
    check_step(*this, out, sizes, x.shape()[0]);
    return out;
}

template <class T>
PartialShape RecurrentCell<T>::compute_output_shape(const PartialShape& input_shape) const {
    if (input_shape.empty()) {
        throw ShapeError(fmt::format("{}: expected x [batch, features], got a scalar", this->description()));
    }
    return {input_shape[0], static_cast<std::ptrdiff_t>(output_size())};
}

namespace detail {

template <class T>
void check_states(const std::string& owner, const char* what, const std::vector<Variable<T>>& states,
                  const std::vector<std::size_t>& sizes, std::size_t batch) {
    if (states.size() != sizes.size()) {
        throw ValueError(fmt::format("{}: expected {} {}{}, got {}", owner, sizes.size(), what,
                                     sizes.size() == 1 ? "" : "s", states.size()));
    }
    for (std::size_t i = 0; i < states.size(); ++i) {
        if (states[i].shape() != Shape{batch, sizes[i]}) {
            throw ShapeError(fmt::format("{}: expected {} {} of shape [batch={}, units={}], got {}", owner,
                                         what, i, batch, sizes[i], to_string(states[i].shape())));
        }
    }
}

template <class T>
CellDropout<T>::CellDropout(double rate, double recurrent_rate, std::size_t gates,
                            std::optional<std::int64_t> seed)
    : rate_(rate),
      recurrent_rate_(recurrent_rate),
      masks_of_each_(recurrent_rate > 0.0 ? gates : 1),
      generator_(seed || (rate == 0.0 && recurrent_rate == 0.0) ? seed.value_or(0) : make_default_seed()) {}

template <class T>
std::vector<Variable<T>> CellDropout<T>::masked(double rate, std::vector<Variable<T>>& masks,
                                                const Variable<T>& x, bool training) {
    if (!training || rate == 0.0) return {x};
    if (masks.size() < masks_of_each_) DrawScope::note(generator_);
    while (masks.size() < masks_of_each_)
        masks.push_back(dropout(constant(ones<T>(x.shape())), rate, generator_));
    std::vector<Variable<T>> out;
    for (const Variable<T>& mask : masks) out.push_back(x * mask);
    return out;
}

template <class T>
std::vector<Variable<T>> CellDropout<T>::on_input(const Variable<T>& x, bool training) {
    return masked(rate_, input_masks_, x, training);
}

template <class T>
std::vector<Variable<T>> CellDropout<T>::on_state(const Variable<T>& h, bool training) {
    return masked(recurrent_rate_, state_masks_, h, training);
}

template <class T>
Variable<T> CellDropout<T>::on_sequence(const Variable<T>& x, bool training) {
    if (!training || rate_ == 0.0) return x;
    const Variable<T> step = constant(ones<T>({x.shape()[0], x.shape()[2]}));
    return x * expand_dims(masked(rate_, input_masks_, step, training)[0], {1});
}

template <class T>
void CellDropout<T>::reset() {
    // Layers ask for it in inference too, where several threads may: then there is none and nothing is
    // written.
    if (!input_masks_.empty()) input_masks_.clear();
    if (!state_masks_.empty()) state_masks_.clear();
}

template void check_states(const std::string&, const char*, const std::vector<Variable<float>>&,
                           const std::vector<std::size_t>&, std::size_t);
template void check_states(const std::string&, const char*, const std::vector<Variable<double>>&,
                           const std::vector<std::size_t>&, std::size_t);
template class CellDropout<float>;
template class CellDropout<double>;

}  // namespace detail

template class RecurrentCell<float>;
template class RecurrentCell<double>;

}  // namespace seqgrad
