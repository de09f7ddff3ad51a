"""Strata with one PSU, by design or because a domain leaves one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import survey
from tests.marks import slow
from tests.reference.test_designs import lonely
from tests.reference_data import DEGREES_OF_FREEDOM, ESTIMATE, STANDARD_ERROR, close, factor, read_csv, same_by, values

RULES = ("adjust", "average", "certainty", "remove")
DOMAIN = '`comp.imp` == "No" and stype == "E"'


def adjusted(rule: Any) -> survey.Design:
    """The design of `lonely()` that treats strata which a domain leaves with one PSU in the same way."""
    return survey.Design(
        lonely(rule).frame, weight="pw", strata="lstrat", psu="dnum", lonely_psu=rule, lonely_domain="adjust"
    )


@pytest.mark.parametrize("rule", ["adjust", "average"])
def test_domains_that_leave_a_psu_alone_equal_r(rule: str) -> None:
    """R with options(survey.adjust.domain.lonely = TRUE)."""
    expected = values("designs")["lonely"][f"{rule}_domain_adjust"]
    design = adjusted(rule)
    domain = survey.mean(design.domain(DOMAIN), "api00")
    close(domain.value, list(expected["domain"]["est"].values()), ESTIMATE, "domain")
    close(domain.std_error, list(expected["domain"]["se"].values()), STANDARD_ERROR, "domain")
    close(domain.df, [expected["domain_degf"]], DEGREES_OF_FREEDOM, "df")
    same_by(survey.mean(design, "api00", by="stype"), "stype", expected["by"]["table"])
    whole = expected["mean"]["se"]
    close(survey.mean(design, ["api00", "enroll"]).std_error, list(whole.values()), STANDARD_ERROR, "whole sample")
    total = survey.total(design, "enroll").std_error
    close(total, list(expected["total"]["se"].values()), STANDARD_ERROR, "whole sample")


@pytest.mark.parametrize("rule", ["certainty", "remove"])
def test_other_rules_do_not_depend_on_domains(rule: str) -> None:
    """In R the option changes nothing under these rules either."""
    reference = values("designs")["lonely"]
    for option in ("", "_domain_adjust"):
        expected = reference[rule + option]
        domain = survey.mean(lonely(rule).domain(DOMAIN), "api00")
        close(domain.std_error, list(expected["domain"]["se"].values()), STANDARD_ERROR, "domain")


def test_by_default_a_domain_never_changes_how_many_psus_were_sampled() -> None:
    """A stratum's other PSUs were sampled and hold nobody of the domain: totals of zero, which vary."""
    kept, changed = lonely("adjust").domain("stype == 'H'"), adjusted("adjust").domain("stype == 'H'")
    assert survey.mean(changed, "api00").std_error[0] > survey.mean(kept, "api00").std_error[0]
    assert survey.Design(pd.DataFrame({"y": [1.0, 2.0]})).lonely_domain == "keep"


def by_loops(frame: pd.DataFrame, z: Any, inside: Any, rule: str) -> float:
    """Variance of a domain's total under "adjust" or "average", PSU by PSU.

    R `survey:::onestrat` and `onestage`; the mean of all PSUs in place of R 4.1's zero, as in 4.5.
    """
    psus = frame.groupby(["h", "psu"], sort=False).ngroups
    grand = z.sum() / psus
    terms: list[float | None] = []
    for h in frame["h"].unique():
        rows = (frame["h"] == h).to_numpy()
        labels = frame.loc[rows, "psu"].unique()
        totals = np.array([z[rows & (frame["psu"] == p).to_numpy()].sum() for p in labels])
        present = sum(inside[rows & (frame["psu"] == p).to_numpy()].any() for p in labels)
        n_h = len(labels)
        if present == 0:
            continue
        scale = n_h / (n_h - 1) if n_h > 1 else 1.0
        if present > 1:
            terms.append(scale * np.square(totals - totals.mean()).sum())
        elif rule == "adjust":
            terms.append(scale * np.square(totals - grand).sum())
        else:
            terms.append(None)
    known = [term for term in terms if term is not None]
    if rule == "adjust":
        # strata without respondents of the domain have totals of zero and add nothing
        return sum(known)
    return sum(known) * len(terms) / len(known) if known else np.nan


@st.composite
def strata_with_few(draw: st.DrawFn) -> pd.DataFrame:
    """Strata of one to four PSUs and a domain that half of the PSUs have."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parts = []
    for h in range(draw(st.integers(2, 5))):
        for p in range(2 if h == 0 else int(rng.integers(1, 5))):
            size = int(rng.integers(1, 5))
            part = pd.DataFrame({"h": f"h{h}", "psu": f"{h}-{p}", "y": rng.normal(3, 1, size).round(1)})
            parts.append(part.assign(d=(rng.random(size) < 0.8) & (h == 0 or rng.random() < 0.5)))
    frame = pd.concat(parts, ignore_index=True)
    frame["w"] = rng.choice([1.0, 2.5], len(frame))
    first = frame.drop_duplicates(["h", "psu"]).index[:2]
    frame.loc[first, "d"] = True  # two PSUs of the first stratum, so that a variance exists
    return frame


@pytest.mark.parametrize("rule", ["adjust", *slow("average")])
@given(frame=strata_with_few())
def test_domains_equal_loops_over_psus(rule: Any, frame: pd.DataFrame) -> None:
    design = survey.Design(frame, weight="w", strata="h", psu="psu", lonely_psu=rule, lonely_domain="adjust")
    inside = frame["d"].to_numpy()
    w, y = frame["w"].to_numpy(), frame["y"].to_numpy()
    mean = (w * y * inside).sum() / (w * inside).sum()
    for made, z in (
        (survey.total(design.domain("d"), "y"), w * y * inside),
        (survey.mean(design.domain("d"), "y"), w * (y - mean) * inside / (w * inside).sum()),
    ):
        np.testing.assert_allclose(made.std_error[0] ** 2, by_loops(frame, z, inside, rule), rtol=1e-9, atol=1e-12)
    grouped: Any = survey.total(design, "y", by="d").tidy().set_index("d")
    np.testing.assert_allclose(
        grouped.loc[True, "std_error"], survey.total(design.domain("d"), "y").std_error[0], rtol=1e-9
    )


def test_respondents_who_are_psus_themselves() -> None:
    """The same rules where each row is a PSU: with labels for the rows, and without."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"h": list("aaaabbbbcc"), "y": rng.normal(size=10), "w": rng.uniform(1, 3, 10)})
    frame["d"] = [True, True, False, False, True, False, False, False, False, True]
    frame["twice"] = frame.index
    pairs = pd.concat([frame, frame.iloc[[0]].assign(w=0.0)], ignore_index=True)  # a second row of PSU 0, weight zero
    for rule in ("adjust", "average"):
        for option in ("keep", "adjust"):
            rules: dict[str, Any] = {"weight": "w", "strata": "h", "lonely_psu": rule, "lonely_domain": option}
            made = survey.mean(survey.Design(frame, **rules).domain("d"), "y")
            labelled = survey.mean(survey.Design(pairs, psu="twice", **rules).domain("d"), "y")
            np.testing.assert_allclose(made.vcov, labelled.vcov, rtol=1e-10)


def test_calibrated_designs_keep_their_strata() -> None:
    """After calibration the rows outside a domain have residuals, so that no PSU is alone; R does the same."""
    frame = lonely("adjust").frame
    share = {level: 1 / 3 for level in "EHM"}
    made = [
        survey.mean(survey.rake(design, {"stype": share}).domain('`comp.imp` == "No"'), "api00").std_error
        for design in (
            survey.Design(frame, weight="pw", strata="lstrat", psu="dnum", lonely_psu="adjust", lonely_domain=option)
            for option in ("keep", "adjust")
        )
    ]
    np.testing.assert_array_equal(made[0], made[1])


def test_covariances_between_domains_are_covariances() -> None:
    estimate = survey.mean(adjusted("average"), "api00", by="stype")
    assert np.linalg.eigvalsh(estimate.vcov).min() > 0
    wanted = estimate.vcov[0, 0] + estimate.vcov[2, 2] - 2 * estimate.vcov[0, 2]
    np.testing.assert_allclose(estimate.contrast({"E": 1, "M": -1}).std_error[0] ** 2, wanted)


def test_all_strata_with_one_psu() -> None:
    frame = pd.DataFrame({"h": list("aabb"), "psu": [1, 1, 2, 2], "y": [1.0, 2.0, 4.0, 8.0]})
    rules: tuple[Any, ...] = ("fail", *RULES)
    design = {rule: survey.Design(frame, strata="h", psu="psu", lonely_psu=rule) for rule in rules}
    with pytest.raises(
        survey.LonelyPSUError, match='`lonely_psu`="average" needs a stratum with two PSUs; all 2 have one'
    ):
        survey.mean(design["average"], "y")
    centred = survey.total(design["adjust"], "y").std_error[0]
    np.testing.assert_allclose(centred**2, (3 - 7.5) ** 2 + (12 - 7.5) ** 2)
    assert survey.mean(design["certainty"], "y").std_error[0] == 0
    with pytest.raises(survey.LonelyPSUError, match="2 of 2 have one: 'a', 'b'"):
        survey.mean(design["fail"], "y")


def test_a_lonely_unit_at_the_second_stage() -> None:
    frame = pd.DataFrame(
        {"psu": [1, 1, 1, 2, 2, 2], "ssu": [1, 1, 1, 1, 2, 2], "N1": 8.0, "N2": [5.0] * 6, "y": np.arange(6.0) ** 2}
    )
    arguments: dict[str, Any] = {"psu": "psu", "ssu": "ssu", "fpc": ["N1", "N2"]}
    with pytest.raises(survey.LonelyPSUError, match="1 of 2 have one: 1"):
        survey.mean(survey.Design(frame, **arguments), "y")
    assert survey.mean(survey.Design(frame, lonely_psu="certainty", **arguments), "y").std_error[0] > 0


def test_options_are_checked() -> None:
    frame = pd.DataFrame({"y": [1.0, 2.0]})
    wrong: Any = "drop"
    with pytest.raises(survey.DesignError, match="`lonely_domain` must be one of keep, adjust; got 'drop'"):
        survey.Design(frame, lonely_domain=wrong)
    for rule in ("fail", "certainty", "remove"):
        chosen: Any = rule
        with pytest.raises(survey.DesignError, match=f"`lonely_domain`=\"adjust\" applies the rule .*; it is '{rule}'"):
            survey.Design(frame, lonely_psu=chosen, lonely_domain="adjust")


def test_the_data_of_this_file_are_those_of_the_reference() -> None:
    """Strata that a domain leaves with one PSU do occur there."""
    frame = read_csv(__import__("pathlib").Path(__file__).parents[1] / "reference" / "lonely.csv")
    high = frame[factor(frame["stype"]) == "H"].groupby("lstrat")["dnum"].nunique()
    sampled = frame.groupby("lstrat")["dnum"].nunique()
    assert ((high == 1) & (sampled.loc[high.index] > 1)).any()
