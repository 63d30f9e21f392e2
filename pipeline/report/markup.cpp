#include "pipeline/report/markup.hpp"

namespace logitfield::io {

std::string markup_text(std::string_view raw) {
  std::string out;
  for (const char c : raw) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace logitfield::io
