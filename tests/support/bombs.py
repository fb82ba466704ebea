"""Pickles that announce or unfold to far more than they are; none of them is ever deserialized.

``python -m support.bombs`` looks into each in a process of its own, and prints as JSON its name, verdict,
computing as a multiple of :mod:`support.yardstick`, and the bytes by which the process grew beyond the file.
"""

from __future__ import annotations

import json
import os
import resource
import struct

from support.yardstick import computing, yardstick

MIB = 1 << 20


def _tuples(count: int) -> bytes:
    return b"\x80\x04N" + b"\x85" * count + b"."


BOMBS = {
    "BINBYTES8 of 2^60": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60) + b"x.",
    "BINUNICODE8 of 2^63": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 63) + b"x.",
    "BYTEARRAY8 of 2^64-1": b"\x80\x05\x96" + b"\xff" * 8 + b"x.",
    "BINBYTES of 2^32-1": b"\x80\x03B" + b"\xff" * 4 + b"x.",
    "LONG4 of 2^31-1": b"\x80\x02\x8b" + struct.pack("<i", (1 << 31) - 1) + b"\x01.",
    "LONG4 of less than nothing": b"\x80\x02\x8b" + struct.pack("<i", -1) + b"\x01.",
    "LONG4 of a megabyte": b"\x80\x02\x8b" + struct.pack("<i", MIB) + b"\x7f" * MIB + b".",
    "LONG of a million digits": b"L" + b"9" * MIB + b"L\n.",
    "FRAME of 2^62": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N.",
    "FRAME of 2^64-1": b"\x80\x04\x95" + b"\xff" * 8 + b"N.",
    "memo number 2^31": b"\x80\x02Nr" + struct.pack("<I", 1 << 31) + b".",
    "memo number in text": b"Np" + b"9" * 18 + b"\n.",
    "memo number not there": b"\x80\x02j" + b"\xff" * 4 + b".",
    "marks nested 10^6": b"\x80\x04" + b"(" * 10**6 + b".",
    "tuples nested 10^6": _tuples(10**6),
    "lists nested 10^6": b"\x80\x04" + b"]" * 10**6 + b"a" * (10**6 - 1) + b".",
    "dicts nested 10^5": b"\x80\x04" + b"}N" * 10**5 + b"N" + b"s" * 10**5 + b".",
    "lists that hold themselves twice": b"\x80\x04]\x94" + b"h\x00h\x00\x86\x94" * 200_000 + b".",
    "a list that doubles": b"\x80\x04]\x94" + b"(222e" * 100_000 + b".",
    "DUP": b"\x80\x04N" + b"2" * 4 * 10**6 + b".",
    "tuples of twice the last": b"\x80\x04N" + b"2\x86" * 10**6 + b".",
    "a million objects in the memo": b"\x80\x04" + b"]\x94" * 10**6 + b".",
    "MEMOIZE again and again": b"\x80\x04N" + b"\x94" * 2 * 10**6 + b".",
    "calls of calls": b"\x80\x04cos\nx\n" + b")R" * 300_000 + b".",
    "states of states": b"\x80\x04cos\nx\n)R" + b"Nb" * 300_000 + b".",
    "a million names": b"".join(b"cm%d\nx\n0" % number for number in range(100_000)) + b"N.",
    "names out of all pairs": b"\x80\x04"
    + b"".join(b"\x8c\xfa" + b"%0250d" % number + b"\x94" for number in range(200))
    + b"".join(bytes((0x68, one, 0x68, two, 0x93, 0x30)) for one in range(200) for two in range(200))
    + b"N.",
    "pickles one after the other": b"N." * 10**6,
    "an array of 2^31": b"\x80\x04cjoblib.numpy_pickle\nNumpyArrayWrapper\n)R"
    b"}(X\x05\x00\x00\x00shapeJ\xff\xff\xff\x7f\x85ub.",
}


def _examined(data: bytes, unit: float) -> dict[str, object]:
    from safeload import Limits
    from safeload.scanning import contents

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reports = []
    seconds = computing(lambda: reports.append(contents.examine(data, Limits())))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    return {"verdict": reports[0].verdict, "computing": seconds / unit, "grown": grown - len(data)}


def main() -> None:
    """Look into each bomb."""
    from safeload import Limits
    from safeload.scanning import contents

    contents.examine(b"N.", Limits())  # So that what is imported is not counted.
    unit = yardstick()
    results = {}
    for name, data in BOMBS.items():
        receive, send = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(send, json.dumps(_examined(data, unit)).encode())
            os._exit(0)
        os.close(send)
        with os.fdopen(receive, "rb") as answer:
            results[name] = json.loads(answer.read() or b"null")
        os.waitpid(child, 0)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
