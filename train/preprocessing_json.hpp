#pragma once

#include <string>
#include <string_view>

#include "seqgrad/data/scaler.hpp"
#include "seqgrad/data/text.hpp"
#include "seqgrad/layers/files/load_limits.hpp"

// What prepares a model's input, as JSON: a text, alone or as one of SaveOptions::extras in the model's file.
//
//     save_model(model, "model.json", {.extras = {{"scaler", to_json(scaler)}}});
//     const auto model = load_model<float>("model.json");
//     const auto scaler = standard_scaler_from_json(load_extra("model.json", "scaler"));
//
// A file without a model is written by write_json({}, path, {.extras = ...}).

namespace seqgrad {

/// {"class_name": "StandardScaler", "config": {"mean": [...], "scale": [...]}}, with numbers that are read
/// back exactly. Throws ValueError for a scaler that is not fitted.
std::string to_json(const StandardScaler& scaler);

/// {"class_name": "CharacterVocabulary", "config": {"characters": [...]}}.
std::string to_json(const CharacterVocabulary& vocabulary);

/// {"class_name": "WordVocabulary", "config": {"lower": ..., "strip_punctuation": ..., "words": [...]}}.
std::string to_json(const WordVocabulary& vocabulary);

/// The scaler of a text of `to_json`. Throws FormatError with the path of the place for anything that is not
/// as to_json writes it, is unknown, out of its range or beyond the limits.
StandardScaler standard_scaler_from_json(std::string_view json, const LoadLimits& limits = {});

/// The vocabulary of a text of `to_json`. Throws as standard_scaler_from_json does.
CharacterVocabulary character_vocabulary_from_json(std::string_view json, const LoadLimits& limits = {});

/// The vocabulary of a text of `to_json`. Throws as standard_scaler_from_json does.
WordVocabulary word_vocabulary_from_json(std::string_view json, const LoadLimits& limits = {});

}  // namespace seqgrad
