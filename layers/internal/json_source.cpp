#include "seqgrad/layers/internal/json_source.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad::detail {
namespace {

constexpr std::size_t buffer_size = std::size_t{1} << 20;

void check_size(std::uint64_t bytes, const LoadLimits& limits) {
    if (bytes > limits.max_bytes) {
        throw FormatError(fmt::format("/: {} bytes are more than the limit of {}", bytes, limits.max_bytes));
    }
}

}  // namespace

JsonSource::JsonSource(std::string_view text, const LoadOptions& options)
    : begin_(text.data()),
      p_(begin_),
      end_(begin_ + text.size()),
      limits_(options.limits),
      progress_(options.progress),
      ended_(true),
      total_(text.size()) {
    check_size(text.size(), limits_);
}

JsonSource::JsonSource(const std::filesystem::path& path, const LoadOptions& options)
    : file_(std::make_unique<InputFile>(path)),
      buffer_(std::min<std::uint64_t>(buffer_size,
                                      file_->size().value_or(0) > 0 ? *file_->size() + 1 : buffer_size)),
      begin_(buffer_.data()),
      p_(begin_),
      end_(begin_),
      limits_(options.limits),
      progress_(options.progress),
      total_(file_->size().value_or(0)) {
    check_size(total_, limits_);
}

std::uint64_t JsonSource::position() const {
    const char* const p = set_aside_ ? set_aside_->data() : p_;
    const char* const begin = set_aside_ ? set_aside_begin_ : begin_;
    return discarded_ + static_cast<std::uint64_t>(p - begin);
}

std::uint64_t JsonSource::remaining() const {
    if (!size_known()) return std::numeric_limits<std::uint64_t>::max();
    const std::uint64_t position = this->position();
    return total_ > position ? total_ - position : 0;
}

void JsonSource::inject(std::string_view text) {
    set_aside_ = std::string_view(p_, static_cast<std::size_t>(end_ - p_));
    set_aside_begin_ = begin_;
    begin_ = p_ = text.data();
    end_ = p_ + text.size();
}

bool JsonSource::refill() {
    if (set_aside_) {
        begin_ = set_aside_begin_;
        p_ = set_aside_->data();
        end_ = p_ + set_aside_->size();
        set_aside_.reset();
        if (p_ != end_) return true;
    }
    if (ended_) return false;
    if (!in_data_ && position() - last_value_ > limits_.max_string_length + 2 * buffer_size) {
        throw FormatError(fmt::format("/: a text or number is longer than the limit of {} bytes ({})",
                                      limits_.max_string_length, place()));
    }
    // What was taken goes, and what is at hand comes to the front.
    const auto taken = static_cast<std::size_t>(p_ - begin_), kept = static_cast<std::size_t>(end_ - p_);
    for (const char* line = begin_;;) {
        line = static_cast<const char*>(std::memchr(line, '\n', static_cast<std::size_t>(p_ - line)));
        if (line == nullptr) break;
        ++line;
        ++lines_;
        line_begin_ = discarded_ + static_cast<std::uint64_t>(line - begin_);
    }
    discarded_ += taken;
    std::memmove(buffer_.data(), p_, kept);
    begin_ = p_ = buffer_.data();
    const std::size_t got = file_->read(buffer_.data() + kept, buffer_.size() - kept);
    end_ = p_ + kept + got;
    check_size(discarded_ + kept + got, limits_);
    ended_ = got == 0;
    if (progress_ && !ended_) progress_(discarded_ + kept + got, total_);
    return got > 0;
}

void JsonSource::finish() {
    if (progress_ && !file_) progress_(total_, total_);
}

std::string JsonSource::place() const {
    const char* const p = set_aside_ ? set_aside_->data() : p_;
    const char* const begin = set_aside_ ? set_aside_begin_ : begin_;
    const auto lines = lines_ + static_cast<std::uint64_t>(std::count(begin, p, '\n'));
    const auto last = std::find(std::reverse_iterator(p), std::reverse_iterator(begin), '\n').base();
    const std::uint64_t line_begin = last == begin && lines == lines_
                                         ? line_begin_
                                         : discarded_ + static_cast<std::uint64_t>(last - begin);
    return fmt::format("line {}, column {}", lines + 1, std::max<std::uint64_t>(position() - line_begin, 1));
}

void JsonSource::fail_nul() {
    ++p_;
    throw FormatError(fmt::format("/: not valid JSON: a NUL byte ({})", place()));
}

}  // namespace seqgrad::detail
