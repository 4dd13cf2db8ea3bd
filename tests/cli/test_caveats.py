"""`harness plan` says where a study's tuning falls short of the method, and plans it all the same."""

from pathlib import Path

from tests.cli.conftest import TINY, Harness

SHORT = "tuned at 3 points; the method asks for at least 9"


def test_plan_names_what_tuning_falls_short_of(harness: Harness, project: Path) -> None:
    (project / "studies/short.yaml").write_text(TINY.replace("points: 9", "points: 3"))
    shown = harness("plan", "short", "--workers", "1")
    assert shown.code == 0
    assert SHORT in shown.out
    assert harness("plan", "short", "--workers", "1", "--json").json["caveats"] == [SHORT]
    assert "Caveats" not in harness("plan", "tiny", "--workers", "1").out
