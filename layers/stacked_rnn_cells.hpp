#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "seqgrad/layers/recurrent_cell.hpp"

namespace seqgrad {

/// Cells on top of each other as one: each takes the output of the one before as its input.
///
///     RNN<float> layer(StackedRNNCells<float>(LSTMCell<float>({.units = 64}), LSTMCell<float>({.units =
///     32})));
///
/// The states are those of the first cell, then those of the second, and so on. Paths of parameters begin
/// with "cells.0", "cells.1", ... Throws ValueError without cells.
template <class T>
class StackedRNNCells : public RecurrentCell<T> {
  public:
    using States = typename RecurrentCell<T>::States;

    /// Takes the cells over, in order.
    template <std::derived_from<RecurrentCell<T>>... Cells>
    requires(sizeof...(Cells) > 1 ||
             (sizeof...(Cells) == 1 &&
              !(std::same_as<Cells, StackedRNNCells> || ...))) explicit StackedRNNCells(Cells... cells)
        : StackedRNNCells(
              std::vector<std::shared_ptr<RecurrentCell<T>>>{std::make_shared<Cells>(std::move(cells))...}) {}
    explicit StackedRNNCells(std::vector<std::shared_ptr<RecurrentCell<T>>> cells, std::string name = {});

    const std::vector<std::shared_ptr<RecurrentCell<T>>>& cells() const noexcept { return cells_; }

    std::string type() const override { return "StackedRNNCells"; }
    std::vector<std::size_t> state_size() const override;
    std::size_t output_size() const override { return cells_.back()->output_size(); }
    std::ptrdiff_t input_size() const override { return cells_.front()->input_size(); }
    std::size_t output_state() const override;
    States get_initial_state(std::size_t batch_size) const override;
    std::shared_ptr<RecurrentCell<T>> clone() const override;
    void reset_dropout_masks() override;

  protected:
    void members(Members<T>& members) override;
    void build_parameters(const PartialShape& input_shape) override;
    RecurrentOutput<T> step(const Variable<T>& x, const States& states) override;

  private:
    std::vector<std::shared_ptr<RecurrentCell<T>>> cells_;
};

extern template class StackedRNNCells<float>;
extern template class StackedRNNCells<double>;

}  // namespace seqgrad
