"""What a certificate of impossibility can speak of: checked before anything trains, and again when judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import unknown
from harness.words.outcome import Outcome

GATES = ("and", "nand", "nor", "or", "xnor", "xor")
THREE_OF_FOUR = 0.75  # the accuracy that may be reached where not all examples of a gate can be right


def not_about(config: Mapping[str, Any]) -> str | None:
    """Why `linear_separability` says nothing about an arm of that config, None where it does.

    It is about the logic gates, learned by a network without hidden layers.
    """
    gate = config["data"].get("gate")
    if gate is None:
        return "linear_separability is about a logic gate, {name: gates, gate: xor}; found data without gate"
    if gate not in GATES:
        return unknown("gate", gate, GATES)
    model = config.get("model", {})
    hidden = model["widths"] if model.get("widths") is not None else model.get("depth") != 0
    if hidden or model.get("name", "mlp") != "mlp":
        return "linear_separability is about an mlp without hidden layers; give the arm model.widths: []"
    return None


def not_certified(outcome: Outcome) -> str | None:
    """Why `linear_separability` doesn't rule a success out, None where it does.

    It proves that a linear threshold has one of the four examples wrong, not that it has two: three of
    four may be right.
    """
    bounds = outcome.options
    least = bounds.get("at_least")
    stands_alone = len(bounds) == 1 and isinstance(least, (int, float)) and not isinstance(least, bool)
    if outcome.metric.endswith("/accuracy") and stands_alone and THREE_OF_FOUR < float(least or 0) <= 1:
        return None
    found = ", ".join(f"{key}: {value}" for key, value in {"success": outcome.metric, **bounds}.items())
    return (
        f"found {{{found}}}; linear_separability proves that not all four examples can be right, and three "
        "may be: allowed is an accuracy at_least a number above 0.75 and up to 1, such as "
        "{success: train/accuracy, at_least: 1.0}"
    )
