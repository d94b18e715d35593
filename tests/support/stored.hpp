#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "seqgrad/layers/files/stored_tensors.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad::test {

/// Whether two tensors are the same, bit for bit.
inline bool same_bits(const StoredTensor& a, const StoredTensor& b) {
    const auto same = [](const auto& x, const auto& y) {
        return x.size() == y.size() &&
               (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof x[0]) == 0);
    };
    if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
    return a.dtype() == DType::float32 ? same(a.data<float>(), b.data<float>())
                                       : same(a.data<double>(), b.data<double>());
}

/// The same of all tensors, their names and their order.
inline bool same_bits(const StoredTensors& a, const StoredTensors& b) {
    if (a.size() != b.size()) return false;
    for (auto x = a.begin(), y = b.begin(); x != a.end(); ++x, ++y) {
        if (x->name != y->name || !same_bits(x->tensor, y->tensor)) return false;
    }
    return true;
}

/// Tensors of both types whose elements are all different.
inline StoredTensors small_tensors() {
    StoredTensors tensors;
    tensors.add("lstm.kernel", {{2, 3}, std::vector<float>{0.1F, -2.5F, 1e-40F, 3e38F, -0.0F, 7}});
    tensors.add("dense.bias", {{}, std::vector<double>{0.1}});
    tensors.add("empty", {{0, 4}, std::vector<float>{}});
    return tensors;
}

}  // namespace seqgrad::test
