#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "any_file.hpp"

// What the program prints about files.

namespace seqgrad::tools {

/// A text from a file as a terminal may be given it: on one line, control characters as "\x1b".
std::string printable(std::string_view text);

/// A table of the tensors, with statistics, and what else the file holds.
std::string describe(const std::filesystem::path& path, const Contents& contents);
/// The same as JSON.
std::string describe_as_json(const std::filesystem::path& path, const Contents& contents);

/// Differences up to these count as none: |a - b| <= absolute + relative |b|.
struct Tolerance {
    double absolute = 0, relative = 0;
};

/// A line for every difference between the models and the tensors of two files; empty where there is none.
/// Elements of different type are compared by value, which is a difference of its own.
std::string differences(const Contents& a, const Contents& b, const Tolerance& tolerance);

/// The same for two training states as `training_state` gives them, exactly: a line for every member that
/// differs.
std::string state_differences(const nlohmann::json& a, const nlohmann::json& b);

}  // namespace seqgrad::tools
