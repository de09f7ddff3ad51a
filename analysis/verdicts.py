"""Published figures against those of a respondent file: what is compared with what, and the verdict.

A verdict on real respondents is "match" (for results printed to many digits: "reproduced"), "rounding" or "differs".
On synthetic data a figure that the file was built to meet is "met by construction"; meeting one that it was not
built to meet is "consistent". Nothing is ever "reproduced" there. A researcher's own file is another sample: a
published share lies within or outside its interval, and neither is a failure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.study import Study
from survey import (
    Design,
    EstimationError,
    OrdinalFit,
    SurveyError,
    average_effects,
    mean,
    ordinal,
    topline,
)
from survey.report import UNRELIABLE, number, round_half_up

Kind = Literal["exact", "rounded", "direction", "text", "digits"]

ABSENT = "not in the file"
CANNOT = "cannot be computed"
SKIPPED = "not compared"
TOO_FEW = "too few respondents"
UNDETECTED = "not detectable"
WITHIN = "within the 95% interval of this file"
OUTSIDE = "outside the 95% interval of this file"
FAILING = ("differs", "not consistent", CANNOT)
SLACK = 1e-9  # of a unit: rounding error in a difference of two printed numbers
COLUMNS = (
    *("id", "quantity", "base", "published", "ours", "difference", "tolerance", "verdict", "note"),
    *("unit", "kind", "decimals", "ours_text", "strength", "explained", "reason", "remark", "source"),
)
"""Columns of `compare`; the first nine are what `verdicts.csv` holds."""


@dataclass(frozen=True, slots=True)
class Found:
    """The counterpart of a published figure in the file.

    Attributes
    ----------
    value : in the unit of the published figure; None where there is no number.
    text : printed where there is no number.
    supported : of a direction, whether its test tells it from no difference.
    note : what a reader should know.
    verdict : where there is nothing to compare, the verdict.
    bounds : 95% interval of a share.
    """

    value: float | None = None
    text: str = ""
    supported: bool = True
    note: str = ""
    verdict: str | None = None
    bounds: tuple[float, float] | None = None


def compare(study: Study, fit: OrdinalFit | None = None) -> pd.DataFrame | None:
    """Compare every published figure of a study with the one of its respondents.

    Parameters
    ----------
    study : the respondents and how each figure is found among them (`published` in its settings).
    fit : the regression of the study, if it has been fitted already.

    Returns
    -------
    One row per published figure, in the order of the file; see `COLUMNS`. None where nothing is published.

    Raises
    ------
    SurveyError : a published figure without a rule for finding it, or a rule that does not fit the file.
    """
    path = study.folder / "published.csv"
    if not path.is_file():
        return None
    published = pd.read_csv(path, dtype=str, keep_default_na=False)
    unknown = sorted(set(published["id"]) ^ set(study.settings.literature.published))
    if unknown:
        raise SurveyError(
            f"`published` of the settings must have a rule for every figure of {path.name}, and no other; "
            f"{', '.join(unknown)} stands in one of them only. Add it or take it out."
        )
    finder = _Finder(study, fit)
    figures = [{str(key): str(value) for key, value in row.items()} for row in published.to_dict("records")]
    rows = [_row(study, figure, finder.find(figure["id"])) for figure in figures]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def unexplained(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The differences that nothing explains; figures from weak sources are reported, not counted here."""
    failed = verdicts["verdict"].isin(FAILING) & (verdicts["strength"] != "weak") & ~verdicts["explained"]
    return verdicts[failed]


def verdict_of(kind: Kind, published: str, found: Found) -> str:
    """Judge one figure as if it came from real respondents.

    Parameters
    ----------
    kind : "exact" (equal), "rounded" (see `rounded_verdict`), "direction" (sign, and whether its test supports
        it), "text" (the same words) or "digits" (every printed digit).
    published : as it was printed.
    found : ours.
    """
    if found.verdict is not None:
        return found.verdict
    if kind == "text":
        return "match" if found.text == published else "differs"
    if found.value is None:
        return ABSENT
    if kind == "direction":
        if not found.supported:
            return UNDETECTED
        return "match" if (found.value > 0) == (published == "+") else "differs"
    if kind == "rounded":
        return rounded_verdict(published, found.value)
    if kind == "digits":
        same = round_half_up(found.value, decimals_of(published)) == float(published)
        return "reproduced" if same else "differs"
    return "match" if abs(found.value - float(published)) <= SLACK else "differs"


def rounded_verdict(published: str, ours: float) -> str:
    """Judge a figure that was published rounded.

    Within half a unit of its last digit, or equal to it after rounding half up or half to even: "match"; within
    one unit: "rounding"; else "differs".
    """
    digits = decimals_of(published)
    value = float(published)
    unit = 10.0**-digits
    gap = abs(ours - value)
    if gap <= unit / 2 + SLACK or value in (round_half_up(ours, digits), round(ours, digits)):
        return "match"
    return "rounding" if gap <= unit + SLACK else "differs"


def decimals_of(published: str) -> int:
    """Digits after the point of a printed number."""
    return len(published.partition(".")[2])


def on_synthetic(verdict: str, built_to_meet: bool) -> str:
    """Say what a verdict is worth on synthetic data."""
    if verdict in ("match", "reproduced"):
        return "met by construction" if built_to_meet else "consistent"
    return {"rounding": "consistent", "differs": "not consistent", UNDETECTED: "not consistent"}.get(verdict, verdict)


def on_own(verdict: str, kind: Kind, published: str, found: Found) -> str:
    """Say what a verdict means for another sample than the published one."""
    if found.verdict is not None or (found.value is None and kind != "text"):
        return verdict
    if kind == "rounded" and found.bounds is not None:
        low, high = found.bounds
        return WITHIN if low <= float(published) <= high else OUTSIDE
    if kind == "direction":
        return {"match": "same direction", "differs": "opposite direction"}.get(verdict, verdict)
    return {"match": "as published", "differs": "other than published"}.get(verdict, verdict)


def _row(study: Study, figure: Mapping[str, str], found: Found) -> dict[str, Any]:
    """One published figure with ours, the difference and the verdict."""
    kind: Any = figure.get("kind", "digits")
    numeric = found.value is not None and kind in ("exact", "rounded", "digits")
    published = figure["published"]
    verdict = verdict_of(kind, published, found)
    if study.kind == "synthetic":
        verdict = on_synthetic(verdict, figure["id"] not in study.settings.literature.not_built_to_meet)
    elif study.kind == "own":
        verdict = on_own(verdict, kind, published=published, found=found)
    half_unit = 0.5 * 10.0 ** -decimals_of(published)
    explained = study.settings.literature.explained.get(figure["id"], "")
    also = _also(study, figure["id"], found)
    notes = [found.note, explained, f"published: {figure['note']}" if figure.get("note") else "", also]
    return {
        "id": figure["id"],
        "quantity": figure["quantity"],
        "base": figure.get("base", figure.get("model", "")),
        "published": published,
        "ours": found.value if numeric else None,
        "difference": found.value - float(published) if numeric and found.value is not None else None,
        "tolerance": {"exact": 0.0, "rounded": half_unit, "digits": half_unit}.get(kind) if numeric else None,
        "verdict": verdict,
        "note": "; ".join(note for note in notes if note),
        "unit": figure.get("unit", ""),
        "kind": kind,
        "decimals": _decimals(kind, figure),
        "ours_text": found.text,
        "strength": figure.get("strength", "read"),
        "explained": bool(explained),
        "reason": explained or found.note,
        "remark": "; ".join(note for note in (figure.get("note", ""), also) if note),
        "source": figure["source"],
    }


def _also(study: Study, name: str, found: Found) -> str:
    """What another source says of the same figure, where it is a bound: whether that is met as well."""
    bound = study.settings.literature.published[name].get("above")
    if bound is None or found.value is None:
        return ""
    met = "met" if found.value > bound["value"] else "not met"
    return f"{bound['source']} says more than {bound['value']}, which is {met} here"


def _decimals(kind: Kind, figure: Mapping[str, str]) -> int:
    """Decimals to print: those published, and one more where that was rounded."""
    if kind not in ("exact", "rounded", "digits"):
        return 0
    return decimals_of(figure["published"]) + (1 if kind == "rounded" else 0)


class _Finder:
    """Finds the counterparts of published figures; fits each model once."""

    def __init__(self, study: Study, fit: OrdinalFit | None) -> None:
        self.study = study
        self.fitted = cache(lambda formula: ordinal(formula, study.design))
        self.fit = fit
        self.rules: Mapping[str, Callable[[Mapping[str, Any]], Found]] = {
            "absent": lambda rule: Found(text="–", verdict=ABSENT, note=rule["absent"]),
            "respondents": self._respondents,
            "minimum": lambda rule: Found(float(study.design.frame[rule["minimum"]].min())),
            "maximum": lambda rule: Found(float(study.design.frame[rule["maximum"]].max())),
            "first_and_last": self._first_and_last,
            "share": self._share,
            "effect": self._effect,
            "gap": self._gap,
            "deviance": lambda rule: Found(-2 * self.fitted(rule["deviance"]).log_likelihood),
            "parameter": lambda rule: Found(float(self.fitted(rule["model"]).params[rule["parameter"]])),
            "likelihood_ratio": lambda rule: Found(self._likelihood_ratio(rule["likelihood_ratio"])[0]),
            "likelihood_ratio_p": lambda rule: Found(self._likelihood_ratio(rule["likelihood_ratio_p"])[1]),
        }

    def find(self, name: str) -> Found:
        """The counterpart of one published figure."""
        rule = self.study.settings.literature.published[name]
        how = next((key for key in rule if key in self.rules), None)
        if how is None:
            raise SurveyError(
                f"`published['{name}']` must say how the figure is found, by one of {', '.join(self.rules)}; found "
                f"{', '.join(rule)}. Use one of these."
            )
        lacking = [column for column in _columns_of(rule, how) if column not in self.study.design.frame.columns]
        if lacking:
            return Found(text="–", verdict=CANNOT, note=f"the file has no {', '.join(lacking)}")
        try:
            return self.rules[how](rule)
        except EstimationError as error:
            return Found(text="–", verdict=CANNOT, note=str(error).replace("`", ""))

    def _respondents(self, _: Mapping[str, Any]) -> Found:
        """Number of respondents; another sample has another."""
        n = self.study.design.n
        if self.study.kind == "own":
            return Found(text=number(n), verdict=SKIPPED, note="another sample has a size of its own")
        return Found(float(n))

    def _first_and_last(self, rule: Mapping[str, Any]) -> Found:
        """First and last answer in use, as codes."""
        item = self.study.codebook.item(rule["first_and_last"])
        codes = self.study.design.frame[item.name].cat.codes
        first, last = (item.levels[int(place)].code for place in (codes[codes >= 0].min(), codes.max()))
        return Found(text=f"{first} to {last}")

    def _share(self, rule: Mapping[str, Any]) -> Found:
        """A weighted share, in percent."""
        row = share_of(self.study, rule["share"], rule["answer"], among=rule.get("among", {}))
        if not row["shown"]:
            return Found(text=UNRELIABLE, verdict=TOO_FEW, note=f"n = {row['n']}")
        low, high = (100 * float(row[end]) for end in ("conf_low", "conf_high"))
        note = f"n = {row['n']}, 95% interval {number(low, 1)} to {number(high, 1)}"
        return Found(100 * float(row["estimate"]), note=note, bounds=(low, high))

    def _effect(self, rule: Mapping[str, Any]) -> Found:
        """Sign of the average effect of a variable's last against its first answer, in the regression."""
        study = self.study
        variable = rule["effect"]
        formula = study.settings.formula + (f" + {variable}" if rule.get("added") else "")
        fit = self.fit if self.fit is not None and formula == self.fit.formula else self.fitted(formula)
        focus = [level for level in fit.levels if level in study.focus]
        effects = average_effects(fit, variable, nets={study.settings.focus: focus}).tidy()
        row = effects[effects["level"] == study.settings.focus].iloc[-1]
        return _direction(row, note=str(row["contrast"]))

    def _gap(self, rule: Mapping[str, Any]) -> Found:
        """Sign of the trends of one answer minus another, over the groups of several variables."""
        first, second = (self.study.design.frame[name].cat.codes.astype(np.float64) for name in rule["gap"])
        known = self.study.design.frame[list(rule["gap"])].notna().all(axis=1)
        design = self.study.design.with_columns(gap=(first - second).where(known))
        directions = []
        for variable in rule["by"]:
            row = last_against_first(design, "gap", variable)
            directions.append(_direction(row, note=variable))
        signs = {one.text for one in directions}
        together = directions[0].text if len(signs) == 1 else "mixed"
        value = float(np.sign(directions[0].value or 0.0)) if len(signs) == 1 else 0.0
        supported = all(one.supported for one in directions)
        note = f"by {', '.join(rule['by'])}: last against first group"
        return Found(value, text=together, supported=supported, note=note)

    def _likelihood_ratio(self, formulas: tuple[str, str]) -> tuple[float, float]:
        """Likelihood-ratio statistic of two nested unweighted models, and its p value."""
        from scipy.stats import chi2

        full, reduced = (self.fitted(formula) for formula in formulas)
        statistic = 2 * (full.log_likelihood - reduced.log_likelihood)
        return statistic, float(chi2.sf(statistic, len(full.params) - len(reduced.params)))


def share_of(study: Study, column: str, answer: str, among: Mapping[str, str]) -> dict[str, Any]:
    """Weighted share of one answer, or net of answers, within a domain: a row of the topline.

    Parameters
    ----------
    study : the respondents.
    column : column of the answers; of a multiple-response set, that of the option.
    answer : an answer or a net.
    among : variable -> answer that the respondents of the domain gave.
    """
    design = study.design
    for variable, level in among.items():
        inside = (design.frame[variable] == level).to_numpy(dtype=bool)
        if not inside.any():
            raise EstimationError(f"`among` must hold for someone; nobody has {variable} = {level!r}.")
        design = design.domain(inside)
    item = study.codebook.items.get(column)
    frame = topline(design, item if item is not None else column).tidy()
    rows = frame[frame["level"] == answer]
    if rows.empty:
        return {"estimate": 0.0, "conf_low": 0.0, "conf_high": 0.0, "n": int(frame["n"].max()), "shown": False}
    return {str(key): value for key, value in rows.iloc[0].to_dict().items()}


def last_against_first(design: Design, column: str, variable: str) -> pd.Series[Any]:
    """Difference of a mean between the last and the first group, from their joint covariance."""
    means = mean(design, column, by=variable)
    k = means.value.size
    if k < 2:
        raise EstimationError(f"`{variable}` must have two groups with respondents to be compared; it has {k}.")
    weights = np.zeros((1, k))
    weights[0, [0, -1]] = -1.0, 1.0
    return means.contrast(weights, [variable]).tidy().iloc[0]


def _direction(difference: pd.Series[Any], note: str) -> Found:
    """A direction, and whether the interval of the difference excludes zero."""
    estimate = difference["estimate"]
    supported = not difference["conf_low"] <= 0 <= difference["conf_high"]
    text = ("higher" if estimate > 0 else "lower") if supported else "no detectable difference"
    return Found(float(estimate), text=text, supported=supported, note=note)


def _columns_of(rule: Mapping[str, Any], how: str) -> list[str]:
    """Columns of the file that a rule reads."""
    named = {
        "share": [rule.get("share"), *rule.get("among", {})],
        "effect": [rule.get("effect")],
        "gap": [*rule.get("gap", ()), *rule.get("by", ())],
        "minimum": [rule.get("minimum")],
        "maximum": [rule.get("maximum")],
        "first_and_last": [rule.get("first_and_last")],
    }.get(how, [])
    if how in ("deviance", "parameter"):
        named = re.findall(r"\w+", rule.get("deviance") or rule["model"])
    if how in ("likelihood_ratio", "likelihood_ratio_p"):
        named = re.findall(r"\w+", " ".join(rule[how]))
    return [str(name) for name in named]
