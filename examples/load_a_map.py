"""Load a finished map, walk from its points to the pixels that saw them, and draw it.

python examples/load_a_map.py OUT/sparse/0 map.png

Any COLMAP model folder will do, binary or text.
"""

import argparse
from pathlib import Path

import numpy as np

import sfm
from sfm.files import write_image
from sfm.report.pictures import draw_map


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="folder with cameras, images and points3D files")
    parser.add_argument("picture", type=Path, help="picture to draw, .png or .jpg")
    arguments = parser.parse_args()

    sparse_map = sfm.read_map(arguments.model)
    row_of_point = {point_id: row for row, point_id in enumerate(sparse_map.point_ids)}

    print("image                 points   reprojection error")
    for image in sparse_map.images_by_name:
        # A keypoint observes a 3D point, or none (-1).
        seen = image.point_ids >= 0
        xyz = sparse_map.xyz[[row_of_point[point_id] for point_id in image.point_ids[seen]]]

        # World to camera by the pose, camera to pixels by the intrinsics, lens distortion included.
        camera = sparse_map.cameras[image.camera_id]
        projected = camera.project(image.cam_from_world.apply(xyz))

        error_px = np.linalg.norm(projected - image.xy[seen], axis=1)
        print(f"{image.name:20} {len(xyz):7}   {error_px.mean():.2f} px")

    write_image(arguments.picture, draw_map(sparse_map))
    print(f"\nThe map with the camera path is drawn in {arguments.picture}.")


if __name__ == "__main__":
    main()
