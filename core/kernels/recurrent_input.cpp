#include "seqgrad/core/kernels/recurrent_input.hpp"

#include <algorithm>

#include "seqgrad/core/internal/parallel.hpp"
#include "seqgrad/core/kernels/cell.hpp"
#include "seqgrad/core/kernels/copy_rows.hpp"
#include "seqgrad/core/kernels/gemm.hpp"

namespace seqgrad::kernels {
namespace {

using Chunk = Timeline::Chunk;

/// A chunk's rows of a batch-major array [B, T, D].
template <class T>
const T* gather(const Timeline& time, const Chunk& chunk, std::size_t features, const T* x, T* target) {
    const bool in_order = time.whole() && !time.go_backwards() && (time.batch() == 1 || time.steps() == 1);
    if (in_order) return x + chunk.row * features;
    copy_rows(time, chunk, features, [&](const Timeline::Row& row) {
        std::copy_n(x + time.place(row.sample, time.step(row.position)) * features, features,
                    target + row.index * features);
    });
    return target;
}

/// The way back.
template <class T>
void scatter(const Timeline& time, const Chunk& chunk, std::size_t features, const T* source,
             GradientTarget<T> target) {
    copy_rows(time, chunk, features, [&](const Timeline::Row& row) {
        const T* from = source + row.index * features;
        T* to = target.data + time.place(row.sample, time.step(row.position)) * features;
        if (target.beta == T(0)) {
            std::copy_n(from, features, to);
        } else {
            for (std::size_t i = 0; i < features; ++i) to[i] = target.beta * to[i] + from[i];
        }
    });
}

/// Makes way for the gradient of x where rows are written to it: what no row belongs to is zero.
template <class T>
void clear_uncounted(const Timeline& time, std::size_t features, GradientTarget<T> target) {
    if (!target.data || target.beta != T(0) || time.whole()) return;
    std::fill(target.data, target.data + time.batch() * time.steps() * features, T(0));
}

}  // namespace

template <class T>
RecurrentInput<T>::RecurrentInput(Cell cell, const RecurrentSizes& sizes, const RecurrentSteps<T>& steps,
                                  const Timeline& timeline, RecurrentX<T> x, const T* kernel,
                                  std::size_t most_rows)
    : sizes_(sizes),
      steps_(steps),
      time_(timeline),
      x_(x),
      kernel_(kernel),
      first_(layout(cell).input.gates * sizes.units),
      groups_(layout(cell).input.count),
      columns_(gate_groups(cell) * sizes.units),
      rows_(x.ids ? 0 : most_rows * sizes.features) {}

template <class T>
template <class F>
void RecurrentInput<T>::for_each_id(const Chunk& chunk, const F& f) const {
    time_.for_each_row(chunk, [&](const Timeline::Row& row) {
        const std::size_t at = time_.place(row.sample, time_.step(row.position));
        f(static_cast<std::size_t>(x_.ids[at]), row.index);
    });
}

template <class T>
void RecurrentInput<T>::give(const Chunk& chunk, ForwardSteps<T>& call) {
    // A block of W that is read again for the next tile of samples should not be too long for the caches.
    // Without features there is no x to give.
    constexpr std::size_t fewest_samples = 4, most_features = 1024;
    const bool in_time_loop = steps_.pack_input != nullptr && x_.ids == nullptr && sizes_.features > 0 &&
                              sizes_.batch >= fewest_samples && sizes_.features <= most_features;
    if (!in_time_loop) return project(chunk, call.gates);
    if (packed_.size() == 0) {
        packed_ = Scratch<T>(steps_.packed_input_size(sizes_.units, sizes_.features));
        steps_.pack_input(sizes_.units, sizes_.features, kernel_, packed_.data());
    }
    call.x = gather(time_, chunk, sizes_.features, x_.data, rows_.data());
    call.features = sizes_.features;
    call.packed_input = packed_.data();
}

template <class T>
void RecurrentInput<T>::project(const Chunk& chunk, T* gates) {
    const std::size_t features = sizes_.features;
    const auto multiply = [&](std::size_t rows, const T* x, T* to, std::size_t stride) {
        gemm(Transpose::no, Transpose::no, rows, width(), features, T(1), x, features, kernel_, width(), T(0),
             to, stride);
    };
    if (!x_.ids) {
        return multiply(chunk.rows, gather(time_, chunk, features, x_.data, rows_.data()), gates + first_,
                        columns_);
    }
    if (projected_.size() == 0) {
        projected_ = Scratch<T>(x_.table_rows * width());
        multiply(x_.table_rows, x_.data, projected_.data(), width());
    }
    detail::parallel_runs(width(), chunk.rows * width(), [&](std::size_t begin, std::size_t end) {
        for_each_id(chunk, [&](std::size_t id, std::size_t row) {
            const T* from = projected_.data() + id * width();
            std::copy(from + begin, from + end, gates + row * columns_ + first_ + begin);
        });
    });
}

template <class T>
RecurrentInputGradient<T>::RecurrentInputGradient(RecurrentInput<T>& input, GradientTarget<T> kernel,
                                                  GradientTarget<T> x)
    : input_(input),
      kernel_(kernel),
      x_(x),
      sums_(input.x_.ids && (kernel.data || x.data) ? input.x_.table_rows * input.width() : 0) {
    std::fill(sums_.data(), sums_.data() + sums_.size(), T(0));
    if (!input.x_.ids) clear_uncounted(input.time_, input.sizes_.features, x);
}

template <class T>
void RecurrentInputGradient<T>::add(const Chunk& chunk, const T* gates) {
    const std::size_t features = input_.sizes_.features, width = input_.width(), columns = input_.columns_;
    const T* input_gates = gates + input_.first_;
    if (input_.x_.ids) {
        if (sums_.size() == 0) return;
        detail::parallel_runs(width, chunk.rows * width, [&](std::size_t begin, std::size_t end) {
            input_.for_each_id(chunk, [&](std::size_t id, std::size_t row) {
                T* to = sums_.data() + id * width;
                const T* from = input_gates + row * columns;
                for (std::size_t i = begin; i < end; ++i) to[i] += from[i];
            });
        });
        return;
    }
    if (kernel_.data) {
        const T* x = gather(input_.time_, chunk, features, input_.x_.data, input_.rows_.data());
        gemm(Transpose::yes, Transpose::no, features, width, chunk.rows, T(1), x, features, input_gates,
             columns, kernel_.beta, kernel_.data, width);
        kernel_.beta = T(1);
    }
    if (x_.data) {
        gemm(Transpose::no, Transpose::yes, chunk.rows, features, width, T(1), input_gates, columns,
             input_.kernel_, width, T(0), input_.rows_.data(), features);
        scatter(input_.time_, chunk, features, input_.rows_.data(), x_);
    }
}

template <class T>
void RecurrentInputGradient<T>::finish() {
    if (sums_.size() == 0) return;
    const std::size_t features = input_.sizes_.features, width = input_.width(), rows = input_.x_.table_rows;
    if (kernel_.data) {
        gemm(Transpose::yes, Transpose::no, features, width, rows, T(1), input_.x_.data, features,
             sums_.data(), width, kernel_.beta, kernel_.data, width);
    }
    if (x_.data) {
        gemm(Transpose::no, Transpose::yes, rows, features, width, T(1), sums_.data(), width, input_.kernel_,
             width, x_.beta, x_.data, features);
    }
}

template class RecurrentInput<float>;
template class RecurrentInput<double>;
template class RecurrentInputGradient<float>;
template class RecurrentInputGradient<double>;

}  // namespace seqgrad::kernels
