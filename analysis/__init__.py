"""The replication study: respondent files, the report made from them, and what is published about them.

`python -m analysis.report` builds a report, `python -m analysis.verify` compares its numbers with published ones,
`python -m analysis.social_credit_records` and `python -m analysis.anes96_records` write the respondent files.
What is particular to a study stands in `analysis/<study>.yaml`.
"""
