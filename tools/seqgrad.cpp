// seqgrad: looks at files of weights and models, compares and converts them, and tests the library's kernels.
#include "seqgrad/seqgrad.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "any_file.hpp"
#include "report.hpp"
#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace {

using namespace seqgrad;
using namespace seqgrad::tools;

/// What the process ends with; docs/tool.md has them too.
enum Exit : int {
    success = 0,
    differ = 1,
    faulty = 1,
    usage = 2,
    input_output = 3,
    bad_file = 4,
    impossible = 5
};

const char* const footer =
    "Formats, by the end of a file's name: json (.json), safetensors (.safetensors), keras-weights\n"
    "(.weights.h5), keras (.keras, read only), onnx (.onnx, write only); and pytorch, a state_dict in\n"
    "safetensors, which has to be named.\n\n"
    "Exit codes: 0 success; 1 diff found differences, or selftest a fault; 2 wrong command line; 3 a file "
    "cannot be read or\n"
    "written; 4 a file is not valid, or does not fit the model; 5 what is asked for cannot be done.";

/// A file argument and the option that names its format.
struct File {
    std::string path;
    std::optional<Format> format;

    Format known_format() const { return format ? *format : format_of(path); }
    Contents read() const { return read_any(path, known_format()); }
};

void add_file(CLI::App& command, File& file, const std::string& name, const std::string& option,
              const std::string& what) {
    command.add_option(name, file.path, what)->required();
    command.add_option(option, file.format, "format of " + name + ", where its name does not say it")
        ->transform(CLI::CheckedTransformer(formats()));
}

/// "encoder=rnn": a layer's path, and the module's name in PyTorch.
PyTorchNames names_of(const std::vector<std::string>& texts) {
    PyTorchNames names;
    for (const std::string& text : texts) {
        const std::size_t sign = text.find('=');
        if (sign == std::string::npos || sign == 0) {
            throw CLI::ValidationError("--name", fmt::format("expected LAYER=MODULE, got {}", text));
        }
        names.push_back({text.substr(0, sign), text.substr(sign + 1)});
    }
    return names;
}

/// An error's text on one line, whatever names of a file it has in it.
std::string on_one_line(std::string text) {
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos;) {
        const std::size_t end = text.find_first_not_of(" \n", at);
        const std::string_view between = at > 0 && text[at - 1] == ':' ? " " : "; ";
        text.replace(at, (end == std::string::npos ? text.size() : end) - at,
                     end == std::string::npos ? "" : between);
    }
    return printable(text);
}

/// One line for every instruction set, and below it the fault if there is one.
std::string describe(const std::vector<SelfTestResult>& results) {
    std::string out;
    for (const SelfTestResult& r : results) {
        out += fmt::format(
            "{:<9} {:<4} {} comparisons, largest difference: float {:.1e} (limit {:.0e}), "
            "double {:.1e} (limit {:.0e}){}\n",
            r.instruction_set, r.fault ? "FAIL" : "ok", r.comparisons, r.of_float.largest_difference,
            r.of_float.limit, r.of_double.largest_difference, r.of_double.limit, r.used ? ", used here" : "");
        if (!r.fault) continue;
        out += fmt::format("  first fault: {}; {}: expected {:.9g}, got {:.9g}\n", r.fault->kernel,
                           r.fault->sizes, r.fault->expected, r.fault->got);
    }
    return out;
}

int fail(Exit code, const std::string& message) {
    std::cerr << "seqgrad: " << on_one_line(message) << '\n';
    return code;
}

int run(int argc, char** argv) {
    CLI::App app("Looks at files of weights and models, compares and converts them.", "seqgrad");
    app.footer(footer);
    app.require_subcommand(1);
    app.set_version_flag("--version", SEQGRAD_VERSION);

    File file;
    bool as_json = false;
    CLI::App* inspect = app.add_subcommand("inspect", "Lists the tensors of a file, with statistics.");
    add_file(*inspect, file, "FILE", "--format", "the file");
    inspect->add_flag("--json", as_json, "print JSON");

    CLI::App* check = app.add_subcommand("check", "Reads all of a file and says whether it is valid.");
    add_file(*check, file, "FILE", "--format", "the file");

    File a, b;
    Tolerance tolerance;
    CLI::App* diff = app.add_subcommand("diff", "Compares the tensors and models of two files.");
    add_file(*diff, a, "A", "--format-a", "a file");
    add_file(*diff, b, "B", "--format-b", "another one");
    diff->add_option("--absolute", tolerance.absolute, "largest difference that counts as none")
        ->check(CLI::NonNegativeNumber);
    diff->add_option("--relative", tolerance.relative, "the same, times the element of B")
        ->check(CLI::NonNegativeNumber);

    File in, out;
    std::optional<std::string> model;
    std::vector<std::string> names;
    SaveOptions save;
    CLI::App* convert_command =
        app.add_subcommand("convert", "Writes the contents of a file in another format.");
    add_file(*convert_command, in, "IN", "--from", "the file to read");
    add_file(*convert_command, out, "OUT", "--to", "the file to write");
    convert_command->add_option("--model", model,
                                "JSON file of a model that the weights belong to, where IN does not hold it");
    convert_command->add_option("--name", names,
                                "LAYER=MODULE: PyTorch's name for a layer; may be given often");
    convert_command
        ->add_option("--encoding", save.encoding, "of numbers in JSON: decimal (default) or base64")
        ->transform(CLI::CheckedTransformer(
            std::map<std::string, Encoding>{{"decimal", Encoding::decimal}, {"base64", Encoding::base64}}));
    convert_command->add_flag("--allow-non-finite", save.allow_non_finite,
                              "write infinite numbers and NaN to JSON, too");

    CLI::App* self_test = app.add_subcommand(
        "selftest", "Compares the kernels of every instruction set that this processor has.");

    Exit result = success;
    try {
        app.parse(argc, argv);
        if (*inspect) {
            const Contents contents = file.read();
            std::cout << (as_json ? describe_as_json(file.path, contents) : describe(file.path, contents));
        } else if (*check) {
            const Contents contents = file.read();
            check_parts(file.path, contents);
            std::cout << fmt::format("{}: valid {}, {} tensors\n", printable(file.path),
                                     name_of(contents.format), contents.tensors.size());
        } else if (*diff) {
            const Contents first = a.read(), second = b.read();
            std::string found = differences(first, second, tolerance);
            if (first.training && second.training) {
                found += state_differences(training_state(a.path, first), training_state(b.path, second));
            }
            std::cout << found;
            if (!found.empty()) result = differ;
        } else if (*self_test) {
            const std::vector<SelfTestResult> results = selftest();
            std::cout << describe(results);
            if (std::ranges::any_of(results, [](const auto& r) { return r.fault.has_value(); }))
                result = faulty;
        } else {
            Conversion conversion{.in = in.path,
                                  .out = out.path,
                                  .from = in.known_format(),
                                  .to = out.known_format(),
                                  .names = names_of(names),
                                  .save = save};
            if (model) conversion.model = *model;
            std::string left_out;
            for (const std::string& name : convert(conversion))
                left_out += (left_out.empty() ? "" : ", ") + printable(name);
            if (!left_out.empty()) {
                std::cerr << "seqgrad: left out, since their elements are no floating-point numbers: "
                          << left_out << '\n';
            }
        }
        std::cout.flush();
        if (!std::cout) throw IoError("cannot write to the standard output");
        return result;
    } catch (const CLI::CallForHelp& help) {
        return app.exit(help);
    } catch (const CLI::CallForAllHelp& help) {
        return app.exit(help);
    } catch (const CLI::CallForVersion& version) {
        return app.exit(version);
    } catch (const CLI::ParseError& error) {
        return fail(usage, error.what());
    } catch (const IoError& error) {
        return fail(input_output, error.what());
    } catch (const FormatError& error) {
        return fail(bad_file, error.what());
    } catch (const NonFiniteError& error) {
        return fail(impossible, fmt::format("{}; here --allow-non-finite does", error.what()));
    } catch (const std::bad_alloc&) {
        return fail(impossible, "there is not enough memory");
    } catch (const std::exception& error) {
        return fail(impossible, error.what());
    }
}

}  // namespace

int main(int argc, char** argv) {
    return run(argc, argv);
}
