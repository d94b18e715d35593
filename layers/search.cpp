#include "seqgrad/layers/search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include <fmt/format.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad::detail {
namespace {

/// What rounding may put a log-probability above 0.
constexpr double rounding = 1e-3;

constexpr double impossible = -std::numeric_limits<double>::infinity();

}  // namespace

SearchRows::SearchRows(const char* function, std::size_t batch, const SearchConfig& config)
    : function_(function), config_(config), tokens_(full<std::int64_t>({batch}, config.start_token)) {
    if (config.start_token < 0) {
        throw ValueError(
            fmt::format("{}: start_token must be set to a token, got {}", function, config.start_token));
    }
    if (config.end_token && *config.end_token < 0) {
        throw ValueError(fmt::format("{}: end_token must be a token, got {}", function, *config.end_token));
    }
    if (config.max_length == 0) {
        throw ValueError(fmt::format("{}: max_length must be set to a length of at least 1", function));
    }
    if (config.beam_width == 0) throw ValueError(fmt::format("{}: beam_width must be at least 1", function));
    if (!std::isfinite(config.length_penalty) || config.length_penalty < 0) {
        throw ValueError(fmt::format("{}: length_penalty must be finite and not below 0, got {}", function,
                                     config.length_penalty));
    }
    if (config.early_stopping < EarlyStop::never || config.early_stopping > EarlyStop::always) {
        throw ValueError(fmt::format("{}: early_stopping must be never, unlikely or always, got {}", function,
                                     static_cast<int>(config.early_stopping)));
    }
}

void SearchRows::check_shape(const Shape& shape) {
    const std::size_t N = tokens_.size();
    if (shape.size() != 2 || shape[0] != N || shape[1] == 0 ||
        (vocabulary_ != 0 && shape[1] != vocabulary_)) {
        throw ShapeError(fmt::format(
            "{}: expected the step to give log-probabilities [rows={}, tokens{}], got {}", function_, N,
            vocabulary_ == 0 ? "" : fmt::format("={}", vocabulary_), to_string(shape)));
    }
    vocabulary_ = shape[1];
    if (config_.end_token && static_cast<std::size_t>(*config_.end_token) >= vocabulary_) {
        throw ValueError(
            fmt::format("{}: end_token {} is none of the {} tokens that the step gives "
                        "log-probabilities for",
                        function_, *config_.end_token, vocabulary_));
    }
}

void SearchRows::check(double log_probability, std::size_t sample, std::size_t token) const {
    if (log_probability <= rounding) return;
    throw ValueError(fmt::format(
        "{}: step {}, sample {}: token {} has the log-probability {}, which {}", function_, length_, sample,
        token, log_probability,
        std::isnan(log_probability) ? "is not a number" : "lies above 0; log_softmax makes them of logits"));
}

void SearchRows::dead_end(std::size_t sample) const {
    throw ValueError(
        fmt::format("{}: step {}, sample {}: no token is possible, all have the log-probability -inf",
                    function_, length_, sample));
}

double SearchRows::score(double log_probability, std::size_t length) const {
    return log_probability / std::pow((5.0 + static_cast<double>(length)) / 6.0, config_.length_penalty);
}

void SearchRows::set_rows(const std::vector<std::int64_t>& tokens, const std::vector<std::int64_t>& rows) {
    const std::size_t before = tokens_.size();
    tokens_ = tensor<std::int64_t>({tokens.size()}, tokens);
    rows_ = tensor<std::int64_t>({rows.size()}, rows);
    same_rows_ = rows.size() == before;
    for (std::size_t i = 0; i < rows.size() && same_rows_; ++i) {
        same_rows_ = rows[i] == static_cast<std::int64_t>(i);
    }
}

GreedyRows::GreedyRows(std::size_t batch, const SearchConfig& config)
    : SearchRows("greedy_search", batch, config), hypotheses_(batch), samples_(batch) {
    for (std::size_t b = 0; b < batch; ++b) samples_[b] = b;
}

template <class T>
void GreedyRows::advance(const Tensor<T>& log_probabilities) {
    check_shape(log_probabilities.shape());
    const std::size_t V = vocabulary_;
    std::vector<std::int64_t> tokens, rows;
    std::vector<std::size_t> samples;
    for (std::size_t row = 0; row < samples_.size(); ++row) {
        const std::size_t sample = samples_[row];
        const std::span<const T> p = elements(log_probabilities).subspan(row * V, V);
        double best = impossible;
        std::int64_t token = -1;
        for (std::size_t v = 0; v < V; ++v) {
            const auto candidate = static_cast<double>(p[v]);
            check(candidate, sample, v);
            if (candidate > best) {
                best = candidate;
                token = static_cast<std::int64_t>(v);
            }
        }
        if (token < 0) dead_end(sample);
        Hypothesis& hypothesis = hypotheses_[sample];
        hypothesis.tokens.push_back(token);
        hypothesis.log_probability += std::min(best, 0.0);
        hypothesis.score = score(hypothesis.log_probability, length_ + 1);
        hypothesis.ended = token == config_.end_token;
        if (hypothesis.ended || length_ + 1 == config_.max_length) continue;
        tokens.push_back(token);
        rows.push_back(static_cast<std::int64_t>(row));
        samples.push_back(sample);
    }
    ++length_;
    samples_ = std::move(samples);
    set_rows(tokens, rows);
}

BeamRows::BeamRows(std::size_t batch, const SearchConfig& config)
    : SearchRows("beam_search", batch, config), live_(batch, std::vector<Beam>(1)), found_(batch) {}

bool BeamRows::better(const Continuation& a, const Continuation& b) {
    if (a.total != b.total) return a.total > b.total;
    if (a.beam != b.beam) return a.beam < b.beam;
    // Sums may tie where their last terms do not; what is likelier by itself then comes first.
    if (a.log_probability != b.log_probability) return a.log_probability > b.log_probability;
    return a.token < b.token;
}

/// The 2 * beam_width best: as each sequence ends by one token only, they hold beam_width that do not end.
template <class T>
std::vector<BeamRows::Continuation> BeamRows::best_continuations(std::size_t sample,
                                                                 const T* log_probabilities) const {
    const std::vector<Beam>& beams = live_[sample];
    const std::size_t V = vocabulary_;
    std::vector<Continuation> best;  // a heap with the worst on top once it is full
    const std::size_t wanted = std::min(config_.beam_width, beams.size() * V) * 2;
    for (std::size_t beam = 0; beam < beams.size(); ++beam) {
        for (std::size_t v = 0; v < V; ++v) {
            const auto p = static_cast<double>(log_probabilities[beam * V + v]);
            check(p, sample, v);
            const Continuation next{beam, v, p, beams[beam].log_probability + std::min(p, 0.0)};
            if (next.total == impossible) continue;
            if (best.size() < wanted) {
                best.push_back(next);
                std::push_heap(best.begin(), best.end(), better);
            } else if (better(next, best.front())) {
                std::pop_heap(best.begin(), best.end(), better);
                best.back() = next;
                std::push_heap(best.begin(), best.end(), better);
            }
        }
    }
    std::sort(best.begin(), best.end(), better);
    return best;
}

void BeamRows::keep_best(std::vector<Hypothesis>& found) const {
    std::sort(found.begin(), found.end(), [](const Hypothesis& a, const Hypothesis& b) {
        return a.score != b.score ? a.score > b.score : a.tokens < b.tokens;
    });
    if (found.size() > config_.beam_width) found.resize(config_.beam_width);
}

/// Whether no sequence can take the place of a result, if the likeliest that is followed has this
/// log-probability. The results are sorted.
bool BeamRows::is_finished(const std::vector<Hypothesis>& found, double best_followed) const {
    if (found.size() < config_.beam_width) return false;
    if (config_.early_stopping == EarlyStop::always) return true;
    const bool longer = config_.early_stopping == EarlyStop::never;
    return score(best_followed, longer ? config_.max_length : length_ + 1) <= found.back().score;
}

template <class T>
void BeamRows::advance(const Tensor<T>& log_probabilities) {
    check_shape(log_probabilities.shape());
    const std::size_t width = config_.beam_width;
    const bool last = length_ + 1 == config_.max_length;
    std::vector<std::int64_t> tokens, rows;
    std::size_t row = 0;
    for (std::size_t sample = 0; sample < live_.size(); ++sample) {
        std::vector<Beam>& beams = live_[sample];
        if (beams.empty()) continue;
        std::vector<Hypothesis>& found = found_[sample];
        const auto best = best_continuations(sample, log_probabilities.data() + row * vocabulary_);
        if (best.empty() && found.empty()) dead_end(sample);

        std::vector<Beam> next;
        std::vector<std::int64_t> next_rows;
        for (std::size_t rank = 0; rank < best.size() && next.size() < width; ++rank) {
            const auto token = static_cast<std::int64_t>(best[rank].token);
            const bool ends = token == config_.end_token;
            if (ends && rank >= width) continue;
            std::vector<std::int64_t> sequence = beams[best[rank].beam].tokens;
            sequence.push_back(token);
            const double total = best[rank].total;
            if (ends || last) {
                found.push_back({std::move(sequence), total, score(total, length_ + 1), ends});
            } else {
                next.push_back({std::move(sequence), total});
                next_rows.push_back(static_cast<std::int64_t>(row + best[rank].beam));
            }
        }
        row += beams.size();
        beams.clear();
        keep_best(found);
        if (next.empty() || is_finished(found, next.front().log_probability)) continue;
        for (const Beam& beam : next) tokens.push_back(beam.tokens.back());
        rows.insert(rows.end(), next_rows.begin(), next_rows.end());
        beams = std::move(next);
    }
    ++length_;
    set_rows(tokens, rows);
}

template void GreedyRows::advance(const Tensor<float>&);
template void GreedyRows::advance(const Tensor<double>&);
template void BeamRows::advance(const Tensor<float>&);
template void BeamRows::advance(const Tensor<double>&);

}  // namespace seqgrad::detail
