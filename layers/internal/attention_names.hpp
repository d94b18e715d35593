#pragma once

#include <array>

namespace seqgrad::detail {

// What files and messages call the values of AttentionScore and AttentionWindow, in their order.
inline constexpr std::array<const char*, 4> attention_scores{"bahdanau", "dot", "general", "concat"};
inline constexpr std::array<const char*, 3> attention_windows{"global", "local_m", "local_p"};

}  // namespace seqgrad::detail
