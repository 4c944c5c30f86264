"""A small patch set for tests: smooth random textures, every view with its own noise and light."""

import cv2
import numpy as np

from sfm.features.patch_window import PatchWindow
from sfm.learning.patch_set import PatchSetWriter, PointPatches, Source, Views


def textures(count, views, rng, noise=12):
    base = rng.normal(0, 1, (count, 32, 32)).astype(np.float32)
    smooth = np.stack([cv2.GaussianBlur(b, (0, 0), 3) for b in base])
    smooth = 127 + 45 * smooth / smooth.std(axis=(1, 2), keepdims=True)
    seen = np.repeat(smooth, views, axis=0)
    gain = rng.uniform(0.7, 1.2, (len(seen), 1, 1))
    seen = seen * gain + rng.normal(0, noise, seen.shape)
    return PointPatches(np.clip(seen, 0, 255).astype(np.uint8)[:, None], np.full(count, views))


def small_patch_set(folder, seed=0, points=60, orientation="gradient"):
    rng = np.random.default_rng(seed)
    writer = PatchSetWriter(folder)
    writer.add("harbour", Views.REAL, textures(points, 3, rng))
    writer.add("harbour", Views.SYNTHETIC, textures(points, 2, rng))
    writer.add("market", Views.SYNTHETIC, textures(2 * points, 4, rng))
    source = Source("harbour", folder / "photos", licence="CC0-1.0", origin="our own")
    return writer.finish(
        window=PatchWindow(24.0), orientation=orientation, sources=[source], options={"seed": seed}
    )
