"""No number is typed into the prose of a template: each is printed from the results."""

from __future__ import annotations

import re

from survey.errors import SurveyError

# What is not prose, in the order in which it is taken out before the lint looks for digits.
NOT_PROSE = (
    re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL),
    re.compile(r"<!--.*?-->|<style.*?</style>", re.DOTALL),
    re.compile(r"<[a-zA-Z/][^<>]*>|&#?\w+;"),
    re.compile(r"`[^`\n]*`"),
    re.compile(r"\]\([^)\s]*\)|https?://\S+"),
    re.compile(r"\{ ?[.#][^}\n]*\}"),  # attributes of a heading
    re.compile(r"^\s*\d+\.(?=\s)", re.MULTILINE),
    re.compile(r"\b95%"),
    re.compile(r"\b(?:Table|Figure)s? \d+"),
    re.compile(r"\b(?:1[89]|20)\d\d\b(?!%)"),
)


def lint_template(text: str, *, name: str = "template") -> None:
    """Refuse digits typed into the prose of a template.

    Years, "95%", "Table 3" and "Figure 3", list numbers, code in backticks, link addresses, tags and
    everything inside Jinja braces may hold digits; any other digit belongs in `results`.

    Parameters
    ----------
    text : source of the template.
    name : its name, for the message.

    Raises
    ------
    SurveyError : names the line of every typed number.
    """
    prose = text
    for pattern in NOT_PROSE:
        # Line breaks stay, so that what is left has the line numbers of the template.
        prose = pattern.sub(lambda part: "\n" * part.group().count("\n"), prose)
    lines = zip(text.split("\n"), prose.split("\n"), strict=True)
    typed = [f"line {i}: {line.strip()!r}" for i, (line, rest) in enumerate(lines, 1) if re.search(r"\d", rest)]
    if typed:
        raise SurveyError(
            f"`{name}` must not contain typed numbers; found {'; '.join(typed)}. "
            "Put each number into the results and print it with an expression."
        )
