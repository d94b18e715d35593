// golden_check [--float [--of-largest]] FILE...: computes what golden fixtures describe and prints one line a
// file,
//
//     PASS|FAIL|UNSUPPORTED name max_abs_error max_rel_error
//
// and a reason on standard error unless it passed. The exit code is 0 when every file passed, 1 when not, 2
// for wrong usage. With --of-largest the absolute part of the tolerance counts in units of a tensor's largest
// magnitude: for layers of more units than the tolerance in float is made for.

#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "golden_check/checks.hpp"

namespace {

using namespace seqgrad;
using namespace seqgrad::test;

constexpr const char* usage = "usage: golden_check [--float [--of-largest]] FILE...\n";

template <class T>
bool check_file(const std::string& path, bool of_largest) {
    std::string name = path;
    Comparison result;
    const char* verdict = "FAIL";
    std::string reason;
    try {
        const Json fixture = read_fixture(path);
        name = fixture.value("name", path);
        result = check_fixture<T>(fixture, of_largest);
        if (result.passed()) verdict = "PASS";
        reason = result.first_failure();
    } catch (const Unsupported& e) {
        verdict = "UNSUPPORTED";
        reason = e.what();
    } catch (const std::exception& e) {
        reason = e.what();
    }
    std::printf("%s %s %.3g %.3g\n", verdict, name.c_str(), result.max_absolute_error(),
                result.max_relative_error());
    if (!reason.empty()) std::fprintf(stderr, "%s: %s\n", name.c_str(), reason.c_str());
    return std::string_view(verdict) == "PASS";
}

}  // namespace

int main(int argc, char** argv) {
    bool in_float = false, of_largest = false;
    std::vector<std::string> files;
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        if (argument == "--float") {
            in_float = true;
        } else if (argument == "--of-largest") {
            of_largest = true;
        } else if (argument.starts_with("-")) {
            std::fprintf(stderr, "golden_check: unknown option %s\n%s", argument.c_str(), usage);
            return 2;
        } else {
            files.push_back(argument);
        }
    }
    if (files.empty() || (of_largest && !in_float)) {
        std::fprintf(stderr, "%s", usage);
        return 2;
    }
    bool all_passed = true;
    for (const std::string& file : files) {
        const bool passed = in_float ? check_file<float>(file, of_largest) : check_file<double>(file, false);
        all_passed = all_passed && passed;
    }
    return all_passed ? 0 : 1;
}
