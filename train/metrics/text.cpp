#include "seqgrad/train/metrics/text.hpp"

#include <cmath>
#include <numbers>

#include "seqgrad/train/losses/crossentropy.hpp"

namespace seqgrad {

template <class T>
Tensor<T> Perplexity::values(const Tensor<T>& y_true, const Variable<T>& y_pred) const {
    return sparse_categorical_crossentropy(to_labels(y_true), y_pred, from_logits).value();
}

double Perplexity::result(double mean) const {
    return std::exp(mean);
}

template <class T>
Tensor<T> BitsPerCharacter::values(const Tensor<T>& y_true, const Variable<T>& y_pred) const {
    return sparse_categorical_crossentropy(to_labels(y_true), y_pred, from_logits).value();
}

double BitsPerCharacter::result(double mean) const {
    return mean / std::numbers::ln2;
}

template Tensor<float> Perplexity::values(const Tensor<float>&, const Variable<float>&) const;
template Tensor<double> Perplexity::values(const Tensor<double>&, const Variable<double>&) const;
template Tensor<float> BitsPerCharacter::values(const Tensor<float>&, const Variable<float>&) const;
template Tensor<double> BitsPerCharacter::values(const Tensor<double>&, const Variable<double>&) const;

}  // namespace seqgrad
