"""The `sfm` command."""

import click


@click.group()
def main() -> None:
    """Make sparse 3D maps and camera paths from photographs."""
