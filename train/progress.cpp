#include "seqgrad/train/progress.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

#if __has_include(<sys/ioctl.h>) && __has_include(<unistd.h>)
#include <sys/ioctl.h>
#include <unistd.h>
#endif

namespace seqgrad {

namespace detail {

std::string format_duration(double seconds) {
    if (seconds < 9.95) return fmt::format("{:.1f}s", seconds);
    const auto whole = std::int64_t{std::llround(seconds)};
    if (whole < 60) return fmt::format("{}s", whole);
    if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace detail

namespace {

using detail::EpochProgress;
using detail::format_duration;
using detail::format_metric;

constexpr std::size_t longest_bar = 30;
constexpr std::size_t shortest_bar = 6;

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

/// The file descriptor behind a standard stream, -1 behind any other.
int descriptor(const std::ostream& stream) {
    if (stream.rdbuf() == std::cout.rdbuf()) return 1;
    if (stream.rdbuf() == std::cerr.rdbuf() || stream.rdbuf() == std::clog.rdbuf()) return 2;
    return -1;
}

#if __has_include(<sys/ioctl.h>) && __has_include(<unistd.h>)
bool is_terminal(const std::ostream& stream) {
    return descriptor(stream) >= 0 && isatty(descriptor(stream)) == 1 && environment("TERM") != "dumb";
}

/// Columns of the terminal behind a stream; 80 where nobody knows.
std::size_t terminal_width(const std::ostream& stream) {
    winsize size{};
    const bool known = descriptor(stream) >= 0 && ioctl(descriptor(stream), TIOCGWINSZ, &size) == 0;
    return known && size.ws_col > 0 ? size.ws_col : 80;
}
#else
// Where the system cannot be asked, output is a log.
bool is_terminal(const std::ostream&) {
    return false;
}
std::size_t terminal_width(const std::ostream&) {
    return 80;
}
#endif

/// Whether the locale that programs are asked to use is one of UTF-8.
bool is_utf8() {
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        std::string value = environment(name);
        if (value.empty()) continue;
        std::ranges::transform(value, value.begin(),
                               [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
        return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
    }
    return false;
}

/// A bar of `columns` columns.
std::string bar_of(double part, std::size_t columns, bool unicode, bool color) {
    const auto halves =
        static_cast<std::size_t>(std::clamp(part, 0.0, 1.0) * 2.0 * static_cast<double>(columns));
    const std::size_t full = halves / 2;
    const bool half = halves % 2 == 1;
    std::string done;
    std::string rest;
    for (std::size_t i = 0; i < full; ++i) done += unicode ? "━" : "=";
    if (half) done += unicode ? "╸" : ">";
    for (std::size_t i = full + (half ? 1 : 0); i < columns; ++i) rest += unicode ? "─" : ".";
    if (!color) return done + rest;
    return "\x1b[32m" + done + "\x1b[0m\x1b[2m" + rest + "\x1b[0m";
}

std::string format_rate(double samples_per_second) {
    if (samples_per_second >= 1e6) return fmt::format("{:.1f}M samples/s", samples_per_second / 1e6);
    if (samples_per_second >= 1e4) return fmt::format("{:.1f}k samples/s", samples_per_second / 1e3);
    return fmt::format("{:.{}f} samples/s", samples_per_second, samples_per_second < 10.0 ? 1 : 0);
}

std::string rate(const EpochProgress& p) {
    return p.samples == 0 || p.trained <= 0.0 ? "" : format_rate(static_cast<double>(p.samples) / p.trained);
}

std::size_t digits(std::size_t n) {
    return std::to_string(n).size();
}

/// What a line says; the richest first, the shortest last.
struct Layout {
    bool word;  // "Epoch"
    bool bar;
    bool steps;  // "128/313" rather than "41%"
    bool time;
    bool rate;
    bool metrics;  // all rather than the loss alone
    bool labels;   // "loss 0.1234" rather than "0.1234"
};
constexpr Layout layouts[] = {
    {true, true, true, true, true, true, true},       {true, true, true, true, false, true, true},
    {false, true, true, true, false, true, true},     {false, false, true, true, false, true, true},
    {false, false, true, false, false, true, true},   {false, false, true, false, false, false, true},
    {false, false, false, false, false, false, true}, {false, false, false, false, false, false, false},
};

std::string time_of(const EpochProgress& p) {
    if (p.finished) return format_duration(p.seconds);
    if (p.validation_steps > 0) return fmt::format("validating {}/{}", p.validation_step, p.validation_steps);
    if (p.step == 0 || p.step >= p.steps) return "";
    return "ETA " +
           format_duration(p.trained / static_cast<double>(p.step) * static_cast<double>(p.steps - p.step));
}

/// The line in parts: before the bar, and after it.
std::pair<std::string, std::string> parts(const EpochProgress& p, const Layout& layout) {
    const std::string before = fmt::format("{}{:>{}}/{}", layout.word ? "Epoch " : "", p.epoch,
                                           digits(static_cast<std::size_t>(p.epochs)), p.epochs);
    std::string after = p.steps == 0   ? fmt::format("{}", p.step)
                        : layout.steps ? fmt::format("{:>{}}/{}", p.step, digits(p.steps), p.steps)
                                       : fmt::format("{}%", p.step * 100 / p.steps);
    // One space between the shortest form's numbers, two between the others.
    const char* gap = layout.labels ? "  " : " ";
    const auto add = [&](const std::string& text) {
        if (!text.empty()) after += gap + text;
    };
    if (layout.time) add(time_of(p));
    if (layout.rate) add(rate(p));
    bool first = true;
    for (const auto& [name, value] : p.logs) {
        if (first || layout.metrics) add((layout.labels ? name + " " : "") + format_metric(value));
        first = false;
    }
    return {before, after};
}

/// The richest line of at most `columns` columns. A finished epoch's stays on the screen, and wraps there
/// rather than leave out one of its numbers.
std::string bar_line(const EpochProgress& p, std::size_t columns, bool unicode, bool color) {
    const double done =
        p.steps == 0 ? (p.finished ? 1.0 : 0.0) : static_cast<double>(p.step) / static_cast<double>(p.steps);
    std::string text;
    for (const Layout& layout : layouts) {
        if (p.finished && !layout.metrics) break;
        const auto [before, after] = parts(p, layout);
        text = fmt::format("{} {}", before, after);
        const std::size_t needed = text.size() + (layout.bar ? shortest_bar + 1 : 0);
        if (needed > columns) continue;
        if (!layout.bar) return text;
        const std::size_t length = std::min(longest_bar, columns - text.size() - 1);
        return fmt::format("{} {} {}", before, bar_of(done, length, unicode, color), after);
    }
    return p.finished ? text : text.substr(0, columns);
}

std::string log_line(const EpochProgress& p) {
    std::string line =
        fmt::format("Epoch {:>{}}/{} - {}", p.epoch, digits(static_cast<std::size_t>(p.epochs)), p.epochs,
                    format_duration(p.seconds));
    if (p.step > 0) {
        const double each = p.trained / static_cast<double>(p.step);
        line += each >= 1.0    ? fmt::format(" - {:.1f}s/step", each)
                : each >= 1e-3 ? fmt::format(" - {:.0f}ms/step", each * 1e3)
                               : fmt::format(" - {:.0f}us/step", each * 1e6);
    }
    if (const std::string r = rate(p); !r.empty()) line += " - " + r;
    for (const auto& [name, value] : p.logs) line += fmt::format(" - {}: {}", name, format_metric(value));
    return line;
}

}  // namespace

Progress::Progress(int verbose, ProgressOptions options) : options_(std::move(options)) {
    if (verbose < 0 || verbose > 2)
        throw ValueError(fmt::format("progress: verbose must be 0, 1 or 2, got {}", verbose));
    if (options_.stream == nullptr) options_.stream = &std::cout;
    if (!options_.clock) {
        options_.clock = [] {
            return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
        };
    }
    if (!options_.width) options_.width = [stream = options_.stream] { return terminal_width(*stream); };
    if (!options_.terminal) options_.terminal = is_terminal(*options_.stream);
    if (!options_.unicode) options_.unicode = is_utf8();
    if (!options_.color) options_.color = environment("NO_COLOR").empty();
    if (verbose == 1) style_ = *options_.terminal ? Style::bar : Style::lines;
    if (verbose == 2) style_ = Style::lines;
}

Progress::~Progress() {
    if (!line_open_) return;
    try {
        *options_.stream << '\n' << std::flush;
    } catch (const std::exception&) {
        // A stream that refuses to be written to must not end the program.
    }
}

void Progress::begin_epoch(std::int64_t epoch, std::int64_t epochs, std::size_t steps, double seconds) {
    state_ = {};
    state_.epoch = epoch;
    state_.epochs = epochs;
    state_.steps = steps;
    begun_ = now() - seconds;
    draw(true);
}

void Progress::step(std::size_t step, std::size_t samples, const Logs& logs) {
    if (style_ == Style::silent) return;
    state_.step = step;
    state_.samples = samples;
    state_.trained = now() - begun_;
    state_.logs = logs;
    draw(false);
}

void Progress::validate(std::size_t step, std::size_t steps) {
    state_.validation_step = step;
    state_.validation_steps = steps;
    draw(false);
}

void Progress::end_epoch(const Logs& logs) {
    state_.logs = logs;
    state_.finished = true;
    draw(true);
}

void Progress::draw(bool at_once) {
    if (style_ == Style::silent) return;
    if (style_ == Style::lines) {
        if (!state_.finished) return;
        state_.seconds = now() - begun_;
        *options_.stream << log_line(state_) << '\n' << std::flush;
        return;
    }
    const double time = now();
    if (!at_once && time - drawn_ < options_.interval) return;
    drawn_ = time;
    state_.seconds = time - begun_;
    // The last column stays free: some terminals begin a new line when it is written to.
    const std::size_t width = std::max<std::size_t>(options_.width(), 2);
    *options_.stream << '\r' << bar_line(state_, width - 1, *options_.unicode, *options_.color) << "\x1b[K";
    if (state_.finished) *options_.stream << '\n';
    *options_.stream << std::flush;
    line_open_ = !state_.finished;
}

}  // namespace seqgrad
