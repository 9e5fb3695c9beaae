"""Commands load when they run, and a library that is not installed is one line that says how to get it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner, Result

from tocsin.lazy import LazyGroup

TABLE = {
    "at-once": ("needy_at_once", "command", "Lacks a library when it is loaded."),
    "later": ("needy_later", "command", "Lacks a library when it runs."),
    "broken": ("tocsin.no_such_module", "command", "Lacks a part of this program."),
}


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two commands that need a library that nobody has."""
    at_once = "import no_such_library.part\n"
    later = "import click\n@click.command()\ndef command():\n    import no_such_library.part\n"
    (tmp_path / "needy_at_once.py").write_text(at_once, encoding="utf-8")
    (tmp_path / "needy_later.py").write_text(later, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "needy_later", raising=False)


def said(*arguments: str) -> Result:
    @click.group(cls=LazyGroup, table=TABLE, extras={"later": "parquet"})
    def group() -> None:
        pass

    return CliRunner().invoke(group, arguments)


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize(("command", "extra"), [("at-once", "ruler"), ("later", "parquet")])
def test_a_missing_library_is_one_line(command: str, extra: str) -> None:
    """Whether it is missed on loading or on running, the line names the command, the library and its extra."""
    result = said(command)
    line = f"Error: {command} needs no_such_library: install it with `pip install 'tocsin[{extra}]'`\n"
    assert (1, line) == (result.exit_code, result.output)


def test_a_missing_part_of_the_program_is_a_fault() -> None:
    """What no extra brings is not called a library."""
    assert isinstance(said("broken").exception, ModuleNotFoundError)


def test_help_loads_nothing() -> None:
    """The list of commands is the table's."""
    loaded = {name for name, module in sys.modules.items() if isinstance(module, ModuleType)}
    result = said("--help")
    assert (0, True) == (result.exit_code, all(sentence in result.output for _, _, sentence in TABLE.values()))
    assert {"needy_at_once", "needy_later"}.isdisjoint(set(sys.modules) - loaded)
