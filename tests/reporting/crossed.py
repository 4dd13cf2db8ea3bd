"""The simulated study with two factors crossed: as many arms as a study of activations by depth has."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from harness.analysis.evidence import Evidence, gather
from harness.words.study import Study
from tests.simulated import ARMS, simulated_evidence


def crossed_evidence(
    factors: Mapping[str, Sequence[Any]], replicates: int, hypotheses: Sequence[Mapping[str, Any]]
) -> Evidence:
    """Every combination of the levels is an arm that behaves like one of the simulated optimizers."""
    source = simulated_evidence(replicates=replicates, arms=ARMS, hypotheses=[])
    arms, runs, choices = [], [], {}
    for i, levels in enumerate(itertools.product(*factors.values())):
        like, named = ARMS[i % len(ARMS)], dict(zip(factors, levels, strict=True))
        label = ", ".join(map(str, levels))
        update = {"label": label, "values": named, "levels": {f: str(v) for f, v in named.items()}}
        arms.append(source.design.arm(like).model_copy(update=update))
        choices[label] = source.choices[like].model_copy(update={"arm": label})
        for planned in source.planned:
            if planned.arm == like:
                trial = f"{planned.trial}-{i}"
                record = source.records[planned.trial].model_copy(update={"trial": trial})
                runs.append((planned.model_copy(update={"arm": label, "trial": trial}), record))
    labels = [a.label for a in arms]
    tree = source.design.study.model_dump(mode="json", exclude_unset=True)
    study = Study.model_validate(tree | {"arms": dict(factors), "hypotheses": list(hypotheses)})
    design = source.design.model_copy(
        update={
            "study": study,
            "arms": arms,
            "data": dict.fromkeys(labels, source.design.data["adam"]),
            "steps": dict.fromkeys(labels, source.design.steps["adam"]),
        }
    )
    return gather(design, choices, source.frozen, [p for p, _ in runs], [r for _, r in runs])
