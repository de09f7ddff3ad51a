"""The command ends in a line, never in a traceback: closed pipes, full disks, poor consoles, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from survey.cli import main
from survey.cli.terminal import ended
from survey.errors import SurveyError
from tests.cli.test_commands import CODEBOOK, FILE, MARGINS, ROOT

COMMAND = [sys.executable, "-c", "import sys; from survey.cli import main; sys.exit(main())"]
FULL = Path("/dev/full")


def run(*arguments: str, stdout: int = subprocess.PIPE, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=ROOT,
        encoding="utf-8",
        env={**os.environ, **environment},
    )


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_said() -> None:
    with FULL.open("w") as full:
        answer = run("codebook", CODEBOOK, stdout=full.fileno())
    assert answer.returncode == 74
    assert answer.stderr == "survey: the answer could not be written: No space left on device\n"


def test_a_closed_pipe_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    answer = run("codebook", CODEBOOK, stdout=writing)
    os.close(writing)
    assert (answer.returncode, answer.stderr) == (141, "")


def test_a_console_without_the_letters_shows_their_escapes(tmp_path: Path) -> None:
    page = Path(CODEBOOK).read_text(encoding="utf-8").replace("title: ", "title: \u7537 ", 1)
    (tmp_path / "codebook.yaml").write_text(page, encoding="utf-8")
    answer = run("codebook", str(tmp_path / "codebook.yaml"), PYTHONIOENCODING="ascii")
    assert answer.returncode == 0
    assert "# \\u7537 " in answer.stdout


def test_ctrl_c_ends_in_a_line() -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    assert ended(interrupted) == 130


@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
def test_a_signal_while_it_works_leaves_no_traceback(tmp_path: Path) -> None:
    code = (
        "import sys, time; from survey.cli import terminal; print('on', flush=True); "
        "sys.exit(terminal.ended(lambda: time.sleep(60)))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "on\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "survey: interrupted; nothing was written\n")


def test_labels_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> int:
        raise SurveyError("the label '\x1b[2J\u202eabc\x9b31m'\nis wrong")

    assert ended(refuse) == 1
    assert capsys.readouterr().err == "survey: the label '\\x1b[2J\\u202eabc\\x9b31m'\nis wrong\n"


def test_an_output_is_never_an_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The respondents were replaced by their weighted copy, through a link as well."""
    data = tmp_path / "a.csv"
    data.write_bytes(Path(FILE).read_bytes())
    (tmp_path / "link.csv").symlink_to(data)
    os.link(data, tmp_path / "hard.csv")
    for name in ("a.csv", "link.csv", "hard.csv", "./a.csv", "../" + tmp_path.name + "/a.csv"):
        assert main(["weight", str(data), CODEBOOK, MARGINS, "-o", f"{tmp_path}/{name}"]) == 1
        assert "`--output` must not be a file that is read" in capsys.readouterr().err
    assert data.read_bytes() == Path(FILE).read_bytes()
    codebook = tmp_path / "codebook.yaml"
    codebook.write_bytes(Path(CODEBOOK).read_bytes())
    assert main(["codebook", str(codebook), "--force", "-o", str(codebook)]) == 1
    assert codebook.read_bytes() == Path(CODEBOOK).read_bytes()


@pytest.mark.parametrize("name", ["draft.yaml", "page.md"])
def test_a_codebook_that_is_there_is_kept_without_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / name).write_text("edited")
    assert main(["codebook", CODEBOOK, "-o", str(tmp_path / name)]) == 1
    assert "`--output` must be a new file, as somebody may have edited" in capsys.readouterr().err
    assert (tmp_path / name).read_text() == "edited"
    assert main(["codebook", CODEBOOK, "-o", str(tmp_path / name), "--force"]) == 0
    assert (tmp_path / name).read_text() != "edited"
