#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <ranges>
#include <string>
#include <type_traits>

#include "seqgrad/core/tensor.hpp"

namespace seqgrad {

/// An integer type that counts: any but bool.
template <class I>
concept Integer = std::integral<I> && !std::same_as<std::remove_cv_t<I>, bool>;

namespace detail {

[[noreturn]] void fail_as_too_large(std::uintmax_t number);

/// A size or an axis. Throws ValueError for an unsigned number that would become a negative one.
template <Integer I>
std::ptrdiff_t as_signed(I i) {
    if constexpr (std::is_unsigned_v<I> && sizeof(I) >= sizeof(std::ptrdiff_t)) {
        if (i > static_cast<I>(std::numeric_limits<std::ptrdiff_t>::max())) fail_as_too_large(i);
    }
    return static_cast<std::ptrdiff_t>(i);
}

}  // namespace detail

/// A few signed integers, as axes or sizes, written with integers of any type: `1`, `{0, -1}`, `{batch, -1}`,
/// `x.shape()`. Throws ValueError for an unsigned number that no signed one can hold.
class IntList {
  public:
    /// One number of the list, from an integer of any type.
    class Item {
      public:
        template <Integer I>
        Item(I i) : value_(detail::as_signed(i)) {}
        operator std::ptrdiff_t() const { return value_; }

      private:
        std::ptrdiff_t value_;
    };

    IntList() = default;
    template <Integer I>
    IntList(I i) : values_(1, detail::as_signed(i)) {}
    IntList(std::initializer_list<Item> items) : values_(items.begin(), items.end()) {}
    template <std::ranges::input_range R>
    requires(Integer<std::ranges::range_value_t<R>> && !std::same_as<std::remove_cvref_t<R>, IntList>)
        IntList(const R& range) {
        for (const auto i : range) values_.push_back(detail::as_signed(i));
    }

    std::size_t size() const { return values_.size(); }
    bool empty() const { return values_.empty(); }
    std::ptrdiff_t operator[](std::size_t i) const { return values_[i]; }
    auto begin() const { return values_.begin(); }
    auto end() const { return values_.end(); }

  private:
    xt::svector<std::ptrdiff_t, 4> values_;
};

/// "[0, -1]".
std::string to_string(const IntList& list);

}  // namespace seqgrad
