#include "seqgrad/train/preprocessing_json.hpp"

#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"
#include "seqgrad/core/internal/json_numbers.hpp"
#include "seqgrad/layers/internal/strict_json.hpp"

namespace seqgrad {
namespace {

using detail::Json;
using detail::JsonPlace;

constexpr const char* scaler_class = "StandardScaler";
constexpr const char* characters_class = "CharacterVocabulary";
constexpr const char* words_class = "WordVocabulary";

std::string json_of(std::span<const double> numbers) {
    std::string text = "[";
    for (const double number : numbers) {
        if (text.size() > 1) text += ", ";
        detail::append_number(text, number);
    }
    return text + "]";
}

std::string object_of(const char* class_name, std::string_view config) {
    return fmt::format("{{\"class_name\": \"{}\", \"config\": {{{}}}}}", class_name, config);
}

/// What `read` makes of the reader of the config of an object of this class.
template <class Read>
auto read_object(std::string_view text, const LoadLimits& limits, const char* class_name, const Read& read) {
    const Json json = detail::parse_strictly(text, limits);
    detail::JsonObjectReader object({json, ""});
    const JsonPlace name = object.get("class_name");
    if (name.json != class_name) name.expected(fmt::format("\"{}\"", class_name));
    detail::JsonObjectReader config(object.get("config"));
    object.finish();
    try {
        return read(config);
    } catch (const ValueError& e) {
        config.place().fail(e.what());
    }
}

const Json& array_at(const JsonPlace& at, const char* what) {
    if (!at.json.is_array()) at.expected(what);
    return at.json;
}

std::vector<double> read_numbers(const JsonPlace& at) {
    std::vector<double> numbers;
    numbers.reserve(array_at(at, "an array of numbers").size());
    for (std::size_t i = 0; i < at.json.size(); ++i) {
        if (!at.json[i].is_number()) at.element(i).expected("a number");
        numbers.push_back(at.json[i].get<double>());
    }
    return numbers;
}

std::vector<std::string> read_texts(const JsonPlace& at) {
    std::vector<std::string> texts;
    texts.reserve(array_at(at, "an array of strings").size());
    for (std::size_t i = 0; i < at.json.size(); ++i) {
        if (!at.json[i].is_string()) at.element(i).expected("a string");
        texts.push_back(at.json[i].get<std::string>());
    }
    return texts;
}

bool read_bool(const JsonPlace& at) {
    if (!at.json.is_boolean()) at.expected("true or false");
    return at.json.get<bool>();
}

}  // namespace

std::string to_json(const StandardScaler& scaler) {
    return object_of(scaler_class, fmt::format("\"mean\": {}, \"scale\": {}", json_of(scaler.mean()),
                                               json_of(scaler.scale())));
}

std::string to_json(const CharacterVocabulary& vocabulary) {
    return object_of(characters_class,
                     fmt::format("\"characters\": {}", Json(vocabulary.characters()).dump()));
}

std::string to_json(const WordVocabulary& vocabulary) {
    return object_of(
        words_class,
        fmt::format("\"lower\": {}, \"strip_punctuation\": {}, \"words\": {}", vocabulary.options().lower,
                    vocabulary.options().strip_punctuation, Json(vocabulary.words()).dump()));
}

StandardScaler standard_scaler_from_json(std::string_view json, const LoadLimits& limits) {
    return read_object(json, limits, scaler_class, [](detail::JsonObjectReader& config) {
        std::vector<double> mean = read_numbers(config.get("mean")),
                            scale = read_numbers(config.get("scale"));
        config.finish();
        return StandardScaler(std::move(mean), std::move(scale));
    });
}

CharacterVocabulary character_vocabulary_from_json(std::string_view json, const LoadLimits& limits) {
    return read_object(json, limits, characters_class, [](detail::JsonObjectReader& config) {
        std::vector<std::string> characters = read_texts(config.get("characters"));
        config.finish();
        return CharacterVocabulary::from_characters(std::move(characters));
    });
}

WordVocabulary word_vocabulary_from_json(std::string_view json, const LoadLimits& limits) {
    return read_object(json, limits, words_class, [](detail::JsonObjectReader& config) {
        const WordOptions options{.lower = read_bool(config.get("lower")),
                                  .strip_punctuation = read_bool(config.get("strip_punctuation"))};
        std::vector<std::string> words = read_texts(config.get("words"));
        config.finish();
        return WordVocabulary::from_words(std::move(words), options);
    });
}

}  // namespace seqgrad
