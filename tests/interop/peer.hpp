#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>

#include "support/temporary_folder.hpp"
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

namespace seqgrad::test {

/// Runs tests/interop/SCRIPT ACTION FOLDER, which must succeed.
inline void run_peer(const std::string& script, const std::string& action, const TemporaryFolder& folder) {
    const std::string command = std::string("\"") + std::getenv("SEQGRAD_PYTHON") + "\" \"" +
                                SEQGRAD_INTEROP_DIR "/" + script + "\" " + action + " \"" +
                                folder.path().string() + "\"";
    REQUIRE_MESSAGE(std::system(command.c_str()) == 0, command);
}

/// The differences by case that a peer wrote.
inline std::map<std::string, double> differences(const std::filesystem::path& file) {
    std::ifstream stream(file);
    return nlohmann::json::parse(stream).get<std::map<std::string, double>>();
}

/// A row of docs/interchange.md's table.
inline void report(const char* conversion, const std::string& name, double difference) {
    std::printf("| %s | %s | %.1e |\n", conversion, name.c_str(), difference);
}

}  // namespace seqgrad::test
