#include "seqgrad/data/text.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;
using namespace std::string_literals;

namespace {

/// A file that holds these bytes while the object lives.
class File {
  public:
    explicit File(const std::string& bytes)
        : path_((std::filesystem::temp_directory_path() / "seqgrad_text_XXXXXX").string()) {
        const int descriptor = mkstemp(path_.data());
        REQUIRE(descriptor >= 0);
        close(descriptor);
        std::ofstream(path_, std::ios::binary) << bytes;
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() { std::filesystem::remove(path_); }

    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

}  // namespace

TEST_CASE("characters are code points") {
    CHECK(utf8_characters("").empty());
    CHECK(utf8_characters("août €😀") == std::vector<std::string>{"a", "o", "û", "t", " ", "€", "😀"});
    CHECK(utf8_characters(std::string("a\0b", 3)).size() == 3);
}

TEST_CASE("what is not UTF-8 is refused, with its place") {
    for (const std::string bad :
         {"\x80", "\xC3", "\xC3(", "\xC1\xA1", "\xE2\x82", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
        CAPTURE(bad);
        CHECK_THROWS_WITH_AS(
            utf8_characters("aé" + bad),
            ("text is not valid UTF-8 at byte 3 of " + std::to_string(3 + bad.size()) + " (line 1, column 3)")
                .c_str(),
            FormatError);
    }
    for (const std::string good : {"\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEF\xBF\xBF",
                                   "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
        CHECK(utf8_characters(good) == std::vector<std::string>{good});
    }
}

TEST_CASE("places in a text are counted in bytes, lines and characters") {
    CHECK_THROWS_WITH_AS(utf8_characters("é\n\r\nüb\xFFr\n"),
                         "text is not valid UTF-8 at byte 8 of 11 (line 3, column 3)", FormatError);
    CHECK_THROWS_WITH_AS(utf8_characters("a\n\xC3"),
                         "text is not valid UTF-8 at byte 2 of 3 (line 2, column 1)", FormatError);
}

TEST_CASE("a text is read from its file as it is") {
    const File file(
        "\xEF\xBB\xBF"
        "été\r\n\0end"s);
    CHECK(read_text(file.path()) == "été\r\n\0end"s);
    CHECK(read_text(File("").path()).empty());
    CHECK(read_text(File(std::string(100'000, 'x')).path()).size() == 100'000);
}

TEST_CASE("a text that cannot be read names file and place") {
    const File file("first\nsecönd \xE9\n");
    CHECK_THROWS_WITH_AS(read_text(file.path()),
                         (file.path() + ":2:8: expected UTF-8, got the byte 0xE9 at offset 14").c_str(),
                         FormatError);
    CHECK_THROWS_WITH_AS(read_text("no/such/file.txt"),
                         "cannot read \"no/such/file.txt\": No such file or directory", IoError);
}

TEST_CASE("a text is split after a fraction of its characters") {
    const auto parts = [](std::string_view text, double fraction) {
        const TextParts split = split_text(text, fraction);
        return std::vector<std::string>{split.train, split.held_out};
    };
    CHECK(parts("abcdefghij", 0.9) == std::vector<std::string>{"abcdefghi", "j"});
    CHECK(parts("éa€😀", 0.5) == std::vector<std::string>{"éa", "€😀"});
    CHECK(parts("éa€😀", 0.25) == std::vector<std::string>{"é", "a€😀"});
    CHECK(parts("éa€😀", 0.99) == std::vector<std::string>{"éa€", "😀"});
    CHECK(parts("é", 0.5) == std::vector<std::string>{"", "é"});
    CHECK(parts("", 0.5) == std::vector<std::string>{"", ""});
    CHECK_THROWS_AS(split_text("ab", 1.0), ValueError);
    CHECK_THROWS_AS(split_text("ab\xFF", 0.5), FormatError);
}

TEST_CASE("a vocabulary numbers the characters of texts in their order") {
    const std::vector<std::string> texts = {"été", "bet"};
    const CharacterVocabulary vocabulary(texts);
    CHECK(vocabulary.size() == 5);
    CHECK(vocabulary.characters() == std::vector<std::string>{"b", "e", "t", "é"});
    CHECK(vocabulary.contains("é"));
    CHECK_FALSE(vocabulary.contains("a"));
    const std::vector<std::int64_t> ids = {4, 3, 2};
    CHECK(vocabulary.encode("éte") == ids);
    CHECK(vocabulary.decode(ids) == "éte");
    CHECK(vocabulary.encode("").empty());
    CHECK(vocabulary.decode(std::vector<std::int64_t>{1, 0, 2, 0}) == "be");
    CHECK(CharacterVocabulary("tébe").characters() == vocabulary.characters());
    CHECK(CharacterVocabulary().size() == 1);
}

TEST_CASE("unknown characters and ids are refused") {
    const CharacterVocabulary vocabulary("abc");
    CHECK_THROWS_WITH_AS(vocabulary.encode("aüb"),
                         "vocabulary: character 2 of \"aüb\", 'ü', is none of the 3 it has", ValueError);
    CHECK_THROWS_AS(vocabulary.encode("a\xFF"), FormatError);
    CHECK_THROWS_WITH_AS(vocabulary.decode(std::vector<std::int64_t>{1, 4}), "vocabulary: no id 4 among 4",
                         ValueError);
    CHECK_THROWS_WITH_AS(vocabulary.decode(std::vector<std::int64_t>{-1}), "vocabulary: no id -1 among 4",
                         ValueError);
    CHECK_THROWS_AS(CharacterVocabulary("\xFF"), FormatError);
}

TEST_CASE("words are parted by blanks, and lower case without punctuation unless asked otherwise") {
    using Words = std::vector<std::string>;
    CHECK(split_words("").empty());
    CHECK(split_words(" \t\r\n").empty());
    CHECK(split_words("The cat, the DOG\n(don't) - Ärger\vx\fy") ==
          Words{"the", "cat", "the", "dog", "dont", "Ärger", "x", "y"});
    CHECK(split_words(R"(a!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~b)") == Words{"ab"});
    CHECK(split_words("The (cat).", {.lower = false}) == Words{"The", "cat"});
    CHECK(split_words("The (cat).", {.strip_punctuation = false}) == Words{"the", "(cat)."});
    CHECK(split_words("1914 x\u00A0y") == Words{"1914", "x\u00A0y"});
    CHECK_THROWS_AS(split_words("a \xFF"), FormatError);
}

TEST_CASE("a vocabulary numbers words by frequency") {
    const std::vector<std::string> texts = {"The cat sat on the mat.", "The dog sat, and the CAT sat"};
    const WordVocabulary vocabulary(texts);
    CHECK(vocabulary.words() == std::vector<std::string>{"the", "sat", "cat", "on", "mat", "dog", "and"});
    CHECK(vocabulary.size() == 9);
    CHECK(vocabulary.contains("mat"));
    CHECK_FALSE(vocabulary.contains("bird"));
    CHECK_FALSE(vocabulary.contains("The"));
    const std::vector<std::int64_t> ids = {2, 1, 3};
    CHECK(vocabulary.encode("The bird sat!") == ids);
    CHECK(vocabulary.encode("").empty());
    CHECK(vocabulary.decode(ids) == "the [UNK] sat");
    CHECK(vocabulary.decode(std::vector<std::int64_t>{0, 4, 0, 2, 0}) == "cat the");
    CHECK(vocabulary.decode({}).empty());
    CHECK(WordVocabulary(texts[0] + " " + texts[1]).words() == vocabulary.words());
    CHECK(WordVocabulary().size() == 2);
    CHECK(WordVocabulary().encode("a b") == std::vector<std::int64_t>{1, 1});
}

TEST_CASE("a vocabulary of limited size has the most frequent words") {
    const WordVocabulary limited("c c c b b a", {.max_tokens = 4});
    CHECK(limited.words() == std::vector<std::string>{"c", "b"});
    CHECK(limited.size() == 4);
    CHECK(limited.encode("a b c") == std::vector<std::int64_t>{1, 3, 2});
    CHECK(WordVocabulary("c b a", {.max_tokens = 2}).words().empty());
    CHECK(WordVocabulary("c b a", {.max_tokens = 100}).size() == 5);
    CHECK_THROWS_WITH_AS(
        WordVocabulary("a", {.max_tokens = 1}),
        "word vocabulary: expected max_tokens of 2 or more, padding and the unknown word, got 1", ValueError);
}

TEST_CASE("a vocabulary keeps to its way of splitting, and can be made again from its words") {
    const WordVocabulary vocabulary("Yes, yes [UNK]",
                                    {.words = {.lower = false, .strip_punctuation = false}});
    CHECK(vocabulary.words() == std::vector<std::string>{"yes", "Yes,"});
    CHECK(vocabulary.encode("Yes, Yes [UNK]") == std::vector<std::int64_t>{3, 1, 1});
    const WordVocabulary again =
        WordVocabulary::from_words(vocabulary.words(), {.lower = false, .strip_punctuation = false});
    CHECK(again.words() == vocabulary.words());
    CHECK(again.options() == WordOptions{.lower = false, .strip_punctuation = false});
    CHECK(WordVocabulary().options() == WordOptions{});
    CHECK(again.encode("Yes, yes no") == std::vector<std::int64_t>{3, 2, 1});
    CHECK_THROWS_WITH_AS(WordVocabulary::from_words({"a", "b", "a"}),
                         "word vocabulary: \"a\" stands twice among the words", ValueError);
    for (const char* word : {"", "a b", "A", "a."}) {
        CAPTURE(word);
        CHECK_THROWS_WITH_AS(WordVocabulary::from_words({"b", word}),
                             ("word vocabulary: \"" + std::string(word) +
                              "\" is no word of texts that are split with its options")
                                 .c_str(),
                             ValueError);
    }
    CHECK_THROWS_AS(WordVocabulary::from_words({"[UNK]"}, {.lower = false, .strip_punctuation = false}),
                    ValueError);
    CHECK_THROWS_AS(WordVocabulary("\xFF"), FormatError);
    CHECK_THROWS_WITH_AS(vocabulary.decode(std::vector<std::int64_t>{4}), "word vocabulary: no id 4 among 4",
                         ValueError);
    CHECK_THROWS_AS(vocabulary.decode(std::vector<std::int64_t>{-1}), ValueError);
}

TEST_CASE("a character vocabulary can be made of its characters again") {
    const CharacterVocabulary vocabulary("no\xC3\xBB\n");
    const CharacterVocabulary again = CharacterVocabulary::from_characters(vocabulary.characters());
    CHECK(again.characters() == vocabulary.characters());
    CHECK(again.encode("on") == vocabulary.encode("on"));
    CHECK(CharacterVocabulary::from_characters({}).size() == 1);
    CHECK_THROWS_WITH_AS(CharacterVocabulary::from_characters({"a", "bc"}),
                         "vocabulary: expected one character, got \"bc\"", ValueError);
    CHECK_THROWS_AS(CharacterVocabulary::from_characters({""}), ValueError);
    CHECK_THROWS_AS(CharacterVocabulary::from_characters({"a", "a"}), ValueError);
    CHECK_THROWS_WITH_AS(
        CharacterVocabulary::from_characters({"b", "a"}),
        "vocabulary: expected characters in the order of their code points, got 'a' after 'b'", ValueError);
    CHECK_THROWS_AS(CharacterVocabulary::from_characters({"\xFF"}), FormatError);
}
