#include "seqgrad/train/history.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <ostream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/finite.hpp"

namespace seqgrad {

namespace detail {

std::string format_metric(double value) {
    if (!std::isfinite(value)) return non_finite_name(value);
    const double size = std::abs(value);
    const bool fixed = size == 0.0 || (size >= 1e-3 && size < 1e6);
    return fixed ? fmt::format("{:.4f}", value) : fmt::format("{:.4e}", value);
}

}  // namespace detail

namespace {

[[noreturn]] void throw_unknown(const char* where, std::string_view name,
                                const std::vector<std::string>& names) {
    throw ValueError(
        fmt::format("{}: no number is named \"{}\"; there {}", where, name,
                    names.empty() ? std::string("are none") : fmt::format("is {}", fmt::join(names, ", "))));
}

/// The shortest text that is read back as the same number.
std::string exactly(double value) {
    return std::isfinite(value) ? fmt::format("{}", value) : detail::non_finite_name(value);
}

}  // namespace

void Logs::set(std::string_view name, double value) {
    const auto at = std::ranges::find(entries_, name, &Entry::first);
    if (at != entries_.end()) {
        at->second = value;
    } else {
        entries_.emplace_back(name, value);
    }
}

bool Logs::contains(std::string_view name) const noexcept {
    return std::ranges::find(entries_, name, &Entry::first) != entries_.end();
}

double Logs::operator[](std::string_view name) const {
    const auto at = std::ranges::find(entries_, name, &Entry::first);
    if (at != entries_.end()) return at->second;
    std::vector<std::string> names;
    for (const Entry& entry : entries_) names.push_back(entry.first);
    throw_unknown("logs", name, names);
}

std::vector<std::string> History::names() const {
    std::vector<std::string> names;
    for (const Epoch& epoch : epochs_) {
        for (const auto& [name, value] : epoch.logs) {
            if (std::ranges::find(names, name) == names.end()) names.push_back(name);
        }
    }
    return names;
}

std::vector<double> History::operator[](std::string_view name) const {
    std::vector<double> values;
    for (const Epoch& epoch : epochs_) {
        if (epoch.logs.contains(name)) values.push_back(epoch.logs[name]);
    }
    if (values.empty()) throw_unknown("history", name, names());
    return values;
}

std::string History::table() const {
    const std::vector<std::string> columns = names();
    std::vector<std::vector<std::string>> rows{{"epoch", "seconds"}};
    rows[0].insert(rows[0].end(), columns.begin(), columns.end());
    for (const Epoch& epoch : epochs_) {
        rows.push_back({std::to_string(epoch.epoch), fmt::format("{:.2f}", epoch.seconds)});
        for (const std::string& name : columns)
            rows.back().push_back(epoch.logs.contains(name) ? detail::format_metric(epoch.logs[name]) : "");
    }
    std::vector<std::size_t> widths(rows[0].size(), 0);
    for (const auto& row : rows) {
        for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
    }
    std::string out;
    for (const auto& row : rows) {
        for (std::size_t c = 0; c < row.size(); ++c)
            out += fmt::format("{}{:>{}}", c == 0 ? "" : "  ", row[c], widths[c]);
        out += '\n';
    }
    return out;
}

std::string History::csv() const {
    const std::vector<std::string> columns = names();
    std::string out = "epoch,seconds";
    for (const std::string& name : columns) out += "," + name;
    out += '\n';
    for (const Epoch& epoch : epochs_) {
        out += fmt::format("{},{}", epoch.epoch, epoch.seconds);
        for (const std::string& name : columns) {
            out += ',';
            if (epoch.logs.contains(name)) out += exactly(epoch.logs[name]);
        }
        out += '\n';
    }
    return out;
}

std::string History::json() const {
    nlohmann::ordered_json lists{{"epoch", nlohmann::ordered_json::array()},
                                 {"seconds", nlohmann::ordered_json::array()}};
    const std::vector<std::string> columns = names();
    for (const Epoch& epoch : epochs_) {
        lists["epoch"].push_back(epoch.epoch);
        lists["seconds"].push_back(epoch.seconds);
        for (const std::string& name : columns) {
            auto& list = lists[name];
            if (epoch.logs.contains(name)) {
                list.push_back(epoch.logs[name]);  // null where it is not finite
            } else {
                list.push_back(nullptr);
            }
        }
    }
    return lists.dump();
}

std::ostream& operator<<(std::ostream& out, const History& history) {
    return out << history.table();
}

}  // namespace seqgrad
