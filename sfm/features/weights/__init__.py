"""Weights that ship with the package, one safetensors file a network."""
