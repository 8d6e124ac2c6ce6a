"""Saved nets under kill −9, Ctrl-C, and damage: the old file or the new one, whole, or one clear error.

`-s` prints how many faults there were and what they met; `-m slow` tries as many as RELIABILITY promises.
"""

from __future__ import annotations

import gc
import inspect
import io
import json
import os
import pickle
import signal
import sys
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.damage import same, small
from tests.kills import WRITING, content, found_by, lines, traced
from tests.nn.test_store import ARRAYS, INFO, each_form, outcome
from tinygrad_lecture.nn import replacing
from tinygrad_lecture.nn.mlp import MLP
from tinygrad_lecture.nn.store import DamagedFile, load, load_with_extras, read, save, write

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
needs_locks = pytest.mark.skipif(replacing.fcntl is None, reason="no locks on this system")
slow = pytest.mark.slow


# killed and interrupted
@needs_fork
@each_form
@pytest.mark.parametrize("trials", [50, pytest.param(1000, marks=slow)])
def test_kill_9_at_any_moment_of_a_save_leaves_the_old_file_or_the_new_one(form: str, trials: int) -> None:
    found = found_by("tests.kills", "saving", form, trials)
    assert found["trials"] == trials
    assert found["lines"] > 40
    assert found["left a temporary file"] > 0  # moments inside a save were met
    assert found["held net 0"] > 0 < found["held net 1"]


@pytest.fixture
def _default_handler() -> Iterator[None]:
    """Another SIGINT handler of the test runner might not raise."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def _no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is killed or cut off without the power going, the disk need not be waited for."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # as does its end
@pytest.mark.usefixtures("_default_handler", "_no_disk")
@each_form
def test_ctrl_c_before_any_line_of_a_save_leaves_the_old_file_or_the_new_one_alone(tmp_path: Path, form: str) -> None:
    path, nets, whole = tmp_path / f"net{form}", [MLP([2, 3, 1], rng=k) for k in range(2)], []
    for net in nets:
        save(path, net)
        whole.append(content(path))
    found, line, stopped = Counter[int](), 0, True
    while stopped:
        save(path, nets[0])
        try:
            with traced(lines(lambda n, at=line: signal.raise_signal(signal.SIGINT) if n == at else None, *WRITING)):
                save(path, nets[1])
            stopped = False
        except (KeyboardInterrupt, ValueError):  # a zipfile that is broken off at some lines complains of that instead
            found[whole.index(content(path))] += 1
        assert list(tmp_path.iterdir()) == [path]
        line += 1
    gc.collect()
    assert found[0] > 0 < found[1]


def left_behind(path: Path) -> Path:
    """What a killed process leaves."""
    left = path.with_name(f".{path.name}.0123456789ab.tmp")
    left.write_bytes(b"PK")
    return left


@needs_locks
def test_a_save_sweeps_up_what_killed_ones_left_of_the_same_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "[a]*.npz"
    left, other = left_behind(path), left_behind(tmp_path / "aa.npz")
    mine = tmp_path / f".{path.name}.backup.tmp"
    mine.touch()
    write(path, ARRAYS, INFO)
    assert sorted(tmp_path.iterdir()) == sorted([path, other, mine])
    assert not left.exists()


@needs_locks
def test_a_save_leaves_alone_what_another_one_is_writing(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with replacing.replacing(path) as file:
        file.write(b"slow")
        write(path, ARRAYS, INFO)
        assert len(list(tmp_path.iterdir())) == 2
        assert outcome(path) is not None
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"slow"  # the last one to end


@needs_locks
def test_a_file_that_is_swept_up_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, swept = replacing.fcntl.flock, []

    def late(file: Any, how: int) -> None:
        if not swept:
            swept.append(Path(file.name))
            swept[0].unlink()
        lock(file, how)

    monkeypatch.setattr(replacing.fcntl, "flock", late)
    write(tmp_path / "a.npz", ARRAYS, INFO)
    assert len(swept) == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "a.npz"]
    assert outcome(tmp_path / "a.npz") is not None


@pytest.mark.parametrize("what", ["no locks on this system", "no locks on this disk"])
def test_without_locks_a_save_is_whole_and_nothing_is_swept_up(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Disk:
        LOCK_EX = LOCK_NB = 0

        def flock(self, *_: Any) -> None:
            raise OSError("not supported")

    monkeypatch.setattr(replacing, "fcntl", None if what.endswith("system") else Disk())
    path = tmp_path / "a.npz"
    left = left_behind(path)
    write(path, ARRAYS, INFO)
    assert sorted(tmp_path.iterdir()) == sorted([path, left])
    assert outcome(path) is not None


@pytest.mark.usefixtures("_no_disk")
def test_many_threads_that_save_to_one_file_leave_it_whole(tmp_path: Path) -> None:
    path, failed = tmp_path / "net.npz", []

    def saving(k: int) -> None:
        try:
            for i in range(15):
                save(path, MLP([2, 3, 1], rng=k), i=i)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=saving, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert failed == []
    assert list(tmp_path.iterdir()) == [path]
    assert load(path).w.tobytes() in {MLP([2, 3, 1], rng=k).w.tobytes() for k in range(8)}


# damaged
def meant(data: bytes) -> set[int]:
    """The places of the bytes that mean something: all, but in an archive only the contents of its parts."""
    if not data.startswith(b"PK"):
        return set(range(len(data)))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        begins = {
            m: m.header_offset + 30 + sum(data[m.header_offset + k] for k in (26, 28)) for m in archive.infolist()
        }
    return {k for m, begin in begins.items() for k in range(begin, begin + m.file_size)}


@each_form
def test_a_net_cut_off_anywhere_is_refused(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"net{form}"
    small(path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedFile, match=f"net{form} is damaged or was not written by this package: "):
            load(path)
    print(f"{form}: {len(whole)} lengths, all refused")


@each_form
@pytest.mark.parametrize("each", [13, pytest.param(1, marks=slow)])
def test_a_net_with_any_one_bit_flipped_is_refused_or_the_same(tmp_path: Path, form: str, each: int) -> None:
    path = tmp_path / f"net{form}"
    net = small(path)
    whole = path.read_bytes()
    found, contents = Counter[str](), meant(whole)
    for bit in range(0, 8 * len(whole), each):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            loaded = load_with_extras(path)
        except DamagedFile:
            found["refused"] += 1
        else:
            assert same(loaded, net)
            assert bit // 8 not in contents, f"bit {bit} of the contents was read without notice"
            found["the same net"] += 1
    # what is read without notice are dates, permissions and other notes of the archive that mean nothing here
    assert found["refused"] > (0.7 if form == ".npz" else 0.98) * found.total()
    print(f"{form}: {found.total()} of {8 * len(whole)} bits, {dict(found)}")


@pytest.mark.skipif(sys.platform == "win32", reason="no limit to the memory of a process on this system")
@each_form
@pytest.mark.parametrize("trials", [1000, pytest.param(100_000, marks=slow)])
def test_random_damage_is_refused_or_changes_nothing_in_little_time_and_memory(form: str, trials: int) -> None:
    found = found_by("tests.damage", form, trials)
    assert found["trials"] == trials
    for kind in ("bytes", "parts", "descriptions"):
        assert found[f"{kind}: refused"] > 0 < found[f"{kind}: loaded"]


class Trap:
    """What a pickle would run."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("sprung",)


@pytest.mark.parametrize("where", ["as the weights", "as another array", "as the data", "as the file", "as an archive"])
def test_a_pickle_is_never_opened(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small(Path("net.npz"))
    objects = np.array([Trap()], dtype=object)
    np.save("objects.npy", objects, allow_pickle=True)
    with zipfile.ZipFile("net.npz") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts |= {
        "as the weights": {"w.npy": Path("objects.npy").read_bytes()},
        "as another array": {"more.npy": pickle.dumps(Trap())},
        "as the data": {"info.json": pickle.dumps(Trap())},
    }.get(where, {})
    with zipfile.ZipFile("net.npz", "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    if where == "as the file":
        Path("net.npz").write_bytes(pickle.dumps(Trap()))
    if where == "as an archive":
        np.savez("net.npz", w=objects, allow_pickle=True)
    for act in (load, read):
        with pytest.raises(DamagedFile):
            act("net.npz")
    assert not Path("sprung").exists()
    pickle.loads(pickle.dumps(Trap()))
    assert Path("sprung").exists()  # it would have been


def sealed(path: Path, header: str, info: str = '{"info": {}}') -> None:
    """An archive whose own sums are right, with an array of one number under a header that says what it likes."""
    text = header.encode() + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("info.json", info)
        archive.writestr("w.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"\x00" * 8)


@pytest.mark.parametrize(
    ("header", "info"),
    [
        ("-" * 9000 + "1", "{}"),  # of which Python's parser says that memory is at an end
        ("(" * 9000, "{}"),
        ("1" + "+1" * 4000, "{}"),
        ("{'descr': " + "[" * 150 + "]" * 150 + ", 'fortran_order': False, 'shape': (1,)}", "{}"),
        ("{'descr': '(1000000000,)f8', 'fortran_order': False, 'shape': (1,)}", "{}"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", "[" * 100_000),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", '{"info": ' + "9" * 5000 + "}"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", "[]"),
    ],
    ids=["minus", "brackets", "sums", "nested dtype", "huge dtype", "nested data", "long number", "no table"],
)
def test_what_breaks_parsers_is_refused_as_any_damage(header: str, info: str, tmp_path: Path) -> None:
    sealed(tmp_path / "a.npz", header, info)
    with pytest.raises(DamagedFile, match="it cannot be read"):
        read(tmp_path / "a.npz")


@each_form
@pytest.mark.parametrize(
    ("info", "message"),
    [("[1]", "its data are no table"), ('{"a": 1e999', "it cannot be read"), ("null", "its data are no table")],
)
def test_data_that_are_no_table_are_refused_though_their_checksum_is_right(
    form: str, info: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if form == ".npz" and "e" in info:
        return  # in an archive the data are part of other data: nobody could write it
    monkeypatch.setattr("tinygrad_lecture.nn.files._text", lambda _: info)
    write(tmp_path / f"a{form}", ARRAYS, {})
    monkeypatch.undo()
    with pytest.raises(DamagedFile, match=message):
        read(tmp_path / f"a{form}")


def test_extras_too_deep_to_put_back_are_refused(tmp_path: Path) -> None:
    small(tmp_path / "net.npz")
    arrays, info = read(tmp_path / "net.npz")
    info["extras"]["deep"] = json.loads("[" * 400 + "]" * 400)
    write(tmp_path / "net.npz", arrays, info)
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 300)  # what a program with a deep stack of its own has left
    try:
        with pytest.raises(DamagedFile, match="RecursionError"):
            load(tmp_path / "net.npz")
    finally:
        sys.setrecursionlimit(before)
