"""The one command: measure everything, print the table, write JSON."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import neurosim as ns
from benchmarks import cluster, dense_torch, kernel, load, mapping, noc, sanafe_peer, study, vgg
from benchmarks.machine import machine, one_thread
from benchmarks.row import Row, heading

SECTIONS: dict[str, tuple[str, Callable[[int], Iterator[Row]]]] = {
    "kernel": ("1 kernel: run_layer, int8 weights, int32 potentials", kernel.rows),
    "vgg": ("2 VGG9, int8, T=5: simulate + evaluate, all counts", vgg.rows),
    "sanafe": ("3 SANA-FE: dense 784-512-512-10, T=20", sanafe_peer.rows),
    "torch": ("4 PyTorch: the VGG9 of 2, dense", dense_torch.rows),
    "load": ("5 load: dense network file", load.rows),
    "noc": ("6 packet network", noc.rows),
    "mapping": ("7 mapping", mapping.rows),
    "study": ("8 study of 200 chips", study.rows),
    "cluster": ("9 Dask: a scheduler and two workers", cluster.rows),
}


def main(arguments: list[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    one_thread()
    found: dict[str, Any] = {"neurosim": ns.__version__, "machine": machine(), "repeats": args.repeats, "sections": {}}
    print(_introduction(found["machine"], args.repeats))
    for key in args.only or SECTIONS:
        title, rows = SECTIONS[key]
        print(heading(title), flush=True)
        start = time.perf_counter()
        lines = []
        for row in rows(args.repeats):
            print(row, flush=True)
            lines.append(row.to_dict())
        found["sections"][key] = {"title": title, "seconds": time.perf_counter() - start, "rows": lines}
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    missed = [r["name"] for section in found["sections"].values() for r in section["rows"] if r["meets"] is False]
    print(f"\n{len(missed)} targets missed" + "".join(f"\n  {name}" for name in missed))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="measurements per job; median and range are printed")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="sections to run; all without it")
    parser.add_argument("--json", type=Path, help="file for all numbers, every repeat included")
    return parser


def _introduction(about: dict[str, Any], repeats: int) -> str:
    packages = ", ".join(f"{name} {version or 'absent'}" for name, version in about["packages"].items())
    return (
        f"neurosim {ns.__version__} on {about['cpu']}, {about['cores']} cores; one thread everywhere\n"
        f"Python {about['python']}, {packages}\n"
        f"load average at the start {about['load_average']}; {repeats} repeats in turns; first calls (compilation) left out"
    )


if __name__ == "__main__":
    raise SystemExit(main())
