"""The table of reference values, ours and the difference, in `docs/validation.md`.

`rows` has the parts of it, the modules imported here register its sections and deviations in the order of the page,
`page` writes and checks it. To add reference values, add rows to a section or register another one.
"""

from tests.validation import schools, weighting, surveys, regression, polls, deviations  # noqa: F401, I001
