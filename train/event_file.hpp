#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "seqgrad/core/tensor.hpp"

namespace seqgrad {

/// Writes an event file for TensorBoard: numbers, distributions and pictures over steps.
///
/// The file "events.out.tfevents.<seconds>.<host>.<process>.<number>" is made in `folder`, and the folder
/// where it is not there. What is written is flushed at once, so that TensorBoard shows it while a run goes
/// on. Tags with slashes are grouped: "epoch/loss". Format: TFRecord with Event messages as of TensorBoard 2.
/// Every member throws IoError when the file cannot be written.
///
/// A run that goes on at a step which it had reached before would show that step twice. With `first_step` the
/// file begins with a mark (SessionLog START) for which TensorBoard drops what older files of the folder have
/// from that step on, under any tag. Give it to the first file of the folder too: one of TensorBoard's
/// readers passes over the first mark that it meets, whatever was before it.
class EventFile {
  public:
    explicit EventFile(const std::filesystem::path& folder, std::optional<std::int64_t> first_step = {});

    const std::filesystem::path& path() const noexcept { return path_; }

    void scalar(std::string_view tag, double value, std::int64_t step);
    /// The distribution of the values in `buckets` steps between the smallest and the largest one. Values
    /// that are not finite are left out; without any nothing is written. Throws ValueError for no buckets.
    template <Real T>
    void histogram(std::string_view tag, std::span<const T> values, std::int64_t step,
                   std::size_t buckets = 30);
    /// A picture [height, width] of values from 0, white, to 1, black; others are clipped. Every element
    /// becomes `magnification` x `magnification` pixels. Throws ShapeError for another rank and an empty
    /// picture, ValueError for a magnification of 0.
    template <Real T>
    void image(std::string_view tag, const Tensor<T>& picture, std::int64_t step,
               std::size_t magnification = 8);

  private:
    void write(const std::string& event);
    void value(std::int64_t step, const std::string& value);

    std::filesystem::path path_;
    std::ofstream file_;
};

namespace detail {

/// The checksum CRC-32C (Castagnoli).
std::uint32_t crc32c(std::string_view data);

/// A grey PNG file of height x width pixels, 0 black to 255 white.
std::string grey_png(std::size_t height, std::size_t width, std::span<const unsigned char> pixels);

}  // namespace detail
}  // namespace seqgrad
