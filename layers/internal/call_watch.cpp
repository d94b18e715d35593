#include "seqgrad/layers/internal/call_watch.hpp"

#include <utility>

namespace seqgrad::detail {

namespace {

template <class T>
thread_local CallWatch<T>* watching = nullptr;

}  // namespace

template <class T>
CallWatch<T>::CallWatch() : previous_(std::exchange(watching<T>, this)) {}

template <class T>
CallWatch<T>::~CallWatch() {
    watching<T> = previous_;
}

template <class T>
CallWatch<T>* CallWatch<T>::current() noexcept {
    return watching<T>;
}

template class CallWatch<float>;
template class CallWatch<double>;

}  // namespace seqgrad::detail
