#pragma once

namespace seqgrad::detail {

/// Keras's fuzz factor, keras.config.epsilon().
inline constexpr double keras_epsilon = 1e-7;

}  // namespace seqgrad::detail
