#include <nlohmann/json.hpp>

#include "io/console.hpp"
#include "io/printable.hpp"
#include "pipeline/commands/commands.hpp"
#include "pipeline/job/texts.hpp"
#include "pipeline/mpi/agreement.hpp"

namespace logitfield {
namespace {

/// Puts the piece in quotes, which show spaces at its ends. Escapes control characters as in JSON.
std::string quoted(const std::string& piece) {
  return io::printable(nlohmann::json(piece).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

int tokens(const Options& options, const mpi::Communicator& world) {
  mpi::agree(world, [&] {
    if (world.rank() != 0) return;
    const TextPieces read = read_pieces(options);
    for (const std::string& notice : read.notices) io::tell("{}", notice);
    for (std::size_t t = 0; t < read.texts.size(); ++t) {
      const io::TokenText& text = read.texts[t];
      io::print("text {}: {} tokens\n{:>9} {:>9}  piece\n", quoted(text.name), text.tokens.size(), "position", "id");
      for (std::size_t i = 0; i < text.tokens.size(); ++i) {
        io::print("{:>9} {:>9}  {}\n", i, text.tokens[i], quoted(read.pieces[t][i]));
      }
    }
  });
  return 0;
}

}  // namespace logitfield
