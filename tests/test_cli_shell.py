"""`maou` as a citizen of a shell: help, completion, errors, pipes, encodings, signals, progress."""

from __future__ import annotations

import errno
import os
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

import polars as pl
import pytest
from command_line import COMMAND, PACKAGE, complaint, environment, output, run

from maou.cli.errors import CommandError, explained
from maou.cli.progress import ERASE_LINE, Progress, progress_line, watched
from maou.cli.table import width
from maou.domain.data.rust_io import save_hcpe_df
from maou.infra.utility.records import generate_hcpe_df


def test_help_and_version_do_not_load_polars(tmp_path: Path) -> None:
    program = (
        "import contextlib, sys, maou.cli\n"
        "with contextlib.suppress(SystemExit): maou.cli.main(['data', '--help'])\n"
        "assert 'polars' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], env=environment(), check=True, capture_output=True)
    from maou._rust import __version__

    assert output("--version", cwd=tmp_path) == f"maou {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["data"],
        ["data", "nope"],
        ["data", "head"],
        ["data", "head", "a", "-n", "0"],
        ["data", "head", "a", "-n", "x"],
    ],
)
def test_wrong_usage_is_2(arguments: list[str], tmp_path: Path) -> None:
    result = run(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("usage: maou")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command(shell: str, tmp_path: Path) -> None:
    shtab = pytest.importorskip("shtab", reason="shtab is not installed: `pip install 'maou[cli]'`")
    if shell not in shtab.SUPPORTED_SHELLS:
        pytest.skip(f"this shtab does not know {shell}")
    script = output("completion", shell, cwd=tmp_path)
    for command in ("info", "head", "split", "merge", "verify", "export", "index", "search"):
        assert command in script
    assert "prefix" in script


def test_bash_completes(tmp_path: Path) -> None:
    pytest.importorskip("shtab", reason="shtab is not installed: `pip install 'maou[cli]'`")
    (tmp_path / "maou.bash").write_text(output("completion", "bash", cwd=tmp_path))
    (tmp_path / "games.feather").touch()
    program = """
        source maou.bash
        complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_maou; echo "${COMPREPLY[@]}"; }
        complete_words maou data he
        complete_words maou data info ga
        complete_words maou data search --ty
        complete_words maou data search --type stage
    """
    shell = subprocess.run(["bash", "-c", program], cwd=tmp_path, capture_output=True, encoding="utf-8", check=True)
    assert shell.stdout.splitlines() == ["head", "games.feather", "--type", "stage1 stage2"]


def test_completion_of_an_unknown_shell_and_without_shtab(tmp_path: Path) -> None:
    pytest.importorskip("shtab", reason="shtab is not installed: `pip install 'maou[cli]'`")
    assert "cannot complete in cmd.exe; there are bash," in complaint("completion", "cmd.exe", cwd=tmp_path)
    # What comes first on the path is found.
    (tmp_path / "shtab.py").write_text("raise ImportError")
    result = run("completion", "bash", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "maou: cannot complete without shtab; install it with: pip install 'maou[cli]'\n"


def test_without_matplotlib_the_error_says_how_to_get_it(tmp_path: Path, hcpe_file: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError")
    message = complaint("data", "info", hcpe_file, "--plot", "a.png", cwd=tmp_path)
    assert message.endswith("install it with: pip install 'maou[plot]'\n")


@pytest.mark.parametrize(
    "command", [["info"], ["head"], ["split", "-o", "out"], ["merge", "-o", "out"], ["search", "--id=1"]]
)
def test_a_file_that_cannot_be_read_is_one_line(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "games.feather").write_text("not a feather file")
    assert "it is no Arrow IPC file" in complaint("data", *command, "games.feather", cwd=tmp_path)
    message = complaint("data", *command, "game.feather", cwd=tmp_path)
    assert message.endswith("game.feather: No such file or directory; there is games.feather\n")
    message = complaint("data", *command, tmp_path, cwd=tmp_path)
    assert "name the files in it: " in message
    assert "there is no directory nowhere" in complaint("data", *command, "nowhere/a.feather", cwd=tmp_path)


def test_what_the_system_refuses_names_the_fix() -> None:
    refused = PermissionError(errno.EACCES, "Permission denied; cannot read", "a.feather")
    with pytest.raises(CommandError) as raised, explained("split", "other.feather"):
        raise refused
    assert str(raised.value) == "cannot split a.feather: Permission denied; check its permissions"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            FileNotFoundError("cannot read s3://b/a: there is no such object"),
            "cannot read s3://b/a: there is no such object",
        ),
        (ValueError("https://h/a: it is empty"), "cannot read https://h/a: it is empty"),
        (ValueError("it is empty"), "cannot read https://h/a: it is empty"),
        (ImportError("https:// needs obstore"), "cannot read https://h/a: https:// needs obstore"),
        (MemoryError(), "cannot read https://h/a: not enough memory; choose fewer --columns or rows"),
        (pl.exceptions.ColumnNotFoundError("a\n\nhint"), "cannot read https://h/a: Polars cannot do it: a"),
        (pl.exceptions.PanicException("a"), "cannot read https://h/a: Polars cannot do it: a"),
    ],
)
def test_an_object_is_named_once_and_without_its_signature(error: BaseException, message: str) -> None:
    with pytest.raises(CommandError) as raised, explained("read", "https://h/a?X-Amz-Signature=SECRET"):
        raise error
    assert str(raised.value) == message


def test_what_is_no_failure_of_the_work_goes_on() -> None:
    for error in (KeyboardInterrupt, BrokenPipeError, AssertionError):
        with pytest.raises(error), explained("read", "a.feather"):
            raise error


def test_nobody_reads_on(tmp_path: Path) -> None:
    # More than a pipe holds.
    save_hcpe_df(generate_hcpe_df(5000), tmp_path / "a.feather")
    command = [*COMMAND, "data", "head", "a.feather", "-n", "5000"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout and process.stderr
        assert process.stdout.read(3) == b" ro"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_said(tmp_path: Path, hcpe_file: Path) -> None:
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(
            [*COMMAND, "data", "info", str(hcpe_file)],
            env=environment(), stdout=full, stderr=subprocess.PIPE, encoding="utf-8", check=False,
        )  # fmt: skip
    assert (process.returncode, process.stderr) == (1, "maou: cannot write the output: No space left on device\n")


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "euc-jp"},
    ],
)
def test_any_locale_can_print_any_name(locale: dict[str, str], tmp_path: Path) -> None:
    if "LC_ALL" in locale and not PACKAGE.isascii():
        pytest.skip(f"Python itself does not start there: maou.pth of the environment holds {PACKAGE}")
    save_hcpe_df(generate_hcpe_df(20), tmp_path / "対局 Ⅷ é.feather")
    command = [*COMMAND, "data", "info", "対局 Ⅷ é.feather", "無.feather"]
    result = subprocess.run(command, cwd=tmp_path, env=environment(locale), capture_output=True, check=False)
    assert result.returncode == 1
    assert b"20 in 1 batch" in result.stdout
    assert b"Traceback" not in result.stderr
    assert b"No such file" in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="file names are UTF-8 there")
@pytest.mark.parametrize("locale", [{}, {"PYTHONIOENCODING": "euc-jp"}, {"LC_ALL": "C"}])
def test_a_name_that_is_no_utf_8_is_printed_as_it_is(locale: dict[str, str], tmp_path: Path) -> None:
    if "LC_ALL" in locale and not PACKAGE.isascii():
        pytest.skip(f"Python itself does not start there: maou.pth of the environment holds {PACKAGE}")
    name = b"\xff a"
    save_hcpe_df(generate_hcpe_df(20), tmp_path / os.fsdecode(name + b".feather"))
    command: list[str | bytes] = [*COMMAND, "data", "split", name + b".feather", "-o", b"\xfe", "--rows", "10"]
    result = subprocess.run(command, cwd=tmp_path, env=environment(locale), capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    pieces = result.stdout.splitlines()
    assert pieces == [b"\xfe/" + name + b"_split000%d.feather" % number for number in range(2)]
    command = [*COMMAND, "data", "verify", *pieces, b"\xfd"]
    result = subprocess.run(command, cwd=tmp_path, env=environment(locale), capture_output=True, check=False)
    assert result.stdout.count(name) == 2
    assert b"cannot verify \xfd: No such file" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
@pytest.mark.parametrize("command", ["info --json", "info", "verify"])
def test_a_closed_output_is_no_error(command: str, tmp_path: Path, hcpe_file: Path) -> None:
    line = f"{shlex.join(COMMAND)} data {command} {shlex.quote(str(hcpe_file))}"
    for closed in (">&-", "2>&-"):
        result = subprocess.run(
            ["sh", "-c", f"{line} {closed}"], cwd=tmp_path, env=environment(), capture_output=True, check=False
        )
        assert (result.returncode, result.stderr) == (0, b"")
    result = subprocess.run(
        ["sh", "-c", f"{line}x 2>&-"], cwd=tmp_path, env=environment(), capture_output=True, check=False
    )
    assert result.returncode == 1
    assert b"maou: " not in result.stdout


def test_ctrl_c_is_heard_while_the_extension_is_busy() -> None:
    program = (
        "import signal, sys, threading\n"
        "import maou.cli, maou.cli.files\n"
        "def verify(path):\n"
        "    print('busy', flush=True)\n"
        "    threading.Event().wait()\n"
        "maou.cli.files.verify = verify\n"
        # A background job of a shell is born deaf to it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.exit(maou.cli.main(['data', 'verify', 'a.feather']))\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"busy\n"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (130, b"")


class Terminal:
    """A stderr that notes what it is written, and lets the work go on when it has drawn a line."""

    def __init__(self, drawn: threading.Event, terminal: bool) -> None:
        self.text = ""
        self._drawn = drawn
        self._terminal = terminal

    def isatty(self) -> bool:
        # Asked once a turn: nothing will be drawn where it is no terminal.
        if not self._terminal:
            self._drawn.set()
        return self._terminal

    def write(self, text: str) -> None:
        self.text += text
        self._drawn.set()

    def flush(self) -> None:
        pass


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_is_a_line_on_a_terminal(is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = threading.Event()
    terminal = Terminal(drawn, is_terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("maou.cli.progress.PATIENCE_SECONDS", 0.0)

    def work(progress: Progress) -> str:
        progress(250, 1000)
        assert drawn.wait(60)
        return "done"

    assert watched("counting", work) == "done"
    if is_terminal:
        first, *_, last = terminal.text.split(ERASE_LINE)[1:]
        assert first.startswith("counting   25 %  250 of 1,000 rows  ")
        assert last == ""
    else:
        assert terminal.text == ""


@pytest.mark.parametrize("columns", [1, 2, 10, 25, 40, 80])
def test_a_line_of_progress_is_shorter_than_the_terminal(columns: int) -> None:
    text = " 25 %  3 s"
    line = progress_line("読む\n\x1b[2J" + "長い名前" * 30, text, columns)
    assert width(line) < max(columns, 1)
    assert line.isprintable()
    assert columns < 25 or line.endswith(f"...  {text}")
    assert progress_line("reading", text, 80) == f"reading  {text}"


def test_progress_fits_a_narrow_terminal() -> None:
    pty = pytest.importorskip("pty", reason="there are no pseudo-terminals")
    program = (
        "import maou.cli.progress, sys\n"
        "maou.cli.progress.PATIENCE_SECONDS = 0.0\n"
        "maou.cli.progress.watched('reading ' + 'long' * 30, lambda progress: sys.stdin.readline())\n"
    )
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", program]
    narrow = environment({"COLUMNS": "30"})
    with subprocess.Popen(command, env=narrow, stdin=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        drawn = b""
        while not drawn.endswith(b" s"):
            drawn += os.read(ours, 1000)
        process.communicate()
    os.close(ours)
    line = drawn.decode().split(ERASE_LINE)[1]
    assert line.startswith("reading longlong")
    assert len(line) < 30


def test_what_fails_while_watched_is_raised() -> None:
    def fail(_: Progress) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        watched("failing", fail)
