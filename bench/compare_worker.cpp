// seqgrad's side of compare.py: a process that prepares a piece of work when told to and times it when told
// to, so that it and its peers can take turns. Commands come line by line, words separated by spaces; each is
// answered by "ok", with numbers where it asks for any, or "error" and why.
//
//     recurrent CELL IN OUT B T D U      a layer's training step: gradients of the weights
//     attention KIND IN OUT B S T D U M A    a decoder's: gradients of the weights and of the memory
//     char_lm CELL IN OUT B T V E U      a whole step: embedding, layer, dense, loss, clipping, Adam
//     time SECONDS wall|processor        the shortest step, in seconds, of as many as fit (two at least)
//     memory CELL IN OUT B T D U         bytes that preparation and first step of `recurrent` add to the
//                                        peak of the process's memory
//     peak SECONDS                       floating-point operations a second, see fma_peak.hpp
//
// IN holds operands as files "<name>.f32" of little-endian numbers in C order, OUT takes outputs and
// gradients
// ("d_<name>.f32") likewise.
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <limits>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "fma_peak.hpp"

#include "seqgrad/seqgrad.hpp"

namespace {

using namespace seqgrad;
namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little);

Tensor<float> read(const fs::path& folder, const std::string& name, const Shape& shape) {
    const fs::path path = folder / (name + ".f32");
    Tensor<float> t(shape);
    if (fs::file_size(path) != t.size() * sizeof(float))
        throw std::runtime_error(path.string() + ": not as many numbers as " + to_string(shape));
    std::ifstream file(path, std::ios::binary);
    file.read(reinterpret_cast<char*>(t.data()), static_cast<std::streamsize>(t.size() * sizeof(float)));
    if (!file) throw std::runtime_error(path.string() + ": cannot be read");
    return t;
}

void write(const fs::path& folder, const std::string& name, const Tensor<float>& t) {
    fs::create_directories(folder);
    std::ofstream file(folder / (name + ".f32"), std::ios::binary);
    file.write(reinterpret_cast<const char*>(t.data()),
               static_cast<std::streamsize>(t.size() * sizeof(float)));
    if (!file.flush()) throw std::runtime_error(folder.string() + ": cannot write " + name);
}

void read_parameters(const fs::path& in, Module<float>& module) {
    for (NamedParameter<float>& p : module.parameters())
        p.variable.assign(read(in, p.name, p.variable.shape()));
}

void write_gradients(const fs::path& out, Module<float>& module) {
    for (NamedParameter<float>& p : module.parameters()) write(out, "d_" + p.name, p.variable.grad());
}

/// What is timed. Gradients of a step stay until the next one.
using Step = std::function<void()>;

Step recurrent(std::istream& words) {
    std::string cell;
    fs::path in, out;
    std::size_t B = 0, T = 0, D = 0, U = 0;
    words >> cell >> in >> out >> B >> T >> D >> U;
    std::shared_ptr<Module<float>> layer;
    if (cell == "SimpleRNN")
        layer = std::make_shared<SimpleRNN<float>>(SimpleRNNConfig{.units = U, .return_sequences = true});
    if (cell == "LSTM")
        layer = std::make_shared<LSTM<float>>(LSTMConfig{.units = U, .return_sequences = true});
    if (cell == "GRU") layer = std::make_shared<GRU<float>>(GRUConfig{.units = U, .return_sequences = true});
    if (!words || !layer) throw std::runtime_error("recurrent: takes CELL IN OUT B T D U");
    const auto x = constant(read(in, "x", {B, T, D}));
    const Variable<float> gradient = constant(read(in, "output_gradient", {B, T, U}));
    layer->build(any_batch(x.shape()));
    read_parameters(in, *layer);
    const auto step = [layer, x, gradient] {
        for (auto& p : layer->parameters()) p.variable.clear_grad();
        Variable<float> y = (*layer)(x);
        backward(y, gradient);
        return y;
    };
    write(out, "output", step().value());
    write_gradients(out, *layer);
    return [step] { step(); };
}

Step attention(std::istream& words) {
    std::string kind;
    fs::path in, out;
    std::size_t B = 0, S = 0, T = 0, D = 0, U = 0, M = 0, A = 0;
    words >> kind >> in >> out >> B >> S >> T >> D >> U >> M >> A;
    const bool bahdanau = kind == "bahdanau", feeding = kind == "luong_general_feeding";
    if (!words || !(bahdanau || feeding || kind == "luong_general"))
        throw std::runtime_error("attention: takes KIND IN OUT B S T D U M A");
    const auto decoder = std::make_shared<AttentionDecoder<float>>(
        GRUCell<float>({.units = U}),
        AttentionDecoderConfig{.style = bahdanau ? AttentionStyle::bahdanau : AttentionStyle::luong,
                               .score = bahdanau ? AttentionScore::bahdanau : AttentionScore::general,
                               .attention_units = A,
                               .input_feeding = feeding});
    const auto x = constant(read(in, "x", {B, T, D}));
    auto memory = parameter(read(in, "memory", {B, S, M}));
    const Variable<float> gradient = constant(read(in, "output_gradient", {B, T, U}));
    decoder->build_for({any_batch(x.shape()), any_batch(memory.shape())});
    read_parameters(in, *decoder);
    auto step = [decoder, x, memory, gradient]() mutable {
        for (auto& p : decoder->parameters()) p.variable.clear_grad();
        memory.clear_grad();
        Variable<float> y = decoder->run(x, memory).sequence;
        backward(y, gradient);
        return y;
    };
    write(out, "output", step().value());
    write_gradients(out, *decoder);
    write(out, "d_memory", memory.grad());
    return [step]() mutable { step(); };
}

Step char_lm(std::istream& words) {
    std::string cell;
    fs::path in, out;
    std::size_t B = 0, T = 0, V = 0, E = 0, U = 0;
    words >> cell >> in >> out >> B >> T >> V >> E >> U;
    const auto model = std::make_shared<Sequential<float>>();
    model->add(Embedding<float>({.input_dim = V, .output_dim = E, .name = "embedding"}));
    if (cell == "SimpleRNN")
        model->add(SimpleRNN<float>({.units = U, .return_sequences = true, .name = "rnn"}));
    if (cell == "LSTM") model->add(LSTM<float>({.units = U, .return_sequences = true, .name = "rnn"}));
    if (cell == "GRU") model->add(GRU<float>({.units = U, .return_sequences = true, .name = "rnn"}));
    model->add(Dense<float>({.units = V, .name = "dense"}));
    if (!words || model->size() != 3) throw std::runtime_error("char_lm: takes CELL IN OUT B T V E U");
    const auto ids = constant(read(in, "ids", {B, T}));
    const auto labels = std::make_shared<Tensor<float>>(read(in, "labels", {B, T}));
    model->build(any_batch(ids.shape()));
    read_parameters(in, *model);
    const auto optimizer =
        std::make_shared<Adam<float>>(AdamConfig{.learning_rate = 1e-3, .global_clipnorm = 1.0});
    const auto step = [model, ids, labels, optimizer] {
        std::vector<Variable<float>> parameters;
        for (auto& p : model->parameters()) {
            p.variable.clear_grad();
            parameters.push_back(p.variable);
        }
        const SparseCategoricalCrossentropy loss_of{.from_logits = true};
        const Variable<float> loss = loss_of(*labels, (*model)(ids));
        backward(loss);
        optimizer->apply(parameters);
        return loss.item();
    };
    Tensor<float> losses = zeros<float>({4});
    for (float& loss : elements(losses)) loss = step();
    write(out, "losses", losses);
    for (auto& p : model->parameters()) write(out, p.name, p.variable.value());
    return [step] { step(); };
}

double seconds(bool of_processor) {
    if (of_processor) {
        timespec t{};
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double shortest(const Step& step, double budget, bool of_processor) {
    if (!step) throw std::runtime_error("time: no work is prepared");
    double best = std::numeric_limits<double>::infinity();
    const double end = seconds(false) + budget;
    for (int i = 0; i < 2 || seconds(false) < end; ++i) {
        const double start = seconds(of_processor);
        step();
        best = std::min(best, seconds(of_processor) - start);
    }
    return best;
}

/// A line of /proc/self/status in bytes: "VmRSS" or "VmHWM", the resident memory now and at its peak.
double resident(const std::string& line) {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        double kilobytes = 0;
        if (word == line + ":" && status >> kilobytes) return 1024 * kilobytes;
    }
    throw std::runtime_error("memory: /proc/self/status has no " + line);
}

/// Has the peak start anew.
void forget_peak() {
    std::ofstream file("/proc/self/clear_refs");
    if (!(file << 5 << std::flush)) throw std::runtime_error("memory: cannot write /proc/self/clear_refs");
}

}  // namespace

int main(int argc, char** argv) try {
    const std::string option = argc == 3 ? argv[1] : "";
    const int threads = option == "--threads" ? std::atoi(argv[2]) : 0;
    if (threads < 1) {
        std::cerr << "usage: compare_worker --threads N\n";
        return 2;
    }
    set_num_threads(static_cast<std::size_t>(threads));
    std::cout.precision(9);
    Step step;
    for (std::string line; std::getline(std::cin, line);) {
        try {
            std::istringstream words(line);
            std::string command, clock;
            double number = 0;
            words >> command;
            if (command == "recurrent" || command == "attention" || command == "char_lm") {
                step = nullptr;
                step = command == "recurrent"   ? recurrent(words)
                       : command == "attention" ? attention(words)
                                                : char_lm(words);
                std::cout << "ok" << std::endl;
            } else if (command == "time" && words >> number >> clock) {
                std::cout << "ok " << shortest(step, number, clock == "processor") << std::endl;
            } else if (command == "memory") {
                forget_peak();
                const double before = resident("VmRSS");
                step = nullptr;
                step = recurrent(words);
                std::cout << "ok " << resident("VmHWM") - before << std::endl;
            } else if (command == "peak" && words >> number) {
                const auto set = bench::fma_instruction_sets().back();
                std::cout << "ok "
                          << bench::measure_fma_peak<float>(set, static_cast<std::size_t>(threads), number)
                          << std::endl;
            } else {
                throw std::runtime_error("unknown command: " + line);
            }
        } catch (const std::exception& e) {
            std::cout << "error " << e.what() << std::endl;
        }
    }
    return 0;
} catch (const std::exception& e) {
    std::cerr << "compare_worker: " << e.what() << '\n';
    return 1;
}
