// What a graph costs beside its arithmetic: nanoseconds to record a node and to run it backward, for
// operations on a few elements.
#include <cstddef>
#include <memory>
#include <string>

#include "cases.hpp"
#include "counters.hpp"

#include "seqgrad/seqgrad.hpp"

namespace {

using namespace seqgrad;
using namespace seqgrad::bench;

constexpr std::size_t nodes = 1000;

template <class T, class Step>
void add_chain(const std::string& name, const Step& step) {
    for (const std::size_t elements : {std::size_t{1}, std::size_t{16}}) {
        add(name + "/" + type_name<T> + "/" + std::to_string(elements), [=](benchmark::State& state) {
            const Variable<T> x = parameter(draw<T>({elements})), a = parameter(draw<T>({elements}));
            const Tensor<T> ones = seqgrad::ones<T>({elements});
            for (auto _ : state) {
                Variable<T> y = x;
                for (std::size_t i = 0; i < nodes; ++i) y = step(y, a);
                backward(y, ones);
            }
            count_elements(state, nodes, "ns/node");
        })->Unit(benchmark::kMicrosecond);
    }
}

template <class T>
void register_all() {
    add_chain<T>("add", [](const Variable<T>& y, const Variable<T>& a) { return add(y, a); });
    add_chain<T>("multiply", [](const Variable<T>& y, const Variable<T>& a) { return multiply(y, a); });
    add_chain<T>("negative", [](const Variable<T>& y, const Variable<T>&) { return negative(y); });
    add_chain<T>("tanh", [](const Variable<T>& y, const Variable<T>&) { return tanh(y); });
}

const int registered = [] {
    register_all<float>();
    register_all<double>();
    return 0;
}();

}  // namespace
