"""Downloads: checked against known MD5s, from several homes in turn, going on where one broke off."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

import pooch

from harness.errors import BadInput, RunFailed, UnknownName

# file name, bytes there, bytes in all (None where the server doesn't say)
Progress = Callable[[str, int, int | None], None]

_TIMEOUT_S = 30.0
_CHUNK = 1 << 16  # bytes
_ROUNDS = 3  # times each home is asked before giving up


class Remote(NamedTuple):
    """A data set's public files: folder under the data directory, MD5 of each file, homes that serve them."""

    folder: str
    md5: Mapping[str, str]
    homes: Sequence[str]


REMOTES: dict[str, Remote] = {
    "mnist": Remote(
        folder="mnist",
        md5={
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
        homes=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
    ),
}


def fetch(
    name: str,
    data_dir: Path,
    base_urls: Sequence[str] | None = None,
    on_progress: Progress | None = None,
) -> list[Path]:
    """The set's files under `data_dir`, downloaded where they aren't there with the right checksum.

    A file appears whole and checked or not at all; what an interrupted download left is kept beside it
    as `.part` and gone on from. `base_urls` replaces the known homes. Raises UnknownName for a set
    that has nothing to download, BadInput for a home that is no web address, RunFailed where no home
    serves a file.
    """
    if name not in REMOTES:
        raise UnknownName("data set to fetch (others need no download)", name, REMOTES)
    remote = REMOTES[name]
    homes = list(base_urls) if base_urls else list(remote.homes)
    for home in homes:
        if not home.startswith(("http://", "https://")):
            raise BadInput(f"{home!r} is no address to download from; it must start with http:// or https://")
    folder = data_dir / remote.folder
    pooch.get_logger().setLevel("WARNING")  # progress goes through the callback, nothing to stderr
    return [
        _fetch_file(folder / file, md5, homes, on_progress or _silent) for file, md5 in remote.md5.items()
    ]


def _silent(file: str, done: int, total: int | None) -> None:
    """Report nothing."""


def _fetch_file(target: Path, md5: str, homes: Sequence[str], on_progress: Progress) -> Path:
    """The file at `target`, from the first home that serves it whole and right."""
    failures: dict[str, str] = {}
    wrong: Counter[str] = Counter()
    for home in list(homes) * _ROUNDS:
        url = f"{home.rstrip('/')}/{target.name}"
        if wrong[url] > 1:  # once may be the fault of a part left by another home
            continue
        try:
            pooch.retrieve(
                url,
                known_hash=f"md5:{md5}",
                fname=target.name,
                path=target.parent,
                downloader=Resuming(target.with_name(f"{target.name}.part"), on_progress),
            )
            return target
        except ValueError:  # pooch: the checksum differs
            wrong[url] += 1
            failures[url] = f"its content isn't what was published (expected MD5 {md5})"
        except (OSError, HTTPException) as error:
            failures[url] = str(error) or type(error).__name__
    tried = "; ".join(f"{url}: {why}" for url, why in failures.items())
    raise RunFailed(
        f"couldn't fetch {target.name}. {tried}. Run the command again to go on where it stopped, "
        f"or put the file into {target.parent} yourself"
    )


class Resuming:
    """A downloader for pooch that keeps what came in `part` and asks only for the rest."""

    def __init__(self, part: Path, on_progress: Progress) -> None:
        self._part, self._on_progress = part, on_progress

    def __call__(self, url: str, output_file: str, pooch_: Any, check_only: bool = False) -> None:  # noqa: ARG002
        """Bring the whole of `url` to `output_file`. Raises OSError or HTTPException where it breaks off."""
        there = self._part.stat().st_size if self._part.exists() else 0
        try:
            self._transfer(url, there)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 416:  # "range not satisfiable": nothing is left to ask for, or too much is there
                raise
            if _total(error.headers.get("Content-Range")) != there:
                self._transfer(url, 0)
        self._part.replace(output_file)

    def _transfer(self, url: str, there: int) -> None:
        headers = {"Range": f"bytes={there}-"} if there else {}
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            goes_on = response.status == 206 and _start(response.headers.get("Content-Range")) == there
            start = there if goes_on else 0
            length = response.headers.get("Content-Length")
            total = None if length is None else start + int(length)
            if response.status == 206 and not goes_on:
                raise OSError(f"the server sent another range than asked for (from byte {there})")
            done = self._append(response, start, total)
        if total is not None and done != total:
            raise OSError(f"the connection broke after {done} of {total} bytes")

    def _append(self, response: HTTPResponse, start: int, total: int | None) -> int:
        """Write what comes behind the first `start` bytes of the part; the bytes there in the end."""
        done = start
        with self._part.open("r+b" if start else "wb") as file:
            file.seek(start)
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                self._on_progress(self._part.name.removesuffix(".part"), done, total)
        return done


def _start(content_range: str | None) -> int | None:
    """The first byte in `bytes 100-199/200`."""
    found = re.match(r"bytes (\d+)-", content_range or "")
    return int(found[1]) if found else None


def _total(content_range: str | None) -> int | None:
    """The whole length in `bytes */200`."""
    found = re.match(r"bytes \*/(\d+)$", content_range or "")
    return int(found[1]) if found else None
