#include "seqgrad/data/text.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/data/dataset.hpp"
#include "seqgrad/data/internal/text_file.hpp"

namespace seqgrad {
namespace {

/// Refuses what is not UTF-8.
void check_utf8(std::string_view text) {
    if (const auto place = detail::find_invalid_utf8(text)) {
        throw FormatError(fmt::format("text is not valid UTF-8 at byte {} of {} (line {}, column {})",
                                      place->byte, text.size(), place->line, place->column));
    }
}

bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool is_punctuation(char c) {
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
}

}  // namespace

std::string read_text(const std::string& path) {
    std::string text = detail::read_file(path);
    if (const auto place = detail::find_invalid_utf8(text)) {
        throw FormatError(fmt::format("{}:{}:{}: expected UTF-8, got the byte 0x{:02X} at offset {}", path,
                                      place->line, place->column,
                                      static_cast<unsigned char>(text[place->byte]), place->byte));
    }
    if (text.starts_with(detail::byte_order_mark)) text.erase(0, detail::byte_order_mark.size());
    return text;
}

TextParts split_text(std::string_view text, double fraction) {
    check_utf8(text);
    const auto begins_character = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; };
    const auto characters =
        static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
    std::size_t left = split_point(characters, fraction);
    std::size_t at = 0;
    for (; at < text.size() && (left > 0 || !begins_character(text[at])); ++at) {
        if (begins_character(text[at])) --left;
    }
    return {std::string(text.substr(0, at)), std::string(text.substr(at))};
}

std::vector<std::string> utf8_characters(std::string_view text) {
    check_utf8(text);
    std::vector<std::string> characters;
    while (!text.empty()) {
        const std::size_t size = detail::first_character(text);
        characters.emplace_back(text.substr(0, size));
        text.remove_prefix(size);
    }
    return characters;
}

std::vector<std::string> split_words(std::string_view text, const WordOptions& options) {
    check_utf8(text);
    std::vector<std::string> words;
    std::string word;
    const auto end_word = [&] {
        if (!word.empty()) words.push_back(std::move(word));
        word.clear();
    };
    for (const char c : text) {
        if (is_blank(c)) {
            end_word();
        } else if (!options.strip_punctuation || !is_punctuation(c)) {
            word += options.lower && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        }
    }
    end_word();
    return words;
}

CharacterVocabulary::CharacterVocabulary(std::string_view text) {
    const std::string one(text);
    learn({&one, 1});
}

CharacterVocabulary::CharacterVocabulary(std::span<const std::string> texts) {
    learn(texts);
}

void CharacterVocabulary::learn(std::span<const std::string> texts) {
    // UTF-8 sorted by bytes is sorted by code points.
    std::set<std::string> found;
    for (const std::string& text : texts) {
        for (std::string& character : utf8_characters(text)) found.insert(std::move(character));
    }
    number({found.begin(), found.end()});
}

CharacterVocabulary CharacterVocabulary::from_characters(std::vector<std::string> characters) {
    for (std::size_t i = 0; i < characters.size(); ++i) {
        const std::string& character = characters[i];
        if (utf8_characters(character).size() != 1)
            throw ValueError(fmt::format("vocabulary: expected one character, got \"{}\"", character));
        if (i != 0 && characters[i - 1] >= character) {
            throw ValueError(
                fmt::format("vocabulary: expected characters in the order of their code points, got '{}' "
                            "after '{}'",
                            character, characters[i - 1]));
        }
    }
    CharacterVocabulary vocabulary;
    vocabulary.number(std::move(characters));
    return vocabulary;
}

void CharacterVocabulary::number(std::vector<std::string> characters) {
    characters_ = std::move(characters);
    std::int64_t id = padding;
    for (const std::string& character : characters_) ids_.emplace(character, ++id);
}

std::vector<std::int64_t> CharacterVocabulary::encode(std::string_view text) const {
    std::vector<std::int64_t> ids;
    for (const std::string& character : utf8_characters(text)) {
        const auto found = ids_.find(character);
        if (found == ids_.end()) {
            throw ValueError(fmt::format("vocabulary: character {} of \"{}\", '{}', is none of the {} it has",
                                         ids.size() + 1, text, character, characters_.size()));
        }
        ids.push_back(found->second);
    }
    return ids;
}

std::string CharacterVocabulary::decode(std::span<const std::int64_t> ids) const {
    std::string text;
    for (const std::int64_t id : ids) {
        if (id < 0 || static_cast<std::size_t>(id) >= size()) {
            throw ValueError(fmt::format("vocabulary: no id {} among {}", id, size()));
        }
        if (id != padding) text += characters_[static_cast<std::size_t>(id) - 1];
    }
    return text;
}

WordVocabulary::WordVocabulary(std::string_view text, const WordVocabularyOptions& options)
    : options_(options.words) {
    const std::string one(text);
    learn({&one, 1}, options.max_tokens);
}

WordVocabulary::WordVocabulary(std::span<const std::string> texts, const WordVocabularyOptions& options)
    : options_(options.words) {
    learn(texts, options.max_tokens);
}

WordVocabulary WordVocabulary::from_words(std::vector<std::string> words, const WordOptions& options) {
    WordVocabulary vocabulary;
    vocabulary.options_ = options;
    vocabulary.number(std::move(words));
    return vocabulary;
}

void WordVocabulary::learn(std::span<const std::string> texts, const std::optional<std::size_t>& max_tokens) {
    if (max_tokens && *max_tokens < first_word) {
        throw ValueError(fmt::format(
            "word vocabulary: expected max_tokens of {} or more, padding and the unknown word, got {}",
            first_word, *max_tokens));
    }
    std::map<std::string, std::size_t> counts;
    for (const std::string& text : texts) {
        for (std::string& word : split_words(text, options_)) ++counts[std::move(word)];
    }
    counts.erase(std::string(unknown_word));
    std::vector<std::pair<std::size_t, std::string>> found;
    found.reserve(counts.size());
    for (const auto& [word, count] : counts) found.emplace_back(count, word);
    std::sort(found.begin(), found.end(), std::greater<>());
    if (max_tokens) found.resize(std::min(found.size(), *max_tokens - first_word));
    std::vector<std::string> words;
    words.reserve(found.size());
    for (auto& [count, word] : found) words.push_back(std::move(word));
    number(std::move(words));
}

void WordVocabulary::number(std::vector<std::string> words) {
    std::map<std::string, std::int64_t, std::less<>> ids;
    auto id = static_cast<std::int64_t>(first_word);
    for (const std::string& word : words) {
        if (word == unknown_word || split_words(word, options_) != std::vector<std::string>{word}) {
            throw ValueError(fmt::format(
                "word vocabulary: \"{}\" is no word of texts that are split with its options", word));
        }
        if (!ids.emplace(word, id++).second) {
            throw ValueError(fmt::format("word vocabulary: \"{}\" stands twice among the words", word));
        }
    }
    words_ = std::move(words);
    ids_ = std::move(ids);
}

std::vector<std::int64_t> WordVocabulary::encode(std::string_view text) const {
    std::vector<std::int64_t> ids;
    for (const std::string& word : split_words(text, options_)) {
        const auto found = ids_.find(word);
        ids.push_back(found == ids_.end() ? unknown : found->second);
    }
    return ids;
}

std::string WordVocabulary::decode(std::span<const std::int64_t> ids) const {
    std::string text;
    for (const std::int64_t id : ids) {
        if (id < 0 || static_cast<std::size_t>(id) >= size()) {
            throw ValueError(fmt::format("word vocabulary: no id {} among {}", id, size()));
        }
        if (id == padding) continue;
        if (!text.empty()) text += ' ';
        text += id == unknown ? unknown_word : words_[static_cast<std::size_t>(id) - first_word];
    }
    return text;
}

}  // namespace seqgrad
