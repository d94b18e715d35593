#pragma once

#include "golden_check/comparison.hpp"

namespace seqgrad::test {

/// Computes in T what a fixture of any kind describes and compares, layers with a tolerance `of_largest` (see
/// Comparison). Throws Unsupported when the library does
/// not offer what the fixture asks for, Error when the fixture is damaged.
template <class T>
Comparison check_fixture(const Json& fixture, bool of_largest = false);

}  // namespace seqgrad::test
