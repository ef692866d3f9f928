"""Breaks real logs in many ways: what `fuzz.py` feeds to the readers."""

from __future__ import annotations

import io
import json
import math
import random
from collections.abc import Callable
from typing import Any

TOKENS = (
    "", " ", "0", "1", "-1", "0.5", "1e308", "-1e308", "1e-320", "1e400", "1e²", "1e", "e5", "²",
    "٣",
    "nan", "inf", "-inf", "1_000", "0x10", "9" * 5000, "1e" + "9" * 5000, "0." + "3" * 400,
    "9" * 20,
    "1e-999999999", "True", "None", "null", "[]", "{}", '"', "'", '"""', ",", ";", "\t", "\r", "\n",
    "\r\n", "\n\n",
    "\x00", "\x0b", "\x1b[2J", "\x1b]0;title\x07", "\u202e", "\u2028", "\ufeff",
    "%",
    ":", "=", "(", ")", "[", "]", "/", "//", "<b>&amp;", "\x85", "é", "😀", "epoch", "Epoch 1/2",
    "step", "step 5", "1/10", "10/10", "d_loss", "d_loss: 0.5", "D loss", "acc", "val_d_loss",
    "a" * 300, "a" * 140_000, "-" * 100, "[" * 3000, '{"a":' * 3000,
)  # fmt: skip
"""Pieces of text that readers trip over."""


def values(draw: random.Random) -> Any:
    """An odd value of JSON."""
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    return draw.choice(
        [None, True, False, 0, -1, 1, 2**53 + 1, 2**63, -(2**70), 10**400, 1e308, -1e308, 5e-324,
         0.5,
         math.nan,
         math.inf, -math.inf, "", "x", "nan", "1e400", "\ud800", "\x1b[2J", "\u202e",
         [], {},
         [[]], [None], {"": None}, {"d_loss": None}, {"d_loss": 10**400}, {"g_loss": "0.5"}, deep,
         "../../etc", "a" * 2000, [1] * 50]
    )  # fmt: skip


# -- real logs -------------------------------------------------------------------------------


def _numbers(draw: random.Random) -> Callable[[], float]:
    kind = draw.randrange(4)
    if kind == 0:
        return lambda: 0.5
    if kind == 1:
        return lambda: draw.randrange(65) / 64
    return lambda: round(draw.gauss(0.7, 0.1), 3)


def _rows(draw: random.Random) -> int:
    likely = draw.random()
    return 300 if likely < 0.01 else 30 if likely < 0.06 else draw.choice((1, 2, 3, 5, 8, 13))


def csv(draw: random.Random) -> bytes:
    columns = draw.choice(
        (("step", "d_loss", "g_loss"), ("epoch", "d_acc", "d_loss"), ("epoch", "batch", "d_loss"),
         ("iter", "d_acc_real", "d_acc_fake", "g_acc"), ("d_loss",),
         ("epoch", "step", "critic_loss"))
    )  # fmt: skip
    mark, number = draw.choice(",;\t"), _numbers(draw)
    length = _rows(draw)
    cells = [
        [
            str(i if c in ("step", "iter") else i // 10 if c == "epoch" else number())
            for c in columns
        ]
        for i in range(length)
    ]
    if draw.random() < 0.5:
        return _join(mark, [list(columns), *cells])
    table = [list(columns), *cells]
    for _ in range(draw.randint(1, 4)):
        row = draw.choice(table)
        row[draw.randrange(len(row))] = draw.choice(TOKENS)
    return _join(mark, table)


def _join(mark: str, table: list[list[str]]) -> bytes:
    return ("\n".join(map(mark.join, table)) + "\n").encode()


def text(draw: random.Random) -> bytes:
    number, length = _numbers(draw), _rows(draw)
    kind = draw.randrange(6)
    lines = []
    for i in range(length):
        a, b = number(), number()
        lines.append(
            (f"step {i}: d_loss: {a}, g_loss: {b}",
             f"{i} [D loss: {a}, acc.: {50 * b:.2f}%] [G loss: {b}]",
             f"[Epoch {i // 5}/9] [Batch {i % 5}/5] [D loss: {a}] [G loss: {b}]",
             f">{i // 5}, {i % 5 + 1}/5, d1={a:.3f}, d2={b:.3f} g={b:.3f}",
             f"[{i // 5}/9][{i % 5}/5]\tLoss_D: {a}\tLoss_G: {b}",
             f"Epoch {i + 1}/{length}\n{i + 1}/{length} ━━ 1s 2ms/step - d_loss: {a} g_loss: {b}")[
                kind
            ]
        )  # fmt: skip
    return ("\n".join(lines) + "\n").encode()


def notebook(draw: random.Random) -> bytes:
    cells: list[Any] = [
        {"cell_type": "markdown", "source": "# GAN"},
        {"cell_type": "code", "outputs": [{"output_type": "stream", "text": text(draw).decode()}]},
        {"cell_type": "code", "outputs": [{"data": {"text/plain": ["step 1: d_loss: 0.5\n"]}}]},
    ]
    whole = {"nbformat": 4, "cells": cells[: draw.randint(1, 3)]}
    return _dumped(_broken(draw, whole) if draw.random() < 0.7 else whole)


def journal(draw: random.Random) -> bytes:
    number = _numbers(draw)
    finding = {
        "kind": "stalled", "severity": "failed", "first_step": 3, "last_step": 5,
        "message": "Stuck.",
        "evidence": {"d_loss": 0.7}, "advice": ["Wait."],
    }  # fmt: skip
    records: list[Any] = [
        {"record": "run", "schema": 1, "time": 1.7e9, "process": {"pid": 1},
         "command": "python a.py"},
        {"record": "fit", "step": 0, "facts": {"model": "gan", "epochs": 3, "steps": 90}},
        {"record": "reader", "signals": None, "averaging": draw.choice([None, "batch", "run"]),
         "origin": draw.choice([None, 0]), "means": draw.choice([None, ["d_loss"]])},
    ]  # fmt: skip
    for step in range(_rows(draw)):
        logs = {"d_loss": number(), "g_loss": number(), "d_acc_real": number()}
        records.append({"record": "logs", "step": step, "epoch": step // 10, "logs": logs})
    probe = {"missing_share": 0.2, "coverage": 0.9, "distance_ratio": 1.1, "dimension": 8.0}
    records += [
        {"record": "probe", "step": 2, "values": probe},
        {"record": "objective", "objective": "wasserstein", "scale": None},
        {"record": "setting", "driver": "fit", "checked": ["discriminator_leak"]},
        {"record": "unavailable", "reason": "no data"},
        {"record": "picture", "name": "samples.png", "step": 3},
        {"record": "kept", "which": "best", "step": 3, "quality": 0.5, "name": "w.h5"},
        {"record": "epoch", "step": 9, "epoch": 0, "logs": {"d_loss": 0.5}, "rates": {"d": 1e-3}},
        {"record": "report", "finding": finding},
        {"record": "finding", "finding": finding},
        {"record": "end", "verdict": {"verdict": "failed", "reason": "stalled", "steps": 9,
                                      "averaging": None, "findings": [finding], "kept": []}},
    ]  # fmt: skip
    if draw.random() < 0.8:
        for _ in range(draw.randint(1, 2)):
            place = draw.randrange(len(records))
            records[place] = _broken(draw, records[place])
    return b"".join(_dumped(one) + b"\n" for one in records)


def events(draw: random.Random) -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    number, tags = _numbers(draw), draw.choice(
        (("epoch_d_loss", "epoch_g_loss"), ("batch_d_loss", "epoch_d_loss"),
         ("readings/d_loss", "samples/missing_share"), ("d_loss", "g_loss"))
    )  # fmt: skip
    file = io.BytesIO()
    writer = RecordWriter(file)
    for step in range(min(_rows(draw), 30)):
        event = Event(step=step if draw.random() < 0.97 else draw.choice((-1, 2**62, -(2**62))))
        for tag in tags:
            value = event.summary.value.add(tag=tag)
            if draw.random() < 0.5:
                value.simple_value = number() if draw.random() < 0.97 else math.inf
            else:
                value.tensor.dtype = 1 if draw.random() < 0.9 else draw.randrange(30)
                for _ in range(draw.choice((0, 1, 1, 1, 1, 2))):
                    value.tensor.float_val.append(number())
                for _ in range(draw.choice((0, 0, 0, 0, 1, 2))):
                    value.tensor.tensor_shape.dim.add(size=draw.choice((0, 1, 2, -1, 2**40)))
                if draw.random() < 0.1:
                    value.tensor.tensor_content = draw.randbytes(draw.randrange(9))
        whole = event.SerializeToString()
        writer.write(_bytes_changed(draw, whole) if draw.random() < 0.05 else whole)
    return file.getvalue()


FORMATS: dict[str, tuple[str, Callable[[random.Random], bytes]]] = {
    "csv": ("run.csv", csv),
    "text": ("log.txt", text),
    "notebook": ("run.ipynb", notebook),
    "journal": ("journal.jsonl", journal),
    "events": ("events.out.tfevents.1", events),
}
"""File name and maker of a log of each format."""


# -- breaking --------------------------------------------------------------------------------


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


def _broken(draw: random.Random, value: Any) -> Any:
    """The value with one part of it replaced, removed or renamed."""
    if isinstance(value, dict) and value and draw.random() < 0.85:
        key = draw.choice(list(value))
        action = draw.random()
        if action < 0.1:
            return {k: v for k, v in value.items() if k != key}
        if action < 0.2:
            return {draw.choice(TOKENS[:60]) if k == key else k: v for k, v in value.items()}
        return {**value, key: _broken(draw, value[key])}
    if isinstance(value, list) and value and draw.random() < 0.85:
        place = draw.randrange(len(value))
        return [*value[:place], _broken(draw, value[place]), *value[place + 1 :]]
    return values(draw)


def _bytes_changed(draw: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8))):
        place = draw.randrange(len(changed) + 1)
        action = draw.randrange(5)
        if action == 0:
            changed[place:place] = draw.choice(TOKENS).encode()
        elif action == 1:
            del changed[place : place + draw.choice((1, 3, 40))]
        elif action == 2:
            changed[place : place + 1] = bytes([draw.randrange(256)])
        elif action == 3:
            changed[place:place] = changed[place : place + draw.choice((1, 20, 200))]
        else:
            del changed[place:]
    return bytes(changed)


def made(kind: str, case: int, seed: int) -> bytes:
    """The content of one case: always the same for the same arguments."""
    draw = random.Random(f"{seed} {kind} {case}")
    content = FORMATS[kind][1](draw)
    many = kind != "events" and draw.random() < 0.6  # checksums refuse other bytes in events
    return _bytes_changed(draw, content) if many or draw.random() < 0.05 else content
