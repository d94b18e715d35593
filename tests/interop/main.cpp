#define DOCTEST_CONFIG_IMPLEMENT
#include <cstdio>
#include <cstdlib>
#include <string>

#include <doctest/doctest.h>

namespace {
/// What CTest is told to take for "skipped".
constexpr int skipped = 77;
}  // namespace

int main(int argc, char** argv) {
    const char* const python = std::getenv("SEQGRAD_PYTHON");
    const std::string command = std::string("\"") + (python == nullptr ? "python3" : python) + "\" \"" +
                                SEQGRAD_INTEROP_DIR "/find_packages.py\"";
    if (std::system(command.c_str()) != 0) {
        std::puts(
            "skipped: SEQGRAD_PYTHON names no Python with tests/interop/requirements.txt; "
            "tests/interop/create_environment.sh makes one");
        return skipped;
    }
    return doctest::Context(argc, argv).run();
}
