#include "seqgrad/layers/module.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/grad_mode.hpp"
#include "seqgrad/core/ops/arithmetic.hpp"
#include "seqgrad/layers/internal/call_watch.hpp"
#include "seqgrad/layers/internal/draw_scope.hpp"
#include "seqgrad/layers/internal/parameter_handles.hpp"
#include "seqgrad/layers/internal/state_scope.hpp"
#include "seqgrad/layers/internal/unknown_output_shape.hpp"

namespace seqgrad {

std::string to_string(const PartialShape& shape) {
    std::string out = "(";
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (i > 0) out += ", ";
        out += shape[i] == unknown ? "None" : std::to_string(shape[i]);
    }
    return out + (shape.size() == 1 ? ",)" : ")");
}

PartialShape any_batch(const Shape& shape) {
    PartialShape partial(shape.begin(), shape.end());
    if (!partial.empty()) partial[0] = unknown;
    return partial;
}

namespace detail {

const PartialShape& OutputShape::get() const noexcept {
    static const PartialShape unset;
    return state_.load(std::memory_order_acquire) == State::known ? shape_ : unset;
}

void OutputShape::set(PartialShape shape) {
    shape_ = std::move(shape);
    state_.store(State::known, std::memory_order_release);
    state_.notify_all();
}

void OutputShape::set_once(const Shape& output) {
    State state = state_.load(std::memory_order_acquire);
    if (state == State::known) return;
    PartialShape shape = any_batch(output);  // before it is promised: this may throw
    if (state_.compare_exchange_strong(state, State::being_written, std::memory_order_acquire)) {
        set(std::move(shape));
    } else {
        state_.wait(State::being_written, std::memory_order_acquire);
    }
}

}  // namespace detail

template <class T>
void Members<T>::check_name(std::string_view name) const {
    if (name.empty() || name.find('.') != std::string_view::npos) {
        throw ValueError(fmt::format("{}: a member is named \"{}\"; names are not empty and hold no dot",
                                     owner_.description(), name));
    }
    const auto same = [&](const auto& member) { return member.name == name; };
    if (std::ranges::any_of(parameters_, same) || std::ranges::any_of(children_, same) ||
        std::ranges::any_of(generators_, same) || std::ranges::any_of(states_, same)) {
        throw ValueError(fmt::format("{}: two members are named \"{}\"", owner_.description(), name));
    }
}

template <class T>
void Members<T>::parameter(std::string_view name, Variable<T>& variable, const Regularizer& regularizer,
                           const Constraint& constraint) {
    check_name(name);
    parameters_.push_back({std::string(name), &variable, regularizer, constraint});
}

template <class T>
void Members<T>::generator(std::string_view name, Generator& generator) {
    check_name(name);
    generators_.push_back({std::string(name), &generator});
}

template <class T>
void Members<T>::states(std::string_view name, std::vector<Tensor<T>>& states,
                        std::vector<std::size_t> sizes) {
    check_name(name);
    states_.push_back({std::string(name), &states, std::move(sizes)});
}

template <class T>
void Members<T>::child(std::string_view name, Module<T>& module) {
    check_name(name);
    children_.push_back({std::string(name), &module});
}

template <class T>
void Members<T>::child(std::string_view name, std::size_t index, Module<T>& module) {
    if (index == 0) check_name(name);
    children_.push_back({fmt::format("{}.{}", name, index), &module});
}

template <class T>
void Members<T>::transparent_child(Module<T>& module) {
    children_.push_back({"", &module});
}

/// A walk over a module and all inside it, each module and each parameter once, parents first.
template <class T>
struct Module<T>::Walk {
    using Visit = std::function<void(const std::string& path, Module& module, const Members<T>& members)>;

    void operator()(const std::string& path, Module& module, bool is_transparent = false) {
        if (std::ranges::find(open, &module) != open.end()) {
            throw ValueError(
                fmt::format("{}: the module at \"{}\" contains itself", module.description(), path));
        }
        if (std::ranges::find(done, &module) != done.end()) return;
        const Members<T> members = module.collect();
        transparent = is_transparent;
        visit(path, module, members);
        open.push_back(&module);
        for (const auto& child : members.children_) {
            const bool joined = !path.empty() && !child.name.empty();
            (*this)(joined ? path + "." + child.name : path + child.name, *child.module, child.name.empty());
        }
        open.pop_back();
        done.push_back(&module);
    }

    Visit visit;
    /// Whether the module being visited is one whose members appear as its parent's.
    bool transparent = false;
    std::vector<const Module*> open = {};
    std::vector<const Module*> done = {};
};

template <class T>
Members<T> Module<T>::collect() const {
    Members<T> found(*this);
    // `members` names members and changes nothing; it is not const so that what it names can be changed
    // through Members.
    const_cast<Module&>(*this).members(found);
    return found;
}

/// What is not built of a module and all inside it. Takes back what is built while it lives, unless told to
/// keep it.
template <class T>
class Module<T>::Unbuilt {
  public:
    explicit Unbuilt(Module& module) {
        Walk walk{[this](const std::string&, Module& inside, const Members<T>& members) {
            if (inside.built_) return;
            modules_.push_back({&inside, inside.made_, inside.output_shape_.get().empty(), {}});
            for (const auto& p : members.parameters_)
                if (!*p.variable) modules_.back().parameters.push_back(p.variable);
        }};
        walk("", module);
    }
    ~Unbuilt() {
        if (kept_) return;
        for (const Before& before : modules_) {
            before.module->made_ = before.made;
            before.module->built_ = false;
            if (before.shape_unknown) before.module->output_shape_ = {};
            for (Variable<T>* parameter : before.parameters) *parameter = {};
        }
    }
    Unbuilt(const Unbuilt&) = delete;
    Unbuilt& operator=(const Unbuilt&) = delete;

    void keep() noexcept { kept_ = true; }

  private:
    struct Before {
        Module* module;
        bool made;
        bool shape_unknown;
        std::vector<Variable<T>*> parameters;
    };
    std::vector<Before> modules_;
    bool kept_ = false;
};

/// While a module is called that is not built: builds it, or leaves it and all inside unbuilt if the call
/// throws. Of a module that is built nothing is written, so that several threads may call it.
template <class T>
class Module<T>::FirstCall {
  public:
    template <class Shapes>
    FirstCall(Module& module, const Shapes& shapes) : module_(module.built_ ? nullptr : &module) {
        if (module_ == nullptr) return;
        unbuilt_.emplace(module);
        module.make_parameters(shapes());
        module.in_first_call_ = true;
    }
    ~FirstCall() {
        if (module_ != nullptr) module_->in_first_call_ = false;
    }
    FirstCall(const FirstCall&) = delete;
    FirstCall& operator=(const FirstCall&) = delete;

    void has_ended() {
        if (module_ == nullptr) return;
        module_->built_ = true;
        unbuilt_->keep();
    }

  private:
    Module* module_;
    std::optional<Unbuilt> unbuilt_;
};

/// What all modules inside remember, by path.
template <class T>
struct Module<T>::Memory {
    std::map<std::string, Generator*> generators = {};
    std::map<std::string, std::vector<Tensor<T>>*> states = {};
    std::map<std::string, std::vector<std::size_t>> sizes = {};  // of those states that have some
};

/// A call of a module. If it ends with an error, what the layers inside have drawn is drawn again by the
/// next.
template <class T>
class Module<T>::Draws {
  public:
    explicit Draws(const Module& module) noexcept : module_(module) {}
    ~Draws() {
        if (succeeded_ || !scope_.any()) return;
        try {
            std::vector<Generator*> generators;
            for (const auto& [name, generator] : module_.memory().generators) generators.push_back(generator);
            scope_.take_back(generators);
        } catch (...) {
            // The error that ended the call is the one to be told.
        }
    }
    Draws(const Draws&) = delete;
    Draws& operator=(const Draws&) = delete;

    void succeed() noexcept { succeeded_ = true; }

  private:
    const Module& module_;
    detail::DrawScope scope_;
    bool succeeded_ = false;
};

template <class T>
Variable<T> Module<T>::operator()(const Variable<T>& x) {
    auto* const watch = detail::CallWatch<T>::current();
    if (watch != nullptr) watch->entered(*this);
    detail::StateScope<T> states;
    Draws draws(*this);
    FirstCall first(*this, [&] { return std::vector<PartialShape>{any_batch(x.shape())}; });
    Variable<T> y = finish(x, call(x));
    first.has_ended();
    output_shape_.set_once(y.shape());
    if (watch != nullptr) watch->left(*this, std::span(&y, 1));
    states.succeed();
    draws.succeed();
    return y;
}

template <class T>
std::vector<Variable<T>> Module<T>::operator()(const std::vector<Variable<T>>& inputs) {
    if (inputs.empty()) throw ValueError(fmt::format("{}: called without an input", description()));
    auto* const watch = detail::CallWatch<T>::current();
    if (watch != nullptr) watch->entered(*this);
    detail::StateScope<T> states;
    Draws draws(*this);
    FirstCall first(*this, [&] {
        std::vector<PartialShape> shapes(inputs.size());
        std::ranges::transform(inputs, shapes.begin(),
                               [](const Variable<T>& x) { return any_batch(x.shape()); });
        return shapes;
    });
    std::vector<Variable<T>> outputs = call_several(inputs);
    for (Variable<T>& y : outputs) y = finish(inputs[0], std::move(y));
    first.has_ended();
    if (!outputs.empty()) output_shape_.set_once(outputs[0].shape());
    if (watch != nullptr) watch->left(*this, outputs);
    states.succeed();
    draws.succeed();
    return outputs;
}

/// An output with its mask. A module that hands its input through hands the mask on only where it may.
template <class T>
Variable<T> Module<T>::finish(const Variable<T>& x, Variable<T> y) const {
    if (x.mask() == nullptr || gives_masks()) return y;
    if (!supports_masking()) return y.mask() == x.mask() && y.same_as(x) ? y.without_mask() : y;
    return y.mask() == nullptr ? y.with_mask_of(x) : y;
}

/// Makes the module's own parameters. It is built with them if the layers inside are.
template <class T>
void Module<T>::make_parameters(const std::vector<PartialShape>& input_shapes) {
    if (made_) return;
    build_several(input_shapes);
    made_ = true;
    const std::vector<NamedModule<T>> inside = children();
    built_ = std::ranges::all_of(inside, [](const NamedModule<T>& child) { return child.module->built(); });
}

template <class T>
void Module<T>::build(const PartialShape& input_shape) {
    build_for({input_shape});
}

template <class T>
void Module<T>::build_for(const std::vector<PartialShape>& input_shapes) {
    if (built_) return;
    if (input_shapes.empty()) throw ValueError(fmt::format("{}: built without an input", description()));
    Unbuilt unbuilt(*this);
    make_parameters(input_shapes);
    // The call that builds the layers inside may be under way.
    if (!built_ && !in_first_call_) build_by_call(input_shapes);
    unbuilt.keep();
}

/// Builds the layers inside, which nothing but the module's call knows the shapes of.
template <class T>
void Module<T>::build_by_call(const std::vector<PartialShape>& input_shapes) {
    const auto refuse = [&](const std::string& why) {
        std::vector<std::string> shapes;
        for (const PartialShape& shape : input_shapes) shapes.push_back(to_string(shape));
        throw ValueError(
            fmt::format("{}: cannot be built for {}: its layers are built by a call, {}; call it once "
                        "with a batch instead",
                        description(), fmt::join(shapes, ", "), why));
    };
    std::vector<Variable<T>> inputs;
    for (const PartialShape& shape : input_shapes) {
        Shape zeros_shape;
        for (std::size_t axis = 0; axis < shape.size(); ++axis) {
            if (shape[axis] == unknown && axis != 0) refuse("which needs all sizes but that of the batch");
            zeros_shape.push_back(shape[axis] == unknown ? 1 : static_cast<std::size_t>(shape[axis]));
        }
        inputs.push_back(constant(zeros<T>(zeros_shape)));
    }
    const NoGrad no_grad;
    const ModuleState<T> remembered = state();
    std::vector<std::pair<Module*, bool>> modes;
    Walk walk{[&](const std::string&, Module& module, const Members<T>&) {
        modes.emplace_back(&module, std::exchange(module.training_, false));
    }};
    walk("", *this);
    const auto restore = [&] {
        for (const auto& [module, training] : modes) module->training_ = training;
        set_state(remembered);
    };
    try {
        FirstCall first(*this, [&] { return input_shapes; });
        call_to_build(inputs);
        first.has_ended();
    } catch (const Error& error) {
        restore();
        refuse(fmt::format("and one with zeros threw: {}", error.what()));
    } catch (...) {
        restore();
        throw;
    }
    restore();
}

template <class T>
PartialShape Module<T>::compute_output_shape(const PartialShape&) const {
    throw detail::UnknownOutputShape(fmt::format(
        "{}: does not say its output shape; call it once instead, or override compute_output_shape",
        description()));
}

template <class T>
void Module<T>::members(Members<T>&) {}

template <class T>
void Module<T>::build_parameters(const PartialShape&) {}

template <class T>
void Module<T>::build_several(const std::vector<PartialShape>& input_shapes) {
    build_parameters(input_shapes[0]);
}

namespace {

/// The module whose `call_several` is the default, while that asks its `call`.
thread_local const void* asks_call = nullptr;

class AskCall {
  public:
    explicit AskCall(const void* module) : before_(std::exchange(asks_call, module)) {}
    ~AskCall() { asks_call = before_; }
    AskCall(const AskCall&) = delete;
    AskCall& operator=(const AskCall&) = delete;

  private:
    const void* before_;
};

}  // namespace

template <class T>
Variable<T> Module<T>::call(const Variable<T>& x) {
    // Where neither function is overridden the defaults would call each other for ever.
    if (asks_call == this)
        throw ValueError(fmt::format("{}: has neither call nor call_several", description()));
    const std::vector<Variable<T>> outputs = call_several({x});
    if (outputs.empty()) throw ValueError(fmt::format("{}: gave no output", description()));
    return outputs[0];
}

template <class T>
std::vector<Variable<T>> Module<T>::call_several(const std::vector<Variable<T>>& inputs) {
    if (inputs.size() != 1)
        throw ValueError(fmt::format("{}: takes one input, got {}", description(), inputs.size()));
    const AskCall ask(this);
    return {call(inputs[0])};
}

/// Calls visit(path, parameter) for every parameter that is built, once for each.
template <class T>
template <class Visit>
void Module<T>::each_parameter(Visit visit) const {
    std::vector<Variable<T>> seen;
    Walk walk{[&](const std::string& path, Module&, const Members<T>& members) {
        for (const auto& p : members.parameters_) {
            const auto same = [&](const Variable<T>& other) { return other.same_as(*p.variable); };
            if (!*p.variable || std::ranges::any_of(seen, same)) continue;
            seen.push_back(*p.variable);
            visit(path.empty() ? p.name : path + "." + p.name, p);
        }
    }};
    walk("", const_cast<Module&>(*this));
}

template <class T>
std::vector<NamedParameter<T>> Module<T>::parameters() const {
    std::vector<NamedParameter<T>> found;
    each_parameter([&](std::string name, const auto& p) { found.push_back({std::move(name), *p.variable}); });
    return found;
}

template <class T>
Variable<T> Module<T>::regularization_loss() const {
    Variable<T> total;
    each_parameter([&](const std::string&, const auto& p) {
        if (!p.regularizer || !p.variable->requires_grad()) return;
        const Variable<T> penalty = p.regularizer(*p.variable);
        total = total ? total + penalty : penalty;
    });
    return total;
}

template <class T>
bool Module<T>::apply_constraints() {
    std::vector<std::pair<Variable<T>, Tensor<T>>> changed;
    each_parameter([&](const std::string&, const auto& p) {
        if (p.constraint && p.variable->requires_grad())
            changed.emplace_back(*p.variable, p.constraint(p.variable->value()));
    });
    for (auto& [variable, value] : changed) variable.assign(value);
    return !changed.empty();
}

template <class T>
std::size_t Module<T>::parameter_count() const {
    const auto all = parameters();
    return std::transform_reduce(all.begin(), all.end(), std::size_t{0}, std::plus<>{},
                                 [](const NamedParameter<T>& p) { return p.variable.size(); });
}

template <class T>
void Module<T>::set_training(bool training) {
    // Only where it changes, so that several threads may evaluate a model that is not being trained.
    Walk walk{[&](const std::string&, Module& module, const Members<T>&) {
        if (module.training_ != training) module.training_ = training;
    }};
    walk("", *this);
}

template <class T>
void Module<T>::reset_state() {
    Walk walk{[](const std::string&, Module& module, const Members<T>&) { module.clear_state(); }};
    walk("", *this);
}

template <class T>
const Module<T>* Module<T>::find_stateful() const {
    const Module* found = nullptr;
    Walk walk{[&](const std::string&, Module& module, const Members<T>&) {
        if (found == nullptr && module.stateful()) found = &module;
    }};
    walk("", const_cast<Module&>(*this));
    return found;
}

namespace {

/// Throws ShapeError unless there are no states, or one [B, size] for each size.
template <class T>
void check_sizes(const std::string& owner, const std::string& name, const std::vector<Tensor<T>>& states,
                 const std::vector<std::size_t>& sizes) {
    if (states.empty()) return;
    if (states.size() != sizes.size()) {
        throw ShapeError(fmt::format("{}: \"{}\": expected {} states or none, got {}", owner, name,
                                     sizes.size(), states.size()));
    }
    const std::size_t batch = states[0].dimension() == 0 ? 0 : states[0].shape(0);
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        if (states[i].shape() != Shape{batch, sizes[i]}) {
            throw ShapeError(fmt::format("{}: \"{}\": expected state {} of shape [batch{}, {}], got {}",
                                         owner, name, i, i == 0 ? "" : fmt::format("={}", batch), sizes[i],
                                         to_string(states[i].shape())));
        }
    }
}

}  // namespace

template <class T>
typename Module<T>::Memory Module<T>::memory() const {
    Memory memory;
    Walk walk{[&](const std::string& path, Module&, const Members<T>& members) {
        const auto path_of = [&](const auto& member) {
            return path.empty() ? member.name : path + "." + member.name;
        };
        const auto add = [&](auto& all, const auto& member) {
            const std::string name = path_of(member);
            if (!all.emplace(name, member.value).second)
                throw ValueError(fmt::format("{}: two members are named \"{}\"", description(), name));
        };
        for (const auto& member : members.generators_) add(memory.generators, member);
        for (const auto& member : members.states_) {
            add(memory.states, member);
            if (!member.sizes.empty()) memory.sizes.emplace(path_of(member), member.sizes);
        }
    }};
    walk("", const_cast<Module&>(*this));
    return memory;
}

template <class T>
ModuleState<T> Module<T>::state() const {
    ModuleState<T> state;
    const Memory memory = this->memory();
    for (const auto& [name, generator] : memory.generators) state.generators[name] = generator->state();
    for (const auto& [name, tensors] : memory.states) state.states[name] = *tensors;
    return state;
}

namespace {

/// Refuses states that are not [B, size] each, of one B. `owner` calls them by their path.
template <class T>
void check_states(const std::string& owner, const std::string& path, const std::vector<Tensor<T>>& states,
                  const std::vector<std::size_t>& sizes) {
    if (states.empty()) return;
    if (states.size() != sizes.size()) {
        throw ValueError(fmt::format("{}: not the state of such a module: \"{}\" has {} states, expected {}",
                                     owner, path, states.size(), sizes.size()));
    }
    const std::size_t batch = states[0].dimension() == 0 ? 0 : states[0].shape(0);
    for (std::size_t i = 0; i < states.size(); ++i) {
        if (states[i].shape() != Shape{batch, sizes[i]}) {
            throw ShapeError(
                fmt::format("{}: not the state of such a module: \"{}\" has a state {} of shape {}, "
                            "expected [batch{}, units={}]",
                            owner, path, i, to_string(states[i].shape()),
                            i == 0 ? "" : fmt::format("={}", batch), sizes[i]));
        }
    }
}

}  // namespace

template <class T>
void Module<T>::set_state(const ModuleState<T>& state) {
    const Memory memory = this->memory();
    std::vector<std::string> wrong;
    const auto compare = [&](const char* what, const auto& mine, const auto& given) {
        for (const auto& [name, value] : mine)
            if (!given.contains(name)) wrong.push_back(fmt::format("no {} \"{}\"", what, name));
        for (const auto& [name, value] : given)
            if (!mine.contains(name)) wrong.push_back(fmt::format("an unexpected {} \"{}\"", what, name));
    };
    compare("generator", memory.generators, state.generators);
    compare("state", memory.states, state.states);
    if (!wrong.empty()) {
        throw ValueError(fmt::format("{}: not the state of such a module: it has {}", description(),
                                     fmt::join(wrong, ", ")));
    }
    for (const auto& [name, sizes] : memory.sizes)
        check_sizes(description(), name, state.states.at(name), sizes);
    auto states = state.states;  // copied before anything changes
    for (const auto& [name, generator] : memory.generators) generator->set_state(state.generators.at(name));
    for (const auto& [name, tensors] : memory.states) *tensors = std::move(states.at(name));
}

template <class T>
std::vector<NamedModule<T>> Module<T>::children() const {
    std::vector<NamedModule<T>> found;
    for (const auto& child : collect().children_) found.push_back({child.name, child.module});
    return found;
}

template <class T>
std::optional<std::string> Module<T>::path_to(const Module& inside) const {
    std::optional<std::string> found;
    Walk walk{[&](const std::string& path, Module& module, const Members<T>&) {
        if (&module == &inside && !found) found = path;
    }};
    walk("", const_cast<Module&>(*this));
    return found;
}

template <class T>
std::string Module<T>::description() const {
    return name_.empty() ? type() : fmt::format("{} \"{}\"", type(), name_);
}

namespace {

/// "1,234,567".
std::string with_separators(std::size_t n) {
    std::string digits = std::to_string(n);
    for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
    return digits;
}

}  // namespace

template <class T>
std::string Module<T>::summary() const {
    struct Row {
        std::string layer, shape, parameters;
    };
    std::vector<Row> rows{{"Layer (type)", "Output shape", "Param #"}};
    const auto row = [](const std::string& path, const Module& module) {
        return Row{path.empty() ? module.description() : fmt::format("{} ({})", path, module.type()),
                   module.output_shape().empty() ? "?" : to_string(module.output_shape()),
                   module.built() ? with_separators(module.parameter_count()) : "? (not built)"};
    };
    Walk walk{};
    walk.visit = [&](const std::string& path, Module& module, const Members<T>& members) {
        // The module itself is the table's title, unless it is a single layer.
        const bool single =
            std::ranges::all_of(members.children_, &std::string::empty, &Members<T>::Child::name);
        if (!walk.transparent && (!path.empty() || single)) rows.push_back(row(path, module));
    };
    walk("", const_cast<Module&>(*this));

    std::size_t layer = 0;
    std::size_t shape = 0;
    std::size_t count = 0;
    for (const Row& r : rows) {
        layer = std::max(layer, r.layer.size());
        shape = std::max(shape, r.shape.size());
        count = std::max(count, r.parameters.size());
    }
    const std::string rule(layer + shape + count + 6, '-');
    std::string out = fmt::format("{}\n{}\n", description(), rule);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        out += fmt::format(" {:<{}}  {:<{}}  {:>{}}\n", rows[i].layer, layer, rows[i].shape, shape,
                           rows[i].parameters, count);
        if (i == 0) out += rule + "\n";
    }
    const std::size_t total = parameter_count();
    std::size_t trainable = 0;
    for (const NamedParameter<T>& p : parameters())
        trainable += p.variable.requires_grad() ? p.variable.size() : 0;
    out +=
        fmt::format("{}\nTotal params: {} ({} bytes)\nTrainable params: {}\n", rule, with_separators(total),
                    with_separators(total * sizeof(T)), with_separators(trainable));
    return out;
}

/// Parameters that are not built have no handle to replace.
template <class T>
detail::ParameterHandles<T>::ParameterHandles(Module<T>& module) {
    typename Module<T>::Walk walk{[this](const std::string&, Module<T>&, const Members<T>& members) {
        for (const auto& p : members.parameters_) {
            if (*p.variable) handles_.emplace_back(p.variable, *p.variable);
        }
    }};
    walk("", module);
}

template detail::ParameterHandles<double>::ParameterHandles(Module<double>&);
template class Members<float>;
template class Members<double>;
template class Module<float>;
template class Module<double>;

}  // namespace seqgrad
