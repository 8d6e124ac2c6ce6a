"""A process that trains on request: `python -m tinygrad_lecture.learning.worker patterns.npz`.

Each line on standard input is a JSON object {"metaparameters": …}; each line on standard output the answer:
{"history": …, "warnings": […]} or {"failure": text, "warnings": […]}. It ends when standard input does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import warnings
from queue import SimpleQueue
from typing import Any

import numpy as np

from .experiment import train_with
from .metaparameters import Metaparameters


def answer(request: dict[str, Any], patterns: Any, validation: Any) -> dict[str, Any]:
    """The history of one training, or what went wrong with it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            m = Metaparameters.from_dict(request["metaparameters"])
            reply: dict[str, Any] = {"history": train_with(m, patterns, validation=validation)[1].to_dict()}
        except Exception as error:  # a variant that fails is a result, whatever it fails with
            reply = {"failure": f"{type(error).__name__}: {error}"}
    return {**reply, "warnings": sorted({str(w.message) for w in caught})}


def main(path: str) -> None:
    """Answer requests until standard input ends, which also cuts short what is being computed then."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # nothing else gets between the answers
    with np.load(path, allow_pickle=False) as arrays:
        patterns = arrays["inputs"], arrays["targets"]
        validation = (arrays["held_inputs"], arrays["held_targets"]) if "held_inputs" in arrays else None
    requests: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    while True:
        reply = answer(json.loads(requests.get()), patterns, validation)
        out.write(json.dumps(reply) + "\n")
        out.flush()


def _read(requests: SimpleQueue[str]) -> None:
    """Hand on the lines of standard input; when it ends, so does the process, for nobody waits for its answer."""
    for line in sys.stdin.buffer:
        requests.put(line.decode("utf-8"))
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
