"""Published figures beside ours, as the template prints them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.verdicts import ABSENT, CANNOT, unexplained


def published_figures(verdicts: pd.DataFrame | None) -> dict[str, Any] | None:
    """Published figures beside ours, those from weak sources apart."""
    if verdicts is None:
        return None
    rows = []
    for row in verdicts.to_dict("records"):
        numeric = pd.notna(row["ours"])
        exact = row["kind"] == "digits"
        rows.append(
            {
                **{name: row[name] for name in ("published", "unit", "decimals", "verdict", "source")},
                "quantity": row["quantity"].replace(" - ", ", "),
                "base": row["base"] or "–",
                "kind": "exact" if exact else row["kind"],
                "ours": float(row["ours"]) if numeric else None,
                "ours_text": row["ours_text"],
                "difference": float(row["difference"]) if numeric else None,
                "remark": row["remark"],
                "weak": row["strength"] == "weak",
            }
        )
    counts = verdicts.loc[verdicts["strength"] != "weak", "verdict"].value_counts(sort=False)
    explained = verdicts[verdicts["explained"]]
    absent = verdicts[verdicts["verdict"].isin([ABSENT, CANNOT])]
    return {
        "rows": [row for row in rows if not row["weak"]],
        "weak": [row for row in rows if row["weak"]],
        "counts": [{"verdict": verdict, "count": int(count)} for verdict, count in counts.items()],
        "unexplained": len(unexplained(verdicts)),
        "explained": [
            {"reason": reason, "quantities": [f"“{quantity}”" for quantity in dict.fromkeys(figures["quantity"])]}
            for reason, figures in explained.groupby("reason", sort=False)
        ],
        "absent": absent[["quantity", "reason"]].to_dict("records"),
        "digits": bool((verdicts["kind"] == "digits").all()),
        "reproduced": int((verdicts["verdict"] == "reproduced").sum()),
        "note": None,
    }
