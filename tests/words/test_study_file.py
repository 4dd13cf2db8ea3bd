"""Study files: what is read, and what is said of what can't be."""

import contextlib
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StudyError
from harness.words.outcome import Outcome
from harness.words.ranges import LogRange
from harness.words.study import Study
from harness.words.study_file import MAX_PROBLEMS, load_study
from tests.words.sketches import SKETCHES

ARMS = "arms: {optimizer.name: [sgd, adam]}\n"


@pytest.mark.parametrize("name", SKETCHES)
def test_every_sketch_is_read(load, name):
    file = load(SKETCHES[name], name)
    assert file.name == name
    assert file.study.arms or file.study.space


def test_what_the_optimizers_sketch_says(load):
    study = load(SKETCHES["optimizers"]).study
    assert study.tune.parameters == {"optimizer.lr": "own_range"}
    assert study.tune.select == Outcome(function="steps_to", metric="val/accuracy")
    assert study.primary is not None
    assert study.primary.kind == "faster"
    assert study.tiers["full"]["judge.replicates"] == 50


def test_short_forms(load):
    first, second = load(SKETCHES["ensembles"]).study.hypotheses
    assert first.outcome == Outcome(function="final", metric="test/accuracy")
    assert (second.delta.value, second.delta.relative) == (0.05, True)


def test_values_are_those_of_yaml_1_2(load):
    file = load("base: {optimizer: {lr: 1e-4}, data: {name: no, day: 2020-01-01, n: 0o10}}\n" + ARMS)
    assert file.study.base["optimizer"] == {"lr": 1e-4}
    assert file.study.base["data"] == {"name": "no", "day": "2020-01-01", "n": 8}


def test_numbers_as_keys_are_labels(load):
    file = load("arms:\n  model.depth: {1: 1, 3.0: 3}\n")
    assert file.study.arms["model.depth"] == {"1": 1, "3.0": 3}


def test_a_range_is_a_range(load):
    factor = load(SKETCHES["learning_rate"]).study.arms["optimizer.lr"]
    assert factor == LogRange(log_range=(1e-5, 30), points=14)


def test_lines_are_kept(load):
    file = load(SKETCHES["activations"])
    lines = SKETCHES["activations"].splitlines()
    assert lines[file.line("arms", "activation", "tanh") - 1].strip().startswith("tanh:")
    assert lines[file.line("hypotheses", 0, "at", "model.depth") - 1].strip().startswith("at:")
    # what isn't there has the line of what is around it
    assert file.line("arms", "activation", "tanh", "nothing", 3) == file.line("arms", "activation", "tanh")
    assert file.line() == 1
    assert str(file.error("is odd", "arms", "activation")).endswith(
        f"study.yaml:{file.line('arms', 'activation')}: arms.activation: is odd"
    )


# text after ARMS -> line, then pieces of the one message
FORMS = {
    "misspelt key": (
        "judge:\n  replicats: 20",
        "study.yaml:3: judge.replicats: unknown key; did you mean 'replicates'? Allowed: members, "
        "replicates.",
    ),
    "misspelt section": (
        "jugde: {replicates: 20}",
        "study.yaml:2: jugde: unknown key; did you mean 'judge'?",
    ),
    "unknown key without a near one": ("\nzzz: 1", "study.yaml:3: zzz: unknown key; allowed: arms, base"),
    "key of tune without a dot": (
        "tune: {lr: own_range}",
        "study.yaml:2: tune.lr: unknown key; allowed: extend, points, sampler, seeds, select, and the",
    ),
    "key of a range": (
        "tune: {optimizer.lr: {log_range: [1.0e-3, 1], point: 9}}",
        "tune.optimizer.lr.point: unknown key; did you mean 'points'? Allowed: log_range, points.",
    ),
    "own_range misspelt": (
        "tune: {optimizer.lr: own_rang}",
        "study.yaml:2: tune.optimizer.lr: found 'own_rang'; allowed: {log_range: [low, high]}",
    ),
    "range of another form": (
        "tune: {optimizer.lr: {logrange: [1, 2]}}",
        "tune.optimizer.lr: found {'logrange': [1, 2]}; allowed: {log_range: [low, high]}",
    ),
    "descending range": (
        "tune: {optimizer.lr: {log_range: [1, 0.1]}}",
        "tune.optimizer.lr: log_range must ascend; found [1.0, 0.1]",
    ),
    "range of three": (
        "tune: {optimizer.lr: {range: [1, 2, 3]}}",
        "tune.optimizer.lr.range: found [1, 2, 3]; allowed: a list of 2 values",
    ),
    "range of one": (
        "tune: {optimizer.lr: {range: [1]}}",
        "tune.optimizer.lr.range: found [1]; allowed: a list of two values",
    ),
    "a truth for a count": (
        "judge: {replicates: true}",
        "judge.replicates: found true; allowed: a whole number",
    ),
    "text for a count": (
        'judge: {replicates: "20"}',
        "judge.replicates: found '20'; allowed: a whole number",
    ),
    "no replicates": ("judge: {replicates: 0}", "judge.replicates: found 0; allowed: a number above 0"),
    "too many extensions": ("tune: {extend: 9}", "tune.extend: found 9; allowed: a number of at most 4"),
    "a sampler that isn't": (
        "tune: {sampler: gird}",
        "tune.sampler: found 'gird'; did you mean 'grid'? Allowed: auto",
    ),
    "section left empty": ("judge:", "study.yaml:2: judge: found nothing; allowed: a mapping"),
    "number for text": ("title: 3", "study.yaml:2: title: found 3; allowed: text"),
    "claim without says": ("claim: {source: me}", "study.yaml:2: claim.says: missing"),
    "kind misspelt": (
        "hypotheses:\n  - {kind: fastr, a: adam, b: sgd}",
        "study.yaml:3: hypotheses.0.kind: found 'fastr'; did you mean 'faster'? Allowed: superiority, faster",
    ),
    "kind missing": (
        "hypotheses:\n  - {a: adam}",
        "study.yaml:3: hypotheses.0.kind: missing; allowed: superiority",
    ),
    "key of a hypothesis": (
        "hypotheses:\n  - {kind: best_of, outcome: test/accuracy,\n     detla: 0.01}",
        "study.yaml:4: hypotheses.0.detla: unknown key; did you mean 'delta'? Allowed: a, across, at, delta,",
    ),
    "side that is a number": (
        "hypotheses: [{kind: faster, a: 3, b: sgd, outcome: {steps_to: val/loss}}]",
        "hypotheses.0.a: found 3; allowed: text or a mapping (key: value)",
    ),
    "direction": (
        "hypotheses: [{kind: best_of, outcome: test/loss, direction: up}]",
        "hypotheses.0.direction: found 'up'; allowed: higher, lower",
    ),
    "outcome function": (
        "hypotheses: [{kind: best_of, outcome: {finel: test/loss}}]",
        "hypotheses.0.outcome: unknown outcome 'finel'. Did you mean 'final'? Allowed: area, best",
    ),
    "two outcome functions": (
        "hypotheses: [{kind: best_of, outcome: {final: test/loss, best: val/loss}}]",
        "hypotheses.0.outcome: an outcome names one of final, best",
    ),
    "outcome that is a list": (
        "hypotheses: [{kind: best_of, outcome: [test/loss]}]",
        "hypotheses.0.outcome: found ['test/loss']; allowed: an outcome such as {final: test/accuracy}",
    ),
    "delta that is text": (
        "hypotheses: [{kind: best_of, outcome: test/loss, delta: much}]",
        "hypotheses.0.delta: found 'much'; allowed: a number above 0, or a percentage such as 5%",
    ),
    "delta below 0": (
        "hypotheses: [{kind: best_of, outcome: test/loss, delta: -1%}]",
        "hypotheses.0.delta: found -0.01; allowed: a number above 0",
    ),
    "no percentage": (
        "hypotheses: [{kind: best_of, outcome: test/loss, delta: five%}]",
        "hypotheses.0.delta: 'five%' is no percentage; write it as 5%",
    ),
    "require of one outcome of two": (
        "require: {gap: {outcome: [{final: train/loss}]}}",
        "require.gap.outcome: found [{'final': 'train/loss'}]; allowed: a list of two values",
    ),
    "two primaries": (
        "hypotheses: [{primary: true, kind: best_of, outcome: test/loss},"
        " {primary: true, kind: best_of, outcome: test/accuracy}]",
        "study.yaml:1: only one hypothesis is primary",
    ),
    "study kind": (
        "kind: compare",
        "kind: found 'compare'; did you mean 'comparison'? Allowed: comparison, search",
    ),
}


@pytest.mark.parametrize("case", FORMS)
def test_one_clear_line_for_wrong_form(complaint, case):
    text, expected = FORMS[case]
    (line,) = complaint(ARMS + text)
    assert expected in line
    assert_plain(line)


def assert_plain(line):
    """No words of the validation library, no link."""
    for jargon in (
        "pydantic",
        "http",
        "Value error",
        "Input",
        "Extra inputs",
        "validat",
        "discriminator",
        "<",
    ):
        assert jargon not in line


# whole text -> the one message
TEXTS = {
    "empty": ("", "study.yaml:1: the file is empty"),
    "only a comment": ("# nothing\n", "study.yaml:1: the file is empty"),
    "list at the top": (
        "- arms\n",
        "study.yaml:1: found ['arms'] at the top; allowed: the keys of a study (kind,",
    ),
    "word at the top": ("arms", "study.yaml:1: found 'arms' at the top"),
    "no arms": ("title: x\n", "study.yaml:1: a comparison needs arms"),
    "arms without factors": ("arms: {}\n", "study.yaml:1: a comparison needs arms"),
    "factor without levels": ("arms:\n  model.depth: []\n", "study.yaml:2: arms.model.depth: has no levels"),
    "factor that is a number": (
        "arms:\n  model.depth: 3\n",
        "study.yaml:2: arms.model.depth: found 3; allowed: {log_range: [low, high]}, {range: [low, high]}, "
        "a list of values, a mapping of label to level",
    ),
    "search without space": ("kind: search\n", "study.yaml:1: a search needs a space and a budget"),
    "key given twice": (
        ARMS + "judge:\n  replicates: 10\n  replicates: 20\n",
        "study.yaml:4: judge.replicates: given twice; first on line 3",
    ),
    "unclosed list": (
        "arms: [1, 2\nbase: 3\n",
        "study.yaml:2: not valid YAML: while parsing a flow sequence",
    ),
    "tab": (
        "arms:\n\tx: [1]\n",
        "study.yaml:2: not valid YAML: a tab where spaces belong; indent with spaces",
    ),
    "unknown alias": ("arms: *x\n", "study.yaml:1: not valid YAML: found undefined alias 'x'"),
    "two documents": (ARMS + "---\na: 1\n", "study.yaml:2: not valid YAML: expected a single document"),
    "tag": (
        ARMS + "base: !!python/object:os.system x\n",
        "study.yaml:2: the tag !!python/object:os.system is not",
    ),
    "merge key": (ARMS + "base:\n  <<: {a: 1}\n", "study.yaml:3: merge keys (<<) are not part of YAML 1.2"),
    "key that is a list": (ARMS + "base: {[1, 2]: 3}\n", "study.yaml:2: a key is a word, not a list"),
    "not a number": (ARMS + "base: {x: .nan}\n", "study.yaml:2: .nan is not a finite number"),
    "infinite": (ARMS + "base: {x: 1e999}\n", "study.yaml:2: 1e999 is not a finite number"),
    "endless number": (ARMS + f"base: {{x: {'9' * 5000}}}\n", "can't be read; quote it to make it text"),
    "not UTF-8": (b"arms:\n  \xff: 1\n", "study.yaml:2: not UTF-8 text (byte 0xff); save it as UTF-8"),
    "control character": ("arms: \x00\n", "study.yaml:1: not valid YAML: unacceptable character #x0000"),
    "deep": ("[" * 3000 + "]" * 3000, "study.yaml:1: nested deeper than 40 levels"),
    "deep but not too deep for YAML": (
        "a: " + "[" * 60 + "]" * 60,
        "study.yaml:1: nested deeper than 40 levels",
    ),
    "alias of itself": ("arms: &a [*a]\n", "study.yaml:1: nested deeper than 40 levels"),
    "large": ("#" * 1_000_001, "study.yaml is larger than 1,000,000 bytes"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_one_clear_line_for_text_that_is_no_study(complaint, case):
    text, expected = TEXTS[case]
    (line,) = complaint(text)
    assert expected in line
    assert_plain(line.replace("(<<)", ""))


def test_aliases_work_until_they_blow_the_file_up(load, complaint):
    file = load("base: {a: &w [100, 100], b: *w}\n" + ARMS)
    assert file.study.base == {"a": [100, 100], "b": [100, 100]}
    bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    bomb += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]  # 9^9 values
    (line,) = complaint("\n".join(bomb))
    assert "more than 20,000 values once its aliases are written out" in line


def test_all_problems_at_once_in_the_order_of_the_file(complaint):
    lines = complaint(ARMS + "title: 3\njudge:\n  replicates: none\ntopic: []\n")
    assert [line.split(":")[1] for line in lines] == ["2", "4", "5"]


def test_ten_problems_then_how_many_more(complaint):
    lines = complaint(ARMS + "".join(f"key{i}: 1\n" for i in range(15)))
    assert len(lines) == MAX_PROBLEMS + 1
    assert lines[-1] == "study.yaml: and 5 more"


def test_a_directory_and_a_file_that_is_not_there(tmp_path):
    with pytest.raises(StudyError, match="is a directory; give the path"):
        load_study(tmp_path)
    with pytest.raises(StudyError, match="can't be read: No such file"):
        load_study(tmp_path / "none.yaml")


def test_a_byte_order_mark_is_no_matter(load):
    assert load(b"\xef\xbb\xbf" + ARMS.encode()).study.arms


KEYS = st.sampled_from(
    [*Study.model_fields, "kind", "outcome", "final", "log_range", "range", "a.b", "parameters"]
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(["own_range", "5%", "faster"])
)
VALUES = st.recursive(
    SCALARS,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(KEYS, v, max_size=4),
    max_leaves=12,
)


@given(st.text(max_size=100) | st.dictionaries(KEYS, VALUES, max_size=6).map(json.dumps))
def test_any_text_gives_a_study_or_a_study_error(text):
    """Nothing else is ever raised."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        path.write_text(text, encoding="utf-8", errors="replace")
        with contextlib.suppress(StudyError):
            assert isinstance(load_study(path).study, Study)
