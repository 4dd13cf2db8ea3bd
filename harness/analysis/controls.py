"""Controls: studies whose answer is known beforehand. One that fails is gate G9 of every other study."""

from __future__ import annotations

from typing import Any

from harness.words.verdict import Answer, StudyVerdict


def control_result(verdict: StudyVerdict) -> dict[str, Any]:
    """Whether a control holds: every one of its hypotheses is supported. As `Evidence.controls` takes it."""
    failed = [h for h in verdict.hypotheses if h.answer is not Answer.SUPPORTED]
    found = "; ".join(f"{h.statement}: {h.answer.value}, {h.reason.rstrip('.')}" for h in failed)
    return {"name": verdict.study, "passed": not failed, "detail": found or "holds"}
