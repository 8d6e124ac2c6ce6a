"""Nets in files: what comes back is what was written, to the bit, or one clear error."""

from __future__ import annotations

import json
import os
import stat
import sys
import tracemalloc
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinygrad_lecture.nn import files
from tinygrad_lecture.nn.mlp import MLP
from tinygrad_lecture.nn.network import Network
from tinygrad_lecture.nn.store import DamagedFile, load, load_with_extras, read, save, write
from tinygrad_lecture.nn.topology import Cluster, Connector
from tinygrad_lecture.verify.strategies import Problem, problems

try:
    import safetensors.numpy
except ImportError:
    safetensors = None  # type: ignore[assignment]

needs_safetensors = pytest.mark.skipif(safetensors is None, reason="safetensors is not installed (extra io)")
each_form = pytest.mark.parametrize("form", [".npz", pytest.param(".safetensors", marks=needs_safetensors)])
in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example overwrites it

ARRAYS = {"w": np.array([1.5, -2.0]), "n": np.array(3), "mask": np.array([[True, False]])}
INFO = {"kind": "test", "state": 2**127 + 1, "eta": 0.1, "words": ["δ", None, True]}


def identical(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def outcome(path: Path) -> Any:
    """What reading gives: the arrays and the data, or None where the file is refused."""
    try:
        return read(path)
    except DamagedFile as error:
        return None if str(path) in str(error) else error


def must_be_refused_or_the_same(path: Path) -> bool:
    """Whether the file was refused; if it was not, it must hold what was written."""
    found = outcome(path)
    if found is None:
        return True
    arrays, info = found
    assert info == INFO
    assert set(arrays) == set(ARRAYS)
    assert all(identical(arrays[name], a) for name, a in ARRAYS.items())
    return False


# round trips
@each_form
@in_one_folder
@given(problems())
def test_a_network_comes_back_with_every_bit(tmp_path: Path, form: str, problem: Problem) -> None:
    net = problem.net
    net.assign(problem.parameters)
    save(tmp_path / f"net{form}", net)
    again = load(tmp_path / f"net{form}")
    assert type(again) is Network
    assert again.topology == net.topology
    assert again.init == net.init
    assert identical(again.w, net.w)
    before, after = net.activity(problem.inputs), again.activity(problem.inputs)
    assert all(identical(after[name], out) for name, out in before.items())


@each_form
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", [[3, 2], [3, 4, 5, 2]])
def test_a_layered_net_comes_back_as_one(tmp_path: Path, form: str, dtype: str, bias: bool, sizes: list[int]) -> None:
    net = MLP(sizes, "gelu", "logistic", bias=bias, rng=5, init="he_normal", dtype=dtype)
    save(tmp_path / f"net{form}", net)
    again = load(tmp_path / f"net{form}")
    assert type(again) is MLP
    assert repr(again) == repr(net)
    assert (again.sizes, again.activations, again.bias, again.init) == (net.sizes, net.activations, bias, "he_normal")
    assert again.topology == net.topology
    assert list(again.parameters) == list(net.parameters)
    assert identical(again.w, net.w)


def test_a_net_with_nan_and_infinite_weights_comes_back_too(tmp_path: Path) -> None:
    net = MLP([1, 2, 1])
    net.assign(np.array([np.nan, np.inf, -0.0, 5e-324, -np.inf, 1.0, 2.0]))
    save(tmp_path / "net.npz", net)
    assert identical(load(tmp_path / "net.npz").w, net.w)


def test_a_net_unrolled_over_time_and_a_blocked_one_come_back(tmp_path: Path) -> None:
    cell = Network(
        [Cluster("x", 2), Cluster("h", 3, "tanh"), Cluster("y", 1)],
        [Connector("x", "h"), Connector("h", "h", delay=1), Connector("h", "y")],
    )
    x = np.random.default_rng(0).normal(size=(4, 5, 2))
    for net in (cell.unrolled(5), cell.unrolled(5, outputs="last"), cell.unrolled(5).blocked("W2")):
        save(tmp_path / "net.npz", net)
        again = load(tmp_path / "net.npz")
        assert identical(again(x), net(x))
        assert list(again.weights.shapes.items()) == list(net.weights.shapes.items())
    save(tmp_path / "net.npz", cell)
    assert identical(load(tmp_path / "net.npz").unrolled(5)(x), cell.unrolled(5)(x))


@dataclass(frozen=True)
class Choices:
    eta: float
    sizes: tuple[int, ...]


@each_form
def test_extras_travel_along(tmp_path: Path, form: str) -> None:
    v = np.arange(3.0)
    rng = np.random.default_rng(1)
    save(
        tmp_path / f"net{form}",
        MLP([1, 1]),
        metaparameters=Choices(0.1, (2, 3)),
        rule={"v": v, "steps": np.array(7), "layers": [v + 1, None]},
        generator=rng.bit_generator.state,
        eta=np.float64(0.25),
        a={"b": v},
        **{"a.b": v + 2},
    )
    net, extras = load_with_extras(tmp_path / f"net{form}")
    assert isinstance(net, MLP)
    assert extras["metaparameters"] == {"eta": 0.1, "sizes": [2, 3]}
    assert identical(extras["rule"]["v"], v)
    assert identical(extras["rule"]["steps"], np.array(7))
    assert identical(extras["rule"]["layers"][0], v + 1)
    assert extras["rule"]["layers"][1] is None
    assert extras["eta"] == 0.25
    assert identical(extras["a"]["b"], v)
    assert identical(extras["a.b"], v + 2)
    draws = rng.normal(size=5)
    rng.bit_generator.state = extras["generator"]
    assert identical(rng.normal(size=5), draws)


@st.composite
def anything(draw: st.DrawFn) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    names = draw(st.lists(st.text("abcδ.[]' -", min_size=1, max_size=8), unique=True, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kinds = st.sampled_from(["f8", ">f8", "f4", "f2", "i8", ">i4", "u1", "?"])
    shapes = st.lists(st.integers(0, 3), max_size=3)
    arrays = {name: (100 * rng.normal(size=draw(shapes))).astype(draw(kinds)) for name in names}
    plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    tree = st.recursive(plain, lambda t: st.lists(t, max_size=3) | st.dictionaries(st.text(), t, max_size=3))
    return arrays, draw(st.dictionaries(st.text(), tree, max_size=4))


@each_form
@in_one_folder
@given(anything())
def test_whatever_is_written_is_read(tmp_path: Path, form: str, things: Any) -> None:
    arrays, info = things
    write(tmp_path / f"a{form}", arrays, info)
    found, data = read(tmp_path / f"a{form}")
    assert data == info
    assert set(found) == set(arrays)
    for name, a in arrays.items():
        assert identical(found[name], np.asarray(a, a.dtype.newbyteorder("=")))
        assert found[name].flags.writeable


def test_arrays_in_any_layout_are_stored_by_value(tmp_path: Path) -> None:
    a = np.arange(12.0).reshape(3, 4)
    layouts = {"turned": a.T, "every other": a[:, ::2], "backwards": a[::-1], "one number": np.broadcast_to(a[0, 1], 3)}
    write(tmp_path / "a.npz", layouts, {})
    found, _ = read(tmp_path / "a.npz")
    assert all(identical(found[name], np.ascontiguousarray(b)) for name, b in layouts.items())


def test_the_same_net_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        save(tmp_path / name, MLP([2, 3, 1], rng=1), eta=0.1)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_an_npz_file_is_one_that_numpy_reads(tmp_path: Path) -> None:
    net = MLP([2, 3, 1])
    save(tmp_path / "net.npz", net)
    with np.load(tmp_path / "net.npz", allow_pickle=False) as archive:
        assert identical(archive["w"], net.w)
        assert json.loads(archive["info.json"])["info"]["net"]["sizes"] == [2, 3, 1]


@needs_safetensors
def test_a_safetensors_file_is_one_that_the_library_reads(tmp_path: Path) -> None:
    net = MLP([2, 3, 1])
    save(tmp_path / "net.safetensors", net)
    assert identical(safetensors.numpy.load_file(tmp_path / "net.safetensors")["w"], net.w)
    with safetensors.safe_open(tmp_path / "net.safetensors", framework="np") as file:
        assert file.metadata()["format"] == "tinygrad_lecture"
        assert len(file.metadata()["sha256"]) == 64


# damage
@each_form
@in_one_folder
@given(st.data())
def test_mutations_of_all_kinds_are_seen_or_change_nothing(tmp_path: Path, form: str, data: st.DataObject) -> None:
    path = tmp_path / f"a{form}"
    write(path, ARRAYS, INFO)
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(damaged)))
        end = min(len(damaged), begin + data.draw(st.integers(0, 12)))
        damaged[begin:end] = data.draw(st.binary(max_size=12))
    path.write_bytes(damaged)
    must_be_refused_or_the_same(path)


@each_form
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x00" * 200, b"a picture of something" * 9, b"\xff" * 300])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, form: str, content: bytes) -> None:
    path = tmp_path / f"a{form}"
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match="is damaged or was not written by this package: "):
        read(path)


def test_an_archive_of_somebody_else_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", w=np.ones(3))
    with pytest.raises(DamagedFile, match=r"it cannot be read \(KeyError: 'info.json'\)"):
        load(tmp_path / "a.npz")


def test_an_archive_that_has_a_part_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write(path, ARRAYS, INFO)
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # zipfile's, that the name is there
        archive.writestr("info.json", "{}")
    with pytest.raises(DamagedFile, match="twice"):
        read(path)


class Trap:
    """What a pickle would run."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("sprung",)


def test_nothing_is_ever_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("a.npz", ARRAYS, INFO)
    np.save("trap.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile("a.npz", "a") as archive:
        archive.write("trap.npy")
    with pytest.raises(DamagedFile):
        read("a.npz")
    assert not Path("sprung").exists()


def with_header(path: Path, header: str, body: bytes = b"") -> None:
    """An archive with an array whose header says what it likes."""
    text = header.encode().ljust(118) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("info.json", json.dumps({"info": {}}))
        archive.writestr("w.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body)


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(1000000, 1000000)", "(-1,)", "(9999999999999999999999, 0)"])
def test_a_header_that_claims_a_huge_array_takes_no_memory(tmp_path: Path, shape: str) -> None:
    with_header(tmp_path / "a.npz", f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}", b"\x00" * 64)
    tracemalloc.start()
    with pytest.raises(DamagedFile):
        read(tmp_path / "a.npz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


def test_an_archive_that_would_swell_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("info.json", b" " * 50_000_000)
    tracemalloc.start()
    with pytest.raises(DamagedFile, match="its parts are larger than the file"):
        read(tmp_path / "a.npz")
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


@each_form
@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({"kind": "checkpoint"}, "it holds no net, but a checkpoint"),
        ({"kind": "net"}, r"no net can be made of it \(KeyError: 'net'\)"),
        ({"kind": "net", "net": {"dtype": "float64", "class": "Sequential"}}, "its class is 'Sequential'"),
        ({"kind": "net", "net": {"dtype": "float32", "class": "MLP"}}, "weights of dtype float64 for a net of dtype"),
        (
            {"kind": "net", "net": {"dtype": "float64", "class": "MLP", "sizes": [10**9, 10**9], "bias": True}},
            r"weights of shape \(2,\) for a net of 1000000001000000000",
        ),
        (
            {"kind": "net", "net": {"dtype": "float64", "class": "Network", "weights": {"W1": [10**9, 10**9]}}},
            r"weights of shape \(2,\) for a net of 1000000000000000000",
        ),
    ],
)
def test_a_file_that_is_whole_but_holds_no_net_is_refused(
    tmp_path: Path, form: str, info: dict[str, Any], message: str
) -> None:
    write(tmp_path / f"a{form}", {"w": np.ones(2)}, info)
    with pytest.raises(DamagedFile, match=message):
        load(tmp_path / f"a{form}")


def test_a_file_of_a_later_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "VERSION", 2)
    write(tmp_path / "a.npz", ARRAYS, INFO)
    monkeypatch.undo()
    with pytest.raises(DamagedFile, match="it has format version '2', this package reads 1"):
        read(tmp_path / "a.npz")


def test_a_file_whose_contents_were_changed_with_care_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.npz", ARRAYS, INFO)
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:  # with new sums of the archive's own
        for name, part in parts.items():
            archive.writestr(name, part.replace(b'"eta": 0.1', b'"eta": 0.2'))
    with pytest.raises(DamagedFile, match="its checksum does not match what it holds"):
        read(tmp_path / "a.npz")


def test_a_missing_file_and_a_folder_are_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.npz")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(OSError, match=r"folder\.npz"):
        load(tmp_path / "folder.npz")


# writing
def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.npz"
    write(path, ARRAYS, INFO)
    before = path.read_bytes()
    for name in ("fsync", "replace"):

        def fail(*_: Any) -> None:
            raise OSError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            with pytest.raises(OSError, match="the disk is full"):
                write(path, {"w": np.zeros(9)}, {})
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_on_the_disk_before_it_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(fd: int) -> None:
        events.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        fsync(fd)

    def watched_replace(a: Any, b: Any) -> None:
        events.append("rename")
        assert Path(a).parent == Path(b).parent  # a rename is atomic within one file system
        replace(a, b)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    write(tmp_path / "a.npz", ARRAYS, INFO)
    assert events == ["file", "rename", "folder"]


def test_a_file_is_written_through_a_link_and_with_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link.npz").symlink_to(tmp_path / "there" / "a.npz")
    write(tmp_path / "link.npz", ARRAYS, INFO)
    assert (tmp_path / "link.npz").is_symlink()
    (tmp_path / "plain").touch()
    assert (tmp_path / "there" / "a.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("name", ["net", "net.pkl", "net.npz.zip"])
def test_another_ending_is_refused(tmp_path: Path, name: str) -> None:
    for act in (lambda p: save(p, MLP([1, 1])), load):
        with pytest.raises(ValueError, match=r"must end in \.npz or \.safetensors, which says how it is stored"):
            act(tmp_path / name)


@pytest.mark.parametrize(
    ("arrays", "info", "error", "message"),
    [
        ({"w": np.array([None])}, {}, ValueError, "w has dtype object; only real numbers and booleans are stored"),
        ({"w": np.array(["a"])}, {}, ValueError, "w has dtype <U1"),
        ({"w": np.array([1j])}, {}, ValueError, "w has dtype complex128"),
        ({"../w": np.ones(1)}, {}, ValueError, r"a printable text without slashes, not '\.\./w'"),
        ({"": np.ones(1)}, {}, ValueError, "a printable text without slashes, not ''"),
        ({}, {"a": np.ones(1)}, TypeError, "info must be plain data, .* for JSON: .*ndarray"),
        ({}, {"a": {1: 0, "1": 0}}, TypeError, "info has two keys that are the same text"),
    ],
)
def test_what_cannot_be_stored_is_refused_before_anything_is_written(
    tmp_path: Path, arrays: Any, info: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        write(tmp_path / "a.npz", arrays, info)
    assert list(tmp_path.iterdir()) == []


NET = MLP([2, 1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: save(NET, "a.npz"),
            r"save needs a path and then a net, as save\('net\.npz', net\), not a MLP and a str",
        ),
        (lambda: save("a.npz", {"w": NET.w}), r"needs a path and then a net, .*, not a str and a dict"),
        (lambda: save(3, NET), r"a path is a text or a pathlib\.Path, as 'net\.npz', not a int"),
        (lambda: save(NET), r"save: missing a required argument: 'net'; it is called as save\('net\.npz', net\)"),
        (lambda: load(NET), r"a path is a text or a pathlib\.Path, as 'net\.npz', not a MLP"),
        (lambda: load(), r"load: missing a required argument: 'path'; it is called as load\('net\.npz'\)"),
        (lambda: load("a.npz", NET), r"load: too many positional arguments; it is called as load\('net\.npz'\)"),
        (lambda: write(ARRAYS, "a.npz", INFO), r"a path is a text or a pathlib\.Path, .*, not a dict"),
    ],
)
def test_arguments_in_another_order_are_told_the_right_one(
    call: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TypeError, match=message):
        call()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*away; make it first"):
        save(tmp_path / "away" / "net.npz", MLP([1, 1]))


def test_a_class_of_net_of_ones_own_is_refused_with_a_way_out(tmp_path: Path) -> None:
    class Mine(MLP):
        pass

    with pytest.raises(TypeError, match=r"save knows MLP and Network, not Mine: save Network\(net.topology, weights="):
        save(tmp_path / "net.npz", Mine([1, 1]))


@pytest.mark.parametrize("key", [1, "array in this file"])
def test_an_extra_whose_key_would_not_come_back_is_refused(tmp_path: Path, key: Any) -> None:
    with pytest.raises(TypeError, match=f"extras: {key!r} cannot be a key"):
        save(tmp_path / "net.npz", MLP([1, 1]), table={key: 1})


@needs_safetensors
def test_extended_precision_is_refused_where_the_format_has_none(tmp_path: Path) -> None:
    if np.dtype(np.longdouble).itemsize == 8:
        pytest.skip("there is no extended precision here")
    with pytest.raises(ValueError, match=r"safetensors has no dtype .*, which w has; save as \.npz"):
        save(tmp_path / "net.safetensors", MLP([1, 1], dtype=np.longdouble))
    assert list(tmp_path.iterdir()) == []
    save(tmp_path / "net.npz", MLP([1, 1], dtype=np.longdouble))
    assert load(tmp_path / "net.npz").w.dtype == np.longdouble


def test_a_missing_library_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    (tmp_path / "a.safetensors").write_bytes(b"\x00" * 20)
    for act in (lambda p: save(p, MLP([1, 1])), load):
        with pytest.raises(ImportError, match=r"pip install 'tinygrad-lecture\[io\]'; or save as \.npz"):
            act(tmp_path / "a.safetensors")
