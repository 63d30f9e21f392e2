// Fuzzes one record of a journal.
#include "pipeline/results/record.hpp"

#include <stdexcept>

#include "tests/fuzz/input.hpp"

namespace logitfield::fuzz {
namespace {

/// Requires everything that the rest of the program relies on.
void require_sound(const Record& record) {
  const auto* layer = std::get_if<LayerRecord>(&record);
  if (!layer) return;
  for (const HeadRecord& head : layer->heads) {
    for (const kernels::HeadStatistics& s : head.fields) {
      require(!kernels::route_name(s.route).empty(), "routes have a name");
      (void)s.certificate.certified();
    }
  }
}

}  // namespace

void check(std::string_view input) {
  Record record;
  const auto bytes = std::as_bytes(std::span(input));
  if (!accepts<std::runtime_error>([&] { record = decode(bytes); })) return;
  require_sound(record);
  const auto encoded = encode(record);
  require(encode(decode(encoded)) == encoded, "a record is read back as it was written");
}

}  // namespace logitfield::fuzz
