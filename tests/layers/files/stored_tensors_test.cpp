#include "seqgrad/layers/files/stored_tensors.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "support/toy_modules.hpp"
#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/sequential.hpp"

using namespace seqgrad;
using test::Affine;

namespace {

template <class T>
Sequential<T> model_of(std::ptrdiff_t width) {
    Sequential<T> model{Affine<T>(), Affine<T>("head")};
    model.build({unknown, width});
    return model;
}

}  // namespace

TEST_CASE("a stored tensor has its elements in their own type") {
    const StoredTensor narrow({2, 1}, std::vector<float>{1, 2});
    CHECK(narrow.shape() == Shape{2, 1});
    CHECK(narrow.dtype() == DType::float32);
    CHECK(narrow.size() == 2);
    CHECK(narrow.data<float>() == std::vector<float>{1, 2});
    CHECK_THROWS_WITH_AS(narrow.data<double>(), "StoredTensor: the elements are float32, not float64",
                         ValueError);
    const StoredTensor scalar({}, std::vector<double>{3});
    CHECK(scalar.dtype() == DType::float64);
    CHECK(scalar.data<double>() == std::vector<double>{3});
    CHECK_THROWS_AS(scalar.data<float>(), ValueError);
    CHECK(StoredTensor().size() == 0);
    CHECK(StoredTensor().shape() == Shape{0});
}

TEST_CASE("a stored tensor's shape holds its elements") {
    CHECK_THROWS_WITH_AS(StoredTensor({2, 3}, std::vector<float>(5)),
                         "StoredTensor: shape [2, 3] does not hold 5 elements", ValueError);
    CHECK_THROWS_AS(StoredTensor({}, std::vector<double>()), ValueError);
    const std::size_t large = std::size_t{1} << 33;
    CHECK_THROWS_AS(StoredTensor({large, large}, std::vector<double>()), ValueError);
    CHECK_NOTHROW(StoredTensor({large, large, 0}, std::vector<double>()));
}

TEST_CASE("stored tensors keep their order, and each has a name of its own") {
    StoredTensors tensors;
    CHECK(tensors.empty());
    tensors.add("b", {{1}, std::vector<float>{1}});
    tensors.add("a", {{1}, std::vector<double>{2}});
    CHECK_THROWS_WITH_AS(tensors.add("b", {}), "StoredTensors: \"b\" is there already", ValueError);
    CHECK(tensors.size() == 2);
    std::string names;
    for (const auto& [name, tensor] : tensors) names += name;
    CHECK(names == "ba");
    REQUIRE(tensors.find("a") != nullptr);
    CHECK(tensors.find("a")->data<double>() == std::vector<double>{2});
    CHECK(tensors.find("c") == nullptr);
}

TEST_CASE("stored tensors have aliases, and keep tensors of other elements apart") {
    StoredTensors tensors;
    tensors.add("kept", {{1}, std::vector<float>{1}});
    tensors.add_other({"steps", {}, "I64", std::vector<std::uint8_t>(8)});
    tensors.add_alias("removed", "kept");
    CHECK(tensors.find("removed") == tensors.find("kept"));
    CHECK(tensors.size() == 1);
    CHECK(tensors.find("steps") == nullptr);
    CHECK(tensors.find_other("steps")->dtype == "I64");
    CHECK(tensors.find_other("kept") == nullptr);
    for (const char* taken : {"kept", "removed", "steps"}) {
        CAPTURE(taken);
        CHECK_THROWS_AS(tensors.add(taken, {}), ValueError);
        CHECK_THROWS_AS(tensors.add_alias(taken, "kept"), ValueError);
        CHECK_THROWS_AS(tensors.add_other({taken, {}, "I64", {}}), ValueError);
    }
    CHECK_THROWS_WITH_AS(tensors.add_alias("a", "none"),
                         "StoredTensors: no tensor \"none\" for \"a\" to stand for", ValueError);
}

TEST_CASE("a part of a module's weights can be assigned, with a report") {
    auto model = model_of<float>(2);
    StoredTensors stored;
    stored.add("affine.scale", {{2}, std::vector<float>{5, 6}});
    stored.add("affine.shift", {{3}, std::vector<float>(3)});
    stored.add_alias("head.scale", "affine.scale");
    stored.add_other({"head.shift", {2}, "I32", std::vector<std::uint8_t>(8)});
    stored.add_other({"steps", {}, "I64", std::vector<std::uint8_t>(8)});
    stored.add("tail", {{1}, std::vector<float>{1}});
    CHECK_THROWS_AS(assign_weights(model, stored, "test"), FormatError);
    CHECK(model.parameters()[0].variable.value() == full<float>({2}, 1.0F));
    const LoadReport report = assign_weights(model, stored, "test", LoadMode::partial);
    CHECK(to_string(report) ==
          "2 parameters loaded\n"
          "\"affine.shift\": expected shape [2], got [3]\n"
          "\"head.shift\": expected floating-point numbers, got I32\n"
          "\"tail\" is unexpected\n"
          "\"steps\" is left out\n");
    for (const std::size_t i : {std::size_t{0}, std::size_t{2}})
        CHECK(model.parameters()[i].variable.value() == tensor<float>({2}, {5, 6}));
    CHECK(model.parameters()[1].variable.value() == full<float>({2}, 0.0F));
    StoredTensors nothing;
    nothing.add("tail", {{1}, std::vector<float>{1}});
    CHECK_THROWS_WITH_AS(assign_weights(model, nothing, "test", LoadMode::partial),
                         doctest::Contains("test: does not fit Sequential in any part, nothing was loaded:"),
                         FormatError);
}

namespace {

/// Has a layer that its call does not use, and one that it does not name.
class Forgetful : public Module<float> {
  public:
    std::string type() const override { return "Forgetful"; }
    Affine<float> used, unused, unnamed;
    bool names_used = true;

  protected:
    void members(Members<float>& m) override {
        if (!names_used) return;
        m.child("used", used);
        m.child("unused", unused);
    }
    Variable<float> call(const Variable<float>& x) override { return unnamed(used(x)); }
};

}  // namespace

TEST_CASE("layers that are not built and parameters that are not named are told as such") {
    Forgetful model;
    model(zeros<float>({1, 2}));
    StoredTensors stored;
    for (const char* layer : {"used", "unused"}) {
        for (const char* name : {".scale", ".shift"})
            stored.add(std::string(layer) + name, {{2}, std::vector<float>(2)});
    }
    CHECK_THROWS_WITH_AS(assign_weights<float>(model, stored, "test"),
                         "test: does not fit Forgetful, nothing was loaded:\n"
                         "  \"unused.scale\" is unexpected\n"
                         "  \"unused.shift\" is unexpected\n"
                         "  Affine \"unused\" is not built: no call has reached it",
                         FormatError);
    Forgetful nameless;
    nameless.names_used = false;
    nameless(zeros<float>({1, 2}));
    CHECK_THROWS_WITH_AS(
        assign_weights<float>(nameless, stored, "test"),
        doctest::Contains("Forgetful has no parameters; a model of one's own names its parameters "
                          "and layers in `members`"),
        FormatError);
}

TEST_CASE("a module's weights are stored and given to another") {
    auto model = model_of<float>(2);
    model.parameters()[0].variable.assign(tensor<float>({2}, {0.1F, -0.0F}));
    const StoredTensors stored = stored_weights(model);
    CHECK(stored.size() == 4);
    CHECK(stored.begin()->name == "affine.scale");
    auto other = model_of<float>(2);
    assign_weights(other, stored, "test");
    CHECK(stored_weights(other).find("affine.scale")->data<float>() == std::vector<float>{0.1F, -0.0F});
    auto wide = model_of<double>(2);
    assign_weights(wide, stored, "test");
    CHECK(wide.parameters()[0].variable.value()(0) == static_cast<double>(0.1F));
    assign_weights(wide, stored_weights(wide), "test");
    const Sequential<float> empty{Affine<float>()};
    CHECK_THROWS_WITH_AS(stored_weights(empty),
                         doctest::Contains("stored_weights: Sequential has no weights yet"), ValueError);
}

TEST_CASE("all that does not fit is listed, and nothing changes") {
    StoredTensors stored;
    stored.add("tail.scale", {{}, std::vector<float>{1}});
    stored.add("affine.scale", {{3}, std::vector<float>{1, 2, 3}});
    stored.add("affine.shift", {{2}, std::vector<double>{7, 8}});
    stored.add("head.scale", {{2}, std::vector<float>{8, 9}});
    auto model = model_of<float>(2);
    CHECK_THROWS_WITH_AS(assign_weights(model, stored, "w.bin"),
                         "w.bin: does not fit Sequential, nothing was loaded:\n"
                         "  \"affine.scale\": expected shape [2], got [3]\n"
                         "  \"affine.shift\": float64 numbers would be rounded to float32\n"
                         "  \"head.shift\" is missing\n"
                         "  \"tail.scale\" is unexpected",
                         FormatError);
    CHECK(model.parameters()[2].variable.value() == ones<float>({2}));
    Sequential<float> unbuilt{Affine<float>()};
    CHECK_THROWS_AS(assign_weights(unbuilt, stored, "w.bin"), ValueError);
}
