#include "seqgrad/data/dates.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

namespace {

Date day_of(int year, unsigned month, unsigned day) {
    return {std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
}

std::string written(Date date, std::string pattern, Language language = Language::english,
                    LetterCase letter_case = LetterCase::usual, bool ascii = false) {
    return write_date(date, {std::move(pattern), language, letter_case, ascii});
}

}  // namespace

TEST_CASE("dates are written with every directive") {
    const Date date = day_of(1998, 3, 4);
    CHECK(written(date, "%Y %y %m %n %d %e %%") == "1998 98 03 3 04 4 %");
    CHECK(written(date, "%A %a %B %b") == "Wednesday Wed March Mar");
    CHECK(written(date, "%A %a %B %b", Language::german) == "Mittwoch Mi. März März");
    CHECK(written(date, "%A %a %B %b", Language::french) == "mercredi mer. mars mars");
    CHECK(written(date, "%o") == "4th");
    CHECK(written(date, "den %o", Language::german) == "den 4.");
    CHECK(written(date, "le %o", Language::french) == "le 4");
    CHECK(written(day_of(2005, 12, 31), "%y-%n-%e") == "05-12-31");
    CHECK(iso_date(date) == "1998-03-04");
    CHECK(written(date, "") == "");
}

TEST_CASE("ordinal numbers have their language's endings") {
    const std::map<unsigned, std::string> english = {
        {1, "1st"},   {2, "2nd"},   {3, "3rd"},   {4, "4th"},   {10, "10th"}, {11, "11th"}, {12, "12th"},
        {13, "13th"}, {20, "20th"}, {21, "21st"}, {22, "22nd"}, {23, "23rd"}, {30, "30th"}, {31, "31st"}};
    for (const auto& [day, text] : english) CHECK(written(day_of(2000, 1, day), "%o") == text);
    CHECK(written(day_of(2000, 1, 1), "%o", Language::french) == "1er");
    CHECK(written(day_of(2000, 1, 21), "%o", Language::french) == "21");
    CHECK(written(day_of(2000, 1, 21), "%o", Language::german) == "21.");
}

TEST_CASE("weekdays are right, in leap years too") {
    const std::map<std::string, Date> known = {
        {"Sunday", day_of(1969, 7, 20)},    // the first landing on the moon
        {"Thursday", day_of(1989, 11, 9)},  // the Berlin wall opens
        {"Saturday", day_of(2000, 1, 1)},  {"Tuesday", day_of(2000, 2, 29)},
        {"Wednesday", day_of(2000, 3, 1)}, {"Monday", day_of(1900, 1, 1)},
        {"Friday", day_of(2049, 12, 31)}};
    for (const auto& [weekday, date] : known) CHECK(written(date, "%A") == weekday);
    CHECK(written(day_of(1969, 7, 20), "%A %a", Language::german) == "Sonntag So.");
    CHECK(written(day_of(1969, 7, 20), "%A %a", Language::french) == "dimanche dim.");
}

TEST_CASE("letters are written in lower and upper case and without accents") {
    const Date march = day_of(1998, 3, 1);
    const Date august = day_of(1998, 8, 1);
    const Date february = day_of(1998, 2, 1);
    using enum Language;
    CHECK(written(march, "Am %B", german, LetterCase::lower) == "am märz");
    CHECK(written(march, "%B", german, LetterCase::upper) == "MÄRZ");
    CHECK(written(march, "%B", german, LetterCase::usual, true) == "Maerz");
    CHECK(written(march, "%B", german, LetterCase::upper, true) == "MAERZ");
    CHECK(written(august, "%o %B", french, LetterCase::upper) == "1ER AOÛT");
    CHECK(written(august, "%B", french, LetterCase::lower, true) == "aout");
    CHECK(written(february, "%B %b", french, LetterCase::upper) == "FÉVRIER FÉVR.");
    CHECK(written(february, "%B", french, LetterCase::usual, true) == "fevrier");
    CHECK(written(february, "É %B", french, LetterCase::lower) == "é février");
}

TEST_CASE("dates that do not exist and unknown directives are refused") {
    for (const Date date :
         {day_of(1900, 2, 29), day_of(1999, 2, 29), day_of(2001, 4, 31), day_of(2001, 13, 1),
          day_of(2001, 0, 1), day_of(2001, 1, 0), day_of(999, 1, 1), day_of(10000, 1, 1)}) {
        CHECK_THROWS_AS(written(date, "%Y"), ValueError);
        CHECK_THROWS_AS(iso_date(date), ValueError);
    }
    CHECK_THROWS_WITH_AS(written(day_of(1999, 2, 29), "%Y"),
                         "there is no date with year 1999, month 2 and day 29 in the years 1000 to 9999",
                         ValueError);
    CHECK(iso_date(day_of(2000, 2, 29)) == "2000-02-29");
    CHECK_THROWS_WITH_AS(
        written(day_of(2000, 1, 1), "%Y %H"),
        "date format \"%Y %H\": \"%H\" is no directive; there are %Y %y %m %n %B %b %d %e %o "
        "%A %a and %%",
        ValueError);
    CHECK_THROWS_AS(written(day_of(2000, 1, 1), "%Y%"), ValueError);
    CHECK_THROWS_WITH_AS(read_date("1998 3", {"%Y %n"}),
                         "read_date: the pattern \"%Y %n\" does not name day, month and year", ValueError);
    CHECK_THROWS_AS(read_date("1998", {"%Q"}), ValueError);
}

TEST_CASE("there are formats of three languages, all different") {
    const std::vector<DateFormat>& formats = date_formats();
    CHECK(formats.size() == 50);
    std::set<std::string> texts;
    std::set<Language> languages;
    for (const DateFormat& format : formats) {
        // A day on which every name differs between the languages and has an accent in German or French.
        texts.insert(write_date(day_of(1998, 3, 4), format) + write_date(day_of(2001, 8, 1), format));
        languages.insert(format.language);
    }
    CHECK(texts.size() == formats.size());
    CHECK(languages.size() == 3);
    const std::set<std::string> expected = {"1998, march 4", "04.03.98",
                                            "4 mars 1998",   "04MAR98",
                                            "04/03/98",      "Wednesday 4th of March 1998",
                                            "4. Maerz 1998", "mercredi 4 mars 1998"};
    for (const std::string& text : expected) {
        CAPTURE(text);
        const bool found = std::any_of(formats.begin(), formats.end(), [&](const DateFormat& format) {
            return write_date(day_of(1998, 3, 4), format) == text;
        });
        CHECK(found);
    }
}

TEST_CASE("every format reads back what it wrote, and no text stands for two dates") {
    // Years in which every pair of two digits can be taken for a day, a month or a year.
    std::map<std::string, Date> dates;
    std::size_t written_dates = 0;
    for (const int year : {1950, 1972, 1999, 2000, 2003, 2012, 2031, 2049}) {
        const std::chrono::sys_days end = std::chrono::year(year + 1) / 1 / 1;
        for (std::chrono::sys_days day = std::chrono::year(year) / 1 / 1; day < end;
             day += std::chrono::days(1)) {
            const Date date = day;
            for (const DateFormat& format : date_formats()) {
                const std::string text = write_date(date, format);
                if (const auto [known, is_new] = dates.emplace(text, date);
                    !is_new && known->second != date) {
                    FAIL_CHECK(text << " is " << iso_date(known->second) << " and " << iso_date(date));
                }
                if (static_cast<unsigned>(date.day()) % 5 == 1 && read_date(text, format) != date) {
                    FAIL_CHECK(text << " in the format " << format.pattern);
                }
                ++written_dates;
            }
        }
    }
    CHECK(written_dates == (8 * 365 + 3) * date_formats().size());
}

TEST_CASE("years of two digits are from a window of a hundred years") {
    const DateFormat format = {"%d.%m.%y"};
    CHECK(read_date("03.03.50", format) == day_of(1950, 3, 3));
    CHECK(read_date("03.03.49", format) == day_of(2049, 3, 3));
    CHECK(read_date("03.03.00", format) == day_of(2000, 3, 3));
    CHECK(read_date("03.03.98", format, 1999) == day_of(2098, 3, 3));
    CHECK(read_date("03.03.99", format, 1999) == day_of(1999, 3, 3));
    CHECK(read_date("29.02.00", format, 1900) == std::nullopt);
}

TEST_CASE("text that is not in the format is no date") {
    const DateFormat format = {"%A, %o of %B %Y"};
    CHECK(read_date("Wednesday, 4th of March 1998", format) == day_of(1998, 3, 4));
    for (const std::string bad :
         {"Tuesday, 4th of March 1998", "Wednesday, 4rd of March 1998", "Wednesday, 04th of March 1998",
          "wednesday, 4th of March 1998", "Wednesday, 4th of Mar 1998", "Wednesday, 4th of March 98",
          "Wednesday, 4th of March 19988", "Wednesday, 4th of March 1998 ", "Wednesday, 4th of March",
          "Wednesday, 4th", "Wednesday", "", "Wednesday, -4th of March 1998", "Wednesday, 40th of March 1998",
          "Wednesday, 99999999999th of March 1998"}) {
        CAPTURE(bad);
        CHECK(read_date(bad, format) == std::nullopt);
    }
    CHECK(read_date("29.2.1999", {"%e.%n.%Y"}) == std::nullopt);
    CHECK(read_date("29.2.2000", {"%e.%n.%Y"}) == day_of(2000, 2, 29));
    CHECK(read_date("1.-2.2000", {"%e.%n.%Y"}) == std::nullopt);
    CHECK(read_date("0.1.2000", {"%e.%n.%Y"}) == std::nullopt);
    CHECK(read_date("1.1.0999", {"%e.%n.%Y"}) == std::nullopt);
    CHECK(read_date("mar. 3 mars 98", {"%a %e %b %y", Language::french}) == day_of(1998, 3, 3));
    // "juin" does not hide "juil.", nor "mar." "mars".
    CHECK(read_date("3 juil. 1998", {"%e %b %Y", Language::french}) == day_of(1998, 7, 3));
}

TEST_CASE("pairs are the same for the same seed and share no date between their parts") {
    const DatePairsOptions options = {
        .train_dates = 3000, .validation_dates = 200, .test_dates = 300, .formats_per_date = 3, .seed = 7};
    const DatePairs pairs = make_date_pairs(options);
    CHECK(pairs.train.size() == 9000);
    CHECK(pairs.validation.size() == 600);
    CHECK(pairs.test.size() == 900);
    const DatePairs again = make_date_pairs(options);
    CHECK(again.train == pairs.train);
    CHECK(again.validation == pairs.validation);
    CHECK(again.test == pairs.test);
    DatePairsOptions other = options;
    other.seed = 8;
    CHECK(make_date_pairs(other).train != pairs.train);

    std::vector<std::set<std::string>> parts;
    std::set<std::size_t> formats;
    std::set<std::string> all;
    for (const auto* part : {&pairs.train, &pairs.validation, &pairs.test}) {
        std::set<std::string>& dates = parts.emplace_back();
        std::set<std::pair<std::string, std::size_t>> written;
        for (const DatePair& pair : *part) {
            dates.insert(pair.iso);
            written.emplace(pair.iso, pair.format);
            formats.insert(pair.format);
            const auto read = read_date(pair.text, date_formats().at(pair.format));
            if (!read || iso_date(*read) != pair.iso) FAIL_CHECK(pair.text << " beside " << pair.iso);
        }
        CHECK(written.size() == part->size());
        CHECK(dates.size() * options.formats_per_date == part->size());
        all.insert(dates.begin(), dates.end());
    }
    CHECK(all.size() == parts[0].size() + parts[1].size() + parts[2].size());
    CHECK(formats.size() == date_formats().size());
    CHECK(*all.begin() >= "1950-01-01");
    CHECK(*all.rbegin() <= "2049-12-31");
}

TEST_CASE("pairs reach every day and every format") {
    const DatePairs pairs = make_date_pairs({.first_year = 2000,
                                             .last_year = 2000,
                                             .train_dates = 300,
                                             .validation_dates = 66,
                                             .test_dates = 0,
                                             .formats_per_date = date_formats().size()});
    std::set<std::string> dates;
    std::set<std::pair<std::string, std::size_t>> written;
    for (const auto* part : {&pairs.train, &pairs.validation}) {
        for (const DatePair& pair : *part) {
            dates.insert(pair.iso);
            written.emplace(pair.iso, pair.format);
        }
    }
    CHECK(dates.size() == 366);
    CHECK(dates.count("2000-02-29") == 1);
    CHECK(written.size() == 366 * date_formats().size());
    CHECK(pairs.test.empty());
}

TEST_CASE("bad options are refused") {
    CHECK_THROWS_WITH_AS(
        make_date_pairs({.first_year = 1900, .last_year = 2000}),
        "make_date_pairs: expected at most 100 years between 1000 and 9999, got first_year 1900 "
        "and last_year 2000",
        ValueError);
    CHECK_THROWS_AS(make_date_pairs({.first_year = 2001, .last_year = 2000}), ValueError);
    CHECK_THROWS_AS(make_date_pairs({.first_year = 999, .last_year = 1000}), ValueError);
    CHECK_THROWS_AS(make_date_pairs({.first_year = 9990, .last_year = 10000}), ValueError);
    CHECK_THROWS_WITH_AS(make_date_pairs({.formats_per_date = 51}),
                         "make_date_pairs: formats_per_date must lie in [1, 50], got 51", ValueError);
    CHECK_THROWS_AS(make_date_pairs({.formats_per_date = 0}), ValueError);
    CHECK_THROWS_WITH_AS(
        make_date_pairs({.first_year = 2001,
                         .last_year = 2001,
                         .train_dates = 300,
                         .validation_dates = 65,
                         .test_dates = 1}),
        "make_date_pairs: 300 + 65 + 1 dates for training, validation and test, but 2001 to 2001 have 365",
        ValueError);
    CHECK_THROWS_AS(make_date_pairs({.train_dates = static_cast<std::size_t>(-1), .validation_dates = 2}),
                    ValueError);
}
