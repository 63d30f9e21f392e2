#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>

#include "pipeline/compare/comparison.hpp"
#include "pipeline/report/embedded.hpp"
#include "pipeline/report/markup.hpp"
#include "pipeline/report/page.hpp"

namespace logitfield {
namespace {

using Field = std::pair<std::string, std::int64_t>;

std::string cell(const std::string& text, bool bad = false) {
  return fmt::format("<td{}>{}</td>", bad ? " class=\"bad\"" : "", io::markup_text(text));
}

std::string header(const std::vector<std::string>& titles) {
  std::string out = "<tr>";
  for (const std::string& title : titles) out += fmt::format("<th scope=\"col\">{}</th>", io::markup_text(title));
  return out + "</tr>\n";
}

/// A table that scrolls on its own if it is wide, also by keyboard.
std::string table(const std::string& name, const std::string& rows) {
  return fmt::format("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table>{}</table></div>\n",
                     io::markup_text(name), rows);
}

/// A row per regularity, a column per run.
std::string regularities(const Comparison& c) {
  std::vector<std::string> titles{"regularity", "verdict", "limit"};
  titles.insert(titles.end(), c.runs.begin(), c.runs.end());
  std::string rows = header(titles);
  for (const auto& [name, entries] : by_name(c)) {
    std::string values;
    std::vector<std::string> failing, unknown;
    for (const std::string& run : c.runs) {
      const auto of_run = std::ranges::find(entries, run, &Regularity::run);
      if (of_run == entries.end()) {
        values += cell("not measured");
        continue;
      }
      const Regularity& r = **of_run;
      if (!r.holds) (r.fails() ? failing : unknown).push_back(run);
      const char* verdict = r.holds ? "" : r.fails() ? " (fails)" : " (not known)";
      values += cell(text_of(r.value, 3) + verdict, !r.holds);
    }
    std::vector<std::string> verdicts;
    if (!failing.empty()) verdicts.push_back(fmt::format("fails in {}", fmt::join(failing, ", ")));
    if (!unknown.empty()) verdicts.push_back(fmt::format("not known for {}", fmt::join(unknown, ", ")));
    const bool holds = verdicts.empty();
    if (holds) verdicts.emplace_back(where_it_holds(entries.size(), c));
    rows += "<tr>" + cell(name) + cell(fmt::format("{}", fmt::join(verdicts, "; ")), !holds) +
            cell(text_of(Reading::known(entries.front()->limit), 3)) + values + "</tr>\n";
  }
  return table("regularities", rows);
}

/// A row per run, a column per statistic; `show` formats a cell.
std::string statistics(const Comparison& c, const Field& field, const std::string& name,
                       const std::function<std::string(const ComparedStatistic&)>& show) {
  std::vector<std::string> titles{"run"};
  titles.insert(titles.end(), kMainStatistics.begin(), kMainStatistics.end());
  std::string rows = header(titles);
  for (const std::string& run : c.runs) {
    rows += "<tr>" + cell(run);
    for (const char* statistic : kMainStatistics) {
      const ComparedStatistic* s = c.find(run, statistic, field);
      rows += s && s->heads.count > 0 ? "<td>" + show(*s) + "</td>" : cell("-");
    }
    rows += "</tr>\n";
  }
  return table(name, rows);
}

std::string share_of(const char* what, const BeyondChance& beyond) {
  return beyond.heads == 0 ? "" : fmt::format("<br>{:.0f} % {}", 100 * beyond.share(), what);
}

std::string medians(const ComparedStatistic& s) {
  const std::string failed = s.failed > 0 ? fmt::format("<br>without {} failed heads", s.failed) : "";
  return fmt::format("<b>{}</b><br>{} to {}{}{}{}", io::markup_text(text_of(s.heads.median, 3)),
                     io::markup_text(text_of(s.heads.p25, 3)), io::markup_text(text_of(s.heads.p75, 3)),
                     share_of("beyond chance", s.beyond_chance), share_of("beyond own draws", s.beyond_own_chance),
                     failed);
}

std::string effects(const ComparedStatistic& s) {
  return fmt::format("texts {}<br>slope {}", text_of(Reading::known(s.text_effect), 3),
                     text_of(Reading::known(s.context_slope), 3));
}

/// Shows the longest common context of a scope; the other contexts are collapsed.
std::string scope_section(const Comparison& c, const std::string& scope) {
  std::vector<Field> fields;
  for (const Field& field : c.fields) {
    if (field.first == scope) fields.push_back(field);
  }
  std::ranges::sort(fields, std::greater<>{}, &Field::second);
  const auto title = [](const Field& f) { return fmt::format("{} field, {} tokens", f.first, f.second); };
  std::string out = fmt::format(
      "<section><h2>{}</h2><p class=\"how\">Each cell shows the median over heads and texts and the middle half. With "
      "--null it adds the share of heads that differ from Gaussian heads. With --head-null it adds the share of heads "
      "that differ from random draws of themselves. Both shares are at a false discovery rate of 5 %. &gt; 256: the "
      "median is more than 256, where counting ended. Heads that failed their certificate are left out.</p>\n",
      title(fields.front()));
  out += statistics(c, fields.front(), title(fields.front()), medians);
  for (auto field = fields.begin() + 1; field != fields.end(); ++field) {
    out += fmt::format("<details><summary>{}</summary>\n{}</details>\n", title(*field),
                       statistics(c, *field, title(*field), medians));
  }
  out += fmt::format(
      "</section>\n<section><h2>{} field: effect of texts and contexts</h2><p class=\"how\">texts: range of the texts' "
      "medians at {} tokens, divided by the width of the middle half of all heads; 0 if the text makes no difference. "
      "slope: slope of ln median against ln context, over all contexts of the run; 0 if the context makes no "
      "difference, 1 if the median is proportional to it.</p>\n",
      scope, fields.front().second);
  return out + statistics(c, fields.front(), scope + ": effects", effects) + "</section>\n";
}

}  // namespace

std::string comparison_page(const Comparison& c) {
  std::string out =
      "<section><h2>Regularities</h2><p class=\"how\">Rules of thumb of this program for trained models. A rule holds "
      "if the run's value is at most the limit. It is not a statistical test. Values are for the longest common "
      "context of the first scope.</p>\n" +
      regularities(c) + "</section>\n";
  std::vector<std::string> scopes;
  for (const Field& field : c.fields) {
    if (std::ranges::find(scopes, field.first) == scopes.end()) scopes.push_back(field.first);
  }
  for (const std::string& scope : scopes) out += scope_section(c, scope);
  return make_page(embedded::comparison_html, {.title = fmt::format("Comparison of {} runs", c.runs.size()),
                                               .scripts = embedded::theme_js,
                                               .body = std::move(out)});
}

}  // namespace logitfield
