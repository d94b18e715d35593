#include <cstdio>

#include <seqgrad/seqgrad.hpp>

namespace sg = seqgrad;

int main() {
    const sg::Variable<double> w = sg::parameter(sg::full<double>({}, 3.0));
    sg::backward(w * w);
    std::printf("gradient %g\n", w.grad()());
}
