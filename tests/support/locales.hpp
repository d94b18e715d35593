#pragma once

#include <clocale>
#include <cstdlib>
#include <filesystem>
#include <locale>
#include <stdexcept>
#include <string>
#include <vector>

namespace seqgrad::test {

/// Points as thousands, commas as decimal points, and digits in groups of one.
class Commas : public std::numpunct<char> {
  protected:
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\1"; }
};

/// The locales for C that the tests' CMakeLists.txt has made, whose decimal points are a comma and one of two
/// bytes; "C" where the system has no sources of locales.
inline std::vector<std::string> other_locales() {
    std::vector<std::string> names;
    for (const char* name : {"de_DE.UTF-8", "ps_AF.UTF-8"}) {
        if (std::filesystem::exists(std::filesystem::path(SEQGRAD_TEST_LOCALES_DIR) / name))
            names.emplace_back(name);
    }
    if (names.empty()) names.emplace_back("C");
    return names;
}

/// Another locale for C and for C++.
class OtherLocale {
  public:
    explicit OtherLocale(const std::string& name)
        : before_(std::locale::global(std::locale(std::locale(), new Commas))) {
        setenv("LOCPATH", SEQGRAD_TEST_LOCALES_DIR, 1);
        const bool is_set = std::setlocale(LC_ALL, name.c_str()) != nullptr;
        unsetenv("LOCPATH");
        if (is_set) return;
        std::locale::global(before_);
        throw std::runtime_error("there is no locale " + name);
    }
    ~OtherLocale() {
        std::locale::global(before_);
        std::setlocale(LC_ALL, "C");
    }
    OtherLocale(const OtherLocale&) = delete;
    OtherLocale& operator=(const OtherLocale&) = delete;

  private:
    std::locale before_;
};

}  // namespace seqgrad::test
