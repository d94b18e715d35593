#pragma once

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"
#include "seqgrad/train/losses/reduction.hpp"

namespace seqgrad {

/// Any loss: one of those above, or a user's function of (y_true, y_pred) or (y_true, y_pred, weights).
///
/// A function of two arguments gives one loss per sample or time step, and is reduced by
/// `sum_over_batch_size`, or gives one number, which cannot be weighted; the predictions' mask does not
/// change it. It gets y_true and y_pred with 0 in padding, and of one rank as Keras's losses do: y [B] beside
/// [B, 1] comes as [B, 1]. It may take y_true as a Tensor or as a Variable:
///
///     Loss<float> loss = [](const Variable<float>& y, const Variable<float>& p) { return abs(y - p); };
///
/// A function of three arguments gets everything as it is and looks after weights and masks itself.
template <class T>
class Loss {
  public:
    template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, Loss> &&
             (std::is_invocable_r_v<Variable<T>, const F&, const Tensor<T>&, const Variable<T>&,
                                    const LossWeights<T>&> ||
              std::is_invocable_r_v<Variable<T>, const F&, const Tensor<T>&, const Variable<T>&> ||
              std::is_invocable_r_v<Variable<T>, const F&, const Variable<T>&, const Variable<T>&>))
        Loss(F loss) {
        if constexpr (std::is_invocable_r_v<Variable<T>, const F&, const Tensor<T>&, const Variable<T>&,
                                            const LossWeights<T>&>) {
            function_ = std::move(loss);
        } else {
            function_ = [loss = std::move(loss)](const Tensor<T>& y_true, const Variable<T>& y_pred,
                                                 const LossWeights<T>& weights) {
                const auto reduced = [&](const Tensor<T>& y_given, const Variable<T>& p_given,
                                         LossWeights<T> all) {
                    const auto [y, p] = detail::of_one_rank(y_given, p_given);
                    Variable<T> losses;
                    if constexpr (std::is_invocable_r_v<Variable<T>, const F&, const Tensor<T>&,
                                                        const Variable<T>&>) {
                        losses = loss(y, p);
                    } else {
                        losses = loss(constant(y), p);
                    }
                    if (losses.rank() == 0 && !weights.mask) all.mask.reset();
                    return reduce_loss<T>(losses, Reduction::sum_over_batch_size, all);
                };
                return detail::without_padding(y_true, y_pred, weights, reduced);
            };
        }
    }

    /// Throws what the loss throws.
    Variable<T> operator()(const Tensor<T>& y_true, const Variable<T>& y_pred,
                           const LossWeights<T>& weights = {}) const {
        return function_(y_true, y_pred, weights);
    }

  private:
    std::function<Variable<T>(const Tensor<T>&, const Variable<T>&, const LossWeights<T>&)> function_;
};

}  // namespace seqgrad
