"""The table of reference values, ours and the difference, in `docs/validation.md`.

`rows` has the parts of it, `results` and `fits` make rows of what R prints, the modules imported here register its
sections and deviations in the order of the page, `uncompared` says what is not compared and why, and `page` writes and
checks it.
To add reference values, add rows to a section or register another one.
"""

from tests.validation import (  # noqa: F401, I001
    schools,
    weighting,
    surveys,
    likelihood,
    regression,
    model_tests,
    polls,
    deviations,
)
