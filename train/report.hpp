#pragma once

#include <functional>
#include <string>

namespace seqgrad {

/// What is told of something that is no error but may be a mistake.
using Report = std::function<void(const std::string& message)>;

/// The Report unless another one is given: a line on std::cerr.
void report_to_cerr(const std::string& message);

}  // namespace seqgrad
