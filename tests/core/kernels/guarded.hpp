#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

namespace seqgrad::test {

/// The arrays that a kernel is given: each begins `offset` elements behind a 64-byte boundary, between guards
/// of NaN, so that what is read beside an array spoils the results, and what is written beside it is seen.
template <class T>
class GuardedArrays {
  public:
    explicit GuardedArrays(std::size_t offset) : offset_(offset) {}

    const T* input(const std::vector<T>& content) {
        T* array = output(content);
        entries_.back().constant = content;
        entries_.back().is_input = true;
        return array;
    }
    T* output(const std::vector<T>& content) {
        Entry entry;
        entry.size = content.size();
        entry.storage.assign(2 * guard + alignment + offset_ + content.size(), nan());
        void* first = entry.storage.data() + guard;
        std::size_t space = (alignment + content.size()) * sizeof(T);
        std::align(alignment * sizeof(T), content.size() * sizeof(T), first, space);
        entry.array = static_cast<T*>(first) + offset_;
        if (!content.empty()) std::memcpy(entry.array, content.data(), content.size() * sizeof(T));
        entries_.push_back(std::move(entry));
        return entries_.back().array;
    }
    /// What stands in an output now.
    std::vector<T> content(const T* output) const {
        for (const Entry& entry : entries_) {
            if (entry.array == output) return {entry.array, entry.array + entry.size};
        }
        return {};
    }

    /// Whether nothing was written beside the arrays, nor to an input.
    bool intact() const {
        for (const Entry& entry : entries_) {
            const T* const begin = entry.storage.data();
            const T* const end = begin + entry.storage.size();
            if (!is_guard(begin, entry.array) || !is_guard(entry.array + entry.size, end)) return false;
            const bool compare = entry.is_input && entry.size > 0;
            if (compare && std::memcmp(entry.array, entry.constant.data(), entry.size * sizeof(T)) != 0)
                return false;
        }
        return true;
    }

  private:
    /// Elements: more than a register on either side.
    static constexpr std::size_t guard = 32, alignment = 64 / sizeof(T);

    static T nan() { return std::numeric_limits<T>::quiet_NaN(); }

    static bool is_guard(const T* begin, const T* end) {
        const std::vector<T> guards(static_cast<std::size_t>(end - begin), nan());
        return std::memcmp(begin, guards.data(), guards.size() * sizeof(T)) == 0;
    }

    struct Entry {
        std::vector<T> storage, constant;
        T* array = nullptr;
        std::size_t size = 0;
        bool is_input = false;
    };

    std::size_t offset_;
    std::vector<Entry> entries_;
};

}  // namespace seqgrad::test
