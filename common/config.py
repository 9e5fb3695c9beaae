"""Operators' YAML files → typed, frozen values, with file and line in every error.

Plain scalars stay text until the type of their field decides (so `severity: yes` is the word "yes" and `regex: 5` the
text "5", as Go's decoder reads them); a key without a value is the same as no key. Unknown and duplicate keys are
refused by name, and so is a file whose aliases unfold to more than MAX_NODES.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from common.durations import format_duration, parse_duration
from common.errors import ConfigError, ParseError, written_path
from common.secrets import Secret

MAX_NODES = 1_000_000
MAX_BYTES = 64 << 20
MAX_DEPTH = 100

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")

T = TypeVar("T")
DecodeHook = Callable[[type, Any], Any]


class Duration(int):
    """A Duration is a length of time of a config file, in milliseconds."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings are one block of a config file: frozen, complete with defaults, refusing keys it does not know."""


@dataclass(frozen=True, slots=True)
class Document:
    """A Document is a parsed YAML file that still knows the line of each of its values.

    `more` says that other documents followed in a file that may have many; they are left alone.
    """

    file: str
    value: Any
    lines: dict[tuple[str | int, ...], int]
    more: bool = False
    without_value: tuple[tuple[str | int, ...], ...] = ()

    def error(self, problem: str, path: tuple[str | int, ...] = ()) -> ConfigError:
        """A ConfigError at `path`, or at the nearest line above it that is known."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        return ConfigError(problem, file=self.file, line=self.lines.get(known, 0), path=written_path(path))

    def decode(self, type_: type[T], hook: DecodeHook | None = None) -> T:
        """This document as a `type_`; `hook(type, value)` builds the types of a stage (it raises ValueError)."""

        def build(wanted: type, value: Any) -> Any:
            if wanted is Duration:
                try:
                    return Duration(parse_duration(value if isinstance(value, str) else repr(value)))
                except ParseError as error:
                    raise ValueError(error.problem) from None
            if wanted is Secret:
                return Secret(str(value))
            if hook is not None:
                return hook(wanted, value)
            raise NotImplementedError(wanted)

        try:
            decoded = msgspec.convert({} if self.value is None else self.value, type_, strict=False, dec_hook=build)
        except msgspec.ValidationError as error:
            problem, _, place = str(error).partition(" - at `")
            path = tuple(
                key or (int(index) if index.isdigit() else index)
                for key, index in _STEP.findall(place.removesuffix("`"))
            )
            problem, path = _plainly(problem, path)
            raise self.error(problem, path) from None
        for path in self.without_value:
            if _refuses(decoded, path):
                raise self.error(f"unknown key {path[-1]!r}", path)
        return decoded


def load_yaml(path: Path, *, many: bool = False) -> Document:
    """The document in the file at `path`, the first one if it may have `many`; raises ConfigError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"larger than {MAX_BYTES} bytes", file=str(path))
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(path)) from None
    except UnicodeDecodeError:
        raise ConfigError("not UTF-8 text", file=str(path)) from None
    return parse_yaml(text, str(path), many=many)


def parse_yaml(text: str, file: str = "", *, many: bool = False) -> Document:
    """The document that `text` is; `file` is the name that its errors give. Raises ConfigError."""
    more = False
    try:
        loader = _Loader(text)
        try:
            if many:
                root = loader.get_node() if loader.check_node() else None
                more = loader.check_node()
            else:
                root = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        raise ConfigError(f"not valid YAML: {error.problem}", file=file, line=line) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"not valid YAML: {error}", file=file) from None
    except RecursionError:
        raise ConfigError("nested too deeply", file=file) from None
    lines: dict[tuple[str | int, ...], int] = {}
    builder = _Builder(file, lines)
    return Document(file, None if root is None else builder.build(root, ()), lines, more, tuple(builder.without_value))


class _Builder:
    """Builds plain values from YAML nodes, noting lines and counting nodes so that aliases cannot explode."""

    def __init__(self, file: str, lines: dict[tuple[str | int, ...], int]) -> None:
        self._file, self._lines, self._nodes = file, lines, 0
        self.without_value: list[tuple[str | int, ...]] = []

    def build(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        line = node.start_mark.line + 1
        self._nodes += 1
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise ConfigError(
                "too large or nested too deeply once its aliases are unfolded", file=self._file, line=line
            )
        self._lines[path] = line
        if isinstance(node, yaml.ScalarNode):
            return None if not node.style and node.value in _NULLS else node.value
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        built: dict[str, Any] = {}
        inherited: dict[str, Any] = {}
        for key_node, child in node.value:
            key = key_node.value
            key_line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError("a key must be a plain word", file=self._file, line=key_line, path=written_path(path))
            if key == "<<" and not key_node.style:
                sources = self.build(child, path)
                for source in sources if isinstance(sources, list) else [sources]:
                    if not isinstance(source, dict):
                        raise ConfigError("only mappings can be merged", file=self._file, line=key_line)
                    inherited = {**source, **inherited}
                continue
            if key in built:
                raise ConfigError(f"key given twice: {key!r}", file=self._file, line=key_line, path=written_path(path))
            value = self.build(child, (*path, key))
            self._lines[(*path, key)] = key_line
            if value is None:
                self.without_value.append((*path, key))
            else:
                built[key] = value
        return {**inherited, **built}


_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)


def _plainly(problem: str, path: tuple[str | int, ...]) -> tuple[str, tuple[str | int, ...]]:
    """msgspec's sentence in the words of a config file."""
    if match := _UNKNOWN.fullmatch(problem):
        return f"unknown key {match[1]!r}", (*path, match[1])
    if match := _MISSING.fullmatch(problem):
        return f"missing key {match[1]!r}", path
    return problem[:1].lower() + problem[1:], path


def _refuses(decoded: Any, path: tuple[str | int, ...]) -> bool:
    """Whether the last step of `path` is a key that its block, a Settings of `decoded`, does not know."""
    place = decoded
    for step in path[:-1]:
        if isinstance(place, Settings):
            fields = {field.encode_name: field.name for field in msgspec.structs.fields(place)}
            place = getattr(place, fields.get(str(step), ""), None)
        elif isinstance(place, list | tuple) and isinstance(step, int) and step < len(place):
            place = place[step]
        elif isinstance(place, dict):
            place = place.get(step)
        else:
            return False
    return isinstance(place, Settings) and path[-1] not in {
        field.encode_name for field in msgspec.structs.fields(place)
    }


def shown(value: Any) -> Any:
    """Settings as plain values for a person to read: durations as `5m`, secrets hidden, defaults left out."""
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        pairs = ((field.encode_name, getattr(value, field.name), field) for field in fields)
        return {name: shown(held) for name, held, field in pairs if field.required or held != _default(field)}
    if isinstance(value, Duration):
        return format_duration(value)
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, dict):
        return {str(key): shown(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [shown(held) for held in value]
    return str(value) if isinstance(value, StrEnum) else value


def to_yaml(value: Any) -> str:
    """Settings as YAML, as `shown` gives them."""
    return yaml.dump(shown(value), Dumper=yaml.SafeDumper, sort_keys=False, allow_unicode=True, width=120)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default
