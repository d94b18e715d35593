#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

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
    explicit Ref(Object* object) noexcept : object_(object) { retain(); }
    Ref(const Ref& other) noexcept : object_(other.object_) { retain(); }
    Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    Ref& operator=(Ref other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~Ref() {
        if (object_ != nullptr && object_->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
            Object::destroy(object_);
    }

    Object* get() const noexcept { return object_; }
    Object* operator->() const noexcept { return object_; }
    Object& operator*() const noexcept { return *object_; }
    explicit operator bool() const noexcept { return object_ != nullptr; }
    /// Whether others refer to it too. Not for null.
    bool is_shared() const noexcept { return object_->references.load(std::memory_order_relaxed) > 1; }
    friend bool operator==(const Ref&, const Ref&) noexcept = default;

  private:
    void retain() const noexcept {
        if (object_ != nullptr) object_->references.fetch_add(1, std::memory_order_relaxed);
    }

    Object* object_ = nullptr;
};

/// Base of objects that live in the memory pool and count their references.
class Counted {
  public:
    Counted() = default;
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

    static void* operator new(std::size_t bytes) { return pool_allocate(bytes); }
    static void operator delete(void* block, std::size_t bytes) noexcept { pool_deallocate(block, bytes); }

    std::atomic<std::uint32_t> references{0};

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
    Node() = default;
    explicit Node(const Shape& s) : shape(s) {}
    virtual ~Node() = default;
    /// Takes constant stack, however long the chain of nodes that dies with this one.
    static void destroy(Node* node) noexcept;

    /// The operation's name; "" for a parameter.
    virtual const char* op() const noexcept { return ""; }
    /// One reference for every operand; null for those that no gradient flows to.
    virtual std::span<const Ref<Node>> inputs() const noexcept { return {}; }
    /// Adds this node's contribution to its inputs' pending gradients.
    virtual void propagate(Backward<T>&) {}
    /// Whether a gradient has arrived in the running backward pass.
    virtual bool reached() const noexcept { return static_cast<bool>(pending); }
    /// Forgets the gradient that the running backward pass brought.
    virtual void drop_pending() noexcept { pending = {}; }
    /// Lets go of the inputs and of what was saved for the backward pass.
    virtual void free_graph() noexcept {}
    virtual bool graph_freed() const noexcept { return false; }
    /// The table and its rows that this node's value consists of; null for any other operation.
    virtual const Lookup<T>* lookup() const noexcept { return nullptr; }

    bool is_leaf() const noexcept { return *op() == '\0'; }

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
    // Of the running backward pass: the node is part of it; a gradient asked for depends on its; its own is
    // asked for.
    bool collected = false;
    bool wanted = false;
    bool target = false;
};

template <class T>
using ValueRef = Ref<Value<T>>;
template <class T>
using NodeRef = Ref<Node<T>>;

extern template class Node<float>;
extern template class Node<double>;

}  // namespace detail
}  // namespace seqgrad
