"""Write the sha256 of every data file into the tables of the READMEs: the last step of `make data`."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

DATA = Path(__file__).resolve().parents[1] / "data"
ROW = re.compile(r"(?m)^(\| `)([^`]+)(` .*\| `)[0-9a-f]{64}(` \|)$")
HEADING = "| file | sha256 |\n|---|---|\n"


def sha256(path: Path) -> str:
    """Checksum of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def with_checksums(readme: Path) -> str:
    """Text of a README with the checksums of the files that its tables list."""
    return ROW.sub(lambda row: row[1] + row[2] + row[3] + sha256(readme.parent / row[2]) + row[4], readme.read_text())


def index(folder: Path) -> str:
    """Rows of the table of all data files below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "README.md")
    return "".join(f"| `{path.relative_to(folder).as_posix()}` | `{sha256(path)}` |\n" for path in files)


def main() -> None:
    """Rewrite the READMEs of the data folder and of each study."""
    for readme in sorted(DATA.glob("*/README.md")):
        readme.write_text(with_checksums(readme))
    readme = DATA / "README.md"
    before, heading, _ = readme.read_text().partition(HEADING)
    readme.write_text(before + heading + index(DATA))


if __name__ == "__main__":
    main()
