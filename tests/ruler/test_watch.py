"""Files of a config are known by what they hold; a ruler that looks at them takes changes up by itself."""

from __future__ import annotations

import os
from pathlib import Path

from ruler.app import Ruler
from ruler.settings import RulerSettings
from ruler.watch import digest_of


def test_a_digest_is_of_contents_and_names(tmp_path: Path) -> None:
    """Touching a file changes nothing; its content, a new file of a pattern and one that is gone do."""
    rules, pattern = tmp_path / "a.yml", [str(tmp_path / "*.yml")]
    rules.write_text("groups: []")
    first = digest_of(pattern)
    os.utime(rules, (1, 1))
    assert first == digest_of(pattern)
    rules.write_text("groups: [] ")
    changed = digest_of(pattern)
    (tmp_path / "b.yml").write_text("groups: [] ")
    more = digest_of(pattern)
    rules.unlink()
    gone = digest_of(pattern)
    assert 4 == len({first, changed, more, gone})
    assert digest_of([]) == digest_of([str(tmp_path / "none.yml")])


def test_a_changed_rule_file_is_taken_up_and_a_bad_one_tried_once(tmp_path: Path) -> None:
    config, rules = tmp_path / "prometheus.yml", tmp_path / "rules.yml"
    config.write_text("rule_files: [rules.yml]\n")
    rules.write_text("groups: []\n")
    ruler = Ruler(RulerSettings(config_file=config))

    def look() -> list[bool]:
        before = ruler._config
        digest = ruler._digest
        ruler._look(0)
        return [ruler._digest != digest, ruler._config is not before]

    try:
        ruler.start()
        assert [False, False] == look()
        rules.write_text("groups: [{name: g, rules: [{record: r, expr: '1'}]}]\n")
        assert [True, True] == look()
        assert ["g"] == [group.name for group in ruler._rules.groups()]
        assert [False, False] == look()
        rules.write_text("groups: [{name: g, rules: [{record: r, expr: '1 +'}]}]\n")
        assert [True, False] == look()
        assert [False, False] == look()
        assert 0 == ruler._registry.get_sample_value("prometheus_config_last_reload_successful")
        assert ["g"] == [group.name for group in ruler._rules.groups()]
    finally:
        ruler.stop()
