#pragma once

#include <cctype>
#include <string>
#include <string_view>

namespace seqgrad::detail {

/// "SimpleRNN" -> "simple_rnn", "LayerNormalization" -> "layer_normalization", as Keras names layers.
inline std::string snake_case(std::string_view name) {
    const auto upper = [&](std::size_t i) { return std::isupper(static_cast<unsigned char>(name[i])) != 0; };
    std::string out;
    for (std::size_t i = 0; i < name.size(); ++i) {
        const bool starts_word =
            i > 0 && upper(i) && (!upper(i - 1) || (i + 1 < name.size() && !upper(i + 1)));
        if (starts_word) out += '_';
        out += static_cast<char>(std::tolower(static_cast<unsigned char>(name[i])));
    }
    return out;
}

}  // namespace seqgrad::detail
