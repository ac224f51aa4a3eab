"""Pictures out of JPEG and PNG data, by Pillow, which is imported when the first one is needed."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from neurosim.errors import NeurosimError

if TYPE_CHECKING:
    from PIL.Image import Image


class PictureError(Exception):
    """A picture that cannot be decoded; the text says why."""


def pillow() -> ModuleType:
    """The module PIL.Image. Raises NeurosimError saying what to install where Pillow is absent."""
    try:
        from PIL import Image
    except ModuleNotFoundError:
        needs = "python -m pip install 'neurosim-hw[train]'"
        raise NeurosimError(f"Pillow is not installed; reading JPEG and PNG images needs: {needs}") from None
    return Image


def small_picture(data: bytes | memoryview, side: int) -> np.ndarray:
    """uint8 [side, side, 3] of a JPEG file in memory. Raises PictureError if it is damaged or of another size."""
    module = pillow()
    try:
        with module.open(BytesIO(data), formats=("JPEG",)) as image:
            if image.size == (side, side):
                return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
            size = image.size
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged data.
        raise PictureError(f"cannot be decoded: {error}") from error
    raise PictureError(f"is {size[0]} x {size[1]} pixels; needed: {side} x {side}")


def cropped_picture(path: str | Path, side: int) -> np.ndarray:
    """uint8 [side, side, 3] of a JPEG or PNG file: resized, then the centre cut out. Raises PictureError."""
    module = pillow()
    try:
        with module.open(path, formats=("JPEG", "PNG")) as image:
            return np.asarray(centred(image.convert("RGB"), side))
    except Exception as error:  # As above.
        raise PictureError(f"cannot be decoded: {error}") from error


def centred(image: Image, side: int) -> Image:
    """The shorter side resized to round(side * 256 / 224), then the middle side x side."""
    shorter, longer = round(side * 256 / 224), max(image.size) * round(side * 256 / 224) // min(image.size)
    width, height = (shorter, longer) if image.width <= image.height else (longer, shorter)
    resized = image.resize((width, height), pillow().Resampling.BILINEAR)
    left, top = round((width - side) / 2), round((height - side) / 2)
    return resized.crop((left, top, left + side, top + side))
