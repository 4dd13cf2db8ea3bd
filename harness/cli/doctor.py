"""What this machine has and lacks for running studies: what the `doctor` command finds out."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from harness.catalogue.data import DATASETS
from harness.catalogue.data.fetch import REMOTES
from harness.cli import show
from harness.cli.folders import check_writable
from harness.errors import HarnessError
from harness.records.tracking import is_server, tracking_uri, without_password
from harness.records.ui import wait_healthy
from harness.running.cores import cores
from harness.running.memory import available_bytes
from harness.running.timing.machine import processor
from harness.training.products import hindrance, library

DISTRIBUTION = "nn-harness"
OLDEST = (3, 11)  # of Python
LEAST_BYTES = 2 << 30  # a worker with torch and a data set takes half a gigabyte
SERVER_WAIT_S = 3.0

State = Literal["ok", "note", "wrong"]  # a note keeps no study from running


class Finding(NamedTuple):
    """One thing looked at: what was found and, unless it is as it should be, what to do."""

    what: str
    state: State
    found: str
    remedy: str = ""


def examine(results: Path, constraints: Path = Path("constraints.txt")) -> list[Finding]:
    """Everything there is to say of this machine, in the order in which it matters."""
    return [
        _python(),
        *_packages(constraints),
        Finding(
            "torch", "ok", f"{torch.__version__}, {torch.get_num_threads()} threads; workers use one each"
        ),
        Finding("processor", "ok", f"{processor()}, {cores()} cores to use"),
        Finding("products", "note" if hindrance() else "ok", f"by {library()}", hindrance()),
        _memory(),
        _device(),
        _results(results),
        _mlflow(results),
        *(_data(name) for name in REMOTES),
    ]


def show_findings(findings: list[Finding]) -> None:
    """The findings as a table, remedies below."""
    show.table(["", "what", "found"], [[f.state, f.what, f.found] for f in findings])
    for finding in findings:
        if finding.remedy:
            show.paragraph(f"{finding.what}: {finding.remedy}")


def _python() -> Finding:
    old = sys.version_info < OLDEST
    wanted = ".".join(map(str, OLDEST))
    remedy = f"install Python {wanted} or newer, then remove .venv and call make" if old else ""
    return Finding("Python", "wrong" if old else "ok", platform.python_version(), remedy)


def _packages(constraints: Path) -> Iterator[Finding]:
    """The packages harness needs: those missing, and those of another version than the tested one."""
    try:
        lines = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        yield Finding("packages", "wrong", f"{DISTRIBUTION} itself is not installed", "call make")
        return
    needed = [re.split(r"[^\w.-]", line)[0] for line in lines if "extra ==" not in line]
    there = {name: found for name in needed if (found := _version(name)) is not None}
    missing = [name for name in needed if name not in there]
    if missing:
        yield Finding("packages", "wrong", f"missing: {', '.join(missing)}", "remove .venv and call make")
    if not constraints.is_file():
        remedy = f"call it in the project's folder to compare with the tested versions of {constraints}"
        yield Finding("packages", "note", f"{len(there)} of {len(needed)} are there", remedy)
        return
    tested = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", constraints.read_text(encoding="utf-8"), re.MULTILINE))
    tested = {_plain(name): wanted for name, wanted in tested.items()}
    other = [
        f"{name} {found}, not {wanted}"
        for name, found in there.items()
        if (wanted := tested.get(_plain(name), found)).partition("+")[0] != found.partition("+")[0]
    ]
    if other:
        remedy = "results may differ in their last bits; remove .venv and call make for the tested versions"
        yield Finding("packages", "note", "; ".join(other), remedy)
    elif not missing:
        yield Finding("packages", "ok", f"all {len(needed)} are there, in the tested versions")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _memory() -> Finding:
    free = available_bytes()
    few = free < LEAST_BYTES * cores() / 4
    remedy = "give fewer workers (harness run NAME --workers 1), or close other programs" if few else ""
    return Finding("memory", "note" if few else "ok", f"{free / 2**30:.1f} GiB available", remedy)


def _device() -> Finding:
    if torch.cuda.is_available():
        total = torch.cuda.mem_get_info()[1]
        return Finding("device", "ok", f"cuda: {torch.cuda.get_device_name()}, {total / 2**30:.0f} GiB")
    return Finding("device", "ok", "cpu: torch sees no GPU, and none is needed")


def _results(results: Path) -> Finding:
    try:
        check_writable(results, "results")
    except HarnessError as error:
        return Finding("results", "wrong", f"{results} can't be written", str(error))
    return Finding("results", "ok", f"{results} can be written")


def _mlflow(results: Path) -> Finding:
    uri = tracking_uri(results)
    told = without_password(uri)
    if not is_server(uri):
        return Finding("MLflow", "ok", told)
    try:
        wait_healthy(uri.rstrip("/"), SERVER_WAIT_S)
    except HarnessError:
        remedy = "studies run without it; start it and call harness sync NAME, or unset MLFLOW_TRACKING_URI"
        return Finding("MLflow", "note", f"{told} does not answer", remedy)
    return Finding("MLflow", "ok", f"{told} answers")


def _data(name: str) -> Finding:
    """Data that have to be downloaded; all others are drawn, or come with a package."""
    entry = DATASETS[name]
    try:
        entry.content(entry.options())
    except HarnessError as error:
        return Finding(f"data {name}", "note", "not here; only studies that name it need it", str(error))
    return Finding(f"data {name}", "ok", "here")
