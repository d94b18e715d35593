#include "support/naive.hpp"

#include <algorithm>

namespace oracle {
namespace {

std::size_t offset(const Index& shape, const Index& i) {
    std::size_t at = 0;
    const std::size_t skipped = i.size() - shape.size();
    for (std::size_t axis = 0; axis < shape.size(); ++axis)
        at = at * shape[axis] + (shape[axis] == 1 ? 0 : i[skipped + axis]);
    return at;
}

/// The index with `value` put in front of place `axis`.
Index with(Index i, std::size_t axis, std::size_t value) {
    i.insert(i.begin() + static_cast<std::ptrdiff_t>(axis), value);
    return i;
}
Index without(Index i, std::size_t axis) {
    i.erase(i.begin() + static_cast<std::ptrdiff_t>(axis));
    return i;
}
Index replaced(Index i, std::size_t axis, std::size_t value) {
    i[axis] = value;
    return i;
}

}  // namespace

std::size_t count(const Index& shape) {
    std::size_t n = 1;
    for (const std::size_t size : shape) n *= size;
    return n;
}

Dual Array::operator()(const Index& i) const {
    return data[offset(shape, i)];
}

Array build(const Index& shape, const std::function<Dual(const Index&)>& f) {
    Array out{shape, std::vector<Dual>(count(shape))};
    Index i(shape.size());
    for (Dual& element : out.data) {
        element = f(i);
        for (std::size_t axis = shape.size(); axis-- > 0;) {
            if (++i[axis] < shape[axis]) break;
            i[axis] = 0;
        }
    }
    return out;
}

Array filled(const Index& shape, Dual value) {
    return {shape, std::vector<Dual>(count(shape), value)};
}

Index broadcast(const Index& a, const Index& b) {
    Index longer = a.size() < b.size() ? b : a;
    const Index& shorter = a.size() < b.size() ? a : b;
    const std::size_t skipped = longer.size() - shorter.size();
    for (std::size_t axis = 0; axis < shorter.size(); ++axis)
        if (longer[skipped + axis] == 1) longer[skipped + axis] = shorter[axis];
    return longer;
}

std::size_t axis_of(std::ptrdiff_t axis, std::size_t rank) {
    return static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::ptrdiff_t>(rank) : axis);
}

Array map(const Array& x, const std::function<Dual(Dual)>& f) {
    return build(x.shape, [&](const Index& i) { return f(x(i)); });
}
Array zip(const Array& a, const Array& b, const std::function<Dual(Dual, Dual)>& f) {
    return build(broadcast(a.shape, b.shape), [&](const Index& i) { return f(a(i), b(i)); });
}
Array where(const Array& condition, const Array& a, const Array& b) {
    return build(broadcast(condition.shape, broadcast(a.shape, b.shape)),
                 [&](const Index& i) { return condition(i).v != 0 ? a(i) : b(i); });
}

Dual sum(const List& x) {
    Dual total;
    for (const Dual& e : x) total += e;
    return total;
}
Dual mean(const List& x) {
    return sum(x) / static_cast<Real>(x.size());
}
Dual max(const List& x) {
    return *std::max_element(x.begin(), x.end());
}
Dual min(const List& x) {
    return *std::min_element(x.begin(), x.end());
}
Dual logsumexp(const List& x) {
    const Real largest = max(x).v;
    Dual total;
    for (const Dual& e : x) total += exp(e - largest);
    return log(total) + largest;
}
Dual variance(const List& x) {
    const Dual m = mean(x);
    List squares;
    for (const Dual& e : x) squares.push_back((e - m) * (e - m));
    return mean(squares);
}
List log_softmax(const List& x) {
    List out;
    for (const Dual& e : x) out.push_back(e - logsumexp(x));
    return out;
}
List softmax(const List& x) {
    List out = log_softmax(x);
    for (Dual& e : out) e = exp(e);
    return out;
}

Array reduce(const Array& x, const std::vector<std::ptrdiff_t>& axes, bool keepdims,
             const std::function<Dual(const List&)>& f) {
    std::vector<bool> reduced(x.rank(), axes.empty());
    for (const std::ptrdiff_t axis : axes) reduced[axis_of(axis, x.rank())] = true;
    Index kept = x.shape;
    Index shape;
    for (std::size_t axis = 0; axis < x.rank(); ++axis) {
        if (reduced[axis]) kept[axis] = 1;
        if (!reduced[axis] || keepdims) shape.push_back(kept[axis]);
    }
    std::vector<List> lists(count(kept));
    build(x.shape, [&](const Index& i) {
        lists[offset(kept, i)].push_back(x(i));
        return Dual();
    });
    Array out{shape, {}};
    for (const List& list : lists) out.data.push_back(f(list));
    return out;
}

Array along(const Array& x, std::ptrdiff_t axis, const std::function<List(const List&)>& f) {
    const std::size_t a = axis_of(axis, x.rank());
    Array out = x;
    const Index lines = without(x.shape, a);
    build(lines, [&](const Index& i) {
        List list;
        for (std::size_t k = 0; k < x.shape[a]; ++k) list.push_back(x(with(i, a, k)));
        const List result = f(list);
        for (std::size_t k = 0; k < result.size(); ++k) out.data[offset(x.shape, with(i, a, k))] = result[k];
        return Dual();
    });
    return out;
}

Array matmul(const Array& a, const Array& b) {
    Array left = a;
    Array right = b;
    if (a.rank() == 1) left.shape.insert(left.shape.begin(), 1);
    if (b.rank() == 1) right.shape.push_back(1);
    const Index batch = broadcast(Index(left.shape.begin(), left.shape.end() - 2),
                                  Index(right.shape.begin(), right.shape.end() - 2));
    const std::size_t inner = left.shape.back();
    Index shape = batch;
    shape.push_back(left.shape[left.rank() - 2]);
    shape.push_back(right.shape.back());
    // A batch axis of size 1 stretches; a matrix axis of size 1 must not, but its index is 0 anyway.
    Array out = build(shape, [&](const Index& i) {
        Dual total;
        for (std::size_t k = 0; k < inner; ++k)
            total += left(replaced(i, i.size() - 1, k)) * right(replaced(i, i.size() - 2, k));
        return total;
    });
    if (b.rank() == 1) out.shape.pop_back();
    if (a.rank() == 1) out.shape.erase(out.shape.begin() + static_cast<std::ptrdiff_t>(batch.size()));
    return out;
}

Array vecdot(const Array& a, const Array& b, std::ptrdiff_t axis) {
    return reduce(zip(a, b, [](Dual x, Dual y) { return x * y; }), {axis}, false, sum);
}

Array linear(const Array& x, const Array& kernel, const Array& bias) {
    return zip(matmul(x, kernel), bias, [](Dual p, Dual q) { return p + q; });
}

Array reshape(const Array& x, const Index& shape) {
    return {shape, x.data};
}

Array transpose(const Array& x, const std::vector<std::ptrdiff_t>& axes) {
    Index shape;
    for (const std::ptrdiff_t axis : axes) shape.push_back(x.shape[axis_of(axis, x.rank())]);
    return build(shape, [&](const Index& i) {
        Index from(x.rank());
        for (std::size_t k = 0; k < axes.size(); ++k) from[axis_of(axes[k], x.rank())] = i[k];
        return x(from);
    });
}

Array flip(const Array& x, const std::vector<std::ptrdiff_t>& axes) {
    return build(x.shape, [&](Index i) {
        for (const std::ptrdiff_t axis : axes) {
            const std::size_t a = axis_of(axis, x.rank());
            i[a] = x.shape[a] - 1 - i[a];
        }
        return x(i);
    });
}

Array broadcast_to(const Array& x, const Index& shape) {
    return build(shape, [&](const Index& i) { return x(i); });
}

Array every(const Array& x, std::ptrdiff_t axis, std::ptrdiff_t start, std::ptrdiff_t step,
            std::size_t length) {
    const std::size_t a = axis_of(axis, x.rank());
    return build(replaced(x.shape, a, length), [&](const Index& i) {
        return x(replaced(i, a, static_cast<std::size_t>(start + step * static_cast<std::ptrdiff_t>(i[a]))));
    });
}

Array select(const Array& x, std::ptrdiff_t axis, std::size_t index) {
    const std::size_t a = axis_of(axis, x.rank());
    return build(without(x.shape, a), [&](const Index& i) { return x(with(i, a, index)); });
}

Array concatenate(const Arrays& parts, std::ptrdiff_t axis) {
    const std::size_t a = axis_of(axis, parts[0].rank());
    std::size_t size = 0;
    for (const Array& part : parts) size += part.shape[a];
    return build(replaced(parts[0].shape, a, size), [&](Index i) {
        std::size_t k = 0;
        while (i[a] >= parts[k].shape[a]) i[a] -= parts[k++].shape[a];
        return parts[k](i);
    });
}

Array stack(const Arrays& parts, std::ptrdiff_t axis) {
    const std::size_t a = axis_of(axis, parts[0].rank() + 1);
    return build(with(parts[0].shape, a, parts.size()),
                 [&](const Index& i) { return parts[i[a]](without(i, a)); });
}

Array pad(const Array& x, const std::vector<std::pair<std::size_t, std::size_t>>& widths, Real value) {
    Index shape = x.shape;
    for (std::size_t a = 0; a < widths.size(); ++a) shape[a] += widths[a].first + widths[a].second;
    return build(shape, [&](Index i) {
        for (std::size_t a = 0; a < widths.size(); ++a) {
            if (i[a] < widths[a].first || i[a] >= widths[a].first + x.shape[a]) return Dual(value);
            i[a] -= widths[a].first;
        }
        return x(i);
    });
}

Array repeat(const Array& x, std::size_t repeats, std::ptrdiff_t axis) {
    const std::size_t a = axis_of(axis, x.rank());
    return build(replaced(x.shape, a, x.shape[a] * repeats),
                 [&](const Index& i) { return x(replaced(i, a, i[a] / repeats)); });
}

Array tile(const Array& x, const Index& repeats) {
    const std::size_t rank = std::max(x.rank(), repeats.size());
    Index from(rank - x.rank(), 1);
    from.insert(from.end(), x.shape.begin(), x.shape.end());
    Index shape = from;
    for (std::size_t k = 0; k < repeats.size(); ++k) shape[rank - repeats.size() + k] *= repeats[k];
    return build(shape, [&](Index i) {
        for (std::size_t a = 0; a < rank; ++a) i[a] %= from[a];
        return reshape(x, from)(i);
    });
}

Array take(const Array& x, const Integers& indices, std::ptrdiff_t axis) {
    const std::size_t a = axis_of(axis, x.rank());
    Index shape = without(x.shape, a);
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(a), indices.shape.begin(), indices.shape.end());
    return build(shape, [&](const Index& i) {
        const auto first = i.begin() + static_cast<std::ptrdiff_t>(a);
        const auto last = first + static_cast<std::ptrdiff_t>(indices.shape.size());
        Index from(i.begin(), first);
        from.push_back(indices.data[offset(indices.shape, Index(first, last))]);
        from.insert(from.end(), last, i.end());
        return x(from);
    });
}

Array take_along_axis(const Array& x, const Integers& indices, std::ptrdiff_t axis) {
    const std::size_t a = axis_of(axis, x.rank());
    return build(indices.shape,
                 [&](const Index& i) { return x(replaced(i, a, indices.data[offset(indices.shape, i)])); });
}

Array scatter_add(const Array& x, const Integers& indices, const Array& updates, std::ptrdiff_t axis) {
    const std::size_t a = axis_of(axis, x.rank());
    Array flat = updates;  // with the axes of `indices` merged into one
    flat.shape = replaced(x.shape, a, indices.data.size());
    return build(x.shape, [&](const Index& i) {
        Dual total = x(i);
        for (std::size_t n = 0; n < indices.data.size(); ++n)
            if (indices.data[n] == i[a]) total += flat(replaced(i, a, n));
        return total;
    });
}

Array layer_norm(const Array& x, const Array& gamma, const Array& beta,
                 const std::vector<std::ptrdiff_t>& axes, Real epsilon) {
    const Array m = reduce(x, axes, true, mean);
    const Array s = reduce(x, axes, true, variance);
    return build(x.shape,
                 [&](const Index& i) { return (x(i) - m(i)) / sqrt(s(i) + epsilon) * gamma(i) + beta(i); });
}

namespace {

/// [B, n]: row b, column j of x_t W + bias row `row`.
Dual projected(const Array& x, std::size_t t, const Array& w, const Array* bias, std::size_t row,
               std::size_t b, std::size_t j) {
    Dual total = bias ? (bias->rank() == 2 ? (*bias)({row, j}) : (*bias)({j})) : Dual();
    for (std::size_t d = 0; d < w.shape[0]; ++d) total += x({b, t, d}) * w.data[d * w.shape[1] + j];
    return total;
}
Dual recurrent(const Array& h, const Array& r, std::size_t b, std::size_t j) {
    Dual total;
    for (std::size_t u = 0; u < r.shape[0]; ++u)
        total += h.data[b * r.shape[0] + u] * r.data[u * r.shape[1] + j];
    return total;
}

/// Runs `step(t, b, u, states)`, which gives the new states of unit u, over time.
Arrays run(
    const Array& x, std::size_t units, Arrays states, const Walk& walk,
    const std::function<List(std::size_t t, std::size_t b, std::size_t u, const Arrays& states)>& step) {
    const std::size_t batch = x.shape[0];
    const std::size_t steps = x.shape[1];
    Array sequence = filled({batch, steps, units}, 0);
    for (std::size_t p = 0; p < steps; ++p) {
        const std::size_t t = walk.go_backwards ? steps - 1 - p : p;
        if (walk.detach_every > 0 && p > 0 && p % walk.detach_every == 0) {
            for (Array& s : states) {
                for (Dual& e : s.data) e.d = 0;
            }
        }
        Arrays next = states;
        for (std::size_t b = 0; b < batch; ++b) {
            const bool counts = walk.mask.empty() || walk.mask[b * steps + t];
            for (std::size_t u = 0; u < units; ++u) {
                Dual& output = sequence.data[(b * steps + p) * units + u];
                if (!counts) {
                    const bool repeat = p > 0 && !walk.zero_output;
                    output = repeat ? sequence.data[(b * steps + p - 1) * units + u] : Dual();
                    continue;
                }
                const List now = step(t, b, u, states);
                for (std::size_t k = 0; k < now.size(); ++k) next[k].data[b * units + u] = now[k];
                output = now[0];
            }
        }
        states = next;
    }
    states.insert(states.begin(), sequence);
    return states;
}

Array state(const Array& x, std::size_t units, const Array* given) {
    return given ? *given : filled({x.shape[0], units}, 0);
}

}  // namespace

Arrays simple_rnn(const Array& x, const Array& w, const Array& r, const Array* bias, const Array* h0,
                  const Walk& walk) {
    const std::size_t n = r.shape[0];
    return run(x, n, {state(x, n, h0)}, walk,
               [&](std::size_t t, std::size_t b, std::size_t u, const Arrays& s) -> List {
                   return {tanh(projected(x, t, w, bias, 0, b, u) + recurrent(s[0], r, b, u))};
               });
}

Arrays lstm(const Array& x, const Array& w, const Array& r, const Array* bias, const Array* h0,
            const Array* c0, const Walk& walk) {
    const std::size_t n = r.shape[0];
    return run(x, n, {state(x, n, h0), state(x, n, c0)}, walk,
               [&](std::size_t t, std::size_t b, std::size_t u, const Arrays& s) -> List {
                   const auto gate = [&](std::size_t k) {
                       return projected(x, t, w, bias, 0, b, k * n + u) + recurrent(s[0], r, b, k * n + u);
                   };
                   const Dual c = sigmoid(gate(1)) * s[1].data[b * n + u] + sigmoid(gate(0)) * tanh(gate(2));
                   return {sigmoid(gate(3)) * tanh(c), c};
               });
}

Arrays gru(const Array& x, const Array& w, const Array& r, const Array* bias, const Array* h0,
           const Walk& walk) {
    const std::size_t n = r.shape[0];
    return run(x, n, {state(x, n, h0)}, walk,
               [&](std::size_t t, std::size_t b, std::size_t u, const Arrays& s) -> List {
                   const auto input = [&](std::size_t k) {
                       return projected(x, t, w, bias, 0, b, k * n + u);
                   };
                   const auto inner = [&](std::size_t k) {
                       return recurrent(s[0], r, b, k * n + u) + (bias ? (*bias)({1, k * n + u}) : Dual());
                   };
                   const Dual z = sigmoid(input(0) + inner(0));
                   const Dual reset = sigmoid(input(1) + inner(1));
                   return {z * s[0].data[b * n + u] + (1 - z) * tanh(input(2) + reset * inner(2))};
               });
}

Arrays gru_reset_before(const Array& x, const Array& w, const Array& r, const Array* bias, const Array* h0,
                        const Walk& walk) {
    const std::size_t n = r.shape[0];
    return run(
        x, n, {state(x, n, h0)}, walk,
        [&](std::size_t t, std::size_t b, std::size_t u, const Arrays& s) -> List {
            const auto gate = [&](std::size_t k, std::size_t v) {
                return sigmoid(projected(x, t, w, bias, 0, b, k * n + v) + recurrent(s[0], r, b, k * n + v));
            };
            Dual candidate = projected(x, t, w, bias, 0, b, 2 * n + u);
            for (std::size_t v = 0; v < n; ++v)
                candidate += gate(1, v) * s[0].data[b * n + v] * r.data[v * 3 * n + 2 * n + u];
            const Dual z = gate(0, u);
            return {z * s[0].data[b * n + u] + (1 - z) * tanh(candidate)};
        });
}

}  // namespace oracle
