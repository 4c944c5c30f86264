"""A map in a frame of the world: aligned to GPS, to given positions, to another map, or to gravity."""
