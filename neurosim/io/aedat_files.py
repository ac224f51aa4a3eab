"""AEDAT 2.0 and 3.1: recordings of jAER and cAER, for the layouts of which see docs.inivation.com, AEDAT file formats."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from neurosim.errors import FileError
from neurosim.events.recording import Sensor
from neurosim.io.event_columns import EventColumns, Said, noted

MAGIC2, MAGIC3 = b"#!AER-DAT2", b"#!AER-DAT3.1"
END3 = b"#!END-HEADER\r\n"
LAYOUT_BY_CHIP = {"dvs128": "dvs128"}
CHIP = re.compile(rb"#[ \t]*AEChip:[ \t]*([\w.]+)")
POLARITY = 1


class Layout(NamedTuple):
    """Where an address keeps x, y and p: (lowest bit, bits); *special*: bits that make it no event of a pixel."""

    x: tuple[int, int]
    y: tuple[int, int]
    p: tuple[int, int]
    sensor: Sensor
    special: int = 0
    free: int = 0

    def field(self, address: np.ndarray, name: str) -> np.ndarray:
        lowest, bits = getattr(self, name)
        found: np.ndarray = (address >> lowest) & (2**bits - 1)
        return found

    @property
    def used(self) -> int:
        """All bits that an address may have."""
        found: int = sum((2**bits - 1) << lowest for lowest, bits in (self.x, self.y, self.p)) | self.special | self.free
        return found


# x and y as tonic.io (1.7.0) names them; of DVS128, the documentation of AEDAT calls bits 8 to 14 y.
LAYOUTS = {
    "dvs128": Layout(x=(8, 7), y=(1, 7), p=(0, 1), sensor=(128, 128, 2), special=1 << 15),
    "gesture": Layout(x=(17, 13), y=(2, 13), p=(1, 1), sensor=(128, 128, 2), free=1),
}
PACKET = np.dtype(
    [("type", "<i2"), ("source", "<i2"), ("size", "<i4"), ("time_offset", "<i4"), ("overflow", "<i4"), ("capacity", "<i4"),
     ("number", "<i4"), ("valid", "<i4")]
)  # fmt: skip


def layout_of(header: bytes) -> str | None:
    """The layout of addresses that a header of AEDAT 2 tells by the name of the chip."""
    chip = _chip(header)
    return None if chip is None else LAYOUT_BY_CHIP.get(chip.lower())


def read_aedat2_dvs128(path: Path, said: Said) -> list[EventColumns]:
    """AEDAT 2 with the addresses of the DVS128; events from the outside (bit 15) are left out."""
    return [_aedat2(path, LAYOUTS["dvs128"])]


def read_aedat2_gesture(path: Path, said: Said) -> list[EventColumns]:
    """AEDAT 2 with the addresses of DVS Gesture."""
    return [_aedat2(path, LAYOUTS["gesture"])]


def read_aedat3(path: Path, said: Said) -> list[EventColumns]:
    """AEDAT 3.1: the valid polarity events; other packets, and events that are marked invalid, are left out."""
    data = path.read_bytes()
    begin = data.find(END3)
    if not data.startswith(MAGIC3) or begin < 0:
        raise FileError(str(path), ["is not AEDAT 3.1: it must begin with #!AER-DAT3.1 and have a line #!END-HEADER"])
    words, times, others = [np.zeros(0, np.uint32)], [np.zeros(0, np.int64)], 0
    place = begin + len(END3)
    while place < len(data):
        header, events = _packet(path, data, place)
        place += PACKET.itemsize + int(header["size"]) * int(header["capacity"])
        if header["type"] != POLARITY:
            others += int(header["number"])
            continue
        pairs = events.view("<u4").reshape(-1, 2)[: int(header["number"])]
        words.append(pairs[:, 0])
        times.append(pairs[:, 1].astype(np.int64) + (int(header["overflow"]) << 31))
    address, t = np.concatenate(words), np.concatenate(times)
    valid = (address & 1) == 1
    notes = noted(others, "events of other kinds left out") + noted(int((~valid).sum()), "events marked invalid left out")
    address, t = address[valid], t[valid]
    return [EventColumns((address >> 17) & 0x7FFF, (address >> 2) & 0x7FFF, t, (address >> 1) & 1, notes=notes)]


def _packet(path: Path, data: bytes, place: int) -> tuple[np.void, np.ndarray]:
    """The header of the packet at *place*, and the bytes of its events."""
    if len(data) - place < PACKET.itemsize:
        raise FileError(str(path), [f"ends within the header of a packet at byte {place}"])
    header = np.frombuffer(data, PACKET, 1, place)[0]
    kind, size, capacity, number = (int(header[n]) for n in ("type", "size", "capacity", "number"))
    left = len(data) - place - PACKET.itemsize
    told = ""
    if kind < 0:
        told = "is compressed, which is not supported" if kind & 0x7FFF < 16 else f"has type {kind}"
    elif size < 1 or not 0 <= number <= capacity:
        told = f"declares {number} events in room for {capacity}, of {size} bytes each"
    elif size * capacity > left:
        told = f"declares {capacity} events of {size} bytes, but {left} bytes follow"
    elif kind == POLARITY and (size != 8 or header["time_offset"] != 4 or header["overflow"] < 0):
        told = f"holds polarity events of {size} bytes, times at byte {header['time_offset']}, overflow {header['overflow']}"
    if told:
        swapped = "; is its byte order another?" if not 0 < size < 2**16 else ""
        raise FileError(str(path), [f"the packet at byte {place} {told}{swapped}"])
    return header, np.frombuffer(data, np.uint8, size * capacity, place + PACKET.itemsize)


def _aedat2(path: Path, layout: Layout) -> EventColumns:
    data = path.read_bytes()
    if not data.startswith(MAGIC2):
        raise FileError(str(path), ["is not AEDAT 2: it must begin with #!AER-DAT2"])
    begin = _end_of_header(data)
    if (len(data) - begin) % 8:
        raise FileError(str(path), [f"ends within an event: {len(data) - begin} bytes follow the header, not a multiple of 8"])
    events = np.frombuffer(data, [("address", ">u4"), ("t", ">u4")], offset=begin)
    address = events["address"].astype(np.uint32)
    strange = np.flatnonzero(address & np.uint32(~layout.used & 0xFFFFFFFF))
    if len(strange):
        first = int(strange[0])
        told = f"the first is event {first} with {address[first]:#010x}; is it the other layout, or another camera?"
        raise FileError(str(path), [f"{len(strange):,} of {len(address):,} addresses are not laid out so: {told}"])
    usual = (address & np.uint32(layout.special)) == 0
    address, t = address[usual], events["t"][usual].astype(np.int64)
    x, y, p = (layout.field(address, name) for name in "xyp")
    return EventColumns(x, y, t, p, layout.sensor, notes=noted(int((~usual).sum()), "events from outside the sensor left out"))


def _end_of_header(data: bytes) -> int:
    """Where the lines that begin with # end."""
    place = 0
    while data.startswith(b"#", place):
        end = data.find(b"\n", place)
        if end < 0:
            return len(data)
        place = end + 1
    return place


def _chip(header: bytes) -> str | None:
    found = CHIP.search(header)
    return found[1].decode().rpartition(".")[2] if found else None
