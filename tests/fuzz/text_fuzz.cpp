// Text from a file: characters, words and vocabularies.
#include "harness.hpp"
#include "support/memory_file.hpp"

#include "seqgrad/core/error.hpp"
#include "seqgrad/data/text.hpp"

using namespace seqgrad;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static test::MemoryFile file;
    fuzz::Decisions decide(data, size);
    const WordOptions words{.lower = decide.coin(), .strip_punctuation = decide.coin()};
    file.write(decide.rest());
    try {
        const std::string text = read_text(file.path());
        std::string joined;
        for (const std::string& character : utf8_characters(text)) joined += character;
        fuzz::require(joined == text, "a text is its characters");
        const TextParts parts = split_text(text, 0.5);
        fuzz::require(parts.train + parts.held_out == text, "a text is its parts");

        const CharacterVocabulary characters(text);
        fuzz::require(characters.decode(characters.encode(text)) == text, "ids give the text back");
        const WordVocabulary vocabulary(text, {.words = words});
        const auto ids = vocabulary.encode(text);
        fuzz::require(ids.size() == split_words(text, words).size(), "every word has an id");
        const WordVocabulary again = WordVocabulary::from_words(vocabulary.words(), words);
        fuzz::require(again.encode(text) == ids, "a vocabulary comes back from its words");
    } catch (const FormatError&) {
    }
    return 0;
}
