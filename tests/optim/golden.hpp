#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "support/fixture.hpp"
#include "support/golden.hpp"
#include <doctest/doctest.h>

#include "seqgrad/optim/optimizer.hpp"

namespace seqgrad::test {

/// Replays a fixture of golden/optimizers and compares the variables after every step.
template <class T>
void replay(Optimizer<T>& optimizer, const std::string& name) {
    CAPTURE(name);
    const Json fixture = read_fixture(golden_path("optimizers/" + name + ".json"));
    std::vector<Variable<T>> variables;
    for (const Json& v : fixture.at("variables")) variables.push_back(parameter(to_tensor<T>(v)));
    const Json& gradients = fixture.at("gradients");
    REQUIRE(gradients.size() > 1);
    for (std::size_t step = 0; step < gradients.size(); ++step) {
        CAPTURE(step);
        for (std::size_t i = 0; i < variables.size(); ++i)
            variables[i].set_grad(to_tensor<T>(gradients[step].at(i)));
        optimizer.apply(variables);
        for (std::size_t i = 0; i < variables.size(); ++i) {
            CAPTURE(i);
            CHECK(golden_error(variables[i].value(), to_tensor<double>(fixture.at("after")[step].at(i))) <=
                  1.0);
        }
    }
    CHECK(optimizer.iterations() == static_cast<std::int64_t>(gradients.size()));
}

}  // namespace seqgrad::test
