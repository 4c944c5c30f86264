"""A photograph taken by day as it might look at night: at a chosen darkness, or drawn for training.

What makes night photographs hard is simulated in the order in which it happens: daylight goes and a few coloured
lamps stay; their light is scattered in the lens; the camera moves during the longer exposure; few photons are
counted, and the sensor adds noise of its own (Poisson and Gaussian: A. Foi et al., "Practical Poissonian-Gaussian
noise modeling and fitting for single-image raw-data", TIP 2008); the picture comes out darker, and is compressed.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sfm.images.jpeg import compress
from sfm.rendering.daylight import relief, shadow

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_GAMMA = 2.2
_DUSK = np.array([0.75, 0.88, 1.25], np.float32)  # what is left of the sky's light is blue
_CORE = 12.0  # brightness of a lamp itself, in whites
_STEPS_OF_BLUR = 32


@dataclass(frozen=True)
class Darkness:
    """What one number, from 0 (day) to 1 (night), means for a photograph.

    Attributes
    ----------
    level
        The number.
    """

    level: float

    @property
    def daylight(self) -> float:
        """Share of the daylight that is left."""
        return float(10 ** (-2.2 * self.level))

    @property
    def lamps(self) -> float:
        """Brightness of the ground below a lamp, as a share of full daylight; lamps are switched on at dusk."""
        t = float(np.clip((self.level - 0.1) / 0.5, 0, 1))
        return 0.5 * t * t * (3 - 2 * t)

    @property
    def electrons_at_white(self) -> float:
        """Photons counted where the picture is white."""
        return float(20_000 ** (1 - self.level) * 80**self.level)

    @property
    def read_noise_electrons(self) -> float:
        """Standard deviation of the sensor's own noise."""
        return 2 + 4 * self.level

    @property
    def blur_share(self) -> float:
        """Way of the image during the exposure, as a share of its longer side."""
        return 0.004 * self.level**2

    @property
    def glow(self) -> float:
        """Share of the light that is scattered in the lens."""
        return 0.15 * self.level

    @property
    def brightness(self) -> float:
        """How bright the lit parts come out, as a share of white."""
        return 1 - 0.55 * self.level

    @property
    def jpeg_quality(self) -> int:
        """Quality of compression."""
        return round(95 - 45 * self.level)


def render_night(image: Bytes, darkness: float, rng: np.random.Generator) -> Bytes:
    """Return a daylight photograph as it might look in the dark.

    Parameters
    ----------
    image : (H, W, 3) uint8
        RGB, by day.
    darkness
        0 (returns the image unchanged) to 1 (a dark night with a few lamps). The higher, the less is left to see.
    rng
        Of lamps, shake and noise. The same state puts the same lamps into the scene at every darkness.

    Returns
    -------
    (H, W, 3) uint8, RGB
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError("an image is an array of (H, W, 3) uint8")
    if not 0 <= darkness <= 1:
        raise ValueError(f"darkness is a number from 0 to 1, not {darkness}")
    if darkness == 0:
        return image.copy()
    night = Darkness(darkness)
    height, width = image.shape[:2]
    lamps = _draw_lamps(rng)
    shake = float(rng.uniform(0, np.pi))
    day = (image.astype(np.float32) / np.float32(255)) ** np.float32(_GAMMA)
    lit, cores = _lamp_light(lamps, height, width)
    tint = 1 + np.float32(night.level) * (_DUSK - 1)
    scene = day * (np.float32(night.daylight) * tint + np.float32(night.lamps) * lit)
    # Exposed so that the brighter parts of what the lamps show come out as they did by day.
    white = max(float(np.percentile(scene, 98)) / max(float(np.percentile(day, 98)), 1e-3), 1e-6)
    scene = scene / np.float32(white) + np.float32(_CORE * night.lamps) * cores
    scene = _scatter(scene, night.glow)
    scene = _shaken(scene, night.blur_share * max(height, width), shake)
    scene = _count_photons(scene, night.electrons_at_white, rng)
    read_noise = np.float32(night.read_noise_electrons / night.electrons_at_white)
    exposed = np.clip(scene + read_noise * rng.standard_normal(scene.shape, np.float32), 0, 1)
    encoded = exposed ** np.float32(1 / _GAMMA) * np.float32(255 * night.brightness)
    rgb = np.clip(encoded + 0.5, 0, 255).astype(np.uint8)
    bgr = compress(np.ascontiguousarray(rgb[..., ::-1]), night.jpeg_quality)
    return np.ascontiguousarray(bgr[..., ::-1])


def draw_night(light: Floats, rng: np.random.Generator) -> Floats:
    """Take the daylight away, light some coloured lamps, and let few photons make the picture.

    Where `render_night` makes one night at a chosen darkness, this draws nights as unlike each other as they come, for
    a network to learn from. Every other night something glows that was dark by day, as windows do: there light and
    dark change places.

    Parameters
    ----------
    light : (H, W, 3) float32
        BGR by day, gamma encoded, 0 to 1.
    rng
        Draws everything.

    Returns
    -------
    (H, W, 3) float32, BGR, 0 to 1; not yet blurred, nor compressed.
    """
    height, width = light.shape[:2]
    reflectance = relief(light, rng) ** np.float32(rng.uniform(1.2, 2.2))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    # Between dusk, which still lights everything, and a black sky.
    lamps = np.full((height, width, 3), 10 ** rng.uniform(-2.0, -0.5), np.float32)
    for _ in range(int(rng.integers(3, 16))):
        centre_x, centre_y = rng.uniform(0, width), rng.uniform(0, height)
        reach = np.exp(rng.uniform(np.log(0.03), np.log(0.4))) * max(height, width)
        fall = _lamp_fall((x - centre_x) ** 2 + (y - centre_y) ** 2, reach)
        colour = rng.uniform([0.2, 0.5, 0.7], 1.0).astype(np.float32)  # B, G, R: lamps are warm
        lamps += rng.uniform(0.2, 1.0) * fall[..., None] * colour
    scene = reflectance * lamps
    if rng.random() < 0.5:
        warm = rng.uniform([0.3, 0.6, 0.8], 1.0).astype(np.float32)
        lit = shadow((height, width), rng) * np.float32(rng.uniform(0.1, 0.8))
        scene += lit[..., None] * (1 - light.mean(axis=2, keepdims=True)) ** 4 * warm
    scene /= max(float(np.percentile(scene, rng.uniform(95, 99.5))), 1e-3)
    scene = _count_photons(scene, 10 ** rng.uniform(1.5, 3.0), rng)
    return np.clip(scene, 0, 1) ** np.float32(rng.uniform(0.4, 0.9)) * np.float32(rng.uniform(0.4, 1.0))


def _lamp_fall(distance_sq: Floats, reach: float) -> Floats:
    """Return what a lamp gives to the ground, as a share of what it gives right below itself.

    Parameters
    ----------
    distance_sq : float32
        Square of the distance from the lamp in the image, pixels squared.
    reach
        Height of the lamp above the ground, pixels: light falls with the cube of the way's cosine.
    """
    fall: Floats = (1 + distance_sq / np.float32(reach**2)) ** np.float32(-1.5)
    return fall


def _count_photons(scene: Floats, electrons_at_white: float, rng: np.random.Generator) -> Floats:
    """Return linear light (1 is white) as a sensor counts it that is full at four times white: Poisson noise."""
    counted = rng.poisson(np.minimum(scene, 4) * electrons_at_white).astype(np.float32)
    return counted / np.float32(electrons_at_white)


@dataclass(frozen=True)
class _Lamps:
    """Street lamps: places and reach as shares of the image's sides, colours linear RGB."""

    places: NDArray[np.float64]
    reach: NDArray[np.float64]
    radius: NDArray[np.float64]
    colour: NDArray[np.float64]
    power: NDArray[np.float64]


def _draw_lamps(rng: np.random.Generator) -> _Lamps:
    count = int(rng.integers(3, 8))
    return _Lamps(
        places=rng.uniform([0.0, 0.1], [1.0, 0.7], (count, 2)),
        reach=rng.uniform(0.12, 0.35, count),
        radius=rng.uniform(0.003, 0.008, count),
        # From sodium's orange to the white of LEDs.
        colour=np.array([1.0, 0.55, 0.2]) + rng.uniform(0, 1, (count, 1)) * np.array([0.0, 0.4, 0.65]),
        power=rng.uniform(0.3, 1.0, count),
    )


def _lamp_light(lamps: _Lamps, height: int, width: int) -> tuple[Floats, Floats]:
    """Return the light that falls on the scene, and the lamps themselves, (H, W, 3) each."""
    side = max(height, width)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    lit = np.zeros((height, width, 3), np.float32)
    cores = np.zeros((height, width, 3), np.float32)
    for place, reach, radius, colour, power in zip(
        lamps.places, lamps.reach, lamps.radius, lamps.colour, lamps.power, strict=True
    ):
        centre_x, centre_y = place * [width, height]
        distance_sq = (x - np.float32(centre_x)) ** 2 + (y - np.float32(centre_y)) ** 2
        lit += _lamp_fall(distance_sq, reach * side)[..., None] * (power * colour).astype(np.float32)
        core = np.exp(-distance_sq / np.float32(2 * (radius * side) ** 2))
        cores += core[..., None] * (0.5 + 0.5 * colour).astype(np.float32)
    return lit, cores


def _scatter(scene: Floats, share: float) -> Floats:
    """Spread some of the light around where it is: a halo about lamps, and a veil over everything."""
    height, width = scene.shape[:2]
    small = cv2.resize(scene, (max(1, width // 8), max(1, height // 8)), interpolation=cv2.INTER_AREA)
    halo = np.zeros_like(small)
    for spread, weight in ((0.01, 0.5), (0.04, 0.3), (0.15, 0.2)):
        sigma = max(0.5, spread * max(small.shape[:2]))
        halo += np.float32(weight) * cv2.GaussianBlur(small, (0, 0), sigma)
    halo = cv2.resize(halo, (width, height), interpolation=cv2.INTER_LINEAR)
    mixed: Floats = np.float32(1 - share) * scene + np.float32(share) * halo
    return mixed


def _shaken(scene: Floats, length_px: float, direction: float) -> Floats:
    """Blur along a straight way of `length_px` pixels."""
    if length_px < 0.1:
        return scene
    reach = int(np.ceil(length_px / 2)) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    for t in (np.arange(_STEPS_OF_BLUR) + 0.5) / _STEPS_OF_BLUR - 0.5:
        at_x, at_y = reach + t * length_px * np.cos(direction), reach + t * length_px * np.sin(direction)
        column, row = int(at_x), int(at_y)
        right, below = at_x - column, at_y - row
        kernel[row, column] += (1 - right) * (1 - below)
        kernel[row, column + 1] += right * (1 - below)
        kernel[row + 1, column] += (1 - right) * below
        kernel[row + 1, column + 1] += right * below
    return np.asarray(
        cv2.filter2D(scene, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT), np.float32
    )
