#pragma once

namespace seqgrad::detail {

// Why a missing value is refused.
inline constexpr const char* missing_choices =
    "Missing::drop leaves it out, Missing::interpolate fills it in";
inline constexpr const char* missing_before = "no value before it to interpolate from";
inline constexpr const char* missing_after = "no value after it to interpolate to";

/// The value so far between two others: `part` of `whole` steps.
inline double interpolated(double before, double after, double part, double whole) {
    return before + part / whole * (after - before);
}

}  // namespace seqgrad::detail
