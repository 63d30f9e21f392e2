#pragma once
#include <cstddef>
#include <filesystem>
#include <span>

namespace logitfield::io {

/// Know which file lies at which addresses, for the message of a page that cannot be read.
void remember_mapped(std::span<const std::byte> bytes, const std::filesystem::path& path);
void forget_mapped(std::span<const std::byte> bytes);

/// Ends the process with `exit_code`, and one line on standard error that names file and byte, when a page of a mapped
/// file cannot be read: the file was cut off while it was in use, or its disk failed. Without this, SIGBUS would end
/// the process without a word. Where the page is of no mapped file, one line tells what is likely, and SIGBUS ends the
/// process. To be called once, after libraries have installed handlers of their own.
void tell_of_lost_pages(int exit_code);

}  // namespace logitfield::io
