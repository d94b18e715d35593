// Weights as JSON: read into a model, or refused without a change of it.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "harness.hpp"
#include "models.hpp"

#include "seqgrad/core/error.hpp"
#include "seqgrad/layers/weights.hpp"

using namespace seqgrad;

namespace {

template <class T>
class Target {
  public:
    /// Says what was wrong; "" where it was read.
    std::string read(std::string_view json) {
        const std::vector<Bits> before = numbers();
        try {
            weights_from_json(model_, json);
        } catch (const FormatError& error) {
            fuzz::require(numbers() == before, "a failed load changes nothing");
            return error.what();
        }
        const std::vector<Bits> after = numbers();
        for (const Encoding encoding : {Encoding::decimal, Encoding::base64}) {
            weights_from_json(model_,
                              weights_to_json(model_, {.encoding = encoding, .allow_non_finite = true}));
            fuzz::require(numbers() == after, "what was read is written and read again");
        }
        return "";
    }

    /// The same, and once more with the checksum set right where it was that, so that changes count.
    void read_and_repair(std::string_view json) {
        const std::string repaired = fuzz::with_checksum(std::string(json), read(json));
        if (!repaired.empty()) read(repaired);
    }

  private:
    using Bits = std::conditional_t<sizeof(T) == sizeof(std::uint32_t), std::uint32_t, std::uint64_t>;

    std::vector<Bits> numbers() const {
        std::vector<Bits> all;
        for (const auto& [name, variable] : parameters_) {
            for (const T value : elements(variable.value())) all.push_back(std::bit_cast<Bits>(value));
        }
        return all;
    }

    Sequential<T> model_ = fuzz::small_model<T>();
    std::vector<NamedParameter<T>> parameters_ = model_.parameters();
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Target<float> single;
    static Target<double> wide;
    // By the size, so that the text need not say it.
    if (size % 2 == 0) {
        single.read_and_repair(fuzz::text(data, size));
    } else {
        wide.read_and_repair(fuzz::text(data, size));
    }
    return 0;
}
