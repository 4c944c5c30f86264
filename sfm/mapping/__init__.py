"""The COLMAP border: database, incremental mapping, bundle adjustment, models."""
