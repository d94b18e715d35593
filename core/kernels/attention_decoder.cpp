#include "seqgrad/core/kernels/attention_decoder.hpp"

#include <algorithm>
#include <cmath>

#include "seqgrad/core/kernels/cell.hpp"
#include "seqgrad/core/kernels/gemm.hpp"
#include "seqgrad/core/kernels/tables.hpp"

namespace seqgrad::kernels {
namespace {

/// What both passes know: where everything stands, and how a step of the cell runs.
template <class T>
class AttentionDecoder {
  protected:
    AttentionDecoder(const AttentionDecoderKind& kind, const AttentionDecoderSizes& sizes,
                     const AttentionDecoderOperands<T>& in, AttentionDecoderSaved<T>& saved,
                     InstructionSet set)
        : kind_(kind),
          s_(sizes),
          in_(in),
          saved_(saved),
          steps_(steps_of<T>(kind.cell, sizes.units, set)),
          tiles_(sizes.batch, steps_.tile_rows),
          attention_(*table<T>(set).attention),
          elementwise_(*table<T>(set).elementwise) {}

    bool lstm() const { return kind_.cell == Cell::lstm; }
    bool additive() const { return kind_.score == Score::additive; }
    std::size_t rows() const { return s_.steps * s_.batch; }
    std::size_t columns() const { return gate_groups(kind_.cell) * s_.units; }
    std::size_t weight_columns() const { return weight_groups(kind_.cell) * s_.units; }
    /// Q: size of what is compared with a row of the memory, or of its projection.
    std::size_t query_size() const { return additive() ? s_.attention : s_.memory_features; }
    /// E: size of what goes into the cell beside x.
    std::size_t fed() const {
        return !kind_.attends_after ? s_.memory_features : kind_.feeding ? s_.units : 0;
    }
    const T* fed_kernel() const { return in_.cell.kernel + s_.features * weight_columns(); }
    /// The input side of the gates of a row.
    T* input_gates(std::size_t row) {
        return saved_.gates.data() + row * columns() + layout(kind_.cell).input.gates * s_.units;
    }

    bool counts(std::size_t row) const { return saved_.counts.empty() || saved_.counts[row] != 0; }
    const T* memory() const { return saved_.memory.size() != 0 ? saved_.memory.data() : in_.memory; }
    const T* keys() const { return additive() ? saved_.keys.data() : memory(); }
    std::size_t memory_rows() const { return saved_.positions.size(); }
    std::size_t memory_rows(std::size_t sample) const {
        return saved_.first_row[sample + 1] - saved_.first_row[sample];
    }
    std::size_t sample(std::size_t row) const { return row % s_.batch; }
    std::size_t step(std::size_t row) const { return row / s_.batch; }

    /// The states that the rows from this one on attend with.
    const T* attending(std::size_t row) const {
        return saved_.h.data() + (kind_.attends_after ? row + s_.batch : row) * s_.units;
    }
    const T* query(std::size_t row) const {
        return kind_.score == Score::dot ? attending(row) : saved_.queries.data() + row * query_size();
    }

    /// The positions of a sample that count.
    const std::size_t* positions(std::size_t sample) const {
        return saved_.positions.data() + saved_.first_row[sample];
    }
    /// Where the query of a row looks: a run of its sample's memory rows.
    struct Run {
        std::size_t first, size;
    };
    Run window(std::size_t row) const {
        const std::size_t n = memory_rows(sample(row));
        if (kind_.window == Window::global) return {0, n};
        const std::size_t* p = positions(sample(row));
        const auto centre = kind_.window == Window::local_m ? static_cast<double>(step(row))
                                                            : static_cast<double>(saved_.centres.data()[row]);
        const auto reach = static_cast<double>(kind_.reach);
        const auto below = [&](std::size_t at) { return static_cast<double>(at) < centre - reach; };
        const auto inside = [&](std::size_t at) { return static_cast<double>(at) <= centre + reach; };
        const auto* first = std::partition_point(p, p + n, below);
        const auto* last = std::partition_point(first, p + n, inside);
        return {static_cast<std::size_t>(first - p), static_cast<std::size_t>(last - first)};
    }
    /// The Gaussian's standard deviation, half the window's reach.
    T deviation() const { return static_cast<T>(kind_.reach) / 2; }

    /// The gates' input side from x: all rows. Steps that do not count have none.
    void project_inputs() {
        Scratch<T> x(rows() * s_.features);
        gather_x(x.data());
        multiply(rows(), weight_columns(), s_.features, x.data(), s_.features, in_.cell.kernel, T(0),
                 input_gates(0), columns());
    }

    /// x in the order of rows, zeros in those that do not count.
    void gather_x(T* to) const {
        for (std::size_t row = 0; row < rows(); ++row, to += s_.features) {
            const T* from = in_.x + (sample(row) * s_.steps + step(row)) * s_.features;
            if (counts(row)) {
                std::copy(from, from + s_.features, to);
            } else {
                std::fill(to, to + s_.features, T(0));
            }
        }
    }

    /// Adds what goes into the cell of step t beside x to its gates.
    void feed(std::size_t t) {
        const std::size_t row = t * s_.batch;
        if (fed() == 0 || (kind_.attends_after && t == 0)) return;
        const T* from = kind_.attends_after ? saved_.outputs.data() + (row - s_.batch) * s_.units
                                            : saved_.contexts.data() + row * s_.memory_features;
        multiply(s_.batch, weight_columns(), fed(), from, fed(), fed_kernel(), T(1), input_gates(row),
                 columns());
    }

    /// From the gates' input side of step t to its state.
    void step_cell(std::size_t t, const ForwardWeights<T>& weights) {
        const std::size_t row = t * s_.batch, U = s_.units;
        T* h = saved_.h.data() + row * U;
        T* c = lstm() ? saved_.c.data() + row * U : nullptr;
        run_forward(steps_, tiles_, s_.batch,
                    {.batch = s_.batch,
                     .steps = 1,
                     .units = U,
                     .active = nullptr,
                     .packed = weights.packed(),
                     .bias = weights.bias(),
                     .gates = saved_.gates.data() + row * columns(),
                     .h = h,
                     .c = c,
                     .sequence = nullptr,
                     .sequence_stride = 0});
        for (std::size_t b = 0; b < s_.batch; ++b) {
            if (counts(row + b)) continue;
            for (T* state : {h, c})
                if (state) std::copy_n(state + b * U, U, state + (s_.batch + b) * U);
        }
    }

    /// C = A B + beta C, dense A and B.
    static void multiply(std::size_t m, std::size_t n, std::size_t k, const T* a, std::size_t lda, const T* b,
                         T beta, T* c, std::size_t ldc) {
        gemm(Transpose::no, Transpose::no, m, n, k, T(1), a, lda, b, n, beta, c, ldc);
    }

    AttentionDecoderKind kind_;
    AttentionDecoderSizes s_;
    AttentionDecoderOperands<T> in_;
    AttentionDecoderSaved<T>& saved_;
    const RecurrentSteps<T>& steps_;
    SampleTiles tiles_;
    const AttentionRows<T>& attention_;
    const Elementwise<T>& elementwise_;
};

template <class T>
class Forward : AttentionDecoder<T> {
  public:
    Forward(const AttentionDecoderForward<T>& pass, AttentionDecoderSaved<T>& saved, InstructionSet set)
        : AttentionDecoder<T>(pass.kind, pass.sizes, pass.in, saved, set), pass_(pass) {}

    void run() {
        prepare();
        const ForwardWeights<T> weights(kind_.cell, s_.units, steps_, in_.cell);
        this->project_inputs();
        for (std::size_t t = 0; t < s_.steps; ++t) {
            if (!kind_.attends_after) attend(t, 1);
            this->feed(t);
            this->step_cell(t, weights);
            if (kind_.feeding) {
                attend(t, 1);
                attentional_outputs(t, 1);
            }
        }
        if (kind_.attends_after && !kind_.feeding) {
            attend(0, s_.steps);
            attentional_outputs(0, s_.steps);
        }
        give_results();
    }

  private:
    using Base = AttentionDecoder<T>;
    using Base::attention_, Base::elementwise_, Base::in_, Base::kind_, Base::s_, Base::saved_, Base::steps_,
        Base::tiles_;

    void prepare() {
        const std::size_t rows = this->rows(), U = s_.units, M = s_.memory_features;
        if (pass_.mask != nullptr) {
            saved_.counts.resize(rows);
            for (std::size_t row = 0; row < rows; ++row)
                saved_.counts[row] = pass_.mask[this->sample(row) * s_.steps + this->step(row)] ? 1 : 0;
        }
        saved_.first_row.assign(1, 0);
        for (std::size_t b = 0; b < s_.batch; ++b) {
            for (std::size_t at = 0; at < s_.memory; ++at) {
                if (pass_.memory_mask == nullptr || pass_.memory_mask[b * s_.memory + at])
                    saved_.positions.push_back(at);
            }
            saved_.first_row.push_back(saved_.positions.size());
        }
        if (this->memory_rows() != s_.batch * s_.memory) gather_memory();
        if (this->additive()) {
            saved_.keys = Scratch<T>(this->memory_rows() * s_.attention);
            this->multiply(this->memory_rows(), s_.attention, M, this->memory(), M, in_.memory_kernel, T(0),
                           saved_.keys.data(), s_.attention);
        }
        if (kind_.score != Score::dot) saved_.queries = Scratch<T>(rows * this->query_size());
        saved_.weights = Scratch<T>(rows * s_.memory);
        if (kind_.window == Window::local_p) {
            saved_.softmax = Scratch<T>(rows * s_.memory);
            saved_.position = Scratch<T>(rows * s_.position);
            saved_.centres = Scratch<T>(rows);
        }
        saved_.contexts = Scratch<T>(rows * M);
        saved_.gates = Scratch<T>(rows * this->columns());
        saved_.h = Scratch<T>((rows + s_.batch) * U);
        saved_.c = Scratch<T>(this->lstm() ? saved_.h.size() : 0);
        if (kind_.attends_after) saved_.outputs = Scratch<T>(rows * U);
        start(in_.initial_h, saved_.h.data());
        if (this->lstm()) start(in_.initial_c, saved_.c.data());
    }

    /// The memory's rows that count, next to each other.
    void gather_memory() {
        const std::size_t M = s_.memory_features;
        // Not empty even without a row, which would say that every row counts.
        saved_.memory = Scratch<T>(std::max<std::size_t>(1, this->memory_rows() * M));
        T* to = saved_.memory.data();
        for (std::size_t b = 0; b < s_.batch; ++b) {
            for (std::size_t i = 0; i < this->memory_rows(b); ++i) {
                const T* from = in_.memory + (b * s_.memory + this->positions(b)[i]) * M;
                to = std::copy(from, from + M, to);
            }
        }
    }

    void start(const T* initial, T* state) const {
        const std::size_t n = s_.batch * s_.units;
        if (initial != nullptr) {
            std::copy(initial, initial + n, state);
        } else {
            std::fill(state, state + n, T(0));
        }
    }

    /// Weights and contexts of `count` steps from step t on, whose attending states are there.
    void attend(std::size_t t, std::size_t count) {
        const std::size_t first = t * s_.batch, n = count * s_.batch, Q = this->query_size();
        if (kind_.score != Score::dot) {
            T* queries = saved_.queries.data() + first * Q;
            this->multiply(n, Q, s_.units, this->attending(first), s_.units, in_.query_kernel, T(0), queries,
                           Q);
            for (std::size_t row = 0; row < n && in_.query_bias != nullptr; ++row, queries += Q)
                for (std::size_t i = 0; i < Q; ++i) queries[i] += in_.query_bias[i];
        }
        if (kind_.window == Window::local_p) predict_centres(first, n);
        for (std::size_t row = first; row < first + n; ++row) attend(row);
    }

    void attend(std::size_t row) {
        const std::size_t b = this->sample(row), M = s_.memory_features, Q = this->query_size();
        const auto [at, n] = this->window(row);
        const std::size_t from = saved_.first_row[b] + at;
        T* const all = saved_.weights.data() + row * s_.memory;
        std::fill(all, all + s_.memory, T(0));
        T* const weights = all + at;
        if (this->additive()) {
            attention_.additive_scores(n, Q, this->keys() + from * Q, this->query(row), in_.v, weights);
        } else {
            attention_.dots(n, Q, this->memory() + from * M, this->query(row), weights);
        }
        softmax(n, weights);
        if (kind_.window == Window::local_p) {
            std::copy(all, all + s_.memory, saved_.softmax.data() + row * s_.memory);
            const T deviation = this->deviation(), centre = saved_.centres.data()[row];
            for (std::size_t i = 0; i < n; ++i) {
                const T z = (static_cast<T>(this->positions(b)[at + i]) - centre) / deviation;
                weights[i] *= std::exp(-z * z / 2);
            }
        }
        attention_.weighted_sum(n, M, this->memory() + from * M, weights, saved_.contexts.data() + row * M);
    }

    void softmax(std::size_t n, T* x) const {
        if (n == 0) return;
        const T largest = *std::max_element(x, x + n);
        for (std::size_t i = 0; i < n; ++i) x[i] -= largest;
        elementwise_.exp(n, x, x);
        T total = 0;
        for (std::size_t i = 0; i < n; ++i) total += x[i];
        for (std::size_t i = 0; i < n; ++i) x[i] /= total;
    }

    /// centre = (last position) sigmoid(v . tanh(q W))
    void predict_centres(std::size_t first, std::size_t n) {
        const std::size_t P = s_.position;
        T* hidden = saved_.position.data() + first * P;
        this->multiply(n, P, s_.units, this->attending(first), s_.units, in_.position_kernel, T(0), hidden,
                       P);
        elementwise_.tanh(n * P, hidden, hidden);
        T* centres = saved_.centres.data() + first;
        attention_.dots(n, P, hidden, in_.position_v, centres);
        elementwise_.sigmoid(n, centres, centres);
        for (std::size_t i = 0; i < n; ++i) {
            const std::size_t b = this->sample(first + i), size = this->memory_rows(b);
            centres[i] *= size == 0 ? T(0) : static_cast<T>(this->positions(b)[size - 1]);
        }
    }

    /// outputs = tanh([context; state] C) of `count` steps from step t on.
    void attentional_outputs(std::size_t t, std::size_t count) {
        const std::size_t first = t * s_.batch, n = count * s_.batch, U = s_.units, M = s_.memory_features;
        T* outputs = saved_.outputs.data() + first * U;
        this->multiply(n, U, M, saved_.contexts.data() + first * M, M, in_.attention_kernel, T(0), outputs,
                       U);
        this->multiply(n, U, U, this->attending(first), U, in_.attention_kernel + M * U, T(1), outputs, U);
        elementwise_.tanh(n * U, outputs, outputs);
        for (std::size_t row = first; row < first + n; ++row) {
            if (this->counts(row)) continue;
            T* to = saved_.outputs.data() + row * U;
            if (row < s_.batch) {
                std::fill(to, to + U, T(0));
            } else {
                std::copy_n(to - s_.batch * U, U, to);
            }
        }
    }

    void give_results() const {
        const std::size_t U = s_.units, S = s_.memory, B = s_.batch;
        const T* outputs = kind_.attends_after ? saved_.outputs.data() : saved_.h.data() + B * U;
        for (std::size_t row = 0; row < this->rows(); ++row) {
            const std::size_t b = this->sample(row), at = b * s_.steps + this->step(row);
            T* sequence = pass_.sequence + at * U;
            T* weights = pass_.weights + at * S;
            if (this->counts(row)) {
                std::copy_n(outputs + row * U, U, sequence);
                std::fill(weights, weights + S, T(0));
                const T* from = saved_.weights.data() + row * S;
                for (std::size_t i = 0; i < this->memory_rows(b); ++i)
                    weights[this->positions(b)[i]] = from[i];
            } else if (this->step(row) == 0) {
                std::fill(sequence, sequence + U, T(0));
                std::fill(weights, weights + S, T(0));
            } else {
                std::copy_n(sequence - U, U, sequence);
                std::copy_n(weights - S, S, weights);
            }
        }
        std::copy_n(saved_.h.data() + this->rows() * U, B * U, pass_.final_h);
        if (this->lstm()) std::copy_n(saved_.c.data() + this->rows() * U, B * U, pass_.final_c);
    }

    const AttentionDecoderForward<T>& pass_;
};

template <class T>
class Back : AttentionDecoder<T> {
  public:
    Back(const AttentionDecoderBackward<T>& pass, AttentionDecoderSaved<T>& saved, InstructionSet set)
        : AttentionDecoder<T>(pass.kind, pass.sizes, pass.in, saved, set),
          pass_(pass),
          packed_(steps_.packed_size(s_.units)),
          dh_(s_.batch * s_.units),
          dc_(this->lstm() ? dh_.size() : 0),
          bias_sums_(tiles_.count() * this->columns()),
          d_outputs_(this->rows() * s_.units),
          d_weights_(pass.d_weights ? this->rows() * s_.memory : 0),
          d_scores_(this->rows() * s_.memory),
          d_contexts_(this->rows() * s_.memory_features),
          d_queries_(this->rows() * this->query_size()),
          d_keys_(this->additive() ? this->memory_rows() * s_.attention : 0),
          d_v_(s_.attention),
          d_position_(kind_.window == Window::local_p ? this->rows() * s_.position : 0),
          d_position_v_(s_.position),
          one_row_(s_.memory) {
        steps_.pack_backward(s_.units, in_.cell.recurrent_kernel, packed_.data());
        for (Scratch<T>* sums : {&bias_sums_, &d_keys_, &d_v_, &d_position_v_})
            std::fill_n(sums->data(), sums->size(), T(0));
        start(pass.d_final_h, dh_);
        start(pass.d_final_c, dc_);
        gather_result_gradients();
    }

    void run() {
        if (!saved_.gates_kept) compute_gates_again();
        saved_.gates_kept = false;
        const std::size_t B = s_.batch, U = s_.units;
        // Without feeding no output depends on the one before: the way back through all of them at once.
        Scratch<T> d_states(kind_.attends_after ? this->rows() * U : 0);
        if (kind_.attends_after && !kind_.feeding) {
            for (std::size_t t = s_.steps; t-- > 0;) hand_back_repeated(t);
            through_outputs(0, s_.steps, d_states.data());
            through_attention(0, s_.steps, d_states.data());
        }
        for (std::size_t t = s_.steps; t-- > 0;) {
            const std::size_t row = t * B;
            if (kind_.feeding) {
                if (t + 1 < s_.steps) through_feed(row + B, T(1), d_outputs_.data() + row * U, U);
                hand_back_repeated(t);
                through_outputs(t, 1, d_states.data() + row * U);
                through_attention(t, 1, d_states.data() + row * U);
            }
            if (!kind_.attends_after) hand_back_repeated(t);
            const T* d_state = kind_.attends_after ? d_states.data() : d_outputs_.data();
            for (std::size_t i = 0; i < B * U; ++i) dh_.data()[i] += d_state[row * U + i];
            through_cell(t);
            if (!kind_.attends_after) {
                through_feed(row, T(0), d_contexts_.data() + row * s_.memory_features, s_.memory_features);
                through_attention(t, 1, dh_.data());
            }
        }
        write_gradients();
    }

  private:
    using Base = AttentionDecoder<T>;
    using Base::attention_, Base::elementwise_, Base::in_, Base::kind_, Base::s_, Base::saved_, Base::steps_,
        Base::tiles_;

    static void start(const T* given, Scratch<T>& gradient) {
        if (given != nullptr) {
            std::copy_n(given, gradient.size(), gradient.data());
        } else {
            std::fill_n(gradient.data(), gradient.size(), T(0));
        }
    }

    void gather_result_gradients() {
        const std::size_t U = s_.units, S = s_.memory;
        if (pass_.d_sequence == nullptr) std::fill_n(d_outputs_.data(), d_outputs_.size(), T(0));
        for (std::size_t row = 0; row < this->rows(); ++row) {
            const std::size_t b = this->sample(row), at = b * s_.steps + this->step(row);
            if (pass_.d_sequence) std::copy_n(pass_.d_sequence + at * U, U, d_outputs_.data() + row * U);
            if (!pass_.d_weights) continue;
            for (std::size_t i = 0; i < this->memory_rows(b); ++i)
                d_weights_.data()[row * S + i] = pass_.d_weights[at * S + this->positions(b)[i]];
        }
    }

    void compute_gates_again() {
        const ForwardWeights<T> weights(kind_.cell, s_.units, steps_, in_.cell);
        this->project_inputs();
        for (std::size_t t = 0; t < s_.steps; ++t) {
            this->feed(t);
            this->step_cell(t, weights);
        }
    }

    /// Steps that repeat the output and weights before them give their gradients to those.
    void hand_back_repeated(std::size_t t) {
        for (std::size_t row = t * s_.batch; row < (t + 1) * s_.batch; ++row) {
            if (this->counts(row)) continue;
            hand_back(row, s_.units, d_outputs_);
            if (d_weights_.size() != 0) hand_back(row, s_.memory, d_weights_);
        }
    }
    void hand_back(std::size_t row, std::size_t size, Scratch<T>& gradients) const {
        T* from = gradients.data() + row * size;
        if (row >= s_.batch) {
            T* to = from - s_.batch * size;
            for (std::size_t i = 0; i < size; ++i) to[i] += from[i];
        }
        std::fill(from, from + size, T(0));
    }

    /// From the gradients of outputs to those of contexts and, written to d_states, attending states.
    void through_outputs(std::size_t t, std::size_t count, T* d_states) {
        const std::size_t first = t * s_.batch, n = count * s_.batch, U = s_.units, M = s_.memory_features;
        T* d = d_outputs_.data() + first * U;
        const T* y = saved_.outputs.data() + first * U;
        for (std::size_t i = 0; i < n * U; ++i) d[i] *= 1 - y[i] * y[i];
        gemm(Transpose::no, Transpose::yes, n, M, U, T(1), d, U, in_.attention_kernel, U, T(0),
             d_contexts_.data() + first * M, M);
        gemm(Transpose::no, Transpose::yes, n, U, U, T(1), d, U, in_.attention_kernel + M * U, U, T(0),
             d_states, U);
    }

    /// From the gradients of contexts and weights to what the memory's are made of and, added to d_states,
    /// attending states.
    void through_attention(std::size_t t, std::size_t count, T* d_states) {
        const std::size_t first = t * s_.batch, n = count * s_.batch, U = s_.units, Q = this->query_size();
        for (std::size_t row = first; row < first + n; ++row) through_attention(row);
        const T* dq = d_queries_.data() + first * Q;
        if (kind_.score == Score::dot) {
            for (std::size_t i = 0; i < n * U; ++i) d_states[i] += dq[i];
        } else {
            gemm(Transpose::no, Transpose::yes, n, U, Q, T(1), dq, Q, in_.query_kernel, Q, T(1), d_states, U);
        }
        if (kind_.window == Window::local_p) {
            gemm(Transpose::no, Transpose::yes, n, U, s_.position, T(1),
                 d_position_.data() + first * s_.position, s_.position, in_.position_kernel, s_.position,
                 T(1), d_states, U);
        }
    }

    void through_attention(std::size_t row) {
        const std::size_t b = this->sample(row), M = s_.memory_features, Q = this->query_size(),
                          S = s_.memory;
        const auto [at, n] = this->window(row);
        const std::size_t from = saved_.first_row[b] + at;
        T* const all = d_scores_.data() + row * S;
        std::fill(all, all + S, T(0));
        T* const d = all + at;
        T* const d_weights = one_row_.data();
        attention_.dots(n, M, this->memory() + from * M, d_contexts_.data() + row * M, d_weights);
        if (d_weights_.size() != 0) {
            for (std::size_t i = 0; i < n; ++i) d_weights[i] += d_weights_.data()[row * S + at + i];
        }
        const T* p = saved_.weights.data() + row * S + at;
        if (kind_.window == Window::local_p) {
            through_gaussian(row, at, n, d_weights);
            p = saved_.softmax.data() + row * S + at;
        }
        T mean = 0;
        for (std::size_t i = 0; i < n; ++i) mean += p[i] * d_weights[i];
        for (std::size_t i = 0; i < n; ++i) d[i] = p[i] * (d_weights[i] - mean);
        T* dq = d_queries_.data() + row * Q;
        if (this->additive()) {
            attention_.additive_scores_backward(n, Q, this->keys() + from * Q, this->query(row), in_.v, d,
                                                d_keys_.data() + from * Q, dq, d_v_.data());
        } else {
            attention_.weighted_sum(n, M, this->memory() + from * M, d, dq);
        }
    }

    /// From the gradients of the weights to those of the softmax, in place, and of the predicted centre.
    void through_gaussian(std::size_t row, std::size_t at, std::size_t n, T* d_weights) {
        const std::size_t b = this->sample(row), P = s_.position, size = this->memory_rows(b);
        const T deviation = this->deviation(), centre = saved_.centres.data()[row];
        const T* softmax = saved_.softmax.data() + row * s_.memory + at;
        T d_centre = 0;
        for (std::size_t i = 0; i < n; ++i) {
            const T z = (static_cast<T>(this->positions(b)[at + i]) - centre) / deviation;
            d_weights[i] *= std::exp(-z * z / 2);
            d_centre += d_weights[i] * softmax[i] * z / deviation;
        }
        // centre = last sigmoid(a), whose slope is centre (1 - centre / last).
        const T last = size == 0 ? T(0) : static_cast<T>(this->positions(b)[size - 1]);
        const T da = last == 0 ? T(0) : d_centre * centre * (1 - centre / last);
        const T* hidden = saved_.position.data() + row * P;
        T* d = d_position_.data() + row * P;
        for (std::size_t i = 0; i < P; ++i) {
            d[i] = da * in_.position_v[i] * (1 - hidden[i] * hidden[i]);
            d_position_v_.data()[i] += da * hidden[i];
        }
    }

    /// From the gradient of step t's state to those of its gates and of the state before, in dh_ and dc_.
    void through_cell(std::size_t t) {
        const std::size_t row = t * s_.batch, U = s_.units;
        const bool all = saved_.counts.empty();
        Scratch<T> held(all ? 0 : 2 * s_.batch * U);
        const auto each_held = [&](const auto& f) {
            if (all) return;
            for (std::size_t b = 0; b < s_.batch; ++b) {
                if (this->counts(row + b)) continue;
                f(dh_.data() + b * U, held.data() + b * U);
                if (this->lstm()) f(dc_.data() + b * U, held.data() + (s_.batch + b) * U);
            }
        };
        each_held([&](T* gradient, T* kept) {
            std::copy_n(gradient, U, kept);
            std::fill_n(gradient, U, T(0));
        });
        run_backward(steps_, tiles_, s_.batch,
                     {.batch = s_.batch,
                      .steps = 1,
                      .units = U,
                      .active = nullptr,
                      .packed = packed_.data(),
                      .gates = saved_.gates.data() + row * this->columns(),
                      .h = saved_.h.data() + row * U,
                      .c = this->lstm() ? saved_.c.data() + row * U : nullptr,
                      .d_sequence = nullptr,
                      .sequence_stride = 0,
                      .cut = nullptr,
                      .dh = dh_.data(),
                      .dc = dc_.data(),
                      .d_bias = bias_sums_.data()});
        each_held([&](T* gradient, const T* kept) { std::copy_n(kept, U, gradient); });
    }

    /// The gradient of what went into the cells of a step beside x.
    void through_feed(std::size_t row, T beta, T* to, std::size_t size) {
        gemm(Transpose::no, Transpose::yes, s_.batch, size, this->weight_columns(), T(1),
             this->input_gates(row), this->columns(), this->fed_kernel(), this->weight_columns(), beta, to,
             size);
    }

    void write_gradients() {
        const std::size_t rows = this->rows(), U = s_.units, M = s_.memory_features, Q = this->query_size();
        write(dh_.size(), dh_.data(), pass_.initial_h);
        if (this->lstm()) write(dc_.size(), dc_.data(), pass_.initial_c);
        write_bias_grad(kind_.cell, U, tiles_.count(), bias_sums_.data(), pass_.bias);
        write_input_gradients();
        if (pass_.recurrent_kernel.data) {
            for (const Columns& run : layout(kind_.cell).recurrent) {
                const T* h = run.reset_state ? saved_.gates.data() : saved_.h.data();
                product(U, run.count * U, rows, h, run.reset_state ? this->columns() : U,
                        saved_.gates.data() + run.gates * U, this->columns(),
                        {pass_.recurrent_kernel.data + run.weights * U, pass_.recurrent_kernel.beta},
                        this->weight_columns());
            }
        }
        if (kind_.attends_after && pass_.attention_kernel.data) {
            const GradientTarget<T> to = pass_.attention_kernel;
            product(M, U, rows, saved_.contexts.data(), M, d_outputs_.data(), U, to, U);
            product(U, U, rows, this->attending(0), U, d_outputs_.data(), U, {to.data + M * U, to.beta}, U);
        }
        if (kind_.score != Score::dot)
            product(U, Q, rows, this->attending(0), U, d_queries_.data(), Q, pass_.query_kernel, Q);
        if (pass_.query_bias.data) write_column_sums(d_queries_, Q, pass_.query_bias);
        if (this->additive()) {
            product(M, Q, this->memory_rows(), this->memory(), M, d_keys_.data(), Q, pass_.memory_kernel, Q);
            write(d_v_.size(), d_v_.data(), pass_.v);
        }
        if (kind_.window == Window::local_p) {
            product(U, s_.position, rows, this->attending(0), U, d_position_.data(), s_.position,
                    pass_.position_kernel, s_.position);
            write(d_position_v_.size(), d_position_v_.data(), pass_.position_v);
        }
        write_memory_gradient();
    }

    /// target = A^T B + beta target, A [k, m] and B [k, n].
    static void product(std::size_t m, std::size_t n, std::size_t k, const T* a, std::size_t lda, const T* b,
                        std::size_t ldb, GradientTarget<T> target, std::size_t ldc) {
        if (!target.data) return;
        gemm(Transpose::yes, Transpose::no, m, n, k, T(1), a, lda, b, ldb, target.beta, target.data, ldc);
    }

    void write_input_gradients() {
        const std::size_t rows = this->rows(), D = s_.features, columns = this->columns(),
                          weight_columns = this->weight_columns();
        if (pass_.kernel.data) {
            Scratch<T> x(rows * D);
            this->gather_x(x.data());
            product(D, weight_columns, rows, x.data(), D, this->input_gates(0), columns, pass_.kernel,
                    weight_columns);
            const GradientTarget<T> to{pass_.kernel.data + D * weight_columns, pass_.kernel.beta};
            if (!kind_.attends_after) {
                product(this->fed(), weight_columns, rows, saved_.contexts.data(), this->fed(),
                        this->input_gates(0), columns, to, weight_columns);
            } else if (kind_.feeding) {
                const std::size_t fed = rows == 0 ? 0 : rows - s_.batch;
                product(this->fed(), weight_columns, fed, saved_.outputs.data(), this->fed(),
                        fed == 0 ? nullptr : this->input_gates(s_.batch), columns, to, weight_columns);
            }
        }
        if (!pass_.x.data) return;
        Scratch<T> dx(rows * D);
        gemm(Transpose::no, Transpose::yes, rows, D, weight_columns, T(1), this->input_gates(0), columns,
             in_.cell.kernel, weight_columns, T(0), dx.data(), D);
        for (std::size_t row = 0; row < rows; ++row) {
            const std::size_t at = this->sample(row) * s_.steps + this->step(row);
            write(D, dx.data() + row * D, {pass_.x.data + at * D, pass_.x.beta});
        }
    }

    static void write_column_sums(const Scratch<T>& rows, std::size_t size, GradientTarget<T> target) {
        Scratch<T> sums(size);
        std::fill_n(sums.data(), size, T(0));
        for (const T *row = rows.data(), *end = row + rows.size(); row != end; row += size)
            for (std::size_t i = 0; i < size; ++i) sums.data()[i] += row[i];
        write(size, sums.data(), target);
    }

    /// Every row of the memory was read as part of a context, and as a key.
    void write_memory_gradient() {
        if (!pass_.memory.data) return;
        const std::size_t B = s_.batch, S = s_.memory, M = s_.memory_features, Q = this->query_size();
        const bool whole = saved_.memory.size() == 0;
        Scratch<T> counted(whole ? 0 : this->memory_rows() * M);
        const GradientTarget<T> to =
            whole ? pass_.memory : GradientTarget<T>{.data = counted.data(), .beta = T(0)};
        for (std::size_t b = 0; b < B; ++b) {
            const std::size_t n = this->memory_rows(b);
            T* rows = to.data + saved_.first_row[b] * M;
            gemm(Transpose::yes, Transpose::no, n, M, s_.steps, T(1), saved_.weights.data() + b * S, B * S,
                 d_contexts_.data() + b * M, B * M, to.beta, rows, M);
            if (this->additive()) continue;
            gemm(Transpose::yes, Transpose::no, n, M, s_.steps, T(1), d_scores_.data() + b * S, B * S,
                 this->query(0) + b * Q, B * Q, T(1), rows, M);
        }
        if (this->additive()) {
            gemm(Transpose::no, Transpose::yes, this->memory_rows(), M, Q, T(1), d_keys_.data(), Q,
                 in_.memory_kernel, Q, T(1), to.data, M);
        }
        if (whole) return;
        if (pass_.memory.beta == T(0)) std::fill_n(pass_.memory.data, B * S * M, T(0));
        for (std::size_t b = 0; b < B; ++b) {
            for (std::size_t row = saved_.first_row[b]; row < saved_.first_row[b + 1]; ++row) {
                write(M, counted.data() + row * M,
                      {pass_.memory.data + (b * S + saved_.positions[row]) * M, T(1)});
            }
        }
    }

    const AttentionDecoderBackward<T>& pass_;
    Scratch<T> packed_;
    /// Gradients of the states between two steps.
    Scratch<T> dh_, dc_;
    Scratch<T> bias_sums_;
    /// In the order of rows; those of outputs become those of what goes into their tanh.
    Scratch<T> d_outputs_, d_weights_, d_scores_, d_contexts_, d_queries_;
    Scratch<T> d_keys_, d_v_, d_position_, d_position_v_;
    Scratch<T> one_row_;
};

}  // namespace

template <class T>
AttentionDecoderSaved<T> attention_decoder_forward(const AttentionDecoderForward<T>& pass,
                                                   InstructionSet set) {
    AttentionDecoderSaved<T> saved;
    Forward<T>(pass, saved, set).run();
    return saved;
}

template <class T>
void attention_decoder_backward(const AttentionDecoderBackward<T>& pass, AttentionDecoderSaved<T>& saved,
                                InstructionSet set) {
    Back<T>(pass, saved, set).run();
}

template AttentionDecoderSaved<float> attention_decoder_forward(const AttentionDecoderForward<float>&,
                                                                InstructionSet);
template AttentionDecoderSaved<double> attention_decoder_forward(const AttentionDecoderForward<double>&,
                                                                 InstructionSet);
template void attention_decoder_backward(const AttentionDecoderBackward<float>&,
                                         AttentionDecoderSaved<float>&, InstructionSet);
template void attention_decoder_backward(const AttentionDecoderBackward<double>&,
                                         AttentionDecoderSaved<double>&, InstructionSet);

}  // namespace seqgrad::kernels
