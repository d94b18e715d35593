#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "seqgrad/core/internal/input_file.hpp"
#include "seqgrad/layers/files/file_options.hpp"

namespace seqgrad::detail {

/// The bytes of a JSON text, from memory or from a file that is read in pieces, with the place in it.
///
/// nlohmann's parser takes them one by one, through an iterator. The elements of tensors would be slow that
/// way. They are read from here directly, between two of the parser's bytes, and the parser is told about
/// them by `inject`: see strict_json.cpp.
class JsonSource {
  public:
    /// The text must outlive it.
    JsonSource(std::string_view text, const LoadOptions& options);
    /// From a file. Throws IoError where it cannot be opened.
    JsonSource(const std::filesystem::path& path, const LoadOptions& options);

    /// What is at hand: [begin, end). `advance` takes from it.
    const char* begin() const { return p_; }
    const char* end() const { return end_; }
    void advance(const char* to) { p_ = to; }

    /// Whether there is a byte at hand, reading on where there is none.
    bool more() { return p_ != end_ || refill(); }
    /// Reads on, unless as many are at hand or the text ends. What was at hand stays so, elsewhere.
    void want(std::size_t bytes) {
        while (!ended_ && static_cast<std::size_t>(end_ - p_) < bytes) refill();
    }
    /// Whether it is known how much there is to read: not for a pipe.
    bool size_known() const { return !file_ || total_ != 0; }
    /// The most that may be left to read.
    std::uint64_t remaining() const;

    /// Has these bytes read before what comes next. The text must outlive that.
    void inject(std::string_view text);

    /// Says that the text was read to its end.
    void finish();
    /// Says that a value was read: between two of them there are at most as many bytes as a string may have.
    void value_read() { last_value_ = position(); }
    /// Lifts that limit for the elements of a tensor, which nobody keeps as a text.
    void begin_data() { in_data_ = true; }
    void end_data() {
        in_data_ = false;
        value_read();
    }

    /// Of the byte that was taken last: "line 3, column 17", counted from 1, in bytes.
    std::string place() const;

    class Iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = char;
        using difference_type = std::ptrdiff_t;
        using pointer = const char*;
        using reference = char;
        explicit Iterator(JsonSource* source) : source_(source) {}
        char operator*() const {
            // The parser would take it for the end.
            if (*source_->p_ == '\0') source_->fail_nul();
            return *source_->p_;
        }
        Iterator& operator++() {
            ++source_->p_;
            return *this;
        }
        void operator++(int) { ++source_->p_; }
        bool operator==(const Iterator&) const { return !source_->more(); }
        bool operator!=(const Iterator&) const { return source_->more(); }

      private:
        JsonSource* source_;
    };

  private:
    bool refill();
    std::uint64_t position() const;
    [[noreturn]] void fail_nul();

    std::unique_ptr<InputFile> file_;
    std::vector<char> buffer_;
    const char* begin_;  // of what is at hand or was taken from it
    const char* p_;
    const char* end_;
    std::optional<std::string_view> set_aside_;  // for injected bytes
    const char* set_aside_begin_ = nullptr;

    LoadLimits limits_;
    FileProgress progress_;
    bool ended_ = false;           // whether there is nothing beyond end_
    std::uint64_t total_ = 0;      // bytes of the text; 0 where that is not known
    std::uint64_t discarded_ = 0;  // bytes before begin_
    bool in_data_ = false;
    std::uint64_t last_value_ = 0;  // where it ended
    std::uint64_t lines_ = 0;       // before begin_
    std::uint64_t line_begin_ = 0;  // of the line that begin_ is in
};

}  // namespace seqgrad::detail
