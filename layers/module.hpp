#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "seqgrad/core/random.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"
#include "seqgrad/layers/constraints.hpp"
#include "seqgrad/layers/regularizers.hpp"

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

namespace detail {

template <class T>
class ParameterHandles;

/// The shape of a module's output, which the first call writes, whichever thread makes it.
class OutputShape {
  public:
    OutputShape() = default;
    OutputShape(OutputShape&& other) noexcept { *this = std::move(other); }
    OutputShape& operator=(OutputShape&& other) noexcept {
        shape_ = std::move(other.shape_);
        state_ = other.state_.load();
        other.state_ = State::none;
        return *this;
    }

    /// Empty before the shape is known.
    const PartialShape& get() const noexcept;
    /// Only while no other thread uses the module.
    void set(PartialShape shape);
    /// Sets it to that of a call's output unless it is set already.
    void set_once(const Shape& output);

  private:
    enum class State : unsigned char { none, being_written, known };

    std::atomic<State> state_ = State::none;
    PartialShape shape_;
};

}  // namespace detail

/// What a module and all inside it remember from one call to the next, besides their parameters.
template <class T>
struct ModuleState {
    /// Of what draws, by dotted path: "encoder.generator".
    std::map<std::string, GeneratorState> generators = {};
    /// Of stateful layers, by dotted path: "encoder.states"; none before the first call and after a reset.
    std::map<std::string, std::vector<Tensor<T>>> states = {};
};

/// Collects a module's parameters and children, and what else it remembers, in the order in which the module
/// names them.
template <class T>
class Members {
  public:
    /// A parameter; one that is not built yet is an empty handle. Training adds the regularizer's penalty to
    /// the loss, and applies the constraint after every update.
    void parameter(std::string_view name, Variable<T>& variable, const Regularizer& regularizer = {},
                   const Constraint& constraint = {});
    /// Where the module draws from, as dropout does.
    void generator(std::string_view name, Generator& generator);
    /// What the module keeps from one call to the next, as a stateful layer does; empty before the first
    /// call. `sizes` says that they are [B, size], one for each; `set_state` refuses others then.
    void states(std::string_view name, std::vector<Tensor<T>>& states, std::vector<std::size_t> sizes = {});
    /// A layer inside the module.
    void child(std::string_view name, Module<T>& module);
    /// One layer of a list of them: its path is "name.index".
    void child(std::string_view name, std::size_t index, Module<T>& module);
    /// A layer whose members appear as the module's own, without a name between: a recurrent layer's cell.
    void transparent_child(Module<T>& module);

  private:
    friend class Module<T>;
    friend class detail::ParameterHandles<T>;
    struct Parameter {
        std::string name;
        Variable<T>* variable;
        Regularizer regularizer;
        Constraint constraint;
    };
    struct Child {
        std::string name;  // "" for a transparent one
        Module<T>* module;
    };
    struct Remembered {
        std::string name;
        Generator* value;
    };

    explicit Members(const Module<T>& owner) : owner_(owner) {}
    void check_name(std::string_view name) const;

    const Module<T>& owner_;
    std::vector<Parameter> parameters_;
    std::vector<Child> children_;
    std::vector<Remembered> generators_;
    struct States {
        std::string name;
        std::vector<Tensor<T>>* value;
        std::vector<std::size_t> sizes;
    };
    std::vector<States> states_;
};

/// A parameter and its dotted path from the module it was asked of: "encoder.forward_layer.kernel".
template <class T>
struct NamedParameter {
    std::string name;
    Variable<T> variable;
};

/// A module inside another one, and its name there; "" where its members appear as the other's own.
template <class T>
struct NamedModule {
    std::string name;
    Module<T>* module;
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
///
/// Threads may call one module at the same time while it is built, not in training mode and not stateful
/// (`find_stateful`), and while no thread changes it: trains or loads it, sets its mode or resets its states.
/// Each NoGrad counts in its own thread. Different modules that share nothing may be trained at the same
/// time.
template <class T>
class Module {
  public:
    using value_type = T;

    virtual ~Module() = default;

    /// Keras's name of the class of layer: "LSTM".
    virtual std::string type() const = 0;

    /// Computes the module's output. Builds it first where that was not done yet; if the call then throws,
    /// what it built is taken back. x's mask goes on to the output of a module that `supports_masking`.
    /// Throws ShapeError when x does not fit.
    Variable<T> operator()(const Variable<T>& x);
    /// The same for a constant input.
    Variable<T> operator()(const Tensor<T>& x) { return (*this)(constant(x)); }
    /// The same for integers, such as token ids. Throws ValueError for one that T cannot hold exactly.
    Variable<T> operator()(const Tensor<std::int64_t>& ids) { return (*this)(Tensor<T>(ids)); }
    /// The same with several inputs, several outputs, or both. Throws ValueError for another number of inputs
    /// than the module takes.
    std::vector<Variable<T>> operator()(const std::vector<Variable<T>>& inputs);
    std::vector<Variable<T>> operator()(std::initializer_list<Variable<T>> inputs) {
        return (*this)(std::vector<Variable<T>>(inputs));
    }

    /// Creates the parameters for inputs of this shape. Does nothing when the module is built already.
    ///
    /// The layers of a user's module are built by its call, which is then made with zeros [1, ...] in
    /// inference mode; what the module remembers stays as it is. Throws ShapeError when the shape does not
    /// fit, ValueError when a size is unknown that this call needs, or the call throws; nothing is built then
    /// that was not before.
    void build(const PartialShape& input_shape);
    /// The same for a module of several inputs, with the shape of each. Throws ValueError for no shapes.
    void build_for(const std::vector<PartialShape>& input_shapes);
    /// Whether the parameters were made, those of layers inside too, by `build` or by a call that has ended.
    bool built() const noexcept { return built_; }

    /// The shape of the output for an input of this shape. Throws ShapeError when the input does not fit,
    /// ValueError where a module does not say.
    virtual PartialShape compute_output_shape(const PartialShape& input_shape) const;
    /// The shape of the output with any batch size, as the module was built or first called; empty before.
    const PartialShape& output_shape() const noexcept { return output_shape_.get(); }

    /// Whether an output without a mask of its own gets that of the input; without it the mask ends here.
    virtual bool supports_masking() const { return false; }

    /// All parameters of the module and of the modules inside it, each once, in the order of definition.
    /// Throws ValueError when a module names two members alike, or contains itself.
    std::vector<NamedParameter<T>> parameters() const;
    /// The sum of the parameters' penalties, a scalar to be added to the loss; an empty handle where no
    /// parameter has a regularizer. Frozen parameters have no part in it.
    Variable<T> regularization_loss() const;
    /// Makes every parameter but the frozen ones fulfil its constraint, as is done after every update, and
    /// says whether there was one. Nothing changes when it throws ShapeError.
    bool apply_constraints();
    /// Number of elements of all parameters.
    std::size_t parameter_count() const;

    /// Whether layers that behave differently while training (dropout) do so. False until
    /// `set_training(true)`.
    bool training() const noexcept { return training_; }
    /// Sets the mode of the module and of all inside it.
    void set_training(bool training);

    /// Makes every stateful layer inside start its next call afresh.
    void reset_state();

    /// A copy of what the module and all inside it remember from one call to the next: with it and the
    /// parameters the calls that follow can be made again exactly. Throws ValueError where two members have
    /// one path.
    ModuleState<T> state() const;
    /// Goes on from a state that `state` gave. Throws ValueError, naming the paths, unless the state is one
    /// of a module of these members, ShapeError for states of other shapes; nothing changes then.
    void set_state(const ModuleState<T>& state);

    /// The first module inside, or this one, that keeps states from one call to the next; null where none
    /// does.
    const Module* find_stateful() const;

    /// The modules directly inside, in the order of definition. Throws ValueError when two members are named
    /// alike.
    std::vector<NamedModule<T>> children() const;
    /// The dotted path of a module inside: "encoder.forward_layer"; "" for this one itself, nothing where it
    /// is not inside.
    std::optional<std::string> path_to(const Module& inside) const;

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
    /// Creates the module's own parameters; called once, before the first call, and again if that throws.
    virtual void build_parameters(const PartialShape& input_shape);
    /// The same for several inputs, where the parameters do not follow from the first one's shape alone; by
    /// default `build_parameters` for that one.
    virtual void build_several(const std::vector<PartialShape>& input_shapes);
    /// Computes the output for one input; by default the first one of what `call_several` gives.
    virtual Variable<T> call(const Variable<T>& x);
    /// Computes the outputs for several inputs; by default takes one and gives what `call` does.
    virtual std::vector<Variable<T>> call_several(const std::vector<Variable<T>>& inputs);

    /// Makes the call that builds the layers inside, if `build` is to; by default that of the module itself.
    virtual void call_to_build(const std::vector<Variable<T>>& inputs) { (*this)(inputs); }

    /// Whether `call` gives its outputs the masks they have, as containers of layers do. The outputs of any
    /// other module get the input's mask or none, see `supports_masking`.
    virtual bool gives_masks() const { return false; }

    /// Whether the module itself keeps states from one call to the next.
    virtual bool stateful() const { return false; }
    /// Forgets what the module itself keeps from one call to the next.
    virtual void clear_state() {}

    /// For containers that know their layers' shapes without calling them.
    void set_output_shape(Module& module, PartialShape shape) { module.output_shape_.set(std::move(shape)); }

  private:
    friend class detail::ParameterHandles<T>;
    Members<T> collect() const;
    class Unbuilt;
    class FirstCall;
    class Draws;
    void make_parameters(const std::vector<PartialShape>& input_shapes);
    void build_by_call(const std::vector<PartialShape>& input_shapes);
    Variable<T> finish(const Variable<T>& x, Variable<T> y) const;
    struct Walk;
    struct Memory;
    Memory memory() const;
    template <class Visit>
    void each_parameter(Visit visit) const;

    std::string name_;
    detail::OutputShape output_shape_;
    bool made_ = false;  // whether there are the module's own parameters
    bool built_ = false;
    bool in_first_call_ = false;
    bool training_ = false;
};

extern template class Members<float>;
extern template class Members<double>;
extern template class Module<float>;
extern template class Module<double>;

}  // namespace seqgrad
