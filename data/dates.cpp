#include "seqgrad/data/dates.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/random.hpp"

namespace seqgrad {
namespace {

/// The names that a language has; weekdays begin with Sunday, as in std::chrono.
struct Names {
    std::array<std::string_view, 12> months;
    std::array<std::string_view, 12> short_months;
    std::array<std::string_view, 7> weekdays;
    std::array<std::string_view, 7> short_weekdays;
};

constexpr Names english = {
    {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
     "November", "December"},
    {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"},
    {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"},
    {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}};

constexpr Names german = {
    {"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober",
     "November", "Dezember"},
    {"Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sept.", "Okt.", "Nov.", "Dez."},
    {"Sonntag", "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag"},
    {"So.", "Mo.", "Di.", "Mi.", "Do.", "Fr.", "Sa."}};

constexpr Names french = {
    {"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre",
     "novembre", "décembre"},
    {"janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."},
    {"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"},
    {"dim.", "lun.", "mar.", "mer.", "jeu.", "ven.", "sam."}};

const Names& names_of(Language language) {
    switch (language) {
        case Language::english:
            return english;
        case Language::german:
            return german;
        case Language::french:
            return french;
    }
    throw ValueError(fmt::format("date format: unknown language {}; there are english, german and french",
                                 static_cast<int>(language)));
}

/// The lead byte of U+00C0 to U+00FF in UTF-8, the letters beyond ASCII of the three languages. In the byte
/// that follows small letters lie 0x20 above the capital ones, as in ASCII.
constexpr char latin_lead = '\xC3';
constexpr char case_distance = 0x20;

bool is_accented_capital(char after_lead) {
    const auto byte = static_cast<unsigned char>(after_lead);
    return byte >= 0x80 && byte <= 0x9E && byte != 0x97;
}
bool is_accented_small(char after_lead) {
    const auto byte = static_cast<unsigned char>(after_lead);
    return byte >= 0xA0 && byte <= 0xBE && byte != 0xB7;
}

void to_case(std::string& text, LetterCase letter_case) {
    if (letter_case == LetterCase::usual) return;
    const bool lower = letter_case == LetterCase::lower;
    char before = '\0';
    for (char& c : text) {
        const bool after_lead = before == latin_lead;
        before = c;
        if (lower && ((c >= 'A' && c <= 'Z') || (after_lead && is_accented_capital(c)))) {
            c = static_cast<char>(c + case_distance);
        } else if (!lower && ((c >= 'a' && c <= 'z') || (after_lead && is_accented_small(c)))) {
            c = static_cast<char>(c - case_distance);
        }
    }
}

/// Writes the accented letters that the names have without their accents.
std::string without_accents(std::string_view text, Language language) {
    const std::string_view a_umlaut = language == Language::german ? "ae" : "a";
    const std::array<std::pair<std::string_view, std::string_view>, 3> letters = {
        {{"ä", a_umlaut}, {"é", "e"}, {"û", "u"}}};
    std::string out;
    while (!text.empty()) {
        const auto accented = std::find_if(letters.begin(), letters.end(), [&](const auto& letter) {
            return text.starts_with(letter.first);
        });
        out += accented == letters.end() ? text.substr(0, 1) : accented->second;
        text.remove_prefix(accented == letters.end() ? 1 : accented->first.size());
    }
    return out;
}

/// A text as the format has it written.
std::string spelled(std::string_view usual, const DateFormat& format) {
    std::string out = format.ascii ? without_accents(usual, format.language) : std::string(usual);
    to_case(out, format.letter_case);
    return out;
}

/// A piece of a pattern: what stands for itself, or the letter of a directive.
struct Piece {
    std::string_view literal;
    char directive = '\0';
};

std::vector<Piece> pieces_of(std::string_view pattern) {
    constexpr std::string_view directives = "YymnBbdeoAa";
    std::vector<Piece> pieces;
    for (std::string_view rest = pattern; !rest.empty();) {
        if (rest[0] != '%') {
            const std::size_t size = std::min(rest.find('%'), rest.size());
            pieces.push_back({.literal = rest.substr(0, size)});
            rest.remove_prefix(size);
            continue;
        }
        if (rest.starts_with("%%")) {
            pieces.push_back({.literal = rest.substr(0, 1)});
        } else if (rest.size() > 1 && directives.find(rest[1]) != std::string_view::npos) {
            pieces.push_back({.literal = {}, .directive = rest[1]});
        } else {
            throw ValueError(
                fmt::format("date format \"{}\": \"{}\" is no directive; there are %Y %y %m %n %B %b %d %e "
                            "%o %A %a and %%",
                            pattern, rest.substr(0, 2)));
        }
        rest.remove_prefix(2);
    }
    return pieces;
}

std::string_view ordinal_ending(unsigned day, Language language) {
    switch (language) {
        case Language::german:
            return ".";
        case Language::french:
            return day == 1 ? "er" : "";
        default:
            break;
    }
    if (day / 10 == 1) return "th";
    return day % 10 == 1 ? "st" : day % 10 == 2 ? "nd" : day % 10 == 3 ? "rd" : "th";
}

void check_date(Date date) {
    const int year = static_cast<int>(date.year());
    if (!date.ok() || year < 1000 || year > 9999) {
        throw ValueError(
            fmt::format("there is no date with year {}, month {} and day {} in the years 1000 to 9999", year,
                        static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day())));
    }
}

/// Takes at most `digits` digits from the front of a text; nothing where there is none.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
    int number = 0;
    const char* const end = text.data() + std::min(digits, text.size());
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || text[0] == '-') return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
    return number;
}

/// Takes one of the names from the front of a text, the longest that stands there, and gives its position.
std::optional<int> take_name(std::string_view& text, std::span<const std::string_view> names,
                             const DateFormat& format) {
    std::optional<int> found;
    std::size_t longest = 0;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string name = spelled(names[i], format);
        if (name.size() > longest && text.starts_with(name)) {
            longest = name.size();
            found = static_cast<int>(i);
        }
    }
    text.remove_prefix(longest);
    return found;
}

std::vector<DatePair> write_pairs(std::span<const Date> dates, std::size_t formats_per_date,
                                  Generator& generator) {
    const std::vector<DateFormat>& formats = date_formats();
    std::vector<DatePair> pairs;
    pairs.reserve(dates.size() * formats_per_date);
    std::vector<std::size_t> order(formats.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    // The first steps of Fisher and Yates's shuffle, from whatever order the date before left.
    std::vector<Tensor<std::int64_t>> draws;
    for (std::size_t k = 0; k < formats_per_date; ++k) {
        draws.push_back(generator.integers({dates.size()}, static_cast<std::int64_t>(k),
                                           static_cast<std::int64_t>(formats.size())));
    }
    for (std::size_t i = 0; i < dates.size(); ++i) {
        for (std::size_t k = 0; k < formats_per_date; ++k) {
            std::swap(order[k], order[static_cast<std::size_t>(draws[k].data()[i])]);
            pairs.push_back({.text = write_date(dates[i], formats[order[k]]),
                             .iso = iso_date(dates[i]),
                             .format = order[k]});
        }
    }
    return pairs;
}

}  // namespace

const std::vector<DateFormat>& date_formats() {
    using enum Language;
    using enum LetterCase;
    static const std::vector<DateFormat> formats = {
        {"%Y-%m-%d"},
        {"%y-%m-%d"},
        {"%Y%m%d"},
        {"%Y/%m/%d"},
        {"%Y.%m.%d"},
        {"%Y %m %d"},
        {"%d.%m.%Y"},
        {"%d.%m.%y"},
        {"%e.%n.%Y"},
        {"%e.%n.%y"},
        {"%e. %n. %Y"},
        {"%d/%m/%Y"},
        {"%d/%m/%y"},
        {"%e/%n/%Y"},
        {"%e/%n/%y"},
        {"%e %B %Y"},
        {"%B %e, %Y"},
        {"%b %e, %Y"},
        {"%e %b %Y"},
        {"%A %o of %B %Y"},
        {"%A, %B %e, %Y"},
        {"%A, %e %B %Y"},
        {"%a, %d %b %Y"},
        {"%Y, %B %e", english, lower},
        {"%B %o, %Y"},
        {"the %o of %B, %Y"},
        {"%o %B %y"},
        {"%e-%b-%Y"},
        {"%d%b%y", english, upper},
        {"%b %e '%y"},
        {"%B %e %Y", english, lower},
        {"%a %e %B %y", english, lower},
        {"%e. %B %Y", german},
        {"%A, %e. %B %Y", german},
        {"%A, den %o %B %Y", german},
        {"%a, %d.%m.%Y", german},
        {"%e. %b %Y", german},
        {"%d. %B %y", german, lower},
        {"am %e. %B %Y", german},
        {"%A %e. %b '%y", german},
        {"%e. %B %Y", german, upper},
        {"%e. %B %Y", german, usual, true},
        {"%o %B %Y", french},
        {"le %o %B %Y", french},
        {"%A %o %B %Y", french},
        {"%A, le %o %B %Y", french},
        {"%a %e %b %y", french},
        {"%e %b %Y", french},
        {"le %A %o %B %Y", french, upper},
        {"%d %B %y", french, lower, true},
    };
    return formats;
}

std::string write_date(Date date, const DateFormat& format) {
    const std::vector<Piece> pieces = pieces_of(format.pattern);
    const Names& names = names_of(format.language);
    check_date(date);
    const int year = static_cast<int>(date.year());
    const unsigned month = static_cast<unsigned>(date.month());
    const unsigned day = static_cast<unsigned>(date.day());
    const unsigned weekday = std::chrono::weekday(std::chrono::sys_days(date)).c_encoding();
    std::string out;
    for (const Piece& piece : pieces) {
        switch (piece.directive) {
            case 'Y':
                out += fmt::format("{:04}", year);
                break;
            case 'y':
                out += fmt::format("{:02}", year % 100);
                break;
            case 'm':
                out += fmt::format("{:02}", month);
                break;
            case 'n':
                out += fmt::format("{}", month);
                break;
            case 'B':
                out += names.months[month - 1];
                break;
            case 'b':
                out += names.short_months[month - 1];
                break;
            case 'd':
                out += fmt::format("{:02}", day);
                break;
            case 'e':
                out += fmt::format("{}", day);
                break;
            case 'o':
                out += fmt::format("{}{}", day, ordinal_ending(day, format.language));
                break;
            case 'A':
                out += names.weekdays[weekday];
                break;
            case 'a':
                out += names.short_weekdays[weekday];
                break;
            default:
                out += piece.literal;
        }
    }
    return spelled(out, format);
}

std::string iso_date(Date date) {
    check_date(date);
    return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::optional<Date> read_date(std::string_view text, const DateFormat& format, int century_start) {
    const std::vector<Piece> pieces = pieces_of(format.pattern);
    const Names& names = names_of(format.language);
    const auto has = [&](std::string_view directives) {
        return std::any_of(pieces.begin(), pieces.end(), [&](const Piece& piece) {
            return piece.directive != '\0' && directives.find(piece.directive) != std::string_view::npos;
        });
    };
    if (!has("Yy") || !has("mnBb") || !has("deo")) {
        throw ValueError(
            fmt::format("read_date: the pattern \"{}\" does not name day, month and year", format.pattern));
    }

    int year = 0;
    int month = 0;
    int day = 0;
    std::string_view rest = text;
    for (const Piece& piece : pieces) {
        std::optional<int> part = 0;
        switch (piece.directive) {
            case 'Y':
                if ((part = take_number(rest, 4))) year = *part;
                break;
            case 'y':
                if ((part = take_number(rest, 2))) {
                    const int into_century = ((*part - century_start) % 100 + 100) % 100;
                    year = century_start + into_century;
                }
                break;
            case 'm':
            case 'n':
                if ((part = take_number(rest, 2))) month = *part;
                break;
            case 'B':
                if ((part = take_name(rest, names.months, format))) month = *part + 1;
                break;
            case 'b':
                if ((part = take_name(rest, names.short_months, format))) month = *part + 1;
                break;
            case 'd':
            case 'e':
                if ((part = take_number(rest, 2))) day = *part;
                break;
            case 'o':
                if ((part = take_number(rest, 2))) {
                    day = *part;
                    const std::string ending =
                        spelled(ordinal_ending(static_cast<unsigned>(day), format.language), format);
                    if (!rest.starts_with(ending)) return std::nullopt;
                    rest.remove_prefix(ending.size());
                }
                break;
            case 'A':
                part = take_name(rest, names.weekdays, format);
                break;
            case 'a':
                part = take_name(rest, names.short_weekdays, format);
                break;
            default: {
                const std::string literal = spelled(piece.literal, format);
                if (!rest.starts_with(literal)) return std::nullopt;
                rest.remove_prefix(literal.size());
            }
        }
        if (!part) return std::nullopt;
    }
    const Date date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                    std::chrono::day(static_cast<unsigned>(day))};
    if (!date.ok() || year < 1000 || year > 9999) return std::nullopt;
    // What was skipped or read twice above, such as weekdays and leading zeros, must be right too.
    if (write_date(date, format) != text) return std::nullopt;
    return date;
}

DatePairs make_date_pairs(const DatePairsOptions& options) {
    using std::chrono::sys_days;
    if (options.first_year < 1000 || options.last_year > 9999 || options.last_year < options.first_year ||
        options.last_year - options.first_year > 99) {
        throw ValueError(
            fmt::format("make_date_pairs: expected at most 100 years between 1000 and 9999, got "
                        "first_year {} and last_year {}",
                        options.first_year, options.last_year));
    }
    const std::size_t formats = date_formats().size();
    if (options.formats_per_date == 0 || options.formats_per_date > formats) {
        throw ValueError(fmt::format("make_date_pairs: formats_per_date must lie in [1, {}], got {}", formats,
                                     options.formats_per_date));
    }
    const sys_days first = std::chrono::year(options.first_year) / 1 / 1;
    const sys_days end = std::chrono::year(options.last_year + 1) / 1 / 1;
    const auto days = static_cast<std::size_t>((end - first).count());
    std::size_t wanted = 0;
    for (const std::size_t part : {options.train_dates, options.validation_dates, options.test_dates}) {
        if (part > days - wanted) {
            throw ValueError(fmt::format(
                "make_date_pairs: {} + {} + {} dates for training, validation and test, but {} to {} have {}",
                options.train_dates, options.validation_dates, options.test_dates, options.first_year,
                options.last_year, days));
        }
        wanted += part;
    }

    Generator generator(options.seed);
    const Tensor<std::int64_t> order = generator.permutation(days);
    std::vector<Date> dates(wanted);
    for (std::size_t i = 0; i < wanted; ++i) {
        dates[i] = first + std::chrono::days(static_cast<int>(order.data()[i]));
    }
    const std::span<const Date> all = dates;
    const std::size_t per_date = options.formats_per_date;
    const auto validation = all.subspan(options.train_dates, options.validation_dates);
    DatePairs pairs;
    pairs.train = write_pairs(all.first(options.train_dates), per_date, generator);
    pairs.validation = write_pairs(validation, per_date, generator);
    pairs.test = write_pairs(all.last(options.test_dates), per_date, generator);
    return pairs;
}

}  // namespace seqgrad
