#pragma once

#include <string>
#include <vector>

#include "golden_check/comparison.hpp"

namespace seqgrad::test {

/// A fixture's "config": arguments by Keras's names. Every one has to be asked for, so that none is silently
/// ignored.
class Config {
  public:
    explicit Config(const Json& json) : json_(json) {
        for (const auto& [key, value] : json.items()) unread_.push_back(key);
    }

    bool has(const std::string& key) const { return json_.contains(key) && !json_.at(key).is_null(); }

    /// Sets `target` where the argument is given.
    template <class Value>
    void read(const std::string& key, Value& target) {
        std::erase(unread_, key);
        if (has(key)) target = json_.at(key).template get<Value>();
    }
    template <class Value>
    void read(const std::string& key, std::optional<Value>& target) {
        std::erase(unread_, key);
        if (has(key)) target = json_.at(key).template get<Value>();
    }

    /// An argument that may only be given with this value.
    template <class Value>
    void expect(const std::string& key, const Value& value) {
        std::erase(unread_, key);
        if (has(key) && json_.at(key) != Json(value)) throw Unsupported(key + " = " + json_.at(key).dump());
    }

    /// Throws Unsupported when an argument was not asked for.
    void finish() const {
        if (!unread_.empty()) throw Unsupported("argument " + unread_.front());
    }

  private:
    const Json& json_;
    std::vector<std::string> unread_;
};

}  // namespace seqgrad::test
