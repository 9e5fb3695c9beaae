"""Templates beside the real ones: real rules under another engine, a table of right and wrong ones under promtool."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import gotpl
import numpy as np
import pytest
import yaml

from common.labels import Labels
from ruler.model.result import Matrix, Result, Scalar, Vector
from ruler.model.table import StringPool, table_of
from ruler.promql.parser import parse
from ruler.template import Template, TemplateData, TemplateError
from ruler.template.promfunctions import humanize, humanize_1024, humanize_duration, to_float

pytestmark = pytest.mark.conformance

LABELS = {"instance": "10.0.0.1:9100", "job": "node", "__name__": "up"}
VALUES = (0.0, 1.0, 0.123456, 98.765, 1234567.0, float("nan"))


def rule_texts(testdata: Path) -> Iterator[tuple[str, str]]:
    """Every label and annotation with an action in any rule file, with where it is from."""
    for path in sorted(testdata.rglob("*.y*ml")):
        try:
            documents = list(yaml.load_all(path.read_text(), yaml.CSafeLoader))
        except (yaml.YAMLError, UnicodeDecodeError):  # files that are bad on purpose
            continue
        for document in documents:
            groups = document.get("groups") if isinstance(document, dict) else None
            for group in groups if isinstance(groups, list) else ():
                for rule in (group or {}).get("rules") or ():
                    for kind in ("labels", "annotations"):
                        for text in (rule.get(kind) or {}).values() if isinstance(rule, dict) else ():
                            if isinstance(text, str) and "{{" in text:
                                yield path.name, text


# gotpl takes the root for a map, in which any key may be missing; Prometheus's is a struct, and so this is an error.
OF_ROOT = "stuff's happening with {{ $.labels.service }}"


def ours(text: str, value: float) -> str | None:
    """What we render, None for an error."""
    try:
        return Template("t", text).render(TemplateData(labels=LABELS, value=value))
    except TemplateError:
        return None


def theirs(text: str, value: float) -> str | None:
    """What gotpl renders with Prometheus's functions defined; None for an error."""
    functions = {
        "humanize": lambda each: humanize(to_float(each)),
        "humanize1024": lambda each: humanize_1024(to_float(each)),
        "humanizeDuration": lambda each: humanize_duration(to_float(each)),
        "humanizePercentage": lambda each: f"{to_float(each) * 100:.4g}%".replace("nan", "NaN"),
    }
    prefix = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$value := .Value}}"
    labels = gotpl.TypedMap(LABELS, "", "string", "string")
    data = {"Labels": labels, "ExternalLabels": {}, "Value": value}
    try:
        return gotpl.render(prefix + text, data, functions=functions, missing_key="zero")
    except gotpl.TemplateError:
        return None


def test_real_rules_render_as_elsewhere(testdata: Path) -> None:
    """Every label and annotation of the real rules renders as another engine renders it, or fails in both."""
    texts = sorted({(name, text) for name, text in rule_texts(testdata) if text != OF_ROOT})
    differing, compared = [], 0
    for name, text in texts:
        for value in VALUES:
            compared += 1
            we, they = ours(text, value), theirs(text, value)
            if we != they:
                differing.append((name, text, value, we, they))
    failing = sorted({text for _, text in texts if ours(text, 1.0) is None})
    print(f"{len(texts)} texts, {compared} renderings, {len(differing)} differ; in error: {failing}")
    assert len(texts) > 1_000
    assert ours(OF_ROOT, 1.0) is None
    assert [] == differing


TEMPLATES: list[str] = yaml.load((Path(__file__).parent / "templates.yml").read_text(), yaml.CSafeLoader)


def run(peers: Path, home: Path, *arguments: str) -> str:
    done = subprocess.run(
        [peers / "promtool", *arguments], cwd=home, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


def rule_file(home: Path, texts: dict[str, str]) -> None:
    rules = [{"alert": name, "expr": "s", "annotations": {"a": text}} for name, text in texts.items()]
    (home / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))


def unescaped(quoted: str) -> str:
    """What a string of Go in quotes says."""
    text: str = json.loads('"' + re.sub(r"\\x([0-9a-f]{2})", r"\\u00\1", quoted) + '"')
    return text


def promtool_answers(peers: Path, home: Path) -> dict[str, str]:
    """What promtool says to each template, by the name of its alert: its text, or what is wrong with it."""
    texts = {f"A{index}": text for index, text in enumerate(TEMPLATES)}
    rule_file(home, texts)
    said = run(peers, home, "check", "rules", "rules.yml")
    refused = dict(re.findall(r"(?m)template: __alert_(A\d+):(\d+: .*)$", said))
    good = {name: text for name, text in texts.items() if name not in refused}
    rule_file(home, good)
    tests = [{"eval_time": "0m", "alertname": name, "exp_alerts": []} for name in good]
    series = [{"series": 's{l="a",m="<i>"}', "values": "2"}, {"series": 'x{l="b"}', "values": "3.5"}]
    series.append({"series": 'x{l="a"}', "values": "7"})
    unit: dict[str, object] = {"interval": "1m", "input_series": series, "alert_rule_test": tests}
    unit |= {"external_labels": {"region": "eu"}, "external_url": "http://ext.example:9090/pre"}
    (home / "test.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "tests": [unit]}))
    said = run(peers, home, "test", "rules", "test.yml")
    shown = re.findall(r'alertname: (A\d+), time.*?Annotations:\{a="((?:[^"\\]|\\.)*)"\}', said, re.DOTALL)
    return {name: f"template: __alert_{name}:{text}" for name, text in refused.items()} | {
        name: unescaped(text) for name, text in shown
    }


def query(text: str) -> Result:
    """What the queries of the table answer with the series of promtool's test."""
    parse(text)
    samples: dict[str, list[tuple[dict[str, str], float]]] = {
        "x": [({"__name__": "x", "l": "b"}, 3.5), ({"__name__": "x", "l": "a"}, 7.0)],
        "vector(3)": [({}, 3.0)],
        "nope": [],
    }
    if text == "5":
        return Result(Scalar(0, 5.0))
    if text not in samples:
        empty = np.zeros(0, dtype=np.int64)
        return Result(Matrix(table_of([], StringPool()), empty, empty, np.zeros(0)))
    labels = [Labels(each) for each, _ in samples[text]]
    return Result(Vector(0, table_of(labels, StringPool()), np.array([value for _, value in samples[text]])))


def our_answer(name: str, text: str) -> str:
    labels = Labels({"__name__": "s", "l": "a", "m": "<i>"})
    external = Labels({"region": "eu"})
    data = TemplateData(labels, 2.0, external, "http://ext.example:9090/pre", query)
    try:
        return Template(f"__alert_{name}", text).render(data)
    except TemplateError as error:
        return str(error)


def placeless(text: str) -> str:
    """Without columns: Prometheus counts them from the definitions that it puts before a template."""
    text = re.sub(r"^<error expanding template: (.*)>$", r"\1", text, flags=re.DOTALL)
    return re.sub(r"(__alert_A\d+:\d+):\d+", r"\1", text)


def test_answers_are_those_of_promtool(peers: Path, tmp_path: Path) -> None:
    """Right and wrong templates give promtool's very text or error."""
    answers = promtool_answers(peers, tmp_path)
    assert len(TEMPLATES) == len(answers)
    differing = []
    for index, text in enumerate(TEMPLATES):
        real, own = placeless(answers[f"A{index}"]), placeless(our_answer(f"A{index}", text))
        if real.strip() != own.strip():
            differing.append((text, real, own))
    print(f"{len(TEMPLATES) - len(differing)} of {len(TEMPLATES)} answers are promtool's")
    assert [] == differing
