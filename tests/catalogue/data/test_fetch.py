"""Downloads from a server on this machine that can break off, forget ranges, or send something else."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.catalogue.data.fetch import REMOTES, Remote, fetch
from harness.catalogue.data.mnist import FILES
from harness.errors import BadInput, RunFailed, UnknownName

CONTENT = {"a.gz": bytes(range(256)) * 1200, "b.gz": b"labels" * 50}
MD5 = {name: hashlib.md5(data).hexdigest() for name, data in CONTENT.items()}


class Home(ThreadingHTTPServer):
    """A home that serves `files`, remembers what it was asked, and breaks off after `limits` bytes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = dict(CONTENT)
        self.limits: list[int] = []  # bytes sent before breaking off, one a request; then whole
        self.ranges = True
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/sets/"


class _Handler(BaseHTTPRequestHandler):
    server: Home

    def do_GET(self) -> None:
        name, wanted = Path(self.path).name, self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        data = self.server.files.get(name)
        if data is None:
            self.send_error(404)
            return
        start = int(re.match(r"bytes=(\d+)-", wanted)[1]) if wanted and self.server.ranges else 0
        if start >= len(data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        limit = self.server.limits.pop(0) if self.server.limits else len(data)
        self.wfile.write(data[start : start + limit])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def homes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Home]]:
    """Two homes, known for the set `toy`."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    servers = [Home(), Home()]
    threads = [threading.Thread(target=s.serve_forever, args=(0.01,)) for s in servers]
    for thread in threads:
        thread.start()
    monkeypatch.setitem(REMOTES, "toy", Remote("toy", MD5, [s.url for s in servers]))
    yield servers
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        server.server_close()
        thread.join()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_whole_download_and_nothing_twice(homes: list[Home], tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    paths = fetch("toy", tmp_path, on_progress=lambda *step: seen.append(step))
    assert paths == [tmp_path / "toy" / "a.gz", tmp_path / "toy" / "b.gz"]
    assert contents(tmp_path / "toy") == CONTENT
    steps = [done for name, done, _ in seen if name == "a.gz"]
    assert steps == sorted(set(steps))
    assert seen[-1] == ("b.gz", 300, 300)
    assert {total for name, _, total in seen if name == "a.gz"} == {len(CONTENT["a.gz"])}
    fetch("toy", tmp_path)
    assert len(homes[0].asked) == 2
    assert not homes[1].asked


def test_an_interrupted_transfer_goes_on_where_it_broke(homes: list[Home], tmp_path: Path) -> None:
    homes[0].limits = [100_000, 70_000]
    fetch("toy", tmp_path, [homes[0].url])
    assert contents(tmp_path / "toy") == CONTENT
    ranges = [wanted for path, wanted in homes[0].asked if path.endswith("a.gz")]
    assert ranges == [None, "bytes=100000-", "bytes=170000-"]


def test_the_next_command_goes_on_too(homes: list[Home], tmp_path: Path) -> None:
    homes[0].limits = [1000, 1000, 1000]
    with pytest.raises(RunFailed, match=r"the connection broke after 3000 of 307200 bytes") as caught:
        fetch("toy", tmp_path, [homes[0].url])
    assert "Run the command again" in str(caught.value)
    assert list(contents(tmp_path / "toy")) == ["a.gz.part"]
    fetch("toy", tmp_path, [homes[0].url])
    assert ("/sets/a.gz", "bytes=3000-") in homes[0].asked
    assert contents(tmp_path / "toy") == CONTENT


def test_another_home_goes_on_where_the_first_broke(homes: list[Home], tmp_path: Path) -> None:
    homes[0].limits = [5000]
    fetch("toy", tmp_path)
    assert homes[1].asked == [("/sets/a.gz", "bytes=5000-")]
    assert contents(tmp_path / "toy") == CONTENT


def test_a_server_without_ranges_sends_the_whole(homes: list[Home], tmp_path: Path) -> None:
    homes[0].limits, homes[0].ranges = [5000], False
    fetch("toy", tmp_path, [homes[0].url])
    assert contents(tmp_path / "toy") == CONTENT


@pytest.mark.parametrize("extra", [b"", b"more than there is"])
def test_a_part_that_has_all_or_too_much(homes: list[Home], tmp_path: Path, extra: bytes) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "a.gz.part").write_bytes(CONTENT["a.gz"] + extra)
    fetch("toy", tmp_path, [homes[0].url])
    assert contents(tmp_path / "toy") == CONTENT


def test_a_wrong_part_is_replaced(homes: list[Home], tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "a.gz.part").write_bytes(b"of something else")
    fetch("toy", tmp_path, [homes[0].url])
    assert contents(tmp_path / "toy") == CONTENT


def test_a_wrong_checksum_leaves_no_file(homes: list[Home], tmp_path: Path) -> None:
    homes[0].files["a.gz"] = b"<html>sign in</html>"
    with pytest.raises(RunFailed, match=f"isn't what was published .expected MD5 {MD5['a.gz']}") as caught:
        fetch("toy", tmp_path, [homes[0].url])
    assert f"{homes[0].url}a.gz" in str(caught.value)
    assert contents(tmp_path / "toy") == {}


def test_a_wrong_file_in_place_is_fetched_again(homes: list[Home], tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "a.gz").write_bytes(b"stale")
    fetch("toy", tmp_path)
    assert contents(tmp_path / "toy") == CONTENT


def test_a_dead_home_is_passed_over(homes: list[Home], tmp_path: Path) -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        fetch("toy", tmp_path, [dead, homes[1].url])
    assert contents(tmp_path / "toy") == CONTENT


def test_every_home_failing_names_each(homes: list[Home], tmp_path: Path) -> None:
    for home in homes:
        del home.files["a.gz"]
    with pytest.raises(RunFailed, match="404") as caught:
        fetch("toy", tmp_path)
    assert all(home.url in str(caught.value) for home in homes)
    assert str(tmp_path / "toy") in str(caught.value)


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="mnist"):
        fetch("digits", tmp_path)
    with pytest.raises(BadInput, match="must start with http"):
        fetch("mnist", tmp_path, ["ossci-datasets"])


def test_mnist_is_known_by_its_files() -> None:
    from_reader = {f"{name}.gz" for name in FILES}
    assert set(REMOTES["mnist"].md5) == from_reader
