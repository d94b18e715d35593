#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"

namespace seqgrad {

/// A shape some of whose sizes are not known yet: {unknown, 24, 1} is a batch of any size of 24 steps of 1
/// feature.
using PartialShape = std::vector<std::ptrdiff_t>;

/// An axis of any size in a PartialShape.
inline constexpr std::ptrdiff_t unknown = -1;

/// "(None, 24, 1)", as Keras prints it.
std::string to_string(const PartialShape& shape);

/// A tensor's shape with the batch axis, the first one, unknown.
PartialShape any_batch(const Shape& shape);

template <class T>
class Module;

/// Collects a module's parameters and children, in the order in which the module names them.
template <class T>
class Members {
  public:
    /// A parameter; one that is not built yet is an empty handle.
    void parameter(std::string_view name, Variable<T>& variable);
    /// A layer inside the module.
    void child(std::string_view name, Module<T>& module);

  private:
    friend class Module<T>;
    struct Parameter {
        std::string name;
        Variable<T>* variable;
    };
    struct Child {
        std::string name;
        Module<T>* module;
    };

    explicit Members(const Module<T>& owner) : owner_(owner) {}
    void check_name(std::string_view name) const;

    const Module<T>& owner_;
    std::vector<Parameter> parameters_;
    std::vector<Child> children_;
};

/// A parameter and its dotted path from the module it was asked of: "encoder.forward_layer.kernel".
template <class T>
struct NamedParameter {
    std::string name;
    Variable<T> variable;
};

/// Base of layers and models: a function with parameters, and possibly with other modules inside.
///
/// Parameters are created when the module is built: by `build` with the input's shape, or by the first call.
/// A user's model derives from Module, holds its layers as members, names them in `members` and says in
/// `call` what it computes:
///
///     class Tagger : public Module<float> {
///       public:
///         std::string type() const override { return "Tagger"; }
///       protected:
///         void members(Members<float>& m) override { m.child("rnn", rnn_); m.child("out", out_); }
///         Variable<float> call(const Variable<float>& x) override { return out_(rnn_(x)); }
///       private:
///         LSTM<float> rnn_{{.units = 64, .return_sequences = true}};
///         Dense<float> out_{{.units = 9}};
///     };
///
/// Modules are moved, not copied: two copies would look independent and share their parameters.
template <class T>
class Module {
  public:
    using value_type = T;

    virtual ~Module() = default;

    /// Keras's name of the class of layer: "LSTM".
    virtual std::string type() const = 0;

    /// Computes the module's output. Builds it first where that was not done yet.
    /// Throws ShapeError when x does not fit.
    Variable<T> operator()(const Variable<T>& x);

    /// Creates the parameters for inputs of this shape. Does nothing when the module is built already.
    /// Throws ShapeError when the shape does not fit.
    void build(const PartialShape& input_shape);
    bool built() const noexcept { return built_; }

    /// The shape of the output for an input of this shape. Throws ShapeError when the input does not fit,
    /// ValueError where a module does not say.
    virtual PartialShape compute_output_shape(const PartialShape& input_shape) const;
    /// The shape of the output with any batch size; empty before the module is built.
    const PartialShape& output_shape() const noexcept { return output_shape_; }

    /// All parameters of the module and of the modules inside it, each once, in the order of definition.
    /// Throws ValueError when a module names two members alike, or contains itself.
    std::vector<NamedParameter<T>> parameters() const;
    /// Number of elements of all parameters.
    std::size_t parameter_count() const;

    /// Whether layers that behave differently while training (dropout) do so. False until
    /// `set_training(true)`.
    bool training() const noexcept { return training_; }
    /// Sets the mode of the module and of all inside it.
    void set_training(bool training);

    /// A name of the user's for messages, paths and the summary; "" where none was given.
    const std::string& name() const noexcept { return name_; }
    void set_name(std::string name) { name_ = std::move(name); }
    /// `LSTM "encoder"`, or `LSTM` without a name: how messages speak of the module.
    std::string description() const;

    /// A table of the layers inside with output shapes and numbers of parameters.
    std::string summary() const;

  protected:
    Module() = default;
    explicit Module(std::string name) : name_(std::move(name)) {}
    Module(Module&&) noexcept = default;
    Module& operator=(Module&&) noexcept = default;

    /// Names parameters and children.
    virtual void members(Members<T>& members);
    /// Creates the parameters; called once, before the first call.
    virtual void build_parameters(const PartialShape& input_shape);
    /// Computes the output for one input. A model with several inputs leaves it out and offers functions of
    /// its own.
    virtual Variable<T> call(const Variable<T>& x);

    /// For containers that know their layers' shapes without calling them.
    void set_output_shape(Module& module, PartialShape shape) { module.output_shape_ = std::move(shape); }

  private:
    Members<T> collect() const;
    struct Walk;

    std::string name_;
    PartialShape output_shape_;
    bool built_ = false;
    bool training_ = false;
};

extern template class Members<float>;
extern template class Members<double>;
extern template class Module<float>;
extern template class Module<double>;

}  // namespace seqgrad
