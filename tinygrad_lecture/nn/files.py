"""Arrays and plain data in one file that is written whole or not at all, and read whole or refused.

The checksum, SHA-256 over the names, types, shapes and bytes of all arrays and over the data as JSON, is compared
before anything is handed out. Nothing is ever unpickled, and nothing is allocated that the file does not hold.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .replacing import replacing

Arrays = dict[str, np.ndarray]
FORMAT, VERSION = "tinygrad_lecture", 1
INFO = "info.json"
HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..{'descr': '(?P<dtype>[<>|][biuf]\d{1,2})', 'fortran_order': False, "
    rb"'shape': \((?P<shape>[\d, ]*)\), } *\n",
    re.DOTALL,
)
EPOCH = (1980, 1, 1, 0, 0, 0)  # in place of now: the same net gives the same bytes


class DamagedFile(ValueError):  # noqa: N818 - it says what the file is
    """A file that is damaged, or not of the format that its name says: nothing of it was used."""

    def __init__(self, path: str | Path, what: str) -> None:
        super().__init__(f"{path} is damaged or was not written by this package: {what}")


def write(path: str | Path, arrays: Mapping[str, np.ndarray], info: Mapping[str, Any]) -> None:
    """Write arrays by name and plain data into one file, whole or not at all.

    path: ends in .npz (NumPy alone) or .safetensors (the extra `io`). arrays: real numbers or booleans; each is
    stored in the byte order of this machine. info: what JSON can hold. The file is written beside its place under
    another name, flushed to the disk and then renamed: a crash leaves the old file or the new one, and of the other at
    most the beginning under that name, which the next write to the same path sweeps up (not on Windows).
    Raises ValueError for another ending, a name that cannot be stored, or an array of objects, TypeError for what is no
    path and info that JSON cannot hold, ImportError where safetensors is not installed. Source: C16.
    """
    form = _form(path)
    text = _text(info)
    plain = {_name(name): _plain(name, a) for name, a in arrays.items()}
    head = {"format": FORMAT, "version": str(VERSION), "sha256": _digest(plain, text)}
    with replacing(path) as file:
        form.write(file, plain, head, text)


def read(path: str | Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and the data of a file that `write` made, checked against the checksum in it.

    path: ends in .npz or .safetensors. Raises DamagedFile, saying what is wrong, for whatever is not as it was written,
    FileNotFoundError where there is no file, TypeError for what is no path, ImportError where safetensors is not
    installed. Source: C16.
    """
    form = _form(path)
    data = _bytes_of(path, form.first)
    try:
        arrays, head, text = form.read(data)
        found, info = _digest(arrays, text), json.loads(text)
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # a damaged file raises whatever its readers stumble over
        raise DamagedFile(path, f"it cannot be read ({type(error).__name__}: {error})") from error
    if head.get("format") != FORMAT:
        raise DamagedFile(path, f"its format is {head.get('format')!r}, not {FORMAT!r}")
    if head.get("version") != str(VERSION):
        raise DamagedFile(path, f"it has format version {head.get('version')!r}, this package reads {VERSION}")
    if head.get("sha256") != found:
        raise DamagedFile(path, "its checksum does not match what it holds")
    if not isinstance(info, dict):
        raise DamagedFile(path, "its data are no table")
    return arrays, info


# the two forms
def _write_npz(file: BinaryIO, arrays: Arrays, head: dict[str, str], text: str) -> None:
    """What np.savez makes, and the data beside it as JSON, which `unzip -p` prints."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        whole = json.dumps({**head, "info": json.loads(text)}, indent=1)
        archive.writestr(zipfile.ZipInfo(INFO, EPOCH), whole)
        for name, a in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", EPOCH), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, a, allow_pickle=False)


def _read_npz(data: bytes) -> tuple[Arrays, dict[str, str], str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if sum(m.file_size for m in members) > len(data) or any(m.compress_type for m in members):
            raise ValueError("its parts are larger than the file")
        if len({m.filename for m in members}) < len(members):
            raise ValueError("a part is there twice")
        parts = {m.filename: archive.read(m) for m in members}
    head = json.loads(parts.pop(INFO).decode())
    if not isinstance(head, dict):
        raise ValueError("its data are no table")
    text = json.dumps(head.pop("info"))
    return {name.removesuffix(".npy"): _array(part) for name, part in parts.items()}, head, text


def _array(part: bytes) -> np.ndarray:
    """An array in NumPy's format, with a header as `write` makes it; NumPy would evaluate any, which breaks parsers."""
    head = HEADER.match(part)
    if head is None:
        raise ValueError("the header of an array is not as it was written")
    shape = tuple(int(n) for n in head["shape"].split(b",") if n)
    return np.frombuffer(part, head["dtype"].decode(), offset=head.end()).reshape(shape).copy()


def _write_safetensors(file: BinaryIO, arrays: Arrays, head: dict[str, str], text: str) -> None:
    save = _safetensors().save
    for name, a in arrays.items():
        if a.dtype.kind == "f" and a.itemsize > 8:
            raise ValueError(f"safetensors has no dtype {a.dtype}, which {name} has; save as .npz")
    file.write(save(arrays, metadata={**head, "info": text}))


def _read_safetensors(data: bytes) -> tuple[Arrays, dict[str, str], str]:
    """The library checks the header and finds the arrays; what stands in the header as text it does not hand out."""
    arrays = {name: a.copy() for name, a in _safetensors().load(data).items()}
    length = int.from_bytes(data[:8], "little")
    head = json.loads(data[8 : 8 + length].decode())["__metadata__"]
    return arrays, head, head.pop("info")


def _safetensors() -> Any:
    try:
        import safetensors.numpy  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise ImportError(
            "files that end in .safetensors need the safetensors library: pip install 'tinygrad-lecture[io]'; "
            "or save as .npz, which needs nothing"
        ) from error
    return safetensors.numpy


class _Form:
    """How a kind of file is written and read, and how it begins."""

    def __init__(self, write: Callable[..., None], read: Callable[[bytes], Any], first: bytes) -> None:
        self.write, self.read, self.first = write, read, first


FORMS = {
    ".npz": _Form(_write_npz, _read_npz, b"PK\x03\x04"),
    ".safetensors": _Form(_write_safetensors, _read_safetensors, b""),
}


def _form(path: str | Path) -> _Form:
    if not isinstance(path, str | PathLike):
        raise TypeError(f"a path is a text or a pathlib.Path, as 'net.npz', not a {type(path).__name__}")
    suffix = Path(path).suffix
    if suffix not in FORMS:
        raise ValueError(f"{path} must end in {' or '.join(FORMS)}, which says how it is stored")
    return FORMS[suffix]


# what is stored
def _text(info: Mapping[str, Any]) -> str:
    """The data as JSON; what would not come back the same way is refused."""
    try:
        text = json.dumps(dict(info))
    except (TypeError, ValueError) as error:
        raise TypeError(f"info must be plain data, numbers, texts, lists and dicts, for JSON: {error}") from error
    if json.dumps(json.loads(text)) != text:
        raise TypeError("info has two keys that are the same text, as 1 and '1'")
    return text


def _name(name: str) -> str:
    if not isinstance(name, str) or not name or not name.isprintable() or any(c in name for c in "/\\"):
        raise ValueError(f"an array's name must be a printable text without slashes, not {name!r}")
    return name


def _plain(name: str, a: Any) -> np.ndarray:
    a = np.asarray(a)
    if a.dtype.kind not in "fiub":
        raise ValueError(f"{name} has dtype {a.dtype}; only real numbers and booleans are stored, nothing is pickled")
    return np.asarray(a, dtype=a.dtype.newbyteorder("="), order="C")


def _digest(arrays: Arrays, text: str) -> str:
    """SHA-256 over all that is handed out, with lengths, so that nothing can move from one part to the next."""
    digest = hashlib.sha256(f"{VERSION} {len(arrays)} {len(text)} {text}".encode())
    for name, a in sorted(arrays.items()):
        digest.update(f"{len(name)} {name} {a.dtype.newbyteorder('<').str} {a.shape} ".encode())
        digest.update(np.ascontiguousarray(a, a.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _bytes_of(path: str | Path, first: bytes) -> bytes:
    with open(path, "rb") as file:
        begin = file.read(len(first))
        if begin != first:
            raise DamagedFile(path, f"it does not begin as a {Path(path).suffix} file does")
        return begin + file.read()
