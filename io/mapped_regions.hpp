#pragma once
#include <cstddef>
#include <filesystem>
#include <span>

namespace logitfield::io {

/// Record which file is mapped at which addresses, for the message about a page that cannot be read.
void remember_mapped(std::span<const std::byte> bytes, const std::filesystem::path& path);
void forget_mapped(std::span<const std::byte> bytes);

/// Ends the process with `exit_code` when a page of a mapped file cannot be read: the file was truncated while it was
/// in use, or its disk failed. One line on standard error names file and byte. Without this, SIGBUS would end the
/// process without a message. If the page belongs to no mapped file, one line gives the likely cause, and SIGBUS ends
/// the process. Call it once, after libraries have installed their own handlers.
void tell_of_lost_pages(int exit_code);

}  // namespace logitfield::io
