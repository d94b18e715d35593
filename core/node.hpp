#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "seqgrad/core/memory_pool.hpp"
#include "seqgrad/core/tensor.hpp"

namespace seqgrad {

template <class T>
class Backward;

namespace detail {

/// A counted reference to an object that counts its references itself (Value, Node).
template <class Object>
class Ref {
  public:
    Ref() noexcept = default;
    /// Takes over the reference that a new object counts.
    explicit Ref(Object* object) noexcept : object_(object) {}
    Ref(const Ref& other) noexcept : object_(other.object_) { retain(); }
    Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    Ref& operator=(Ref other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~Ref() {
        if (object_ == nullptr) return;
        // The only reference needs no atomic change: nobody is left who could make another.
        if (!is_shared() || object_->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
            Object::destroy(object_);
    }

    Object* get() const noexcept { return object_; }
    Object* operator->() const noexcept { return object_; }
    Object& operator*() const noexcept { return *object_; }
    explicit operator bool() const noexcept { return object_ != nullptr; }
    /// Whether others refer to it too. Not for null.
    bool is_shared() const noexcept { return object_->references.load(std::memory_order_acquire) > 1; }
    friend bool operator==(const Ref&, const Ref&) noexcept = default;

  private:
    void retain() const noexcept {
        if (object_ != nullptr) object_->references.fetch_add(1, std::memory_order_relaxed);
    }

    Object* object_ = nullptr;
};

/// Base of objects that live in the memory pool and count their references, the first of which is who made
/// them.
class Counted {
  public:
    Counted() = default;
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

    static void* operator new(std::size_t bytes) { return pool_allocate(bytes); }
    static void operator delete(void* block, std::size_t bytes) noexcept { pool_deallocate(block, bytes); }

    std::atomic<std::uint32_t> references{1};

  protected:
    ~Counted() = default;
};

/// The value behind a Variable. It knows nothing of the graph, so that a value which no handle and no
/// backward function needs is freed although its graph lives on.
template <class T>
class Value final : public Counted {
  public:
    explicit Value(Tensor<T>&& t) : tensor(std::move(t)) {}
    explicit Value(const Tensor<T>& t) : tensor(t) {}
    /// Of uninitialised elements.
    explicit Value(const Shape& shape) : tensor(shape) {}
    static void destroy(Value* value) noexcept { delete value; }

    Tensor<T> tensor;
    /// Counts changes, so that a backward pass can tell whether what it saved is still there.
    std::uint32_t version = 0;
};

/// A mask that several Variables share.
class SharedMask final : public Counted {
  public:
    explicit SharedMask(Mask m) : mask(std::move(m)) {}
    static void destroy(SharedMask* shared) noexcept { delete shared; }

    const Mask mask;
};

template <class T>
struct Lookup;

/// A place in the graph that gradients arrive at: a parameter, or the result of a recorded operation
/// (op.hpp).
template <class T>
class Node : public Counted {
  public:
    /// A parameter's.
    explicit Node(const Shape& s) : shape(s) {}
    virtual ~Node() = default;
    /// Takes constant stack, however long the chain of nodes that dies with this one.
    static void destroy(Node* node) noexcept;

    /// The operation's name; "" for a parameter.
    const char* op() const noexcept { return op_; }
    bool is_leaf() const noexcept { return *op_ == '\0'; }
    /// One reference for every operand; null for those that no gradient flows to.
    std::span<const Ref<Node>> inputs() const noexcept {
        return {count_ > few_.size() ? many_.data() : few_.data(), count_};
    }
    /// Lets go of the inputs, which may end them.
    void free_inputs() noexcept {
        count_ = 0;
        few_ = {};
        many_.clear();
    }

    /// Adds this node's contribution to its inputs' pending gradients.
    virtual void propagate(Backward<T>&) {}
    /// Whether a gradient has arrived in the running backward pass.
    virtual bool reached() const noexcept { return static_cast<bool>(pending); }
    /// Forgets the gradient that the running backward pass brought.
    virtual void drop_pending() noexcept { pending = {}; }
    /// Lets go of what was saved for the backward pass, which cannot run again.
    virtual void free_saved() noexcept {}
    /// The gradients of an operation's several results that the running backward pass brought; null for any
    /// other node.
    virtual std::vector<Ref<Value<T>>>* output_gradients() noexcept { return nullptr; }
    /// The table and its rows that this node's value consists of; null for any other operation.
    virtual const Lookup<T>* lookup() const noexcept { return nullptr; }

    Shape shape;
    /// Parameters: accumulated over backward passes. Other nodes: only when retains_grad.
    Ref<Value<T>> grad;
    /// Gathered by the running backward pass.
    Ref<Value<T>> pending;
    /// Larger than the order of every input: sorting by it is a topological order.
    std::uint64_t order = 0;
    Node* next_dead = nullptr;
    /// False for a parameter that is frozen.
    bool requires_grad = true;
    bool retains_grad = false;
    /// What was saved for the backward pass is gone.
    bool graph_freed = false;
    // Of the running backward pass. A pass that runs inside of a backward function puts what belongs to the
    // pass around it aside, and back at its end.
    /// Which pass the node is part of; null: none.
    const void* pass = nullptr;
    /// The pass around this one needs the node, too.
    bool needed_outside = false;
    /// A gradient that is asked for depends on this node's.
    bool wanted = false;
    /// This node's gradient is asked for.
    bool target = false;
    /// `pending` was made to be written to, and nothing was written yet.
    bool unwritten = false;
    /// Its backward function is being called.
    bool running = false;

  protected:
    /// An operation's, with so many operands.
    Node(const char* op, std::size_t count) : op_(op), count_(count) {
        if (count > few_.size()) many_.resize(count);
    }
    Ref<Node>* inputs_to_set() noexcept { return count_ > few_.size() ? many_.data() : few_.data(); }

  private:
    const char* op_ = "";
    std::size_t count_ = 0;
    std::array<Ref<Node>, 3> few_;
    std::vector<Ref<Node>, PoolAllocator<Ref<Node>>> many_;
};

template <class T>
using ValueRef = Ref<Value<T>>;
template <class T>
using NodeRef = Ref<Node<T>>;

extern template class Node<float>;
extern template class Node<double>;

}  // namespace detail
}  // namespace seqgrad
