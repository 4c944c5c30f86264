"""Images that a map holds by too few points leave it.

Matches with one other image fix where an image looks and on which line it is, but not how far along that line: only
points that a third image sees too tell that. Where wrong matches placed an image, the robust adjustment drops their
observations and leaves the image where it is, held by next to nothing.
"""

from __future__ import annotations

from sfm.mapping.colmap import pycolmap
from sfm.mapping.incremental import Model

# Points that two other images see as well. Of 933 images in maps of the scenes and of random subsets of them, those
# held by one were wrong, by metres; the fewest of an image in its place were nine.
_HELD_BY = 5


def drop_loose_images(model: Model) -> list[str]:
    """Take images out of a model that fewer than five points hold, points that at least two other images see.

    Whoever was held by them may be loose then too. Two images stay: there is no third one to hold them.

    Parameters
    ----------
    model
        The model; it is changed.

    Returns
    -------
    The names of the images that left it.
    """
    dropped: list[str] = []
    observations = pycolmap.ObservationManager(model)
    while model.num_reg_images() > 2:
        holding = {image_id: _points_holding(model, image_id) for image_id in model.reg_image_ids()}
        loosest = min(holding, key=lambda image_id: (holding[image_id], image_id))
        if holding[loosest] >= _HELD_BY:
            break
        image = model.image(loosest)
        dropped.append(image.name)
        observations.deregister_frame(image.frame_id)
    return dropped


def _points_holding(model: Model, image_id: int) -> int:
    """Count an image's points that at least two others see; enough are not counted any further."""
    image = model.image(image_id)
    count = 0
    for i in range(image.num_points2D()):
        point = image.point2D(i)
        if point.has_point3D() and model.point3D(point.point3D_id).track.length() > 2:
            count += 1
            if count == _HELD_BY:
                break
    return count
