// Updates by every optimizer: nanoseconds per parameter, where everything stays in the processor's cache and
// where it does not.
#include <memory>
#include <string>
#include <vector>

#include "cases.hpp"
#include "counters.hpp"

#include "seqgrad/seqgrad.hpp"

namespace {

using namespace seqgrad;
using namespace seqgrad::bench;

template <class T, class Rule>
void add_rule(const std::string& name, const typename Rule::Config& config) {
    for (const std::size_t n : {std::size_t{1} << 13, std::size_t{1} << 22}) {
        add(name + "/" + type_name<T> + "/" + std::to_string(n), [=](benchmark::State& state) {
            Rule optimizer(config);
            std::vector<Variable<T>> parameters{parameter(draw<T>({n}))};
            parameters[0].set_grad(draw<T>({n}, 1e-3));
            for (auto _ : state) optimizer.apply(parameters);
            count_elements(state, n, "ns/parameter");
        })->Unit(benchmark::kMicrosecond);
    }
}

template <class T>
void register_all() {
    add_rule<T, SGD<T>>("SGD", {});
    add_rule<T, SGD<T>>("SGD_momentum", {.momentum = 0.9});
    add_rule<T, SGD<T>>("SGD_nesterov", {.momentum = 0.9, .nesterov = true});
    add_rule<T, Adam<T>>("Adam", {});
    add_rule<T, Adam<T>>("Adam_global_clipnorm", {.global_clipnorm = 1.0});
    add_rule<T, Adam<T>>("Adam_amsgrad", {.amsgrad = true});
    add_rule<T, AdamW<T>>("AdamW", {});
    add_rule<T, Adamax<T>>("Adamax", {});
    add_rule<T, Nadam<T>>("Nadam", {});
    add_rule<T, Adagrad<T>>("Adagrad", {});
    add_rule<T, Adadelta<T>>("Adadelta", {});
    add_rule<T, RMSprop<T>>("RMSprop", {});
    add_rule<T, Ftrl<T>>("Ftrl", {});
    add_rule<T, Lion<T>>("Lion", {});
}

const int registered = [] {
    register_all<float>();
    register_all<double>();
    return 0;
}();

}  // namespace
