#include "io/compressed.hpp"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <memory>
#include <new>
#include <string_view>
#include <vector>

#include "io/error.hpp"

namespace logitfield::io {
namespace {

constexpr std::size_t kOutputPiece = 1 << 20;
constexpr std::string_view kGzip = "\x1F\x8B", kZstd = "\x28\xB5\x2F\xFD";

/// The decompressed content of a file so far.
class Output {
 public:
  Output(const std::string& file, std::size_t limit) : file_(file), limit_(limit) {}

  std::vector<char>& piece() { return piece_; }
  /// Takes the first bytes of the piece.
  void take(std::size_t count) {
    if (count > limit_ - text_.size()) {
      throw InputError("{}: larger than the {} bytes allowed once decompressed; give a part of it", file_, limit_);
    }
    text_.append(piece_.data(), count);
  }
  [[noreturn]] void refuse(const std::string& what) const {
    throw InputError("{}: cannot be decompressed: {}; copy or compress it again", file_, what);
  }
  std::string text() && { return std::move(text_); }

 private:
  const std::string& file_;
  std::size_t limit_;
  std::string text_;
  std::vector<char> piece_ = std::vector<char>(kOutputPiece);
};

/// One gzip member after another, as gunzip reads them; zeros may follow.
void inflate_members(const std::string& content, Output& output) {
  constexpr int kGzipOnly = 16 + MAX_WBITS;
  z_stream stream{};
  if (inflateInit2(&stream, kGzipOnly) != Z_OK) throw std::bad_alloc();
  const std::unique_ptr<z_stream, decltype(&inflateEnd)> end(&stream, &inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  const auto is_zero = [](Bytef byte) { return byte == 0; };
  while (stream.avail_in > 0 && !std::all_of(stream.next_in, stream.next_in + stream.avail_in, is_zero)) {
    if (inflateReset(&stream) != Z_OK) output.refuse("zlib cannot start");
    for (int result = Z_OK; result != Z_STREAM_END;) {
      stream.next_out = reinterpret_cast<Bytef*>(output.piece().data());
      stream.avail_out = kOutputPiece;
      result = inflate(&stream, Z_NO_FLUSH);
      output.take(kOutputPiece - stream.avail_out);
      if (result == Z_BUF_ERROR) output.refuse("the file is cut off");
      if (result != Z_OK && result != Z_STREAM_END) output.refuse(stream.msg ? stream.msg : "it is damaged");
    }
  }
}

/// One frame after another.
void decompress_frames(const std::string& content, Output& output) {
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(), &ZSTD_freeDCtx);
  if (!context) throw std::bad_alloc();
  ZSTD_inBuffer in{content.data(), content.size(), 0};
  // 0: a frame is complete; else more is to come.
  for (std::size_t state = 0;;) {
    ZSTD_outBuffer out{output.piece().data(), kOutputPiece, 0};
    state = ZSTD_decompressStream(context.get(), &out, &in);
    if (ZSTD_isError(state)) output.refuse(ZSTD_getErrorName(state));
    output.take(out.pos);
    if (in.pos < in.size || out.pos == kOutputPiece) continue;
    if (state != 0) output.refuse("the file is cut off");
    return;
  }
}

}  // namespace

std::string decompressed(std::string content, const std::string& file, std::size_t limit) {
  Output output(file, limit);
  if (content.starts_with(kGzip)) {
    inflate_members(content, output);
  } else if (content.starts_with(kZstd)) {
    decompress_frames(content, output);
  } else {
    return content;
  }
  return std::move(output).text();
}

std::filesystem::path name_before_compression(const std::filesystem::path& path) {
  return path.extension() == ".gz" || path.extension() == ".zst" ? path.stem() : path.filename();
}

}  // namespace logitfield::io
