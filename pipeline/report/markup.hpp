#pragma once
#include <string>
#include <string_view>

namespace logitfield::io {

/// Escapes text for HTML or SVG, inside an element or a quoted attribute.
std::string markup_text(std::string_view raw);

}  // namespace logitfield::io
