#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "seqgrad/core/grad_mode.hpp"
#include "seqgrad/core/tensor.hpp"
#include "seqgrad/core/variable.hpp"
#include "seqgrad/layers/take_rows.hpp"

// Finding likely sequences of tokens under a model that says, step by step, how likely every next token is:
// for translation, captions, generated text. The model is a function of the caller's,
//
//     step(tokens, state) -> {log-probabilities, next state}
//
// of the tokens [N] that N sequences ended in and whatever else it remembers of them. The log-probabilities
// [N, V], a Variable or a Tensor, are natural logarithms, as log_softmax gives; -inf forbids a token. With an
// attention decoder, for a batch of sentences:
//
//     using State = std::pair<AttentionMemory<float>, AttentionDecoderState<float>>;
//     const auto step = [&](const Tensor<std::int64_t>& tokens, const State& s) {
//         auto next = decoder.step(embed(tokens), s.first, s.second);
//         return std::pair(log_softmax(dense(next.output)), State{s.first, next.state});
//     };
//     const auto found = beam_search(sentences, State{memory, decoder.start(memory)}, step, config);
//
// A search decides after every step with which sequences it goes on, and takes these rows of the state.

namespace seqgrad {

/// When a beam search ends for a sample that has `beam_width` results, before max_length: the three meanings
/// of `early_stopping` in Hugging Face's `generate`.
enum class EarlyStop {
    /// If no sequence that is followed can beat the worst of the results any more, however it goes on
    /// ("never"). Its probability can only fall, and its score is largest at max_length.
    never,
    /// If none would beat it with the score that it has at its present length (False). With a length penalty
    /// one that gets longer might; without one this is the same as `never`.
    unlikely,
    /// At once (True), even if a sequence that is followed is better than the results.
    always,
};

/// How to search. Lengths are in tokens; the token that ends a sequence counts, the one that starts it does
/// not.
struct SearchConfig {
    std::int64_t start_token = -1;                ///< what the first step is given; has to be set
    std::optional<std::int64_t> end_token = {};   ///< ends a sequence; none: all have max_length
    std::size_t max_length = 0;                   ///< of a sequence; has to be set
    std::size_t beam_width = 4;                   ///< sequences followed at once for each sample; at least 1
    double length_penalty = 0.0;                  ///< the alpha of Hypothesis::score; finite, >= 0
    EarlyStop early_stopping = EarlyStop::never;  ///< of a beam search
};

/// A sequence that a search found.
struct Hypothesis {
    std::vector<std::int64_t> tokens;  ///< without the start token, with the end token where it has ended
    double log_probability = 0.0;      ///< of the sequence, in nats: the sum over its tokens
    /// log_probability / ((5 + n) / 6)^alpha for n tokens and alpha = `length_penalty`: of sequences of the
    /// same probability per token, alpha = 0 prefers short ones; 0.6 to 0.7 is usual (Wu et al., "Google's
    /// neural machine translation system", arXiv 1609.08144, equation 14).
    double score = 0.0;
    bool ended = false;  ///< with the end token, rather than by max_length

    friend bool operator==(const Hypothesis&, const Hypothesis&) = default;
};

/// Takes the rows of a state by calling take_rows.
struct TakeRows {
    template <class State>
    State operator()(const State& state, const Tensor<std::int64_t>& rows) const {
        return take_rows(state, rows);
    }
};

namespace detail {

/// What both searches share: the rows of the step to come.
class SearchRows {
  public:
    SearchRows(const char* function, std::size_t batch, const SearchConfig& config);

    bool done() const { return tokens_.size() == 0; }
    /// The token that each row ended in.
    const Tensor<std::int64_t>& tokens() const { return tokens_; }
    /// The row of the step before that each row goes on from.
    const Tensor<std::int64_t>& rows() const { return rows_; }
    /// Whether the rows are those of the step before.
    bool same_rows() const { return same_rows_; }

  protected:
    /// Throws ShapeError unless the log-probabilities are [N, V], with an end token among the V.
    void check_shape(const Shape& shape);
    /// Throws ValueError for what is no log-probability.
    void check(double log_probability, std::size_t sample, std::size_t token) const;
    [[noreturn]] void dead_end(std::size_t sample) const;
    double score(double log_probability, std::size_t length) const;
    void set_rows(const std::vector<std::int64_t>& tokens, const std::vector<std::int64_t>& rows);

    const char* function_;
    SearchConfig config_;
    std::size_t length_ = 0;      // tokens in each row's sequence
    std::size_t vocabulary_ = 0;  // 0 before the first step

  private:
    Tensor<std::int64_t> tokens_, rows_;
    bool same_rows_ = true;
};

/// The sequences of a greedy search, one for each sample.
class GreedyRows : public SearchRows {
  public:
    GreedyRows(std::size_t batch, const SearchConfig& config);
    template <class T>
    void advance(const Tensor<T>& log_probabilities);
    std::vector<Hypothesis> take() { return std::move(hypotheses_); }

  private:
    std::vector<Hypothesis> hypotheses_;
    std::vector<std::size_t> samples_;  // of each row
};

/// The sequences of a beam search.
class BeamRows : public SearchRows {
  public:
    BeamRows(std::size_t batch, const SearchConfig& config);
    template <class T>
    void advance(const Tensor<T>& log_probabilities);
    std::vector<std::vector<Hypothesis>> take() { return std::move(found_); }

  private:
    struct Beam {
        std::vector<std::int64_t> tokens;
        double log_probability = 0.0;
    };
    /// A sequence and one more token.
    struct Continuation {
        std::size_t beam;
        std::size_t token;
        double log_probability;  // of the token
        double total;            // of the sequence with it
    };
    static bool better(const Continuation& a, const Continuation& b);
    template <class T>
    std::vector<Continuation> best_continuations(std::size_t sample, const T* log_probabilities) const;
    void keep_best(std::vector<Hypothesis>& found) const;
    bool is_finished(const std::vector<Hypothesis>& found, double best_followed) const;

    std::vector<std::vector<Beam>> live_;         // of each sample, best first
    std::vector<std::vector<Hypothesis>> found_;  // of each sample
};

template <class T>
const Tensor<T>& value_of(const Tensor<T>& t) {
    return t;
}
template <class T>
const Tensor<T>& value_of(const Variable<T>& v) {
    return v.value();
}

template <class Rows, class State, class Step, class Reorder>
auto search(Rows rows, State state, Step& step, Reorder& reorder) {
    const NoGrad no_grad;
    while (!rows.done()) {
        auto [log_probabilities, next] = step(rows.tokens(), std::as_const(state));
        rows.advance(value_of(log_probabilities));
        if (rows.done()) break;
        if (rows.same_rows()) {
            state = std::move(next);
        } else {
            state = reorder(std::as_const(next), rows.rows());
        }
    }
    return rows.take();
}

}  // namespace detail

/// In every step the likeliest token, the smallest of those that tie: one sequence for each sample.
///
/// `start` is the state of `batch` samples. Samples whose sequence has ended take part in no further step.
/// `reorder(state, rows)` takes rows of the state, as take_rows does. `beam_width` and `early_stopping` are
/// not used. A log-probability above 0 by rounding counts as 0. Throws ValueError for a start token or
/// max_length that is not set and other settings out of their range, and, naming step, sample and token, for
/// log-probabilities that are NaN or above 0 or all -inf; ShapeError unless they are [N, V].
template <class State, class Step, class Reorder = TakeRows>
std::vector<Hypothesis> greedy_search(std::size_t batch, State start, Step&& step, const SearchConfig& config,
                                      Reorder&& reorder = {}) {
    return detail::search(detail::GreedyRows(batch, config), std::move(start), step, reorder);
}

/// Follows the `beam_width` likeliest sequences of each sample at once: for each sample the sequences found,
/// at most `beam_width`, sorted by their scores, best first.
///
/// A step continues every sequence by every token. Of the continuations by another token than the one that
/// ends a sequence the `beam_width` likeliest are followed further; one by the end token is a result if it is
/// among the `beam_width` likeliest of all. A sample is finished at max_length, where the sequences that have
/// not ended are results too, or before, if it has `beam_width` results and `early_stopping` says so. Of
/// continuations that tie, the one of the likelier sequence, then that of the smaller token comes first. A
/// width of 1 without a length penalty is a greedy search; a width of all possible sequences finds the best
/// of them all.
///
/// Rows of a sample stay side by side; a sample that is finished takes part in no further step. Arguments and
/// errors are those of greedy_search, and ValueError for a width of 0.
template <class State, class Step, class Reorder = TakeRows>
std::vector<std::vector<Hypothesis>> beam_search(std::size_t batch, State start, Step&& step,
                                                 const SearchConfig& config, Reorder&& reorder = {}) {
    return detail::search(detail::BeamRows(batch, config), std::move(start), step, reorder);
}

}  // namespace seqgrad
