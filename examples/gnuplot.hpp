#pragma once

#include <csignal>
#include <cstdio>
#include <string>

#include <fmt/format.h>

namespace examples {

/// Runs gnuplot on commands that draw to a file, PNG or SVG by its ending. Sizes are in pixels. Returns
/// whether gnuplot could be run and had nothing to complain about.
inline bool draw_with_gnuplot(const std::string& file, int width, int height, const std::string& commands) {
    std::string quoted;
    for (const char c : file) quoted.append(c == '\'' ? 2 : 1, c);
    const std::string script = fmt::format(
        "set encoding utf8\nset terminal {} size {},{}\nset output '{}'\n{}",
        file.ends_with(".svg") ? "svg background 'white'" : "pngcairo", width, height, quoted, commands);
    // Without gnuplot nobody reads the script, which is no reason to end.
    std::signal(SIGPIPE, SIG_IGN);
    std::FILE* gnuplot = popen("gnuplot", "w");
    if (gnuplot == nullptr) return false;
    const bool written = std::fwrite(script.data(), 1, script.size(), gnuplot) == script.size();
    return pclose(gnuplot) == 0 && written;
}

}  // namespace examples
