#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace seqgrad::tools {
namespace {

/// f(elements) for the tensor's elements, of either type.
template <class F>
auto visit(const StoredTensor& tensor, const F& f) {
    return tensor.dtype() == DType::float32 ? f(tensor.data<float>()) : f(tensor.data<double>());
}

/// Of the elements that are finite; NaN where there are none.
struct Statistics {
    double min, max, mean, deviation;
    std::size_t not_finite;
};

Statistics statistics_of(const StoredTensor& tensor) {
    return visit(tensor, [](const auto& elements) {
        constexpr double infinity = std::numeric_limits<double>::infinity();
        Statistics s{infinity, -infinity, 0, 0, 0};
        double n = 0, squares = 0;
        for (const double v : elements) {
            if (!std::isfinite(v)) {
                ++s.not_finite;
                continue;
            }
            s.min = std::min(s.min, v);
            s.max = std::max(s.max, v);
            // Welford 1962.
            const double from_mean = v - s.mean;
            s.mean += from_mean / ++n;
            squares += from_mean * (v - s.mean);
        }
        if (n == 0) s.min = s.max = s.mean = squares = std::numeric_limits<double>::quiet_NaN();
        s.deviation = n == 0 ? squares : std::sqrt(squares / n);
        return s;
    });
}

std::size_t bytes_of(const StoredTensor& tensor) {
    return tensor.size() * (tensor.dtype() == DType::float32 ? sizeof(float) : sizeof(double));
}

struct Totals {
    std::size_t elements = 0, bytes = 0;
};

Totals totals_of(const StoredTensors& tensors) {
    Totals totals;
    for (const auto& [name, tensor] : tensors) {
        totals.elements += tensor.size();
        totals.bytes += bytes_of(tensor);
    }
    return totals;
}

std::string number(double v) {
    return std::isnan(v) ? "-" : fmt::format("{:.4g}", v);
}

/// What stands above the table: "seqgrad JSON, version 2".
std::string kind_of(const Contents& contents) {
    std::string kind = name_of(contents.format);
    if (contents.version) kind += fmt::format(", version {}", *contents.version);
    if (contents.training) kind += ", checkpoint";
    if (contents.model) kind += ", with its model";
    return kind;
}

/// Where the elements of two tensors of one shape differ most by more than the tolerance; "" where nowhere.
std::string element_differences(const StoredTensor& a, const StoredTensor& b, const Tolerance& tolerance) {
    return visit(a, [&](const auto& x) {
        return visit(b, [&](const auto& y) {
            std::size_t count = 0, worst_at = 0;
            double worst = -1;
            for (std::size_t i = 0; i < x.size(); ++i) {
                const double u = x[i], v = y[i];
                if (u == v && std::signbit(u) == std::signbit(v)) continue;
                if (std::isnan(u) && std::isnan(v)) continue;
                const double difference = std::isnan(u) || std::isnan(v)
                                              ? std::numeric_limits<double>::infinity()
                                              : std::abs(u - v);
                const bool zero = difference == 0 && tolerance.absolute > 0;
                // Infinity is not within any fraction of itself.
                if (zero || (difference > 0 && std::isfinite(difference) &&
                             difference <= tolerance.absolute + tolerance.relative * std::abs(v))) {
                    continue;
                }
                ++count;
                if (difference > worst) {
                    worst = difference;
                    worst_at = i;
                }
            }
            if (count == 0) return std::string();
            return fmt::format("{} of {} elements differ, most at {}: {} and {}", count, x.size(), worst_at,
                               x[worst_at], y[worst_at]);
        });
    });
}

/// A line for every member of two objects, and of the objects in them, that differs.
void add_differences(const nlohmann::json& a, const nlohmann::json& b, const std::string& place,
                     std::string& out) {
    if (a == b) return;
    if (!a.is_object() || !b.is_object()) {
        out += fmt::format("{} differs\n", printable(place));
        return;
    }
    std::set<std::string> names;
    for (const auto* object : {&a, &b}) {
        for (const auto& [name, value] : object->items()) names.insert(name);
    }
    for (const std::string& name : names)
        add_differences(a.value(name, nlohmann::json()), b.value(name, nlohmann::json()), place + '/' + name,
                        out);
}

}  // namespace

std::string printable(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
        if (c < 0x20 || c == 0x7F) {
            out += fmt::format("\\x{:02x}", c);
        } else if (c == 0xC2 && next >= 0x80 && next < 0xA0) {
            out += fmt::format("\\x{:02x}", next);  // U+0080 to U+009F control terminals as well
            ++i;
        } else {
            out += text[i];
        }
    }
    return out;
}

std::string describe(const std::filesystem::path& path, const Contents& contents) {
    std::string out = fmt::format("{}: {}\n", printable(path.string()), kind_of(contents));
    for (const auto& [key, text] : contents.metadata)
        out += fmt::format("  {}: {}\n", printable(key), printable(text));
    for (const auto& [name, text] : contents.extras) out += fmt::format("  extra: {}\n", printable(name));
    std::vector<std::vector<std::string>> rows{
        {"tensor", "shape", "dtype", "elements", "min", "max", "mean", "std", "not finite"}};
    for (const auto& [name, tensor] : contents.tensors) {
        const Statistics s = statistics_of(tensor);
        rows.push_back({printable(name), to_string(tensor.shape()), to_string(tensor.dtype()),
                        fmt::format("{}", tensor.size()), number(s.min), number(s.max), number(s.mean),
                        number(s.deviation), fmt::format("{}", s.not_finite)});
    }
    for (const StoredTensors::Other& other : contents.tensors.others()) {
        rows.push_back({printable(other.name), to_string(other.shape), other.dtype,
                        fmt::format("{}", element_count(other.shape)), "-", "-", "-", "-", "-"});
    }
    std::vector<std::size_t> widths(rows[0].size());
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    constexpr std::size_t texts = 3;  // columns that are flush left
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            line += i < texts ? fmt::format("{:<{}}  ", row[i], widths[i])
                              : fmt::format("{:>{}}  ", row[i], widths[i]);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + '\n';
    }
    const Totals totals = totals_of(contents.tensors);
    out += fmt::format("{} tensors, {} elements, {} bytes\n", contents.tensors.size(), totals.elements,
                       totals.bytes);
    if (const std::size_t others = contents.tensors.others().size(); others > 0)
        out += fmt::format("and {} whose elements are no floating-point numbers\n", others);
    return out;
}

std::string describe_as_json(const std::filesystem::path& path, const Contents& contents) {
    // What is not finite has no number in JSON.
    const auto value = [](double v) { return std::isfinite(v) ? nlohmann::ordered_json(v) : nullptr; };
    nlohmann::ordered_json out{{"file", path.string()}, {"format", name_of(contents.format)}};
    if (contents.version) out["version"] = *contents.version;
    if (contents.checksum) out["checksum"] = *contents.checksum;
    if (contents.format == Format::json) out["training"] = contents.training;
    out["metadata"] = contents.metadata;
    for (const auto& [name, text] : contents.extras)
        out["extras"][name] = nlohmann::ordered_json::parse(text);
    if (contents.model) out["model"] = nlohmann::ordered_json::parse(*contents.model);
    out["tensors"] = nlohmann::ordered_json::array();
    for (const auto& [name, tensor] : contents.tensors) {
        const Statistics s = statistics_of(tensor);
        out["tensors"].push_back(
            {{"name", name},
             {"shape", std::vector<std::size_t>(tensor.shape().begin(), tensor.shape().end())},
             {"dtype", to_string(tensor.dtype())},
             {"elements", tensor.size()},
             {"min", value(s.min)},
             {"max", value(s.max)},
             {"mean", value(s.mean)},
             {"std", value(s.deviation)},
             {"not_finite", s.not_finite}});
    }
    for (const StoredTensors::Other& other : contents.tensors.others()) {
        out["tensors"].push_back({{"name", other.name},
                                  {"shape", std::vector<std::size_t>(other.shape.begin(), other.shape.end())},
                                  {"dtype", other.dtype},
                                  {"elements", element_count(other.shape)}});
    }
    const Totals totals = totals_of(contents.tensors);
    out["elements"] = totals.elements;
    out["bytes"] = totals.bytes;
    return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

std::string differences(const Contents& a, const Contents& b, const Tolerance& tolerance) {
    std::string out;
    if (a.model && b.model && *a.model != *b.model) out += "the models differ\n";
    if (a.model.has_value() != b.model.has_value()) {
        out += fmt::format("only the {} file has a model\n", a.model ? "first" : "second");
    }
    for (const auto& [raw_name, tensor] : a.tensors) {
        const StoredTensor* other = b.tensors.find(raw_name);
        const std::string name = printable(raw_name);
        if (other == nullptr) {
            out += fmt::format("{}: only in the first file\n", name);
            continue;
        }
        if (tensor.shape() != other->shape()) {
            out += fmt::format("{}: shapes {} and {}\n", name, to_string(tensor.shape()),
                               to_string(other->shape()));
            continue;
        }
        if (tensor.dtype() != other->dtype()) {
            out += fmt::format("{}: {} and {}\n", name, to_string(tensor.dtype()), to_string(other->dtype()));
        }
        if (const std::string found = element_differences(tensor, *other, tolerance); !found.empty()) {
            out += fmt::format("{}: {}\n", name, found);
        }
    }
    for (const auto& [name, tensor] : b.tensors) {
        if (a.tensors.find(name) == nullptr)
            out += fmt::format("{}: only in the second file\n", printable(name));
    }
    for (const StoredTensors::Other& other : a.tensors.others()) {
        const StoredTensors::Other* const second = b.tensors.find_other(other.name);
        if (second == nullptr) {
            out += fmt::format("{}: {} only in the first file\n", printable(other.name), other.dtype);
        } else if (second->dtype != other.dtype || second->shape != other.shape ||
                   second->bytes != other.bytes) {
            out += fmt::format("{}: {} {} and {} {} differ\n", printable(other.name), other.dtype,
                               to_string(other.shape), second->dtype, to_string(second->shape));
        }
    }
    for (const StoredTensors::Other& other : b.tensors.others()) {
        if (a.tensors.find_other(other.name) == nullptr)
            out += fmt::format("{}: {} only in the second file\n", printable(other.name), other.dtype);
    }
    return out;
}

std::string state_differences(const nlohmann::json& a, const nlohmann::json& b) {
    std::string out;
    add_differences(a, b, "/training", out);
    return out;
}

}  // namespace seqgrad::tools
