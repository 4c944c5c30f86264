"""What the user decided reaches every way to map that may be tried."""

from sfm.geometry.camera import Camera
from sfm.mapping.options import MappingOptions
from sfm.mapping.strategy import plan
from sfm.viewgraph.graph import build_view_graph, read_view_graph


def test_every_way_adjusts_bundles_as_told():
    names = ["a.jpg", "b.jpg"]
    reading = read_view_graph(build_view_graph(names, []), names)
    cameras = {1: Camera("SIMPLE_RADIAL", 640, 480, (600.0, 319.5, 239.5, 0.0), focal_is_known=True)}
    options = MappingOptions(global_growth=1.7, global_refinements=3, local_refinements=4)
    ways = plan(reading, cameras, options, 2.0)
    assert len(ways) > 1
    for way in ways:
        settings = way.settings
        found = settings.global_growth, settings.global_refinements, settings.local_refinements
        assert found == (1.7, 3, 4)
