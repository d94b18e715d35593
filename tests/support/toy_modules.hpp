#pragma once

#include <string>
#include <utility>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/layers/module.hpp"

namespace seqgrad::test {

/// y = x * scale + shift, over the last axis: the smallest layer with parameters.
template <class T>
class Affine : public Module<T> {
  public:
    explicit Affine(std::string name = "") : Module<T>(std::move(name)) {}
    std::string type() const override { return "Affine"; }
    PartialShape compute_output_shape(const PartialShape& input_shape) const override {
        if (input_shape.empty()) throw ShapeError(this->description() + ": expected rank 1 or more");
        return input_shape;
    }
    Variable<T> scale;
    Variable<T> shift;

  protected:
    void members(Members<T>& members) override {
        members.parameter("scale", scale);
        members.parameter("shift", shift);
    }
    void build_parameters(const PartialShape& input_shape) override {
        const auto n = static_cast<std::size_t>(input_shape.back());
        scale = parameter(ones<T>({n}));
        shift = parameter(zeros<T>({n}));
    }
    Variable<T> call(const Variable<T>& x) override { return x * scale + shift; }
};

}  // namespace seqgrad::test
