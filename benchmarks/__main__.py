"""The one command: measure everything, print the table, write JSON."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import neurosim as ns
from benchmarks.machine import machine
from benchmarks.markdown import table
from benchmarks.row import heading
from benchmarks.size import FULL, SMOKE

# Titles, and the module whose `rows` are measured.
SECTIONS = {
    "first": ("0 first use: commands after installation, and again", "first_use"),
    "kernel": ("1 kernel: run_layer, int8 weights, int32 potentials", "kernel"),
    "vgg": ("2 VGG9, int8, T=5: simulate + evaluate, all counts", "vgg"),
    "sanafe": ("3 SANA-FE: dense 784-512-512-10, T=20", "sanafe_peer"),
    "torch": ("4 PyTorch: the VGG9 of 2, dense", "dense_torch"),
    "load": ("5 load: dense network file", "load"),
    "noc": ("6 packet network", "noc"),
    "mapping": ("7 mapping", "mapping"),
    "study": ("8 study of 200 chips", "study"),
    "cluster": ("9 Dask: a scheduler and two workers", "cluster"),
    "trace": ("10 trace: memory of many images", "recording"),
    "sampled": ("11 time from a sample of steps", "sampled"),
}
MEANINGLESS = "smoke mode: tiny workloads, whatever the sections are called; no figure means anything, and no target is judged"


def main(arguments: list[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    size = SMOKE if args.smoke else FULL
    if args.repeats:
        size = replace(size, repeats=args.repeats)
    found: dict[str, Any] = {
        "neurosim": ns.__version__, "machine": machine(), "repeats": size.repeats, "smoke": args.smoke, "sections": {},
    }  # fmt: skip
    print(_introduction(found["machine"], size.repeats))
    if args.smoke:
        print(MEANINGLESS)
    for key in args.only or SECTIONS:
        title, module = SECTIONS[key]
        print(heading(title), flush=True)
        start = time.perf_counter()
        lines = []
        for measured in import_module(f"benchmarks.{module}").rows(size):
            row = measured.without_target() if args.smoke else measured
            print(row, flush=True)
            lines.append(row.to_dict())
        found["sections"][key] = {"title": title, "seconds": time.perf_counter() - start, "rows": lines}
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if args.markdown:
        args.markdown.write_text(table(found), encoding="utf-8")
    print(MEANINGLESS if args.smoke else _verdict(found))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="run everything with tiny workloads, to see that it runs")
    parser.add_argument("--repeats", type=int, help=f"measurements per job; median and range are printed; {FULL.repeats}")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="sections to run; all without it")
    parser.add_argument("--json", type=Path, help="file for all numbers, every repeat included")
    parser.add_argument("--markdown", type=Path, help="file for the table of README.md")
    return parser


def _verdict(found: dict[str, Any]) -> str:
    missed = [row["name"].strip() for section in found["sections"].values() for row in section["rows"] if row["meets"] is False]
    return f"\n{len(missed)} targets missed" + "".join(f"\n  {name}" for name in missed)


def _introduction(about: dict[str, Any], repeats: int) -> str:
    packages = ", ".join(f"{name} {version or 'absent'}" for name, version in about["packages"].items())
    return (
        f"neurosim {ns.__version__} on {about['cpu']}, {about['cores']} cores; one thread everywhere\n"
        f"Python {about['python']}, {packages}\n"
        f"load average at the start {about['load_average']}; {repeats} repeats in turns; first calls (compilation) left out"
    )


if __name__ == "__main__":
    raise SystemExit(main())
