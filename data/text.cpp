#include "seqgrad/data/text.hpp"

#include <set>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad {
namespace {

/// Bytes of the character that the text begins with; 0 where that is none.
std::size_t first_character(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = byte(0);
    const std::size_t size = lead < 0x80   ? 1
                             : lead < 0xC2 ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 0;
    if (size > text.size()) return 0;
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xC0U) != 0x80U) return 0;
    }
    // Longer than needed, a surrogate, or beyond the last code point.
    if (size > 2) {
        const unsigned second = byte(1);
        if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second >= 0xA0)) return 0;
        if ((lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second >= 0x90)) return 0;
    }
    return size;
}

}  // namespace

std::vector<std::string> utf8_characters(std::string_view text) {
    std::vector<std::string> characters;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t size = first_character(text.substr(at));
        if (size == 0) {
            throw FormatError(fmt::format("text is not valid UTF-8 at byte {} of {}", at, text.size()));
        }
        characters.emplace_back(text.substr(at, size));
        at += size;
    }
    return characters;
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
    characters_.assign(found.begin(), found.end());
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

}  // namespace seqgrad
