"""What a certificate of impossibility can speak of: checked before anything trains, and again when judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import unknown

GATES = ("and", "nand", "nor", "or", "xnor", "xor")


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
