#include "json_mutator.hpp"

#include <algorithm>
#include <random>
#include <string_view>
#include <vector>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace seqgrad::fuzz {
namespace {

using Random = std::minstd_rand;

/// A number, string, word or bracket; blanks, commas and colons stand between tokens.
struct Token {
    std::size_t begin, end;
};

/// The tokens of what may be JSON.
std::vector<Token> tokens_of(std::string_view text) {
    std::vector<Token> tokens;
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t begin = i++;
        const char c = text[begin];
        if (std::string_view(" \t\r\n,:").find(c) != std::string_view::npos) continue;
        if (c == '"') {
            while (i < text.size() && text[i] != '"') i += text[i] == '\\' ? 2 : 1;
            i = std::min(i + 1, text.size());
        } else if (std::string_view("{}[]").find(c) == std::string_view::npos) {
            i = std::min(text.find_first_of(" \t\r\n,:{}[]\"", i), text.size());
        }
        tokens.push_back({begin, i});
    }
    return tokens;
}

/// Values that readers have to get right or refuse.
constexpr std::string_view values[] = {"0",
                                       "-0",
                                       "1",
                                       "-1",
                                       "2",
                                       "3",
                                       "1.5",
                                       "-3",
                                       "0.0",
                                       "-0.0",
                                       "1e-400",
                                       "1e400",
                                       "-1e400",
                                       "1e39",
                                       "3.4028236e38",
                                       "1.17549435e-38",
                                       "1e-45",
                                       "5e-324",
                                       "0.1",
                                       "1E+2",
                                       "00",
                                       "01",
                                       "-",
                                       "1.",
                                       ".5",
                                       "1e",
                                       "2147483647",
                                       "2147483648",
                                       "4294967295",
                                       "4294967296",
                                       "9007199254740993",
                                       "9223372036854775807",
                                       "9223372036854775808",
                                       "-9223372036854775808",
                                       "-9223372036854775809",
                                       "18446744073709551615",
                                       "18446744073709551616",
                                       "123456789012345678901234567890",
                                       "null",
                                       "true",
                                       "false",
                                       "NaN",
                                       "Infinity",
                                       "\"\"",
                                       "\"nan\"",
                                       "\"-nan\"",
                                       "\"inf\"",
                                       "\"-inf\"",
                                       "\"\\u0000\"",
                                       "\"\\ud800\"",
                                       "\"\\ud83d\\ude00\"",
                                       "\"\xff\"",
                                       "\"\xc3\"",
                                       "\"AAAAgD8=\"",
                                       "\"AACAPwAAAEA=\"",
                                       "\"A===\"",
                                       "[]",
                                       "{}",
                                       "[[]]",
                                       "[{}]",
                                       "{\"\":{}}",
                                       "[0]",
                                       "[1,1]",
                                       "[null]"};

/// From the token's beginning to the end of the value that begins with it.
std::size_t value_end(const std::vector<Token>& tokens, std::string_view text, std::size_t first) {
    std::size_t depth = 0;
    for (std::size_t i = first; i < tokens.size(); ++i) {
        const char c = text[tokens[i].begin];
        if (c == '{' || c == '[') ++depth;
        if ((c == '}' || c == ']') && depth > 0) --depth;
        if (depth == 0) return tokens[i].end;
    }
    return text.size();
}

/// A value, with its key in front where it is a member of an object.
Token element_at(const std::vector<Token>& tokens, std::string_view text, std::size_t token) {
    Token element{tokens[token].begin, value_end(tokens, text, token)};
    std::size_t behind = text.find_first_not_of(" \t\r\n", element.end);
    if (behind < text.size() && text[behind] == ':' && token + 1 < tokens.size())
        element.end = value_end(tokens, text, token + 1);
    return element;
}

std::string mutate_tokens(const std::string& text, Random& random) {
    const std::vector<Token> tokens = tokens_of(text);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
    if (tokens.empty()) return std::string(values[below(std::size(values))]);
    const std::size_t chosen = below(tokens.size()), other = below(tokens.size());
    const Token element = element_at(tokens, text, chosen), from = element_at(tokens, text, other);
    const Token value{tokens[chosen].begin, value_end(tokens, text, chosen)};
    const auto part = [&](Token t) { return text.substr(t.begin, t.end - t.begin); };
    const auto replaced = [&](Token t, std::string_view by) {
        return text.substr(0, t.begin).append(by).append(text, t.end);
    };
    switch (below(10)) {
        case 0:
        case 1:
            return replaced(tokens[chosen], values[below(std::size(values))]);
        case 2:
            return replaced(tokens[chosen], part(tokens[other]));
        case 3:
            return replaced(value, values[below(std::size(values))]);
        case 4:
            return replaced(value, part({tokens[other].begin, value_end(tokens, text, other)}));
        case 5: {  // repeated
            std::string twice = part(element);
            twice += ',';
            twice += part(element);
            return replaced(element, twice);
        }
        case 6: {  // removed, with the comma behind or before it
            Token all = element;
            const std::size_t behind = text.find_first_not_of(" \t\r\n", all.end);
            if (behind < text.size() && text[behind] == ',') {
                all.end = behind + 1;
            } else if (all.begin > 0) {
                const std::size_t before = text.find_last_not_of(" \t\r\n", all.begin - 1);
                if (before != std::string::npos && text[before] == ',') all.begin = before;
            }
            return replaced(all, "");
        }
        case 7: {  // copied to another place
            std::string both = part(from);
            both += ',';
            both += part(element);
            return replaced(element, both);
        }
        case 8:  // put into an array or object
            return replaced(value, below(2) == 0 ? "[" + part(value) + "]" : "{\"a\":" + part(value) + "}");
        default: {  // a token's bytes
            std::string token = part(tokens[chosen]);
            const std::size_t size = token.size();
            token.resize(size + 16);
            token.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(token.data()), size, token.size()));
            return replaced(tokens[chosen], token);
        }
    }
}

}  // namespace

std::string mutate_json(const std::string& text, std::size_t max_size, unsigned seed) {
    Random random(seed);
    std::string out = text;
    if (random() % 4 == 0) {
        out.resize(std::max(max_size, text.size()));
        out.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(out.data()), text.size(), max_size));
    } else {
        for (std::size_t i = random() % 3 + 1; i > 0; --i) {
            std::string next = mutate_tokens(out, random);
            if (next.size() <= max_size) out = std::move(next);
        }
    }
    return out;
}

std::size_t mutate_json(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed) {
    const std::string out = mutate_json(std::string(data, data + size), max_size, seed);
    std::copy(out.begin(), out.end(), data);
    return out.size();
}

}  // namespace seqgrad::fuzz
