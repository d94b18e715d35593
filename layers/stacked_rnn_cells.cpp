#include "seqgrad/layers/stacked_rnn_cells.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad {

template <class T>
StackedRNNCells<T>::StackedRNNCells(std::vector<std::shared_ptr<RecurrentCell<T>>> cells, std::string name)
    : RecurrentCell<T>(std::move(name)), cells_(std::move(cells)) {
    if (cells_.empty()) throw ValueError(fmt::format("{}: expected a cell, got none", this->description()));
    for (std::size_t i = 0; i < cells_.size(); ++i) {
        if (!cells_[i]) throw ValueError(fmt::format("{}: cell {} is null", this->description(), i));
        if (std::find(cells_.begin(), cells_.begin() + static_cast<std::ptrdiff_t>(i), cells_[i]) !=
            cells_.begin() + static_cast<std::ptrdiff_t>(i)) {
            throw ValueError(fmt::format("{}: cell {} is in the stack already", this->description(), i));
        }
    }
}

template <class T>
std::vector<std::size_t> StackedRNNCells<T>::state_size() const {
    std::vector<std::size_t> sizes;
    for (const auto& cell : cells_) {
        const std::vector<std::size_t> own = cell->state_size();
        sizes.insert(sizes.end(), own.begin(), own.end());
    }
    return sizes;
}

template <class T>
std::size_t StackedRNNCells<T>::output_state() const {
    return state_size().size() - cells_.back()->state_size().size() + cells_.back()->output_state();
}

template <class T>
typename StackedRNNCells<T>::States StackedRNNCells<T>::get_initial_state(std::size_t batch_size) const {
    States states;
    for (const auto& cell : cells_) {
        const States own = cell->get_initial_state(batch_size);
        states.insert(states.end(), own.begin(), own.end());
    }
    return states;
}

template <class T>
std::shared_ptr<RecurrentCell<T>> StackedRNNCells<T>::clone() const {
    std::vector<std::shared_ptr<RecurrentCell<T>>> cells;
    for (const auto& cell : cells_) {
        cells.push_back(cell->clone());
        if (!cells.back()) return nullptr;
    }
    return std::make_shared<StackedRNNCells>(std::move(cells), this->name());
}

template <class T>
void StackedRNNCells<T>::reset_dropout_masks() {
    for (const auto& cell : cells_) cell->reset_dropout_masks();
}

template <class T>
void StackedRNNCells<T>::members(Members<T>& members) {
    for (std::size_t i = 0; i < cells_.size(); ++i) members.child("cells", i, *cells_[i]);
}

template <class T>
void StackedRNNCells<T>::build_parameters(const PartialShape& input_shape) {
    PartialShape shape = input_shape;
    for (const auto& cell : cells_) {
        cell->build(shape);
        shape = cell->compute_output_shape(shape);
    }
}

template <class T>
RecurrentOutput<T> StackedRNNCells<T>::step(const Variable<T>& x, const States& states) {
    RecurrentOutput<T> all{x, {}};
    auto first = states.begin();
    for (const auto& cell : cells_) {
        const auto last = first + static_cast<std::ptrdiff_t>(cell->state_size().size());
        RecurrentOutput<T> out = (*cell)(all.output, States(first, last));
        all.output = std::move(out.output);
        all.states.insert(all.states.end(), out.states.begin(), out.states.end());
        first = last;
    }
    return all;
}

template class StackedRNNCells<float>;
template class StackedRNNCells<double>;

}  // namespace seqgrad
