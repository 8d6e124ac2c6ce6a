"""What happened during training, epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

COLUMNS = ("error", "validation", "gradient_norm", "weight_norm", "eta", "seconds")
"""What a history holds for each epoch."""


@dataclass
class History:
    """The course of a training, a number for each epoch in every list.

    error: E as the updates met it, the mean over the epoch's patterns; validation: E on the patterns held out, after
    the epoch, None where there are none; gradient_norm: root mean square of |g| over the epoch's updates; weight_norm:
    |w| after the epoch; eta: η of its last update; seconds: how long this epoch alone took, with its validation, but
    without callbacks and checkpoints: their sum is what the epochs took, not the whole training. updates: E of each
    single update, where they were asked for. stopped: why training ended: "epochs", "interrupted", or what a callback
    said. metaparameters: with what it was trained. Prints as a table. Source: C16.
    """

    error: list[float] = field(default_factory=list)
    validation: list[float | None] = field(default_factory=list)
    gradient_norm: list[float] = field(default_factory=list)
    weight_norm: list[float] = field(default_factory=list)
    eta: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    updates: list[float] = field(default_factory=list)
    stopped: str = ""
    metaparameters: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.error)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it."""
        return self.stopped == "interrupted"

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain Python data, for JSON."""
        columns = {name: list(getattr(self, name)) for name in (*COLUMNS, "updates")}
        return {**columns, "stopped": self.stopped, "metaparameters": dict(self.metaparameters)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> History:
        """The history that `to_dict` gave. Raises ValueError for what is none."""
        names = [f.name for f in fields(cls)]
        odd = [name for name in data if name not in names] + [name for name in COLUMNS if name not in data]
        if odd:
            raise ValueError(f"this is no history of a training: {odd[0]!r} is unknown or missing")
        if len({len(data[name]) for name in COLUMNS}) > 1:
            raise ValueError("this is no history of a training: its columns are of different lengths")
        copies: dict[str, Any] = {
            name: list(part) if isinstance(part, list | tuple) else part for name, part in data.items()
        }
        copies["metaparameters"] = dict(data.get("metaparameters", {}))
        return cls(**copies)

    def to_csv(self, path: str | Path | None = None) -> str:
        """A line for each epoch under the names of the columns; written to a file where a path is given."""
        rows: list[tuple[str, ...]] = [("epoch", *COLUMNS)]
        rows += [(str(i + 1), *(_cell(getattr(self, name)[i]) for name in COLUMNS)) for i in range(len(self))]
        text = "\n".join(",".join(row) for row in rows) + "\n"
        if path is not None:
            Path(path).write_text(text, encoding="utf-8", newline="\n")
        return text

    def plot(self, path: str | Path | None = None) -> Any:
        """The errors over the epochs as a figure of matplotlib, saved where a path is given.

        Raises ImportError, with the install command, where matplotlib is missing.
        """
        from ..show.plots import figure, legend

        fig, axes = figure()
        epochs = range(1, len(self) + 1)
        axes.plot(epochs, self.error, label="training")
        held_out = [(e, v) for e, v in zip(epochs, self.validation, strict=True) if v is not None]
        if held_out:
            axes.plot(*zip(*held_out, strict=True), label="validation", linestyle="--")
        lowest = min([*self.error, *(v for _, v in held_out)], default=0.0)
        axes.set(xlabel="epoch", ylabel="error E", yscale="log" if lowest > 0 else "linear")
        axes.xaxis.get_major_locator().set_params(integer=True)
        legend(axes)
        if path is not None:
            fig.savefig(path)
        return fig

    def __str__(self) -> str:
        """The first, last and some epochs between as a table."""
        n = len(self)
        shown = sorted({round(i * (n - 1) / 9) for i in range(10)}) if n else []
        lines = [f"{'epoch':>6}  {'error':>10}  {'validation':>10}  {'|g|':>10}  {'|w|':>10}  {'seconds':>8}"]
        for i in shown:
            v = self.validation[i]
            held_out = "" if v is None else f"{v:.4g}"
            lines.append(
                f"{i + 1:>6}  {self.error[i]:>10.4g}  {held_out:>10}  {self.gradient_norm[i]:>10.4g}  "
                f"{self.weight_norm[i]:>10.4g}  {self.seconds[i]:>8.3f}"
            )
        return "\n".join([*lines, f"stopped: {self.stopped or 'not yet'}"])


def _cell(value: float | None) -> str:
    return "" if value is None else repr(float(value))
