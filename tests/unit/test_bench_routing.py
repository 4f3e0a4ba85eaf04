from pathlib import Path

import pytest

from bench.routing.__main__ import main
from bench.routing.parts import PARTS, Part, Target, table


def test_a_part_whose_file_is_missing_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["bench.routing", "replay", str(tmp_path / "none.gz")])
    assert main() == 2
    assert "none.gz is not there" in capsys.readouterr().err


def test_an_aim_may_be_relative_to_the_baseline_of_the_run() -> None:
    target = Target("figure", "a.b", "base", 0.0, 0.02, relative=True)
    result = table(Part("part", (), (), (target,)), {"a": {"b": 0.55}, "base": 0.5})
    (figure,) = result.figures
    assert (figure.value, figure.baseline) == (0.55, 0.5)
    assert str(figure.aim) == "≥ 0.5"
    assert "≥ 0.52 ✓" in result.notes[0]


def test_a_figure_that_is_not_there_is_said_to_be_missing() -> None:
    target = Target("figure", "a.b", None, 0.5, 0.6)
    result = table(Part("part", (), (), (target,)), {"a": 1})
    assert result.figures == []
    assert "not among the figures" in result.notes[0]


def test_parts_have_names_of_their_own() -> None:
    names = [part.name for part in PARTS]
    assert len(names) == len(set(names))
