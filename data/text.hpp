#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace seqgrad {

/// The text of a UTF-8 file, without a byte-order mark; line ends stay as they are. Throws IoError when the
/// file cannot be read, FormatError naming file, line, column and byte where it is not UTF-8.
std::string read_text(const std::string& path);

/// Cuts a text into its characters, the code points of UTF-8: "août" is a, o, û and t. Throws FormatError
/// naming the byte, line and column where the text is not valid UTF-8.
std::vector<std::string> utf8_characters(std::string_view text);

/// A text to train on, and the one that follows it, to judge the model by.
struct TextParts {
    std::string train;
    std::string held_out;
};

/// Cuts a text in two after the first `fraction` of its characters, rounded down. Throws ValueError unless
/// 0 < fraction < 1, FormatError as utf8_characters does.
TextParts split_text(std::string_view text, double fraction = 0.9);

/// How a text is cut into words; the defaults are those of Keras's TextVectorization.
struct WordOptions {
    bool lower = true;              ///< A to Z become a to z; letters beyond ASCII stay as they are
    bool strip_punctuation = true;  ///< ASCII's punctuation is left out: "don't" becomes "dont"

    friend bool operator==(const WordOptions&, const WordOptions&) = default;
};

/// Cuts a text into its words, which are parted by blanks, tabs and line ends. Throws FormatError as
/// utf8_characters does.
std::vector<std::string> split_words(std::string_view text, const WordOptions& options = {});

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
    explicit CharacterVocabulary(std::initializer_list<std::string> texts)
        : CharacterVocabulary(std::span<const std::string>(texts.begin(), texts.size())) {}
    /// The vocabulary whose characters() are these, such as one that was saved. Throws ValueError for what is
    /// not one character and unless they are in the order of their code points, each once; FormatError as
    /// utf8_characters does.
    static CharacterVocabulary from_characters(std::vector<std::string> characters);

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
    void number(std::vector<std::string> characters);

    std::vector<std::string> characters_;
    std::map<std::string, std::int64_t, std::less<>> ids_;
};

/// What a WordVocabulary takes from texts.
struct WordVocabularyOptions {
    /// Ids at most, padding and the unknown word included: the most frequent words have them. All have one
    /// where it is not given.
    std::optional<std::size_t> max_tokens = {};
    WordOptions words = {};
};

/// Numbers for the words of texts: 0 is padding and no word, 1 stands for all unknown words, the ids 2, 3,
/// ... are those of the words, the most frequent first. These are the ids of Keras's TextVectorization, also
/// in that of equally frequent words the one that is last in the order of code points has the lower id.
class WordVocabulary {
  public:
    /// Id of no word, which sequences are filled up with.
    static constexpr std::int64_t padding = 0;
    /// Id of every word that has none of its own.
    static constexpr std::int64_t unknown = 1;
    /// What decode writes for `unknown`; in texts it counts as an unknown word.
    static constexpr std::string_view unknown_word = "[UNK]";

    WordVocabulary() = default;
    /// The words of a text. Throws ValueError for max_tokens below 2, FormatError as utf8_characters does.
    explicit WordVocabulary(std::string_view text, const WordVocabularyOptions& options = {});
    /// The words of the texts together. Throws as above.
    explicit WordVocabulary(std::span<const std::string> texts, const WordVocabularyOptions& options = {});
    explicit WordVocabulary(std::initializer_list<std::string> texts,
                            const WordVocabularyOptions& options = {})
        : WordVocabulary(std::span<const std::string>(texts.begin(), texts.size()), options) {}
    /// The vocabulary whose words() are these, such as one that was saved. Throws ValueError for a word that
    /// stands twice, and for one that split_words does not leave as it is.
    static WordVocabulary from_words(std::vector<std::string> words, const WordOptions& options = {});

    /// Number of ids, those of padding and of unknown words included: the V of an Embedding.
    std::size_t size() const { return words_.size() + first_word; }
    /// The words, of which words()[i] has the id i + 2.
    const std::vector<std::string>& words() const { return words_; }
    /// How texts are cut into words, of the vocabulary and to be encoded.
    const WordOptions& options() const { return options_; }
    /// Whether this is one of the words.
    bool contains(std::string_view word) const { return ids_.find(word) != ids_.end(); }

    /// The text's words as ids. Throws FormatError as utf8_characters does.
    std::vector<std::int64_t> encode(std::string_view text) const;
    /// The words of these ids with a blank between each two, without those that are padding. Throws
    /// ValueError for an id outside [0, V).
    std::string decode(std::span<const std::int64_t> ids) const;

  private:
    static constexpr std::size_t first_word = 2;

    void learn(std::span<const std::string> texts, const std::optional<std::size_t>& max_tokens);
    void number(std::vector<std::string> words);

    WordOptions options_;
    std::vector<std::string> words_;
    std::map<std::string, std::int64_t, std::less<>> ids_;
};

}  // namespace seqgrad
