#include "seqgrad/layers/parameters.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/layers/dense.hpp"
#include "seqgrad/layers/sequential.hpp"

using namespace seqgrad;

TEST_CASE("parameters of a model are handles to its own, in the order of their names") {
    Sequential<float> model{Dense<float>({.units = 2, .name = "first"}), Dense<float>({.units = 1})};
    CHECK(parameters(model).empty());
    model.build({unknown, 3});
    std::vector<Variable<float>> list = parameters(model);
    const std::vector<std::string> names = parameter_names(model);
    REQUIRE(list.size() == 4);
    REQUIRE(names.size() == 4);
    const auto named = model.parameters();
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(list[i].same_as(named[i].variable));
        CHECK(names[i] == named[i].name);
        list[i].set_grad(zeros<float>(list[i].shape()));
    }
    CHECK(named[3].variable.has_grad());
    clear_gradients(model);
    for (const auto& v : list) CHECK_FALSE(v.has_grad());
}
