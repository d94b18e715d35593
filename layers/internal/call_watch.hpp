#pragma once

#include <span>

#include "seqgrad/core/variable.hpp"

namespace seqgrad {

template <class T>
class Module;

namespace detail {

/// Is told of every call of a module in this thread while it lives. Watches end in the reverse order of their
/// beginning.
template <class T>
class CallWatch {
  public:
    CallWatch();
    virtual ~CallWatch();
    CallWatch(const CallWatch&) = delete;
    CallWatch& operator=(const CallWatch&) = delete;

    /// Before the module computes anything.
    virtual void entered(const Module<T>& module) = 0;
    /// When it has; not where it threw.
    virtual void left(const Module<T>& module, std::span<const Variable<T>> outputs) = 0;

    /// The thread's watch; null without one.
    static CallWatch* current() noexcept;

  private:
    CallWatch* previous_;
};

extern template class CallWatch<float>;
extern template class CallWatch<double>;

}  // namespace detail
}  // namespace seqgrad
