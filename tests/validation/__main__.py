"""Run as `python -m tests.validation [--check]`."""

from tests.validation.page import main

if __name__ == "__main__":
    raise SystemExit(main())
