#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace seqgrad {

/// Cuts a text into its characters, the code points of UTF-8: "août" is a, o, û and t. Throws FormatError
/// naming the byte where the text is not valid UTF-8.
std::vector<std::string> utf8_characters(std::string_view text);

/// Numbers for the characters (code points) of texts: 0 is padding and no character, the ids 1, 2, ... are
/// those of the characters in the order of their code points.
class CharacterVocabulary {
  public:
    /// Id of no character, which sequences are filled up with.
    static constexpr std::int64_t padding = 0;

    CharacterVocabulary() = default;
    /// The characters that stand in a text. Throws FormatError as utf8_characters does.
    explicit CharacterVocabulary(std::string_view text);
    /// The characters that stand in any of the texts. Throws FormatError as utf8_characters does.
    explicit CharacterVocabulary(std::span<const std::string> texts);

    /// Number of ids, that of padding included: the V of an Embedding.
    std::size_t size() const { return characters_.size() + 1; }
    /// The characters, of which characters()[i] has the id i + 1.
    const std::vector<std::string>& characters() const { return characters_; }
    /// Whether this is one of the characters.
    bool contains(std::string_view character) const { return ids_.find(character) != ids_.end(); }

    /// The text's characters as ids. Throws ValueError naming the place of a character that has none,
    /// FormatError as utf8_characters does.
    std::vector<std::int64_t> encode(std::string_view text) const;
    /// The text of these ids, without those that are padding. Throws ValueError for an id outside [0, V).
    std::string decode(std::span<const std::int64_t> ids) const;

  private:
    void learn(std::span<const std::string> texts);

    std::vector<std::string> characters_;
    std::map<std::string, std::int64_t, std::less<>> ids_;
};

}  // namespace seqgrad
