"""From stored pixels to what a network is trained on."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from neurosim.training.datasets import Dataset


class Pixels:
    """uint8 [N, C, H, W] as float images on *device*: pixel / 255, normalised as the dataset says."""

    def __init__(self, dataset: Dataset, device: str):
        self.device = device
        self.mean, self.std = (
            None if v is None else torch.tensor(v, device=device)[:, None, None] for v in (dataset.mean, dataset.std)
        )

    def __call__(self, images: np.ndarray) -> Tensor:
        x = torch.from_numpy(images).to(self.device).float() / 255
        if self.mean is not None and self.std is not None:
            x = (x - self.mean) / self.std
        return x.contiguous(memory_format=torch.channels_last)


def augmented(images: Tensor, crop: bool = True, flip: bool = True, cutout: int = 0) -> Tensor:
    """Grey images are turned and shifted a little; colour images cropped, mirrored and a square of side *cutout* blanked."""
    if images.shape[1] == 1:
        return shifted(images)
    found = cropped_and_flipped(images, crop, flip)
    return cut_out(found, cutout) if cutout else found


def shifted(images: Tensor, pixels: int = 2, degrees: float = 10.0) -> Tensor:
    """Each image [B, C, H, W] turned by up to *degrees* and shifted by up to *pixels*."""
    angle = (torch.rand(len(images)) * 2 - 1) * torch.pi * degrees / 180
    move = (torch.rand(len(images), 2) * 2 - 1) * 2 * pixels / images.shape[-1]
    rows = [torch.stack([angle.cos(), -angle.sin(), move[:, 0]], 1), torch.stack([angle.sin(), angle.cos(), move[:, 1]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1).to(images.device), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def cropped_and_flipped(images: Tensor, crop: bool = True, flip: bool = True) -> Tensor:
    """Each image [B, C, H, W] shifted by up to an eighth of its side and mirrored half of the time.

    Zeros move in after normalisation, a mean grey; the papers' code pads with black before it.
    """
    batch, _, height, width = images.shape
    pad = height // 8
    moves = (torch.randint(0, 2 * pad + 1, (batch, 2)) if crop else torch.full((batch, 2), pad)).to(images.device)
    mirror = (torch.rand(batch) < (0.5 if flip else 0)).to(images.device)
    y = moves[:, :1] + torch.arange(height, device=images.device)
    x = moves[:, 1:] + torch.arange(width, device=images.device)
    x = torch.where(mirror[:, None], x.flip(1), x)
    sample = torch.arange(batch, device=images.device)[:, None, None]
    padded = F.pad(images, (pad, pad, pad, pad)).permute(0, 2, 3, 1)
    return padded[sample, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)


def cut_out(images: Tensor, side: int) -> Tensor:
    """Each image [B, C, H, W] with zeros, a mean grey, in a square anywhere around a random pixel (DeVries & Taylor 2017)."""
    batch, _, height, width = images.shape
    corner = torch.rand(batch, 2) * torch.tensor([height, width]) - side / 2
    inside = [
        ((place := torch.arange(n) - at[:, None].round()) >= 0) & (place < side)
        for n, at in zip((height, width), corner.T, strict=True)
    ]
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images.masked_fill(hole.to(images.device), 0.0)
