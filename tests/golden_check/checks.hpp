#pragma once

#include "golden_check/comparison.hpp"

namespace seqgrad::test {

/// Computes in T what a fixture of any kind describes and compares. Throws Unsupported when the library does
/// not offer what the fixture asks for, Error when the fixture is damaged.
template <class T>
Comparison check_fixture(const Json& fixture);

}  // namespace seqgrad::test
