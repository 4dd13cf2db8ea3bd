"""Records by hand, for tests of outcomes."""

from collections.abc import Mapping, Sequence

from harness.words.record import Provenance, Record, Status


def record(
    curve: Sequence[float],
    metric: str = "val/accuracy",
    status: Status = Status.DONE,
    final: Mapping[str, float] | None = None,
    spacing: int = 10,
) -> Record:
    """A run with one curve, evaluated every `spacing` steps; its final metric is the curve's last value."""
    lost = {} if status is not Status.DONE else {metric: curve[-1]}
    return Record(
        trial="t",
        study="s",
        phase="judge",
        replicate=0,
        config={},
        status=status,
        reason="",
        steps=[spacing * (i + 1) for i in range(len(curve))],
        curves={metric: list(curve)},
        final=dict(lost if final is None else final),
        n_parameters=1,
        time_s=0.0,
        provenance=Provenance(device="cpu", stack_size=1, versions={}, data_fingerprint=""),
    )
