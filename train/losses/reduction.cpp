#include "seqgrad/train/losses/reduction.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "seqgrad/core/internal/broadcast.hpp"
#include "seqgrad/core/op.hpp"
#include "seqgrad/core/ops/elementary.hpp"
#include "seqgrad/core/ops/shape.hpp"
#include "seqgrad/train/losses/internal/rows.hpp"
#include "seqgrad/train/losses/internal/weights.hpp"

namespace seqgrad {

namespace {

constexpr detail::Weighted of_losses{.owner = "loss", .one = "loss", .many = "losses"};

/// A mask as factors. With `average`, true counts the more, the more is false, so that a mean over all is one
/// over what is true.
template <class T>
Tensor<T> mask_factor(const Mask& mask, bool average) {
    const auto valid = std::count(mask.data(), mask.data() + mask.size(), true);
    T counts{1};
    if (average) counts = valid == 0 ? T{0} : static_cast<T>(mask.size()) / static_cast<T>(valid);
    Tensor<T> factor(mask.shape());
    for (std::size_t i = 0; i < mask.size(); ++i) factor.data()[i] = mask.data()[i] ? counts : T{0};
    return factor;
}

/// A mask that broadcasts to values [B, ...] of this shape; nothing where it does not.
std::optional<Mask> spread_mask(const Mask& mask, const Shape& values) {
    Shape shape(mask.shape().begin(), mask.shape().end());
    while (shape.size() > values.size() && shape.back() == 1) shape.pop_back();
    return detail::spread(mask, std::move(shape), values);
}

}  // namespace

namespace detail {

template <class T>
std::pair<Tensor<T>, Variable<T>> of_one_rank(const Tensor<T>& y_true, const Variable<T>& y_pred) {
    std::pair<Tensor<T>, Variable<T>> both(y_true, y_pred);
    Shape truth(y_true.shape().begin(), y_true.shape().end());
    Shape predicted(y_pred.shape().begin(), y_pred.shape().end());
    drop_unmatched_axis(truth, predicted);
    if (truth != y_true.shape()) both.first.reshape(truth);
    if (predicted != y_pred.shape()) {
        const std::vector<std::size_t> sizes(predicted.begin(), predicted.end());
        both.second = reshape(y_pred, IntList(sizes));
    }
    return both;
}

template std::pair<Tensor<float>, Variable<float>> of_one_rank(const Tensor<float>&, const Variable<float>&);
template std::pair<Tensor<double>, Variable<double>> of_one_rank(const Tensor<double>&,
                                                                 const Variable<double>&);

Mask aligned_mask(const Mask& mask, const Shape& losses) {
    return aligned(of_losses, "mask", mask, losses);
}

template <class Y>
Tensor<Y> blank_padding(const Tensor<Y>& values, const Mask& mask) {
    const std::optional<Mask> counts = spread_mask(mask, values.shape());
    if (!counts) return values;
    return map(
        "loss", [](Y v, bool count) { return count ? v : Y{0}; }, values, *counts);
}

template <class T>
Variable<T> blank_padding(const Variable<T>& values, const Mask& mask) {
    std::optional<Mask> counts = spread_mask(mask, values.shape());
    return counts ? where(std::move(*counts), values, constant(zeros<T>({}))) : values.without_mask();
}

template Tensor<std::int64_t> blank_padding(const Tensor<std::int64_t>&, const Mask&);
template Tensor<float> blank_padding(const Tensor<float>&, const Mask&);
template Tensor<double> blank_padding(const Tensor<double>&, const Mask&);
template Variable<float> blank_padding(const Variable<float>&, const Mask&);
template Variable<double> blank_padding(const Variable<double>&, const Mask&);

}  // namespace detail

template <class T>
Variable<T> reduce_loss(const Variable<T>& losses, Reduction reduction, const LossWeights<T>& weights) {
    const bool average = reduction == Reduction::sum_over_batch_size || reduction == Reduction::mean;
    // What weighs 0 is left out rather than multiplied by 0, which does not make 0 of NaN.
    const auto times = [](T value, T weight) { return weight == 0 ? T{0} : value * weight; };
    std::optional<Tensor<T>> w;
    Tensor<T> weighted = losses.value();
    if (weights.sample_weight) {
        w = detail::aligned(of_losses, "sample_weight", *weights.sample_weight, losses.shape());
    }
    if (weights.mask) {
        const Mask mask = detail::aligned_mask(*weights.mask, losses.shape());
        const auto selected = [](T value, bool counts) { return counts ? value : T{0}; };
        weighted = detail::map("loss", selected, weighted, mask);
        const Tensor<T> factor = mask_factor<T>(mask, average);
        w = w ? detail::map("loss", times, detail::map("loss", selected, *w, mask), factor) : factor;
    }
    if (w) weighted = detail::map("loss", times, weighted, *w);
    if (reduction == Reduction::none) {
        return record("reduce_loss", weighted, {losses}, [w, times](Backward<T>& pass) {
            if (w) {
                detail::accumulate_map(pass, 0, times, pass.grad(), *w);
            } else {
                pass.pass_on(0);
            }
        });
    }
    T divisor{1};
    if (average || (reduction == Reduction::mean_with_sample_weight && !w)) {
        divisor = static_cast<T>(losses.size());
    } else if (reduction == Reduction::mean_with_sample_weight) {
        divisor = detail::pairwise_sum(w->data(), w->size());
    }
    // Divided, not multiplied by the inverse: that is how Keras rounds.
    const T total = detail::pairwise_sum(weighted.data(), weighted.size());
    return record("reduce_loss", full<T>({}, divisor == T{0} ? T{0} : total / divisor), {losses},
                  [w, divisor, times](Backward<T>& pass) {
                      if (!pass.wants(0)) return;
                      const T each = divisor == T{0} ? T{0} : *pass.grad().data() / divisor;
                      Tensor<T> gradient = full<T>(pass.input_shape(0), each);
                      if (w) gradient = detail::map("loss", times, gradient, *w);
                      pass.accumulate(0, std::move(gradient));
                  });
}

template Variable<float> reduce_loss(const Variable<float>&, Reduction, const LossWeights<float>&);
template Variable<double> reduce_loss(const Variable<double>&, Reduction, const LossWeights<double>&);

}  // namespace seqgrad
