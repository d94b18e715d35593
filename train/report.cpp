#include "seqgrad/train/report.hpp"

#include <iostream>

namespace seqgrad {

void report_to_cerr(const std::string& message) {
    std::cerr << message << std::endl;
}

}  // namespace seqgrad
