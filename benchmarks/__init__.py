"""How fast and how good this project is, measured against COLMAP's own pipeline on the same machine in the same run."""
