#include "io/text/tokenizer/oniguruma.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "io/error.hpp"
#include "io/json.hpp"
#include "io/text/tokenizer/new_characters.hpp"
#include "io/text/tokenizer/section.hpp"
#include "io/utf8.hpp"

namespace logitfield::io {
namespace {

using std::string_view;

/// Oniguruma's class of spaces, as items of a class; and its complement.
constexpr const char* kSpace = "\\t-\\r\\x{85}\\p{Z}";
constexpr const char* kNoSpace =
    "\\x{0}-\\x{8}\\x{E}-\\x{1F}!-\\x{84}\\x{86}-\\x{9F}\\x{A1}-\\x{167F}\\x{1681}-\\x{1FFF}\\x{200B}-\\x{2027}"
    "\\x{202A}-\\x{202E}\\x{2030}-\\x{205E}\\x{2060}-\\x{2FFF}\\x{3001}-\\x{D7FF}\\x{E000}-\\x{10FFFF}";
/// Only outside a class does \w include the numbers of Latin-1 that are not digits.
constexpr const char* kLoneWord = "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";
constexpr const char* kHexDigit = "0-9A-Fa-f";

/// Categories whose older members have not changed (those of Mn and Mc have).
constexpr std::array kCategories = {"L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M", "N",  "Nd", "Nl", "No", "P", "Pc",
                                    "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S", "Sm", "Sc", "Sk", "So", "Z", "Zs"};

/// Letter pairs that Oniguruma also matches as one ligature if case is ignored.
constexpr std::array kLigatures = {"ff", "fi", "fl", "ss", "st"};

/// The category as items of a class, completed to Unicode 16.
std::string category_items(string_view category) {
  std::string items = fmt::format("\\p{{{}}}", category);
  for (const CategoryRange& range : kNewCharacters) {
    if (!string_view(range.category).starts_with(category)) continue;
    items += fmt::format("\\x{{{:X}}}-\\x{{{:X}}}", std::uint32_t{range.first}, std::uint32_t{range.last});
  }
  return items;
}

std::string word_items() {
  return "\\p{Alphabetic}" + category_items("L") + category_items("M") + category_items("Nd") + category_items("Nl") +
         category_items("Pc");
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

class Translator {
 public:
  Translator(const std::string& pattern, const std::string& origin) : in_(pattern), origin_(origin) {}

  std::string translate() {
    while (position_ < in_.size()) item();
    if (groups_.size() > 1) refuse("a group that does not end");
    return out_;
  }

 private:
  struct Group {
    std::size_t begin;
    bool ignores_case;
  };
  /// A class escape as items of a class; `others`: all characters except these.
  struct Class {
    std::string items;
    bool others = false;
  };

  [[noreturn]] void refuse(string_view construct) const {
    throw InputError("{}: the regular expression {} has {} at byte {}, which is not implemented; {}", origin_,
                     excerpt(in_), construct, position_, kTokenizerRemedy);
  }

  bool at(string_view what) const { return string_view(in_).substr(position_).starts_with(what); }
  char peek(std::size_t ahead = 0) const { return position_ + ahead < in_.size() ? in_[position_ + ahead] : '\0'; }
  bool ignores_case() const { return groups_.back().ignores_case; }

  void item() {
    const char c = peek();
    if (c == '(') return open_group();
    if (c == ')') return close_group();
    if (c == '[') return bracket();
    if (c == '{') return interval();
    if (c == '*' || c == '+' || c == '?') return quantifier();
    if (c == '|' || c == '^' || c == '$') {
      atom_.reset();
      out_ += c;
      ++position_;
      return;
    }
    atom_ = out_.size();
    if (c == '\\') return escape();
    if (c == '.') {
      out_ += c;
      ++position_;
      return;
    }
    literal();
  }

  void literal() {
    const CodePoint code = code_point_at(in_, position_);
    if (ignores_case()) check_folding(code);
    out_.append(in_, position_, code.size);
    position_ += code.size;
  }

  /// If case is ignored, only characters that fold one to one, or not at all, are known to match the same.
  void check_folding(const CodePoint& code) const {
    if (code.size > 1) refuse("a letter beyond ASCII where case is ignored");
    for (const string_view pair : kLigatures) {
      const auto lower = [](char c) { return is_ascii_letter(c) ? static_cast<char>(c | 0x20) : c; };
      if (lower(peek()) == pair[0] && lower(peek(1)) == pair[1]) refuse("a pair of letters with a ligature");
    }
  }

  void open_group() {
    static constexpr std::array kOpenings = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"};
    string_view opening = "(";
    for (const string_view known : kOpenings) {
      if (at(known)) opening = known;
    }
    if (opening == "(" && peek(1) == '?') refuse("an unknown kind of group");
    groups_.push_back({out_.size(), ignores_case() || opening == "(?i:"});
    out_ += opening == "(" ? "(?:" : opening;  // no reference to the group's match can follow
    position_ += opening.size();
    atom_.reset();
  }

  void close_group() {
    if (groups_.size() == 1) refuse("a closing bracket without an opening one");
    atom_ = groups_.back().begin;
    groups_.pop_back();
    out_ += ')';
    ++position_;
  }

  void quantifier() {
    if (!atom_) refuse("a quantifier of nothing");
    out_ += peek();
    ++position_;
    if (peek() == '?' || peek() == '+') out_ += in_[position_++];  // lazy or possessive
    if (peek() == '?' || peek() == '+' || peek() == '*') refuse("a quantifier of a quantifier");
  }

  std::string digits() {
    const std::size_t begin = position_;
    while (is_digit(peek())) ++position_;
    return in_.substr(begin, position_ - begin);
  }

  /// {n}, {n,}, {,m} and {n,m}; any other brace is a literal.
  void interval() {
    const std::size_t begin = position_++;
    std::string least = digits(), most = least;
    const bool open = peek() == ',';
    if (open) ++position_, most = digits();
    if (peek() != '}' || (least.empty() && most.empty())) {
      position_ = begin;
      atom_ = out_.size();
      out_ += "\\{";
      ++position_;
      return;
    }
    ++position_;
    if (!atom_) refuse("a quantifier of nothing");
    if (least.empty()) least += '0';
    out_ += open ? fmt::format("{{{},{}}}", least, most) : fmt::format("{{{}}}", least);
    after_interval(open);
  }

  void after_interval(bool open) {
    if (peek() == '?' && open) {
      out_ += '?';
      ++position_;
    } else if (peek() == '+') {  // in Oniguruma not possessive, but one or more repetitions
      out_.insert(*atom_, "(?:");
      out_ += ")+";
      ++position_;
    }
    if (peek() == '?' || peek() == '+' || peek() == '*') refuse("a quantifier of a quantifier");
  }

  void escape() {
    const bool word = peek(1) == 'w' || peek(1) == 'W';
    if (const auto set = class_escape()) {
      out_ += fmt::format("[{}{}{}]", set->others ? "^" : "", set->items, word ? kLoneWord : "");
      return;
    }
    if (const char c = peek(1); c == 'A' || c == 'z') {
      out_ += in_.substr(position_, 2);
      position_ += 2;
      return;
    }
    const char32_t code = code_escape();
    if (ignores_case()) refuse("an escaped character where case is ignored");
    append_code(code);
  }

  void append_code(char32_t code) { out_ += fmt::format("\\x{{{:X}}}", std::uint32_t{code}); }

  /// \s, \d, \w, \h and \p{...}, including their complements; empty if there is something else here.
  std::optional<Class> class_escape() {
    const char c = peek(1);
    if (c == 'p' || c == 'P') return property();
    static const std::map<char, Class> known{{'s', {kSpace}},
                                             {'S', {kNoSpace}},
                                             {'h', {kHexDigit}},
                                             {'H', {kHexDigit, true}},
                                             {'d', {category_items("Nd")}},
                                             {'D', {category_items("Nd"), true}},
                                             {'w', {word_items()}},
                                             {'W', {word_items(), true}}};
    const auto found = known.find(c);
    if (found == known.end()) return std::nullopt;
    position_ += 2;
    return found->second;
  }

  Class property() {
    const std::size_t end = in_.find('}', position_);
    if (peek(2) != '{' || end == std::string::npos) refuse("a property without a name in braces");
    string_view name = string_view(in_).substr(position_ + 3, end - position_ - 3);
    bool others = peek(1) == 'P';
    if (name.starts_with('^')) name.remove_prefix(1), others = !others;
    if (std::find(kCategories.begin(), kCategories.end(), name) == kCategories.end()) {
      refuse(fmt::format("the property {}", name));
    }
    if (ignores_case()) refuse("a property where case is ignored");
    position_ = end + 1;
    return {category_items(name), others};
  }

  char32_t code_escape() {
    static const std::map<char, char32_t> kControls{{'t', '\t'}, {'n', '\n'}, {'r', '\r'}, {'f', '\f'},
                                                    {'v', 0x0B}, {'a', 0x07}, {'e', 0x1B}};
    const char c = peek(1);
    if (c == 'x' && peek(2) == '{') return hex(3, in_.find('}', position_), 1);
    if (c == 'x') return hex(2, position_ + 4, 0);
    if (c == 'u') return hex(2, position_ + 6, 0);
    if (const auto found = kControls.find(c); found != kControls.end()) {
      position_ += 2;
      return found->second;
    }
    if (is_ascii_letter(c) || is_digit(c) || position_ + 1 == in_.size()) {
      refuse(fmt::format("the escape {}", in_.substr(position_, 2)));
    }
    ++position_;
    const CodePoint code = code_point_at(in_, position_);
    position_ += code.size;
    return code.value;
  }

  /// Reads the hexadecimal number from `skip` bytes ahead up to `end`; moves past it and `closing` more bytes.
  char32_t hex(std::size_t skip, std::size_t end, std::size_t closing) {
    constexpr std::size_t kMostDigits = 6;
    const std::size_t begin = position_ + skip;
    const bool fits = end <= in_.size() && begin < end && end - begin <= kMostDigits;
    const std::string digits = fits ? in_.substr(begin, end - begin) : "";
    if (digits.empty() || digits.find_first_not_of("0123456789ABCDEFabcdef") != std::string::npos) {
      refuse("an escape without its hexadecimal digits");
    }
    position_ = end + closing;
    return static_cast<char32_t>(std::stoul(digits, nullptr, 16));
  }

  void bracket() {
    atom_ = out_.size();
    ++position_;
    out_ += '[';
    if (peek() == '^') out_ += in_[position_++];
    if (peek() == ']') refuse("a bracket at the beginning of a class");
    class_items();
    out_ += ']';
  }

  /// Reads up to and including the closing bracket. A class inside a class adds its items.
  void class_items() {
    while (peek() != ']') {
      if (position_ == in_.size()) refuse("a class that does not end");
      if (at("[:")) refuse("a POSIX class");
      if (at("[^")) refuse("a complement inside a class");
      if (at("&&")) refuse("an intersection of classes");
      if (at("[")) {
        ++position_;
        class_items();
      } else {
        class_item();
      }
    }
    ++position_;
  }

  void class_item() {
    if (peek() == '\\') {
      if (const auto set = class_escape()) {
        if (set->others) refuse("a complement inside a class");
        out_ += set->items;
        if (peek() == '-' && peek(1) != ']') refuse("a range from a set");
        return;
      }
    }
    class_character();
    if (peek() != '-' || peek(1) == ']' || peek(1) == '\0') return;
    out_ += '-';
    ++position_;
    if (peek() == '[') refuse("a range to a class");
    if (peek() == '\\' && string_view("sSdDwWhHpP").find(peek(1)) != string_view::npos) refuse("a range to a set");
    class_character();
  }

  void class_character() {
    if (peek() == '\\') return append_code(code_escape());
    const CodePoint code = code_point_at(in_, position_);
    if (ignores_case() && code.size > 1) refuse("a letter beyond ASCII where case is ignored");
    append_code(code.value);
    position_ += code.size;
  }

  const std::string& in_;
  const std::string& origin_;
  std::size_t position_ = 0;
  std::string out_;
  /// Position in out_ of the item that a quantifier would repeat.
  std::optional<std::size_t> atom_;
  std::vector<Group> groups_{{0, false}};
};

}  // namespace

std::string to_pcre2(const std::string& pattern, const std::string& origin) {
  return Translator(pattern, origin).translate();
}

}  // namespace logitfield::io
