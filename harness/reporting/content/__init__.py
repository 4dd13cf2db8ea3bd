"""From evidence and verdict to a document: one function a section, in one table."""

from __future__ import annotations

from collections.abc import Callable

from harness.analysis.evidence import Evidence
from harness.reporting.content.answer import answer_section, others_section
from harness.reporting.content.arms import arms_section, fairness_section
from harness.reporting.content.context import Context
from harness.reporting.content.effects import effects_section, replicates_section
from harness.reporting.content.ensembles import ensembles_section
from harness.reporting.content.kinds import kinds_section
from harness.reporting.content.learning import budget_section, learning_section, speed_section, tuning_section
from harness.reporting.content.mechanism import mechanism_section
from harness.reporting.content.provenance import fixed_section, provenance_section
from harness.reporting.content.search import (
    configs_section,
    importance_section,
    judged_section,
    progress_section,
    result_section,
    shared_section,
    slices_section,
)
from harness.reporting.content.settings import settings_section
from harness.reporting.document import Block, Document, Section
from harness.reporting.numbers import count
from harness.words.verdict import StudyVerdict

SECTIONS: dict[str, tuple[str, Callable[[Context], tuple[Block, ...]]]] = {
    "verdict": ("The verdict", answer_section),
    "hypotheses": ("Other hypotheses", others_section),
    "settings": ("Where universal claims hold", settings_section),
    "effects": ("Effects", effects_section),
    "kinds": ("Hypothesis by hypothesis", kinds_section),
    "learning": ("Learning curves", learning_section),
    "tuning": ("Tuning", tuning_section),
    "budget": ("Tuning budget", budget_section),
    "speed": ("Time to target", speed_section),
    "mechanism": ("Inside the networks", mechanism_section),
    "ensembles": ("Ensembles", ensembles_section),
    "replicates": ("Every replicate", replicates_section),
    "arms": ("Arms", arms_section),
    "fairness": ("Fairness certificate", fairness_section),
    "fixed": ("What was fixed", fixed_section),
    "provenance": ("Provenance", provenance_section),
}

SEARCH_SECTIONS: dict[str, tuple[str, Callable[[Context], tuple[Block, ...]]]] = {
    "verdict": ("What was found", result_section),
    "judged": ("Searched and judged", judged_section),
    "importance": ("What mattered", importance_section),
    "progress": ("How the search went", progress_section),
    "slices": ("Setting by setting", slices_section),
    "configs": ("The best configs", configs_section),
    "fixed": ("What was searched, and what was fixed", shared_section),
    "provenance": ("Provenance", provenance_section),
}


def build_document(evidence: Evidence, verdict: StudyVerdict) -> Document:
    """The whole report, ready for either renderer; a section that has nothing to say is left out."""
    context = Context(evidence, verdict)
    chosen = SECTIONS if evidence.search is None else SEARCH_SECTIONS
    written = ((id, title, write(context)) for id, (title, write) in chosen.items())
    sections = tuple(Section(id, title, blocks) for id, title, blocks in written if blocks)
    return Document(verdict.title or verdict.study, _subtitle(evidence), verdict.headline, sections)


def _subtitle(evidence: Evidence) -> str:
    design = evidence.design
    compared = (
        f"{count(len(design.arms))} arms" if evidence.search is None else f"{count(design.points)} configs"
    )
    size = f"{compared}, {count(design.study.judge.replicates)} paired replicates"
    tier = f"tier {design.tier}" if design.tier else ""
    return " · ".join(part for part in (f"Study {design.name}", design.study.topic, size, tier) if part)
