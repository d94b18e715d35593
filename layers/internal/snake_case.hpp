#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace seqgrad::detail {

/// "SimpleRNN" -> "simple_rnn", "LayerNormalization" -> "layer_normalization", as Keras names layers.
inline std::string snake_case(std::string_view name) {
    // Names are ASCII whatever the locale is: std::tolower would change bytes of others, and 'I' in Turkish.
    const auto upper = [&](std::size_t i) { return name[i] >= 'A' && name[i] <= 'Z'; };
    std::string out;
    for (std::size_t i = 0; i < name.size(); ++i) {
        const bool starts_word =
            i > 0 && upper(i) && (!upper(i - 1) || (i + 1 < name.size() && !upper(i + 1)));
        if (starts_word) out += '_';
        out += upper(i) ? static_cast<char>(name[i] - 'A' + 'a') : name[i];
    }
    return out;
}

}  // namespace seqgrad::detail
