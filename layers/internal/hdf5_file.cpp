#include "seqgrad/layers/internal/hdf5_file.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <exception>
#include <fstream>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

// The interface of 1.10, which later versions have as well.
#define H5_USE_110_API
#include <fmt/format.h>
#include <hdf5.h>

#include "seqgrad/core/error.hpp"

namespace seqgrad::detail {
namespace {

/// Compressed data are at most so many times as large as what they are compressed to: deflate's own limit.
constexpr std::uint64_t largest_compression = 1032;
/// Chunks that are larger than their dataset are common only where that is small.
constexpr std::uint64_t small_chunk = 1U << 20U;
constexpr std::size_t longest_reason = 200;

/// HDF5 as other libraries use it in the same process: it has one state for all, and is built without locks.
class Session {
  public:
    Session() : lock_(mutex()) {
        H5Eget_auto2(H5E_DEFAULT, &print_, &data_);
        H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    }
    ~Session() { H5Eset_auto2(H5E_DEFAULT, print_, data_); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

  private:
    static std::mutex& mutex() {
        static std::mutex instance;
        return instance;
    }

    std::lock_guard<std::mutex> lock_;
    H5E_auto2_t print_ = nullptr;
    void* data_ = nullptr;
};

/// What HDF5 says about its last error, innermost cause last.
std::string last_reason() {
    std::string reason;
    const auto take = [](unsigned, const H5E_error2_t* error, void* out) -> herr_t {
        if (error->desc != nullptr) *static_cast<std::string*>(out) = error->desc;
        return 0;
    };
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, take, &reason);
    return reason.substr(0, longest_reason);
}

/// An identifier that is closed.
class Handle {
  public:
    using Close = herr_t (*)(hid_t);

    Handle(hid_t id, Close close) : id_(id), close_(close) {}
    ~Handle() {
        if (id_ >= 0) close_(id_);
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    operator hid_t() const noexcept { return id_; }
    bool is_open() const noexcept { return id_ >= 0; }

  private:
    hid_t id_;
    Close close_;
};

class Reader {
  public:
    Reader(std::string source, const LoadLimits& limits, SkipPath skip)
        : source_(std::move(source)), limits_(limits), skip_(skip) {}

    Hdf5File read(const std::filesystem::path& path) {
        const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
        return read(path.c_str(), access);
    }

    Hdf5File read(std::string_view bytes) {
        const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
        constexpr std::size_t increment = 1U << 16U;
        if (H5Pset_fapl_core(access, increment, 0) < 0 ||
            H5Pset_file_image(access, const_cast<char*>(bytes.data()), bytes.size()) < 0)
            fail("", last_reason());
        return read(source_.c_str(), access);
    }

  private:
    [[noreturn]] void fail(const std::string& path, const std::string& what) const {
        throw FormatError(path.empty() ? fmt::format("{}: {}", source_, what)
                                       : fmt::format("{}: {}: {}", source_, path, what));
    }

    Hdf5File read(const char* name, hid_t access) {
        const Handle file(H5Fopen(name, H5F_ACC_RDONLY, access), H5Fclose);
        if (!file.is_open()) fail("", fmt::format("is no HDF5 file, or damaged ({})", last_reason()));
        const Handle root(H5Gopen2(file, "/", H5P_DEFAULT), H5Gclose);
        if (!root.is_open()) fail("", last_reason());
        group(root, "", 1);
        return std::move(file_);
    }

    struct Names {
        const Reader* reader;
        std::vector<std::string> names;
        std::size_t left;
        std::exception_ptr error;
    };

    /// Called by HDF5, which exceptions must not go through.
    static herr_t add_name(hid_t, const char* name, const H5L_info_t* info, void* data) {
        auto& out = *static_cast<Names*>(data);
        try {
            if (info->type != H5L_TYPE_HARD)
                out.reader->fail(name, "is a link to somewhere else, which is not followed");
            if (out.names.size() >= out.left)
                out.reader->fail("", "has more groups and datasets than allowed");
            out.names.emplace_back(name);
            if (out.names.back().size() > out.reader->limits_.max_string_length)
                out.reader->fail("", "has a longer name than allowed");
            return 0;
        } catch (...) {
            out.error = std::current_exception();
            return -1;
        }
    }

    void group(hid_t id, const std::string& path, std::size_t depth) {
        if (depth > limits_.max_depth) fail(path, "groups stand deeper inside each other than allowed");
        file_.headers[path] = visit_once(id, path);
        if (!path.empty()) file_.groups.push_back(path);
        Names found{this, {}, limits_.max_keys - keys_, nullptr};
        const herr_t result = H5Literate(id, H5_INDEX_NAME, H5_ITER_INC, nullptr, add_name, &found);
        if (found.error) std::rethrow_exception(found.error);
        if (result < 0) fail(path, last_reason());
        keys_ += found.names.size();
        for (const std::string& name : found.names) {
            const std::string inside = path.empty() ? name : path + "/" + name;
            if (skip_(inside)) continue;
            const Handle object(H5Oopen(id, name.c_str(), H5P_DEFAULT), H5Oclose);
            if (!object.is_open()) fail(inside, last_reason());
            switch (H5Iget_type(object)) {
                case H5I_GROUP:
                    group(object, inside, depth + 1);
                    break;
                case H5I_DATASET:
                    dataset(object, inside);
                    break;
                default:
                    fail(inside, "is neither a group nor a dataset");
            }
        }
    }

    /// Where the object's header stands.
    std::uint64_t visit_once(hid_t id, const std::string& path) {
        H5O_info_t info{};
        if (H5Oget_info(id, &info) < 0) fail(path, last_reason());
        if (!visited_.insert(info.addr).second) fail(path, "stands in the file under two names");
        return info.addr;
    }

    void dataset(hid_t id, const std::string& path) {
        visit_once(id, path);
        const Handle type(H5Dget_type(id), H5Tclose);
        if (!type.is_open()) fail(path, last_reason());
        const std::size_t width = H5Tget_size(type);
        const bool is_brain = is_bfloat16(id, type, width);
        if (!is_brain) check_number(type, path, width);
        Shape shape;
        const std::size_t count = size_of(id, path, width == 8 ? sizeof(double) : sizeof(float), shape);
        check_storage(id, path, std::uint64_t{count} * width);
        if (is_brain) {
            add_bfloat16(id, path, std::move(shape), count, type);
        } else if (width == 8) {
            add<double>(id, path, std::move(shape), count, H5T_NATIVE_DOUBLE);
        } else {
            add<float>(id, path, std::move(shape), count, H5T_NATIVE_FLOAT);
        }
    }

    /// Whether it is bfloat16 as Keras writes it: two bytes of no type, with an attribute that says so. It
    /// gives no other type that attribute, whose text is therefore not read.
    static bool is_bfloat16(hid_t id, hid_t type, std::size_t width) {
        return H5Tget_class(type) == H5T_OPAQUE && width == 2 && H5Aexists(id, "dtype") > 0;
    }

    void check_number(hid_t type, const std::string& path, std::size_t width) const {
        const H5T_class_t kind = H5Tget_class(type);
        if (kind == H5T_FLOAT && (width == 2 || width == 4 || width == 8)) return;
        const char* const expected = "expected numbers of half, single or double precision or bfloat16";
        if (kind == H5T_INTEGER) {
            const char* const sign = H5Tget_sign(type) == H5T_SGN_NONE ? "u" : "";
            const std::string name = fmt::format("{}int{}", sign, 8 * width);
            if (width == 1) {
                fail(path,
                     fmt::format("{}, got {}: weights of a quantized model are not read; save them before "
                                 "model.quantize()",
                                 expected, name));
            }
            fail(path, fmt::format("{}, got {}", expected, name));
        }
        if (kind == H5T_OPAQUE) {
            fail(path,
                 fmt::format("{}, got {} bytes of no type, as which Keras's legacy files hold bfloat16; "
                             "save as \".weights.h5\"",
                             expected, width));
        }
        if (kind == H5T_FLOAT) fail(path, fmt::format("{}, got numbers of {} bytes", expected, width));
        fail(path, expected);
    }

    /// The number of elements, which fit the limits.
    std::size_t size_of(hid_t id, const std::string& path, std::size_t width, Shape& shape) {
        const Handle space(H5Dget_space(id), H5Sclose);
        if (!space.is_open()) fail(path, last_reason());
        if (H5Sget_simple_extent_type(space) == H5S_NULL) fail(path, "has no elements and no shape");
        const int rank = H5Sget_simple_extent_ndims(space);
        if (rank < 0 || rank > H5S_MAX_RANK) fail(path, last_reason());
        std::vector<hsize_t> sizes(static_cast<std::size_t>(rank));
        if (H5Sget_simple_extent_dims(space, sizes.data(), nullptr) < 0) fail(path, last_reason());
        const std::uint64_t allowed = (limits_.max_bytes - bytes_) / width;
        std::uint64_t count = 1;
        for (const hsize_t size : sizes) {
            if (size != 0 && count > allowed / size) fail(path, "is larger than allowed");
            count *= size;
            shape.push_back(static_cast<std::size_t>(size));
        }
        bytes_ += count * width;
        return static_cast<std::size_t>(count);
    }

    /// Fails unless all bytes of a dataset are in the file itself, as they are or compressed by what HDF5
    /// brings along.
    void check_storage(hid_t id, const std::string& path, std::uint64_t bytes) const {
        const Handle list(H5Dget_create_plist(id), H5Pclose);
        if (!list.is_open()) fail(path, last_reason());
        if (H5Pget_external_count(list) != 0)
            fail(path, "has its elements in another file, which is not followed");
        const std::uint64_t stored = H5Dget_storage_size(id);
        switch (H5Pget_layout(list)) {
            case H5D_COMPACT:
            case H5D_CONTIGUOUS:
                if (stored != bytes)
                    fail(path, fmt::format("takes {} bytes, of which {} are stored", bytes, stored));
                return;
            case H5D_CHUNKED:
                break;
            default:
                fail(path, "is made of other datasets, which is not followed");
        }
        bool is_compressed = false;
        const int filters = H5Pget_nfilters(list);
        if (filters < 0) fail(path, last_reason());
        for (int i = 0; i < filters; ++i) {
            unsigned flags = 0;
            std::size_t values = 0;
            const H5Z_filter_t filter =
                H5Pget_filter2(list, static_cast<unsigned>(i), &flags, &values, nullptr, 0, nullptr, nullptr);
            if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE &&
                filter != H5Z_FILTER_FLETCHER32)
                fail(path, "is compressed by something other than deflate, shuffle and fletcher32");
            is_compressed = is_compressed || filter == H5Z_FILTER_DEFLATE;
        }
        if (bytes / (is_compressed ? largest_compression : 1) > stored)
            fail(path, fmt::format("takes {} bytes, of which {} are stored", bytes, stored));
        std::vector<hsize_t> chunk(H5S_MAX_RANK, 1);
        const int rank = H5Pget_chunk(list, H5S_MAX_RANK, chunk.data());
        if (rank < 0) fail(path, last_reason());
        std::uint64_t elements = 1;
        for (int axis = 0; axis < rank; ++axis) {
            const hsize_t size = chunk[static_cast<std::size_t>(axis)];
            if (size != 0 && elements > std::max(bytes, small_chunk) / size)
                fail(path, "has larger chunks than elements");
            elements *= size;
        }
    }

    template <class T>
    void add(hid_t id, const std::string& path, Shape shape, std::size_t count, hid_t type) {
        std::vector<T> data(count);
        if (H5Dread(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data.data()) < 0) fail(path, last_reason());
        file_.tensors.add(path, {std::move(shape), std::move(data)});
    }

    /// bfloat16 is the upper half of a float32.
    void add_bfloat16(hid_t id, const std::string& path, Shape shape, std::size_t count, hid_t type) {
        std::vector<std::uint8_t> bytes(2 * count);
        if (H5Dread(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()) < 0) fail(path, last_reason());
        std::vector<float> data(count);
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint32_t upper = bytes[2 * i] | std::uint32_t{bytes[2 * i + 1]} << 8U;
            data[i] = std::bit_cast<float>(upper << 16U);
        }
        file_.tensors.add(path, {std::move(shape), std::move(data)});
    }

    std::string source_;
    const LoadLimits& limits_;
    SkipPath skip_;
    Hdf5File file_;
    std::set<haddr_t> visited_;
    std::size_t keys_ = 0;
    std::uint64_t bytes_ = 0;
};

void check_size(std::uint64_t size, const std::string& source, const LoadLimits& limits) {
    if (size > limits.max_bytes)
        throw FormatError(fmt::format("{}: has {} bytes, allowed are {}", source, size, limits.max_bytes));
}

void check(bool success) {
    if (!success) throw IoError(fmt::format("HDF5 could not make a file: {}", last_reason()));
}

}  // namespace

bool has_hdf5() noexcept {
    return true;
}

Hdf5File read_hdf5(const std::filesystem::path& path, const LoadLimits& limits, SkipPath skip) {
    std::error_code error;
    const std::uint64_t size = std::filesystem::file_size(path, error);
    if (error || !std::ifstream(path)) {
        throw IoError(fmt::format("{}: cannot be read{}{}", path.string(), error ? ": " : "",
                                  error ? error.message() : ""));
    }
    check_size(size, path.string(), limits);
    const Session session;
    return Reader(path.string(), limits, skip).read(path);
}

Hdf5File read_hdf5(std::string_view bytes, const std::string& source, const LoadLimits& limits,
                   SkipPath skip) {
    check_size(bytes.size(), source, limits);
    const Session session;
    return Reader(source, limits, skip).read(bytes);
}

std::string write_hdf5(const StoredTensors& tensors, const std::vector<std::string>& groups) {
    const Session session;
    const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    constexpr std::size_t increment = 1U << 20U;
    check(H5Pset_fapl_core(access, increment, 0) >= 0);
    const Handle file(H5Fcreate("seqgrad", H5F_ACC_TRUNC, H5P_DEFAULT, access), H5Fclose);
    check(file.is_open());
    const Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
    check(H5Pset_create_intermediate_group(links, 1) >= 0);
    for (const std::string& name : groups) {
        const Handle group(H5Gcreate2(file, name.c_str(), links, H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
        check(group.is_open());
    }
    const Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    check(H5Pset_obj_track_times(creation, false) >= 0);
    for (const auto& [name, tensor] : tensors) {
        const std::vector<hsize_t> sizes(tensor.shape().begin(), tensor.shape().end());
        const Handle space(sizes.empty()
                               ? H5Screate(H5S_SCALAR)
                               : H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr),
                           H5Sclose);
        check(space.is_open());
        const bool is_double = tensor.dtype() == DType::float64;
        const Handle dataset(H5Dcreate2(file, name.c_str(), is_double ? H5T_IEEE_F64LE : H5T_IEEE_F32LE,
                                        space, links, creation, H5P_DEFAULT),
                             H5Dclose);
        check(dataset.is_open());
        const void* const data = is_double ? static_cast<const void*>(tensor.data<double>().data())
                                           : static_cast<const void*>(tensor.data<float>().data());
        check(H5Dwrite(dataset, is_double ? H5T_NATIVE_DOUBLE : H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL,
                       H5P_DEFAULT, data) >= 0);
    }
    check(H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0);
    const ssize_t size = H5Fget_file_image(file, nullptr, 0);
    check(size >= 0);
    std::string bytes(static_cast<std::size_t>(size), '\0');
    check(H5Fget_file_image(file, bytes.data(), bytes.size()) == size);
    return bytes;
}

}  // namespace seqgrad::detail
