#include "seqgrad/data/text.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "seqgrad/core/error.hpp"

using namespace seqgrad;

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
            ("text is not valid UTF-8 at byte 3 of " + std::to_string(3 + bad.size())).c_str(), FormatError);
    }
    for (const std::string good : {"\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEF\xBF\xBF",
                                   "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
        CHECK(utf8_characters(good) == std::vector<std::string>{good});
    }
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
