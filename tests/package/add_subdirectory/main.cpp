#include <cstdio>

#include "core/tensor.hpp"
#include <seqgrad/seqgrad.hpp>

namespace sg = seqgrad;

int main() {
    const sg::Variable<float> w = sg::parameter(sg::full<float>({}, 3.0f));
    sg::backward(w * w);
    std::printf("gradient %g, own header %d\n", static_cast<double>(w.grad()()), consumers_own_tensor);
}
