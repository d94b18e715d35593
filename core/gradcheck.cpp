#include "seqgrad/core/gradcheck.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <random>

#include <fmt/format.h>

#include "seqgrad/core/backward.hpp"
#include "seqgrad/core/error.hpp"
#include "seqgrad/core/grad_mode.hpp"
#include "seqgrad/core/internal/finite.hpp"
#include "seqgrad/core/op.hpp"

namespace seqgrad {
namespace {

using Doubles = std::vector<double>;
using Variables = std::vector<Variable<double>>;

constexpr double epsilon = std::numeric_limits<double>::epsilon();

/// A function's value is taken to be rounded by up to this many units of its own last place.
constexpr double value_ulps = 4;
/// Noise may excuse a difference where it is at most this fraction of the derivative: a wrong sign or factor
/// still shows.
constexpr double resolving_noise = 0.01;
/// ... or at most this fraction of the largest derivative in the same row or column of the Jacobian: the
/// element is a zero that was rounded.
constexpr double negligible_noise = 1e-6;
/// Rounding of a sum of analytic derivatives, relative to the sum of their magnitudes.
constexpr double combination_rounding = 1e-12;
/// Slopes that disagree by more than this fraction are a kink.
constexpr double kink_tolerance = 1e-3;
/// The differences have settled when their error is below this fraction of the tolerance, or below the noise.
constexpr double settled_fraction = 1e-3;
/// Levels below which agreement between steps could be an accident.
constexpr std::size_t least_levels = 4;

std::vector<std::size_t> unravel(std::size_t flat, const Shape& shape) {
    std::vector<std::size_t> index(shape.size());
    for (std::size_t axis = shape.size(); axis-- > 0;) {
        index[axis] = flat % shape[axis];
        flat /= shape[axis];
    }
    return index;
}

std::string place(const char* kind, std::size_t position, const std::vector<std::size_t>& index) {
    return fmt::format("{} {} [{}]", kind, position, fmt::join(index, ", "));
}

/// `input 2`, or `input "kernel"`.
std::string input_of(const GradcheckReport& report) {
    return report.input_name.empty() ? fmt::format("input {}", report.input)
                                     : fmt::format("input \"{}\"", report.input_name);
}
std::string input_place(const GradcheckReport& report) {
    return fmt::format("{} [{}]", input_of(report), fmt::join(report.input_index, ", "));
}

/// Uniform in [-1.5, -0.5) or [0.5, 1.5): no two alike, none near zero.
class RandomWeights {
  public:
    explicit RandomWeights(std::uint64_t seed) : engine_(seed) {}
    double next() {
        const double u = 0.5 + std::ldexp(static_cast<double>(engine_() >> 11), -53);
        return engine_() >> 63 ? u : -u;
    }
    Doubles next(std::size_t n) {
        Doubles values(n);
        for (double& v : values) v = next();
        return values;
    }

  private:
    std::mt19937_64 engine_;
};

/// A derivative by differences.
struct Numeric {
    double value = 0;
    /// How far the extrapolation has settled.
    double error = std::numeric_limits<double>::infinity();
    double noise = 0;
    /// The noise for values of magnitude 1.
    double noise_factor = 0;
    /// How far the slopes on both sides disagree beyond what curvature and noise explain, and how much of
    /// that values of magnitude 1 more would explain.
    double kink = 0;
    double kink_noise_factor = 0;
    double left = 0;
    double right = 0;
};

/// Derivatives at h = 0 of several functions of h, from central differences at halved steps.
class Extrapolation {
  public:
    /// `magnitude` is what each value's rounding is relative to.
    Extrapolation(const Doubles& at_zero, Doubles magnitude, const GradcheckOptions& options)
        : at_zero_(at_zero),
          magnitude_(std::move(magnitude)),
          slope_(at_zero.size()),
          best_(at_zero.size()),
          options_(options) {}

    /// Values one step above and below; every level's step is half that of the one before.
    void add_level(const Doubles& above, const Doubles& below, double step) {
        const std::size_t count = at_zero_.size();
        std::vector<Doubles> row(1, Doubles(count));
        Doubles noise(1, value_ulps * epsilon / step);
        Doubles gap(count);
        for (std::size_t k = 0; k < count; ++k) {
            row[0][k] = (above[k] - below[k]) / (2 * step);
            magnitude_[k] = std::max({magnitude_[k], std::abs(above[k]), std::abs(below[k])});
            best_[k].right = (above[k] - at_zero_[k]) / step;
            best_[k].left = (at_zero_[k] - below[k]) / step;
            gap[k] = best_[k].right - best_[k].left;
            slope_[k] = std::max({slope_[k], std::abs(best_[k].left), std::abs(best_[k].right)});
        }
        double power = 1;
        for (std::size_t m = 1; m <= row_.size(); ++m) {
            power *= 4;
            noise.push_back((power * noise[m - 1] + noise_[m - 1]) / (power - 1));
            row.emplace_back(count);
            for (std::size_t k = 0; k < count; ++k) {
                const double finer = row[m - 1][k];
                const double coarser = row_[m - 1][k];
                row[m][k] = finer + (finer - coarser) / (power - 1);
                const Numeric candidate{
                    .value = row[m][k],
                    .error = std::max(std::abs(row[m][k] - finer), std::abs(row[m][k] - coarser)),
                    .noise = noise[m] * magnitude_[k]};
                if (candidate.error + candidate.noise < best_[k].error + best_[k].noise) {
                    best_[k].value = candidate.value;
                    best_[k].error = candidate.error;
                    best_[k].noise = candidate.noise;
                    best_[k].noise_factor = noise[m];
                }
            }
        }
        row_ = std::move(row);
        noise_ = std::move(noise);
        gaps_.push_back(std::move(gap));
    }

    bool settled() const {
        if (row_.size() < least_levels) return false;
        return std::ranges::all_of(best_, [&](const Numeric& n) {
            return n.error <= n.noise ||
                   n.error + n.noise <= settled_fraction * options_.relative_tolerance * std::abs(n.value);
        });
    }

    std::size_t levels() const { return row_.size(); }

    std::vector<Numeric> result() {
        if (options_.detect_kinks && gaps_.size() >= 3) find_kinks();
        return std::move(best_);
    }

  private:
    /// The gap between the slopes on both sides is odd in the step: what is left of it at step 0 is a kink.
    void find_kinks() {
        const std::size_t last = gaps_.size() - 1;
        for (std::size_t k = 0; k < best_.size(); ++k) {
            const double fine = 2 * gaps_[last][k] - gaps_[last - 1][k];
            const double coarse = 2 * gaps_[last - 1][k] - gaps_[last - 2][k];
            const double at_zero = fine + (fine - coarse) / 7;
            // A kink a little way off shows in coarse levels only.
            const double lasting = std::min({std::abs(gaps_[last][k]), std::abs(fine), std::abs(at_zero)});
            // One-sided differences take half the step of central ones, and `at_zero` weights them by up
            // to 3.
            best_[k].kink_noise_factor = 20 * noise_[0];
            best_[k].kink = lasting - kink_tolerance * slope_[k] - best_[k].kink_noise_factor * magnitude_[k];
        }
    }

    const Doubles& at_zero_;
    std::vector<Doubles> row_;
    Doubles noise_;
    std::vector<Doubles> gaps_;
    Doubles magnitude_;
    Doubles slope_;  // the steepest seen
    std::vector<Numeric> best_;
    const GradcheckOptions& options_;
};

class Checker {
  public:
    Checker(const GradcheckFunction& f, const Variables& inputs, const GradcheckOptions& options)
        : f_(f), inputs_(inputs), options_(options), random_(options.seed) {
        if (!(options.relative_tolerance > 0) || !(options.first_step > 0) ||
            options.max_levels < least_levels || options.directions == 0) {
            throw ValueError(
                fmt::format("gradcheck: relative_tolerance and first_step must be positive, max_levels at "
                            "least {}, directions at least 1",
                            least_levels));
        }
        if (!options.input_names.empty() && options.input_names.size() != inputs.size()) {
            throw ValueError(fmt::format("gradcheck: {} input_names for {} inputs",
                                         options.input_names.size(), inputs.size()));
        }
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            if (!inputs[i]) throw ValueError(fmt::format("gradcheck: input {} is an empty handle", i));
            std::size_t first = 0;
            while (!inputs[first].same_as(inputs[i]) || inputs[first].node() != inputs[i].node()) ++first;
            first_.push_back(first);
            if (first == i && inputs[i].requires_grad()) wanted_.push_back(i);
        }
        if (wanted_.empty()) {
            throw ValueError("gradcheck: no input wants a gradient; give at least one made by parameter()");
        }
    }

    GradcheckReport run() {
        GradcheckReport report = compare();
        if (!options_.input_names.empty()) report.input_name = options_.input_names[report.input];
        return report;
    }

  private:
    GradcheckReport compare() {
        used_.assign(wanted_.size(), false);
        const Variables leaves = make_leaves();
        outputs_ = f_(leaves);
        for (std::size_t k = 0; k < outputs_.size(); ++k) {
            if (!outputs_[k]) throw ValueError(fmt::format("gradcheck: output {} is an empty handle", k));
            shapes_.push_back(outputs_[k].shape());
            for (const double v : elements(outputs_[k].value())) base_.push_back(v);
        }
        for (std::size_t p = 0; p < base_.size(); ++p) {
            if (!std::isfinite(base_[p])) {
                set_output(p);
                report_.detail = fmt::format(
                    "the function's value there is {}, so that nothing can be compared", base_[p]);
                return failed(GradcheckOutcome::not_finite);
            }
        }
        {
            const NoGrad guard;
            check_same(values_of(f_(make_leaves())), "within NoGrad");
        }
        std::size_t size = 0;
        for (const std::size_t i : wanted_) size += inputs_[i].size();
        report_.full_jacobian = size * base_.size() <= options_.max_jacobian_elements;
        const bool compared = report_.full_jacobian ? compare_jacobian(leaves) : compare_projections(leaves);
        if (!compared || !compare_fresh_graph() || !untouched(leaves) || !all_used()) return report_;
        return finish();
    }

    /// Copies of the inputs. Those that want no gradient are frozen parameters, which unlike constants can
    /// show that they got one.
    Variables make_leaves() const {
        Variables leaves;
        for (std::size_t i = 0; i < inputs_.size(); ++i) {
            if (first_[i] != i) {
                leaves.push_back(leaves[first_[i]]);
                continue;
            }
            leaves.push_back(parameter(Tensor<double>(inputs_[i].value())));
            if (!inputs_[i].requires_grad()) leaves.back().set_requires_grad(false);
        }
        return leaves;
    }

    Doubles values_of(const Variables& outputs) const {
        bool same = outputs.size() == shapes_.size();
        for (std::size_t k = 0; same && k < shapes_.size(); ++k) same = outputs[k].shape() == shapes_[k];
        if (!same) {
            throw ValueError(
                "gradcheck: f is not deterministic: the number or the shapes of its outputs differ from call "
                "to call");
        }
        Doubles values;
        values.reserve(base_.size());
        for (const Variable<double>& output : outputs) {
            const auto e = elements(output.value());
            values.insert(values.end(), e.begin(), e.end());
        }
        return values;
    }

    void check_same(const Doubles& values, const char* when) {
        for (std::size_t p = 0; p < base_.size(); ++p) {
            if (values[p] == base_[p]) continue;
            set_output(p);
            throw ValueError(fmt::format(
                "gradcheck: f is not deterministic: {} was {:.17g} in one call and is {:.17g} in another "
                "({}); "
                "give random operations the same generator state in every call",
                place("output", report_.output, report_.output_index), base_[p], values[p], when));
        }
    }

    void set_output(std::size_t p) {
        std::size_t k = 0;
        while (p >= element_count(shapes_[k])) p -= element_count(shapes_[k++]);
        report_.output = k;
        report_.output_index = unravel(p, shapes_[k]);
    }
    void set_input(std::size_t i, std::size_t j) {
        report_.input = i;
        report_.input_index = unravel(j, inputs_[i].shape());
    }

    GradcheckReport& failed(GradcheckOutcome outcome) {
        report_.passed = false;
        report_.outcome = outcome;
        return report_;
    }

    /// A scalar whose backward pass gives the outputs these gradients and, first of all, adds `extra` to the
    /// inputs' own.
    Variable<double> join(const Variables& outputs, const Variables& leaves, const Doubles& weights,
                          const std::vector<Doubles>& extra) const {
        Variables operands = outputs;
        for (const std::size_t i : wanted_) operands.push_back(leaves[i]);
        std::vector<Tensor<double>> gradients;
        std::size_t from = 0;
        for (const Variable<double>& output : outputs) {
            gradients.push_back(
                tensor<double>(output.shape(), std::span(weights).subspan(from, output.size())));
            from += output.size();
        }
        for (std::size_t w = 0; w < wanted_.size(); ++w) {
            gradients.push_back(extra.empty() ? zeros<double>(inputs_[wanted_[w]].shape())
                                              : tensor<double>(inputs_[wanted_[w]].shape(), extra[w]));
        }
        return record("gradcheck", zeros<double>({}), std::span<const Variable<double>>(operands),
                      [gradients = std::move(gradients)](Backward<double>& pass) {
                          for (std::size_t i = 0; i < gradients.size(); ++i) pass.accumulate(i, gradients[i]);
                      });
    }

    Variables wanted_of(const Variables& leaves) const {
        Variables wanted;
        for (const std::size_t i : wanted_) wanted.push_back(leaves[i]);
        return wanted;
    }

    /// False, with the report filled in, when an element is not finite.
    bool finite(const Tensor<double>& gradient, std::size_t input) {
        const auto bad = detail::first_non_finite(gradient);
        if (!bad) return true;
        set_input(input, *bad);
        report_.analytic = gradient.data()[*bad];
        report_.detail = "the gradient there, from the backward pass, is not finite";
        failed(GradcheckOutcome::not_finite);
        return false;
    }

    /// Derivatives of `functionals` of the outputs by differences, when input i moves along the line that
    /// `move(elements, origin, step)` goes. Nothing when there is no step at which they are finite.
    template <class Move, class Functionals>
    std::optional<std::vector<Numeric>> differentiate(std::size_t i, double first_step,
                                                      Extrapolation extrapolation, const Move& move,
                                                      const Functionals& functionals) {
        const NoGrad guard;
        if (probe_.empty()) probe_ = make_leaves();
        const std::span<const double> origin = elements(inputs_[i].value());
        const auto values_at = [&](double step) {
            move(probe_[i].mutable_data(), origin, step);
            return functionals(values_of(f_(probe_)));
        };
        const auto is_finite = [](const Doubles& values) {
            return std::ranges::all_of(values, [](double v) { return std::isfinite(v); });
        };
        double step = first_step;
        for (std::size_t level = 0; level < options_.max_levels && !extrapolation.settled(); ++level) {
            const Doubles above = values_at(step);
            const Doubles below = values_at(-step);
            // A step out of the function's domain: the next one may stay inside.
            if (is_finite(above) && is_finite(below)) {
                extrapolation.add_level(above, below, step);
            } else if (extrapolation.levels() > 0) {
                break;
            }
            step /= 2;
        }
        move(probe_[i].mutable_data(), origin, 0);
        if (extrapolation.levels() < 2) return std::nullopt;
        return extrapolation.result();
    }

    std::optional<std::vector<Numeric>> differentiate_element(std::size_t i, std::size_t j) {
        Doubles magnitude = base_;
        for (double& v : magnitude) v = std::abs(v);
        const double x = inputs_[i].value().data()[j];
        // A power of two, so that x + step and x - step are hardly rounded.
        const double scale = std::exp2(std::floor(std::log2(std::max(1.0, std::abs(x)))));
        return differentiate(
            i, options_.first_step * scale, Extrapolation(base_, std::move(magnitude), options_),
            [j](std::span<double> to, std::span<const double> origin, double step) {
                to[j] = origin[j] + step;
            },
            [](Doubles values) { return values; });
    }

    struct Verdict {
        GradcheckOutcome outcome = GradcheckOutcome::passed;
        double relative_error = 0;
        bool by_noise = false;
        const char* detail = "";
    };

    Verdict judge(double analytic, const Numeric& numeric, double neighbours) const {
        if (numeric.kink > 0) {
            return {GradcheckOutcome::kink, 0, false, "the slopes to the left and to the right disagree"};
        }
        const double difference = std::abs(analytic - numeric.value);
        const double larger = std::max(std::abs(analytic), std::abs(numeric.value));
        const double tolerance = options_.relative_tolerance;
        const double excess = std::max(0.0, difference - numeric.noise);
        if (difference <= tolerance * larger)
            return {GradcheckOutcome::passed, larger > 0 ? excess / larger : 0};
        if (excess <= tolerance * larger) {
            if (numeric.noise <= resolving_noise * larger || numeric.noise <= negligible_noise * neighbours) {
                return {GradcheckOutcome::passed, excess / larger, true};
            }
            return {GradcheckOutcome::inconclusive, excess / larger, false,
                    "the rounding of the function's values hides a derivative this small: choose inputs, or "
                    "a function of the outputs, for which it is larger"};
        }
        // The error is that of the level that settled best, so it may be too small by chance.
        if (10 * numeric.error > std::max(excess, tolerance * larger)) {
            return {GradcheckOutcome::inconclusive, excess / larger, false,
                    "the differences do not settle: the function is not smooth near this input, or changes "
                    "on a scale that a smaller first_step would resolve"};
        }
        return {GradcheckOutcome::wrong_gradient, excess / larger};
    }

    static int severity(GradcheckOutcome outcome) {
        switch (outcome) {
            case GradcheckOutcome::passed:
                return 0;
            case GradcheckOutcome::inconclusive:
                return 1;
            case GradcheckOutcome::kink:
                return 2;
            default:
                return 3;
        }
    }

    /// Takes one comparison into the report. True when it is the one that the report now names.
    bool take(double analytic, const Numeric& numeric, double neighbours) {
        const Verdict verdict = judge(analytic, numeric, neighbours);
        ++report_.compared;
        report_.within_noise += verdict.by_noise;
        const int now = severity(verdict.outcome);
        const int before = severity(report_.outcome);
        const bool first = report_.compared == 1;
        if (!first && (now < before || (now == before && !(verdict.relative_error > report_.relative_error))))
            return false;
        report_.outcome = verdict.outcome;
        report_.analytic = analytic;
        report_.numeric = numeric.value;
        report_.relative_error = verdict.relative_error;
        report_.noise = numeric.noise;
        report_.detail = verdict.detail;
        if (numeric.kink > 0)
            report_.detail += fmt::format(" ({:.6g} and {:.6g})", numeric.left, numeric.right);
        return true;
    }

    bool no_neighbourhood(std::size_t i) {
        report_.input = i;
        report_.detail =
            "the function's values are not finite on both sides of this input, however close to it";
        failed(GradcheckOutcome::not_finite);
        return false;
    }

    bool compare_jacobian(const Variables& leaves) {
        const std::size_t rows = base_.size();
        const Variables wanted = wanted_of(leaves);
        // analytic[w][row * size + column]
        std::vector<Doubles> analytic(wanted_.size());
        for (std::size_t w = 0; w < wanted_.size(); ++w) analytic[w].resize(rows * wanted[w].size());
        std::size_t row = 0;
        for (const Variable<double>& output : outputs_) {
            for (std::size_t p = 0; p < output.size(); ++p, ++row) {
                if (!output.requires_grad()) continue;
                Tensor<double> one_hot = zeros<double>(output.shape());
                one_hot.data()[p] = 1;
                const auto gradients =
                    grad(output, one_hot, std::span<const Variable<double>>(wanted), {.retain_graph = true});
                for (std::size_t w = 0; w < wanted_.size(); ++w) {
                    if (!finite(gradients[w], wanted_[w])) {
                        set_output(row);
                        return false;
                    }
                    std::ranges::copy(
                        elements(gradients[w]),
                        analytic[w].begin() + static_cast<std::ptrdiff_t>(row * wanted[w].size()));
                }
            }
        }
        std::vector<std::vector<Numeric>> numeric;
        for (const std::size_t i : wanted_) {
            numeric.push_back(differentiate_input(i));
            if (numeric.back().empty() && rows * inputs_[i].size() > 0) return no_neighbourhood(i);
        }
        // A value is no more exact than the sum of what the inputs contribute to it, to first order, which
        // may be larger than the value where contributions cancel or die out on the way.
        for (std::size_t r = 0; r < rows; ++r) {
            double terms = 0;
            for (std::size_t w = 0; w < wanted_.size(); ++w) {
                const std::span<const double> x = elements(inputs_[wanted_[w]].value());
                for (std::size_t j = 0; j < x.size(); ++j)
                    terms += std::abs(numeric[w][r * x.size() + j].value * x[j]);
            }
            for (std::size_t w = 0; w < wanted_.size(); ++w) {
                const std::size_t columns = inputs_[wanted_[w]].size();
                for (std::size_t j = 0; j < columns; ++j) {
                    Numeric& n = numeric[w][r * columns + j];
                    n.noise += n.noise_factor * terms;
                    n.kink -= n.kink_noise_factor * terms;
                }
            }
        }
        for (std::size_t w = 0; w < wanted_.size(); ++w) compare_columns(w, analytic[w], numeric[w]);
        weights_ = random_.next(rows);
        for (std::size_t w = 0; w < wanted_.size(); ++w) {
            const std::size_t columns = wanted[w].size();
            double largest = 0;
            for (const double v : analytic[w]) largest = std::max(largest, std::abs(v));
            expected_.emplace_back(columns);
            // A combination may cancel, so its rounding is that of its terms.
            slack_.emplace_back(columns, epsilon * largest * static_cast<double>(rows));
            magnitude_.emplace_back(columns);
            for (std::size_t r = 0; r < rows; ++r) {
                for (std::size_t j = 0; j < columns; ++j) {
                    const double term = weights_[r] * analytic[w][r * columns + j];
                    expected_[w][j] += term;
                    magnitude_[w][j] += std::abs(term);
                    slack_[w][j] += combination_rounding * std::abs(term);
                }
            }
        }
        if (report_.outcome != GradcheckOutcome::passed) return true;
        const auto again =
            grad(join(outputs_, leaves, weights_, {}), std::span<const Variable<double>>(wanted));
        return combination_agrees(again, {}, "in another backward pass through the same graph");
    }

    /// Input i's columns of the Jacobian by differences, row by row. Empty when one cannot be had; the report
    /// then names it.
    std::vector<Numeric> differentiate_input(std::size_t i) {
        const std::size_t rows = base_.size();
        const std::size_t columns = inputs_[i].size();
        std::vector<Numeric> numeric(rows * columns);
        for (std::size_t j = 0; rows > 0 && j < columns; ++j) {
            const auto column = differentiate_element(i, j);
            if (!column) {
                set_input(i, j);
                return {};
            }
            for (std::size_t r = 0; r < rows; ++r) numeric[r * columns + j] = (*column)[r];
        }
        return numeric;
    }

    /// Whether every input has an influence, if it has elements and there are outputs.
    bool all_used() {
        if (options_.allow_unused || report_.outcome != GradcheckOutcome::passed || base_.empty())
            return true;
        for (std::size_t w = 0; w < wanted_.size(); ++w) {
            if (used_[w] || inputs_[wanted_[w]].size() == 0) continue;
            report_.input = wanted_[w];
            report_.input_index.clear();
            report_.detail =
                "all its derivatives are 0, by the backward pass and by differences; the function may use a "
                "captured "
                "Variable in its place. Set allow_unused if that is right";
            failed(GradcheckOutcome::unused_input);
            return false;
        }
        return true;
    }

    void compare_columns(std::size_t w, const Doubles& analytic, const std::vector<Numeric>& numeric) {
        const std::size_t rows = base_.size();
        const std::size_t columns = inputs_[wanted_[w]].size();
        Doubles row_scale(rows);
        Doubles column_scale(columns);
        for (std::size_t r = 0; r < rows; ++r) {
            for (std::size_t j = 0; j < columns; ++j) {
                const std::size_t e = r * columns + j;
                const double size = std::max(std::abs(analytic[e]), std::abs(numeric[e].value));
                row_scale[r] = std::max(row_scale[r], size);
                column_scale[j] = std::max(column_scale[j], size);
                if (size > 0) used_[w] = true;
            }
        }
        for (std::size_t r = 0; r < rows; ++r) {
            for (std::size_t j = 0; j < columns; ++j) {
                const std::size_t e = r * columns + j;
                if (take(analytic[e], numeric[e], std::max(row_scale[r], column_scale[j]))) {
                    set_input(wanted_[w], j);
                    set_output(r);
                }
            }
        }
    }

    bool compare_projections(const Variables& leaves) {
        const Variables wanted = wanted_of(leaves);
        for (std::size_t d = 0; d < options_.directions; ++d) {
            weights_ = random_.next(base_.size());
            const auto gradients = grad(join(outputs_, leaves, weights_, {}),
                                        std::span<const Variable<double>>(wanted), {.retain_graph = true});
            double square = 0;
            for (std::size_t p = 0; p < base_.size(); ++p) square += std::pow(weights_[p] * base_[p], 2);
            for (std::size_t w = 0; w < wanted_.size(); ++w) {
                const std::size_t i = wanted_[w];
                if (!finite(gradients[w], i)) return false;
                const Doubles direction = random_.next(inputs_[i].size());
                double analytic = 0;
                double neighbours = 0;
                double scale = 1;
                for (std::size_t j = 0; j < direction.size(); ++j) {
                    analytic += gradients[w].data()[j] * direction[j];
                    neighbours += std::abs(gradients[w].data()[j] * direction[j]);
                    scale = std::max(scale, std::abs(inputs_[i].value().data()[j]));
                }
                // Summing changes instead of values keeps the sum's own rounding small; what is left is that
                // of its terms.
                const Doubles origin{0.0};
                const auto numeric = differentiate(
                    i, options_.first_step * scale, Extrapolation(origin, {std::sqrt(square)}, options_),
                    [&](std::span<double> to, std::span<const double> from, double step) {
                        for (std::size_t j = 0; j < to.size(); ++j) to[j] = from[j] + step * direction[j];
                    },
                    [&](const Doubles& values) {
                        double sum = 0;
                        for (std::size_t p = 0; p < values.size(); ++p)
                            sum += weights_[p] * (values[p] - base_[p]);
                        return Doubles{sum};
                    });
                if (!numeric) return no_neighbourhood(i);
                if (neighbours > 0 || numeric->front().value != 0) used_[w] = true;
                if (take(analytic, numeric->front(), neighbours)) {
                    report_.input = i;
                    report_.input_index.clear();
                    report_.output_index.clear();
                }
            }
            if (d + 1 == options_.directions) {
                for (const Tensor<double>& g : gradients) {
                    expected_.emplace_back(elements(g).begin(), elements(g).end());
                    double largest = 0;
                    for (const double v : elements(g)) largest = std::max(largest, std::abs(v));
                    magnitude_.push_back(expected_.back());
                    for (double& v : magnitude_.back()) v = std::abs(v);
                    slack_.emplace_back(g.size(), combination_rounding * largest);
                }
            }
        }
        return true;
    }

    /// Whether gradients less `extra` are the combination of Jacobian rows.
    bool combination_agrees(const std::vector<Tensor<double>>& gradients, const std::vector<Doubles>& extra,
                            const char* when) {
        for (std::size_t w = 0; w < wanted_.size(); ++w) {
            if (!finite(gradients[w], wanted_[w])) return false;
            for (std::size_t j = 0; j < expected_[w].size(); ++j) {
                const double added = extra.empty() ? 0 : extra[w][j];
                const double got = gradients[w].data()[j];
                const double want = expected_[w][j] + added;
                const double difference = std::abs(got - want);
                const double allowed = options_.relative_tolerance * std::abs(expected_[w][j]) +
                                       slack_[w][j] + combination_rounding * std::abs(added);
                if (difference <= allowed) continue;
                set_input(wanted_[w], j);
                report_.output = 0;
                report_.output_index.clear();
                report_.analytic = got - added;
                report_.numeric = expected_[w][j];
                report_.relative_error =
                    difference / std::max(std::abs(report_.analytic), std::abs(report_.numeric));
                report_.noise = slack_[w][j];
                report_.detail = when;
                failed(GradcheckOutcome::wrong_combination);
                return false;
            }
        }
        return true;
    }

    /// A new graph, several outputs' gradients at once, and inputs that have a gradient before f's arrives.
    bool compare_fresh_graph() {
        if (report_.outcome != GradcheckOutcome::passed) return true;
        const Variables leaves = make_leaves();
        const Variables outputs = f_(leaves);
        check_same(values_of(outputs), "called again");
        std::vector<Doubles> extra;
        for (std::size_t w = 0; w < wanted_.size(); ++w) {
            extra.push_back(random_.next(magnitude_[w].size()));
            for (std::size_t j = 0; j < extra[w].size(); ++j) {
                if (magnitude_[w][j] > 0) extra[w][j] *= magnitude_[w][j];
            }
        }
        backward(join(outputs, leaves, weights_, extra));
        std::vector<Tensor<double>> gradients;
        for (const std::size_t i : wanted_) gradients.push_back(leaves[i].grad());
        return combination_agrees(gradients, extra,
                                  "in a backward pass through a fresh graph whose inputs had a gradient from "
                                  "elsewhere, which must be added to") &&
               untouched(leaves);
    }

    bool untouched(const Variables& leaves) {
        for (std::size_t i = 0; i < leaves.size(); ++i) {
            const auto now = elements(leaves[i].value());
            const auto before = elements(inputs_[i].value());
            const bool changed =
                now.size() != before.size() ||
                (!now.empty() && std::memcmp(now.data(), before.data(), now.size_bytes()) != 0);
            const bool got =
                !inputs_[i].requires_grad() && (leaves[i].has_grad() || leaves[i].node()->pending);
            if (!changed && !got) continue;
            report_.input = i;
            report_.input_index.clear();
            report_.detail = changed ? "the function, or its backward pass, changed the input's value"
                                     : "a gradient arrived at an input that wants none";
            failed(GradcheckOutcome::touched_input);
            return false;
        }
        return true;
    }

    GradcheckReport finish() {
        report_.passed = report_.outcome == GradcheckOutcome::passed;
        if (report_.outcome == GradcheckOutcome::wrong_gradient) {
            const double ratio = report_.analytic / report_.numeric;
            if (report_.analytic == 0) {
                report_.detail = "the backward pass gives nothing there";
            } else if (std::abs(ratio + 1) < 1e-3) {
                report_.detail = "the sign is reversed";
            } else if (std::isfinite(ratio)) {
                report_.detail = fmt::format("the ratio of the two is {:.6g}", ratio);
            }
        }
        return report_;
    }

    const GradcheckFunction& f_;
    const Variables& inputs_;
    const GradcheckOptions& options_;
    RandomWeights random_;
    std::vector<std::size_t> first_;   // of each input: the first position that the same one stands at
    std::vector<std::size_t> wanted_;  // positions of distinct inputs that want a gradient
    std::vector<bool> used_;           // of these: some derivative is not 0
    Variables outputs_;                // of the recorded call that the Jacobian is taken from
    std::vector<Shape> shapes_;
    Doubles base_;  // all outputs' elements, one after the other
    Variables probe_;
    // For a combination of the outputs with weights_: per wanted input the gradient that must come out, the
    // rounding to allow, and the sum of its terms' magnitudes.
    Doubles weights_;
    std::vector<Doubles> expected_;
    std::vector<Doubles> slack_;
    std::vector<Doubles> magnitude_;
    GradcheckReport report_;
};

}  // namespace

std::string GradcheckReport::message() const {
    std::string where;
    if (compared > 0 || !passed) {
        const std::string by = output_index.empty() && !(full_jacobian && passed)
                                   ? std::string("a combination of the outputs")
                                   : place("output", output, output_index);
        where = fmt::format("d {} / d {}", by, input_place(*this));
    }
    const std::string scope = fmt::format("{} derivatives compared{}", compared,
                                          full_jacobian ? "" : " (random projections of the Jacobian)");
    const std::string values = fmt::format(
        "{} is {:.10g} by the backward pass and {:.10g} by differences (relative error {:.3g}, rounding "
        "noise "
        "{:.2g})",
        where, analytic, numeric, relative_error, noise);
    switch (outcome) {
        case GradcheckOutcome::passed:
            if (compared == 0) return "gradcheck passed: there was no derivative to compare.";
            return fmt::format("gradcheck passed: {}, {} of them equal within rounding noise; the worst: {}.",
                               scope, within_noise, values);
        case GradcheckOutcome::wrong_gradient:
            return fmt::format("gradcheck failed, the gradient is wrong: {}: {}; {}.", values, detail, scope);
        case GradcheckOutcome::wrong_combination:
            return fmt::format(
                "gradcheck failed, the gradient of {} is wrong {}: it is {:.10g}, the Jacobian's "
                "rows "
                "give {:.10g} (relative error {:.3g}).",
                input_place(*this), detail, analytic, numeric, relative_error);
        case GradcheckOutcome::touched_input:
            return fmt::format("gradcheck failed for {}: {}.", input_of(*this), detail);
        case GradcheckOutcome::unused_input:
            return fmt::format("gradcheck failed, {} has no influence on the outputs: {}.", input_of(*this),
                               detail);
        case GradcheckOutcome::not_finite:
            return fmt::format("gradcheck failed at {} or {}: {}.", place("output", output, output_index),
                               input_place(*this), detail);
        case GradcheckOutcome::kink:
            return fmt::format("gradcheck failed, the function has a kink: {}: {}.", values, detail);
        case GradcheckOutcome::inconclusive:
            return fmt::format("gradcheck is inconclusive, which counts as failed: {}: {}.", values, detail);
    }
    return {};
}

GradcheckReport gradcheck(const GradcheckFunction& f, const std::vector<Variable<double>>& inputs,
                          const GradcheckOptions& options) {
    return Checker(f, inputs, options).run();
}

}  // namespace seqgrad
