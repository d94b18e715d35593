#include "seqgrad/layers/internal/strict_json.hpp"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad::detail {
namespace {

/// Receives the tokens from nlohmann::json::sax_parse and builds the value.
class Builder {
  public:
    using number_integer_t = Json::number_integer_t;
    using number_unsigned_t = Json::number_unsigned_t;
    using number_float_t = Json::number_float_t;
    using string_t = Json::string_t;
    using binary_t = Json::binary_t;

    Json take() { return std::move(root_); }

    bool null() { return add(nullptr); }
    bool boolean(bool value) { return add(value); }
    bool number_integer(number_integer_t value) { return add(value); }
    bool number_unsigned(number_unsigned_t value) { return add(value); }
    bool number_float(number_float_t value, const string_t&) { return add(value); }
    bool string(string_t& value) { return add(std::move(value)); }
    bool binary(binary_t&) { fail("unexpected binary data"); }

    bool start_object(std::size_t) { return open(Json::object()); }
    bool start_array(std::size_t) { return open(Json::array()); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }

    bool key(string_t& name) {
        Level& level = open_.back();
        level.key = name;
        if (level.container->contains(name)) fail("stands there twice");
        return true;
    }

    bool parse_error(std::size_t position, const std::string& token, const nlohmann::detail::exception& e) {
        constexpr std::size_t shown = 40;
        constexpr int number_overflow = 406;
        if (e.id == number_overflow) fail(fmt::format("the number {} is too large", token.substr(0, shown)));
        fail(fmt::format("not valid JSON at byte {}, near \"{}\"", position, token.substr(0, shown)));
    }

  private:
    struct Level {
        Json* container;
        std::string key;  // of an object: the one being read
    };

    /// Containers are filled from the inside out, so that a pointer to one that is open stays good.
    Json* place(Json value) {
        if (open_.empty()) {
            root_ = std::move(value);
            return &root_;
        }
        Level& level = open_.back();
        if (level.container->is_array()) {
            level.container->push_back(std::move(value));
            return &level.container->back();
        }
        return &((*level.container)[level.key] = std::move(value));
    }

    bool add(Json value) {
        place(std::move(value));
        return true;
    }

    bool open(Json container) {
        if (open_.size() == max_json_depth) fail(fmt::format("nested deeper than {} levels", max_json_depth));
        open_.push_back({place(std::move(container)), {}});
        return true;
    }

    bool close() {
        open_.pop_back();
        return true;
    }

    [[noreturn]] void fail(const std::string& what) const {
        std::string path;
        for (const Level& level : open_) {
            if (level.container->is_object() && level.key.empty()) break;
            path += '/';
            path += level.container->is_array() ? std::to_string(level.container->size()) : level.key;
        }
        throw FormatError(fmt::format("{}: {}", path.empty() ? "/" : path, what));
    }

    Json root_;
    std::vector<Level> open_;
};

}  // namespace

Json parse_strictly(std::string_view text) {
    Builder builder;
    Json::sax_parse(text.begin(), text.end(), &builder);
    return builder.take();
}

}  // namespace seqgrad::detail
