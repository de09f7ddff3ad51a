"""Numbers into sentences, and a template into a page that opens offline."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from survey.errors import SurveyError
from survey.report import phrases
from survey.report.lint import lint_template
from survey.report.page import render, to_markdown

TEMPLATES = Path(__file__).resolve().parents[2] / "analysis" / "report"
NBSP = "\N{NO-BREAK SPACE}"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="10" height="10"/></svg>'

HALF = {"estimate": 0.5, "conf_low": 0.478, "conf_high": 0.5215, "n": 2209, "p_value": 0.0312, "shown": True}
HIDDEN = {**HALF, "shown": False}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of templates with a page and a style."""
    (tmp_path / "page.html").write_text(
        '<html lang="$lang$"><title>$title$</title><style>$style$</style><main>$body$</main></html>'
    )
    (tmp_path / "style.css").write_text("p > b::before { content: '<'; }")
    return tmp_path


def markdown(folder: Path, text: str, **results: object) -> str:
    (folder / "text.md.j2").write_text(text)
    return to_markdown(folder / "text.md.j2", results, figures=folder)


def page(folder: Path, text: str, **results: object) -> str:
    (folder / "text.md.j2").write_text(text)
    output = folder / "out" / "report.html"
    return render(folder / "text.md.j2", results, output, title="A & B").read_text(encoding="utf-8")


# Sentences


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (phrases.percent(HALF), "50%"),
        (phrases.percent(0.125), "13%"),
        (phrases.percent(0.004), "<0.5%"),
        (phrases.percent(HIDDEN), "[u]"),
        (phrases.points(-0.125), "13 points"),
        (phrases.points(0.011), "1 point"),
        (phrases.points(0.0123, 1), "1.2 points"),
        (phrases.points(-0.004), "less than 0.5 points"),
        (phrases.points(0.0004, 1), "less than 0.05 points"),
        (phrases.signed_points(-0.0042), "\N{MINUS SIGN}0.4"),
        (phrases.signed_points(0.123), "+12.3"),
        (phrases.odds_ratio(0.7449), "0.74"),
        (phrases.odds_ratio(12.45), "12.5"),
        (phrases.odds_ratio(147.5), "148"),
        (phrases.count(2209), "2,209"),
        (phrases.count(HALF), "2,209"),
        (phrases.large(160_000_000), "160 million"),
        (phrases.large(7_700_000), "7.7 million"),
        (phrases.large(240_000), "240,000"),
        (phrases.p_value(HALF), f"p{NBSP}={NBSP}0.031"),
        (phrases.p_value(0.0002), f"p{NBSP}<{NBSP}0.001"),
        (phrases.interval(HALF), "48\N{EN DASH}52%"),
        (phrases.interval(HALF, "points"), "48 to 52 points"),
        (phrases.interval({**HALF, "conf_low": -0.031}, "points"), "\N{MINUS SIGN}3 to 52 points"),
        (phrases.interval({"conf_low": 1.1, "conf_high": 1.518}, "odds_ratio"), "1.10\N{EN DASH}1.52"),
        (phrases.interval({"conf_low": 0.0002, "conf_high": 0.196}, "points", 1), "0.02 to 19.60 points"),
        (phrases.interval({"conf_low": 0.0, "conf_high": 0.196}, "points", 1), "0.0 to 19.6 points"),
        (phrases.interval({"conf_low": 0.9987, "conf_high": 1.5}, "odds_ratio"), "0.999\N{EN DASH}1.500"),
        (phrases.interval(HIDDEN), "[u]"),
        (phrases.base(HALF), f"(48\N{EN DASH}52%; n{NBSP}={NBSP}2,209)"),
        (phrases.base(HIDDEN), f"(n{NBSP}={NBSP}2,209)"),
        (phrases.lower_first("Neither approve nor disapprove"), "neither approve nor disapprove"),
        (phrases.lower_first("Sesame Credit"), "Sesame Credit"),
        (phrases.lower_first("BA or more"), "BA or more"),
        (phrases.listing(["age", "gender", "region"]), "age, gender and region"),
        (phrases.listing(["age"]), "age"),
        (phrases.listing([]), ""),
        (
            phrases.dates("2018-02 to 2018-04, MERICS 2018-09-17"),
            "February 2018 to April 2018, MERICS 17 September 2018",
        ),
        (phrases.dashes("14-65 on 2018-09-17"), "14\N{EN DASH}65 on 2018-09-17"),
    ],
)
def test_numbers_are_printed_as_a_reader_expects(printed: str, expected: str) -> None:
    assert printed == expected


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ((0.05, 0.01, 0.09), "higher"),
        ((-0.05, -0.09, -0.01), "lower"),
        ((0.05, -0.01, 0.11), "no detectable difference"),
        ((0.05, 0.0, 0.10), "no detectable difference"),
        ((0.05, float("nan"), float("nan")), "no detectable difference"),
    ],
)
def test_a_direction_is_stated_only_when_the_interval_excludes_zero(
    difference: tuple[float, float, float], words: str
) -> None:
    assert phrases.direction_words(*difference) == words


def test_an_estimate_without_its_base_is_refused() -> None:
    with pytest.raises(SurveyError, match=r"must give every printed estimate its `n`; found None"):
        phrases.base({"estimate": 0.5, "conf_low": 0.4, "conf_high": 0.6})


# The lint


@pytest.mark.parametrize(
    "text",
    [
        "In 2018, 95% intervals: see Table 2, Figures 3 and [the page](https://example.org/175).",
        "{{ share | percent(1) }} and {% if n < 30 %}few{% endif %} {# 12 #}\n\n1. one\n2. two\n",
        '<td colspan="3">x</td> &#8211; `x1` <!-- 17 --> between 2018–2019',
        "## Heading { .part #part-2 }",
    ],
)
def test_the_lint_lets_pass_what_is_not_a_result(text: str) -> None:
    lint_template(text)


@pytest.mark.parametrize(
    "text", ["80 approve", "n = 2,209", "p < .05", "**94%**", "the 43", "{{ x }}3", "<b>4</b>", "1995%", "12018"]
)
def test_the_lint_refuses_a_typed_number(text: str) -> None:
    with pytest.raises(SurveyError, match=r"must not contain typed numbers; found line 3: "):
        lint_template(f"{{{{ one }}}}\n{{# two\n#}}{text}\n")


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.j2")), ids=lambda path: path.name)
def test_the_templates_of_the_report_hold_no_typed_number(template: Path) -> None:
    lint_template(template.read_text(encoding="utf-8"), name=template.name)


def test_render_lints_every_template_of_the_folder(folder: Path) -> None:
    (folder / "part.md.j2").write_text("It was 80%.")
    with pytest.raises(SurveyError, match=r"`part.md.j2` must not contain typed numbers; found line 1"):
        page(folder, "{% include 'part.md.j2' %}")


# The template


def test_a_missing_key_stops_the_build_and_names_the_line(folder: Path) -> None:
    with pytest.raises(SurveyError, match=r"no attribute 'share' \(text.md.j2, line 2\)"):
        markdown(folder, "one\n{{ outcome.share | percent }}\n", outcome={})


def test_a_template_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(SurveyError, match=r"`template` must exist; there is no 'other.md.j2'"):
        markdown(folder, "{% include 'other.md.j2' %}")


def test_a_broken_template_is_named(folder: Path) -> None:
    with pytest.raises(SurveyError, match=r"must be valid Jinja; .*\(text.md.j2, line 2\)"):
        markdown(folder, "\n{% if %}")


@pytest.mark.parametrize(
    "text",
    [
        "{{ cycler.__init__.__globals__.os.system('touch {path}') }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() | length }}",
        "{{ lipsum.__globals__['os'].system('touch {path}') }}",
        "{{ names.append.__self__.__class__.__base__ }}",
    ],
)
def test_a_template_reaches_results_and_nothing_else(folder: Path, text: str) -> None:
    path = folder / "made"
    with pytest.raises(SurveyError, match=r"must be valid Jinja; access to attribute .* is unsafe"):
        markdown(folder, text.replace("{path}", str(path)), names=["a"])
    assert not path.exists()


@pytest.mark.parametrize("value", [0.8, None, HALF], ids=["float", "none", "estimate"])
def test_a_number_that_nothing_rounds_is_refused(folder: Path, value: object) -> None:
    with pytest.raises(SurveyError, match=r"printed by a filter that rounds; .* Printed in text.md.j2, line 1"):
        markdown(folder, "{{ x }}", x=value)


def test_labels_are_text_whatever_marks_they_hold(folder: Path) -> None:
    text = page(folder, "{{ x }}", x=r"*a* _b_ `c` [d](e) <f> & ~g~ $h$ #i | 1^2 \j one's @k")
    assert r"<p>*a* _b_ `c` [d](e) &lt;f&gt; &amp; ~g~ $h$ #i | 1^2 \j one’s @k</p>" in text


def test_suppressed_estimates_print_their_mark_only(folder: Path) -> None:
    text = page(folder, "{{ x | percent }} {{ x | base }}", x={**HIDDEN, "estimate": 0.731})
    assert "[u]" in text
    assert "73" not in text


# Tables and figures

PLAIN = {"name": "one", "caption": "Two < three", "columns": ["a", "b"], "rows": [["x", "*1*"]], "numeric": ["b"]}


def test_tables_are_numbered_named_and_can_be_reached_by_keyboard(folder: Path) -> None:
    text = page(folder, "{{ t | table }}\n{{ t | table }}", t=PLAIN)
    assert re.findall(r"<b>(Table \d)\.</b> Two &#60; three", text) == ["Table 1", "Table 2"]
    assert '<div class="scroll" role="region" tabindex="0" aria-label="Table 2">' in text
    assert '<table aria-labelledby="table-one-caption">' in text
    assert '<tr><th scope="row">x</th><td class="number">&#42;1&#42;</td></tr>' in text


def test_numbers_start_again_in_the_next_report(folder: Path) -> None:
    assert page(folder, "{{ t | table }}", t=PLAIN) == page(folder, "{{ t | table }}", t=PLAIN)


def test_great_tables_bring_their_caption_and_leave_their_style(folder: Path) -> None:
    made = (
        '<div id="t" style="overflow-x:auto;">\n<style>#t { color: red }</style>\n'
        '<table class="gt_table" aria-labelledby="t-title">\n'
        '<caption class="gt_title"><span id="t-title">All answers</span></caption><tbody></tbody></table></div>'
    )
    text = page(folder, "{{ t | table }}", t={"name": "t", "html": made})
    assert '<b>Table 1.</b> <span id="t-title">All answers</span></figcaption>' in text
    assert '<table aria-labelledby="table-t-caption" class="gt_table">' in text
    assert "color: red" not in text
    assert "<caption" not in text


def test_figures_are_inside_the_page_with_their_text(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "f.svg").write_text(SVG)
    figure = {"name": "f", "file": "f.svg", "alt": 'Dots "rise"', "caption": "Approval"}
    text = page(folder, "{{ f | figure }}", f=figure)
    assert '<img alt="Dots &quot;rise&quot;" src="data:image/svg+xml;base64,' in text
    assert "<b>Figure 1.</b> Approval" in text


def test_a_figure_that_was_not_drawn_is_named(folder: Path) -> None:
    figure = {"name": "f", "file": "f.svg", "alt": "a", "caption": "c"}
    with pytest.raises(SurveyError, match=r"there is no 'f.svg'. Draw the figures before"):
        page(folder, "{{ f | figure }}", f=figure)


@pytest.mark.parametrize("key", ["name", "caption"])
def test_a_table_without_name_or_caption_is_refused(folder: Path, key: str) -> None:
    with pytest.raises(SurveyError, match=f"must give every table and figure its `{key}`"):
        page(folder, "{{ t | table }}", t={**PLAIN, key: ""})


def test_a_table_without_cells_is_refused(folder: Path) -> None:
    with pytest.raises(SurveyError, match="must be given `html`, or `columns` and `rows`"):
        page(folder, "{{ t | table }}", t={"name": "t", "caption": "c"})


# The page


def test_the_page_has_its_title_language_and_style(folder: Path) -> None:
    text = page(folder, "## Part\n\nText.")
    assert '<html lang="en"><title>A &amp; B</title>' in text
    assert "<style>p > b::before { content: '<'; }</style>" in text
    assert '<h2 id="part">Part</h2>' in text


def test_the_page_of_the_report_needs_nothing_from_elsewhere() -> None:
    for part in ("page.html", "style.css"):
        text = (TEMPLATES / part).read_text(encoding="utf-8")
        assert re.search(r"https?:|url\(|@import|src=", text) is None


def test_the_same_results_give_the_same_bytes_in_any_folder(folder: Path) -> None:
    (folder / "text.md.j2").write_text("{{ t | table }} {{ x | percent }}")
    for place in ("one", "another/place"):
        render(folder / "text.md.j2", {"t": PLAIN, "x": HALF}, folder / place / "report.html", title="T")
    assert (folder / "one/report.html").read_bytes() == (folder / "another/place/report.html").read_bytes()
